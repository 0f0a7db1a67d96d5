"""REES46's published shop logs (Kaggle, "eCommerce behavior data", Open CDP), as CSV."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis makes the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

from pathlib import Path
from typing import Literal

import ibis
import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from simpersona.adapters.engines.duckdb import log_files
from simpersona.adapters.sources.amounts import AmountReader, Decimal
from simpersona.adapters.sources.csv_lines import read_csv_lines
from simpersona.adapters.sources.event_rows import event_rows
from simpersona.contracts import Capabilities, RawLog
from simpersona.events.cleaning import possible_or_null
from simpersona.events.materialize import materialize

COLUMNS = ("event_time", "event_type", "product_id", "category_code", "brand", "price", "user_id", "user_session")
"""The columns that are needed, in any order; others (category_id) are not used."""

EVENT_OF = {
    "view": "product_viewed",
    "cart": "product_added_to_cart",
    "remove_from_cart": "product_removed_from_cart",
    "purchase": "checkout_completed",
}
LOGS = ("*.csv", "*.csv.gz", "*.csv.zip")
UNCATEGORIZED = "uncategorized"
"""The shop of rows without a category code, where a shop is a category root."""

_MASS_NOUNS = ("memory", "underwear")


class Rees46Source:
    """Reads one CSV file (plain, .gz or .zip) or a folder of them, such as one of months; an EventSource.

    With `shop_by` = "category_root" each root of `category_code` ("electronics") is a shop, and rows
    without a code are the shop "uncategorized"; with "none" the whole log is the shop "rees46". A buyer
    seen in two shops is two buyer-shop pairs. The log has no titles, searches, collection views or checkout
    starts. The catalogue is made of brand, category code and product id, and a purchase row is one unit.
    """

    def __init__(self, shop_by: Literal["category_root", "none"] = "category_root", decimal: Decimal = "auto") -> None:
        self.shop_by, self.decimal = shop_by, decimal

    def read(self, path: Path, engine: SQLBackend) -> RawLog:
        """The log at `path`. Lines with a wrong number of fields are rejected. A field that holds a comma
        must be in double quotes, and no field may hold a line break.

        Raises SourceError if there is no log, it cannot be read or a needed column is missing.
        """
        files = log_files(path, LOGS, "the REES46 log, a CSV file, a folder of CSV files or an archive of them")
        log = read_csv_lines(engine, files, COLUMNS, "a REES46 log")
        rows = materialize(log.rows.mutate(shop_id=self._shop(log.rows.category_code)), "rees46_rows")
        reader = AmountReader.of(rows, self.decimal)
        rows = reader.read(rows)
        products = materialize(_products(rows), "rees46_products")
        return RawLog(
            events=_events(rows),
            rejected=log.rejected,
            products=products.order_by("shop_id", "product_id"),
            collections=_collections(products).order_by("shop_id", "collection_id"),
            rows_in=log.rows_in,
            has=Capabilities(has_price=reader.is_readable("price"), has_session=True, has_text=True),
            warnings=reader.warnings(),
        )

    def _shop(self, category_code: ir.StringColumn) -> ir.StringValue:
        if self.shop_by == "none":
            return ibis.literal("rees46")
        return category_code.re_extract(r"^([^.]+)", 1).nullif("").fill_null(UNCATEGORIZED)


def _events(rows: ibis.Table) -> ibis.Table:
    # without an order_id the purchase rows of a session are one order (REFERENCE 5)
    return event_rows(
        rows,
        buyer_id="user_id",
        session_id="user_session",
        time=rows.event_time.try_cast("timestamp('UTC')"),
        event=rows.event_type.cases(*EVENT_OF.items(), else_=rows.event_type),
        price=rows.price,
        quantity=ibis.literal(1, "int64"),
    )


def _products(rows: ibis.Table) -> ibis.Table:
    rows = rows.filter(rows.product_id.notnull())
    per_product = rows.group_by("shop_id", "product_id").aggregate(
        brand=rows.brand.max(),  # max: any of them, but always the same
        code=rows.category_code.max(),
        price=possible_or_null(rows.price).median(),
    )
    leaf = _leaf(per_product.code)
    kind = ibis.coalesce(leaf, ibis.literal("product"))
    title = ibis.ifelse(per_product.brand.isnull(), kind.capitalize(), per_product.brand.capitalize() + " " + kind)
    text = ibis.coalesce(per_product.brand + " ", ibis.literal("")) + ibis.coalesce(_spaced(per_product.code), "")
    return per_product.select(
        "shop_id",
        "product_id",
        title=title + " " + per_product.product_id,
        text=text.strip().nullif("").fill_null("product"),
        vendor=per_product.brand,
        product_type=_plural(leaf),
        price=per_product.price,
        collection_ids=ibis.ifelse(
            per_product.code.isnull(), ibis.literal([], type="array<string>"), ibis.array([per_product.code])
        ),
        variants=ibis.null("array<string>"),
    )


def _collections(products: ibis.Table) -> ibis.Table:
    codes = products.select("shop_id", collection_id=products.collection_ids.unnest()).distinct()
    return codes.mutate(title=_spaced(codes.collection_id).capitalize())


def _spaced(code: ir.StringValue) -> ir.StringValue:
    return code.replace(".", " ").replace("_", " ")


def _leaf(code: ir.StringValue) -> ir.StringValue:
    return code.re_extract(r"([^.]+)$", 1).nullif("").replace("_", " ")


def _plural(noun: ir.StringValue) -> ir.StringValue:
    return ibis.cases(
        (noun.isin(_MASS_NOUNS) | noun.endswith("s"), noun),
        (noun.re_search("(x|ch|sh)$"), noun + "es"),
        (noun.re_search("[^aeiou]y$"), noun.re_replace("y$", "ies")),
        else_=noun + "s",
    )
