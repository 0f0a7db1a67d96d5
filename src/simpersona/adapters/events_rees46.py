"""REES46's published shop logs (Kaggle, "eCommerce behavior data", Open CDP), as CSV."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis makes the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

import csv
from pathlib import Path
from typing import Literal, NamedTuple

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends.duckdb import Backend

from simpersona.adapters.engine_duckdb import log_files, read_lines
from simpersona.contracts import Capabilities, RawLog
from simpersona.errors import SourceError
from simpersona.events.cleaning import usable
from simpersona.events.kept import keep

COLUMNS = ("event_time", "event_type", "product_id", "category_code", "brand", "price", "user_id", "user_session")
"""The columns that are needed, in any order; others (category_id) are not used."""

EVENT_OF = {
    "view": "product_viewed",
    "cart": "product_added_to_cart",
    "remove_from_cart": "product_removed_from_cart",
    "purchase": "checkout_completed",
}
UNCATEGORIZED = "uncategorized"
"""The shop of rows without a category code, where a shop is a category root."""

_MASS_NOUNS = ("memory", "underwear")


class Header(NamedTuple):
    """The first line of a file."""

    row: int
    columns: list[str]


class Rees46Source:
    """Reads one CSV file (plain or .gz) or a folder of them; an EventSource.

    With `shop_by` = "category_root" each root of `category_code` ("electronics") is a shop, and rows
    without a code are the shop "uncategorized"; with "none" the whole log is the shop "rees46". A buyer
    seen in two shops is two buyer-shop pairs. The log has no titles, searches, collection views or checkout
    starts: the catalogue is made of brand, category code and product id, and a purchase row is one unit.
    """

    def __init__(self, shop_by: Literal["category_root", "none"] = "category_root") -> None:
        self.shop_by = shop_by

    def read(self, path: Path, engine: Backend) -> RawLog:
        """The log at `path`. Lines with a wrong number of fields are rejected. A field that holds a comma has
        to stand in double quotes, and no field may hold a line's end.

        Raises SourceError if there is no log, it cannot be read or a needed column is missing.
        """
        files = log_files(path, ("*.csv", "*.csv.gz"), "the REES46 log, a CSV file or a folder of CSV files")
        lines, count = read_lines(engine, files)
        headers = _headers(lines, {file.name: file for file in files})
        body = _split(lines, headers)
        layouts = sorted({tuple(header.columns) for header in headers.values()})
        rows = keep(ibis.union(*[self._rows(body, layout, headers) for layout in layouts]), "rees46_rows")
        products = keep(_products(rows), "rees46_products")
        return RawLog(
            events=_events(rows),
            rejected=body.filter(body.fault.notnull()).select("file", "row", reason="fault", raw="line"),
            products=products.order_by("shop_id", "product_id"),
            collections=_collections(products).order_by("shop_id", "collection_id"),
            rows_in=count - len(files),
            has=Capabilities(has_price=True, has_session=True, has_text=True),
        )

    def _rows(self, body: ibis.Table, layout: tuple[str, ...], headers: dict[str, Header]) -> ibis.Table:
        files = [name for name, header in headers.items() if tuple(header.columns) == layout]
        whole = body.filter(body.fault.isnull() & body.file.isin(files))
        columns = {name: whole.fields[layout.index(name)].strip().nullif("") for name in COLUMNS}
        rows = whole.select("file", "row", raw=whole.line, **columns)
        return rows.mutate(shop_id=self._shop(rows.category_code))

    def _shop(self, category_code: ir.StringColumn) -> ir.StringValue:
        if self.shop_by == "none":
            return ibis.literal("rees46")
        return category_code.re_extract(r"^([^.]+)", 1).nullif("").fill_null(UNCATEGORIZED)


def _headers(lines: ibis.Table, files: dict[str, Path]) -> dict[str, Header]:
    """The first line of each file; each must name the needed columns."""
    first = lines.group_by("file").aggregate(row=lines.row.min(), line=lines.line.argmin(lines.row))
    headers: dict[str, Header] = {}
    for found in first.order_by("file").to_pyarrow().to_pylist():
        columns = [name.strip() for name in next(csv.reader([found["line"]]))]
        if missing := [name for name in COLUMNS if name not in columns]:
            raise SourceError(
                f"{files[found['file']]}, row {found['row']}: missing column(s) {', '.join(missing)}."
                f" Found: {', '.join(columns)[:300]}. Expected: {', '.join(COLUMNS)}."
                " Is this a REES46 log? Correct source.path or source.format."
            )
        headers[found["file"]] = Header(found["row"], columns)
    return headers


def _split(lines: ibis.Table, headers: dict[str, Header]) -> ibis.Table:
    """The lines below the headers with their `fields`, and the `fault` of those that are not whole."""
    widths = [
        {"name": name, "header_row": header.row, "width": len(header.columns)} for name, header in headers.items()
    ]
    known = ibis.memtable(pa.Table.from_pylist(widths))
    body = lines.join(known, lines.file == known.name)
    body = body.filter(body.row > body.header_row)
    # regular expressions are slow, and few lines have quotes
    body = body.mutate(fields=ibis.ifelse(body.line.contains('"'), _quoted_fields(body.line), body.line.split(",")))
    found = body.fields.length()
    fault = ibis.cases(
        (body.fault.notnull(), body.fault),
        (found.isnull(), "a quoted field does not end before a comma"),
        (found != body.width, "expected " + body.width.cast("string") + " fields, found " + found.cast("string")),
        else_=ibis.null("string"),
    )
    return body.mutate(fault=fault)


@ibis.udf.scalar.builtin(name="regexp_extract_all")
def _all_matches(text: str, pattern: str) -> list[str]:
    """DuckDB's list of what matches; Ibis has no word for it."""


def _quoted_fields(line: ir.StringValue) -> ir.ArrayValue:
    """The fields of a line with quotes (RFC 4180); null where quotes and commas do not fit together."""
    led = "," + line  # so that every field, an empty one too, is a match of one character or more
    fields = _all_matches(led, ',(?:"(?:[^"]|"")*"|[^,]*)')
    plain = fields.map(
        lambda field: ibis.ifelse(
            field.re_search('^,".*"$'), field.substr(2, field.length() - 3).replace('""', '"'), field.substr(1)
        )
    )
    return ibis.ifelse(fields.join("") == led, plain, None)


def _events(rows: ibis.Table) -> ibis.Table:
    def missing(kind: str) -> ir.Value:
        return ibis.null(kind)

    name = rows.event_type.cases(*EVENT_OF.items(), else_=rows.event_type)
    return rows.select(
        shop_id="shop_id",
        buyer_id="user_id",
        session_id="user_session",
        time=rows.event_time.try_cast("timestamp('UTC')"),
        event=name,
        product_id="product_id",
        collection_id=missing("string"),
        query=missing("string"),
        price=rows.price.try_cast("float64"),
        quantity=ibis.literal(1, "int64"),
        order_id=missing("string"),  # the purchase rows of a session are one order (REFERENCE 5)
        value=missing("float64"),
        file="file",
        row="row",
        part=ibis.literal(0, "int64"),
        seq=missing("int64"),
        raw="raw",
    )


def _products(rows: ibis.Table) -> ibis.Table:
    known = rows.filter(rows.product_id.notnull())
    per_product = known.group_by("shop_id", "product_id").aggregate(
        brand=known.brand.max(),  # max: any one, but always the same one
        code=known.category_code.max(),
        price=usable(known.price.try_cast("float64")).median(),
    )
    leaf = _leaf(per_product.code)
    kind = ibis.coalesce(leaf, ibis.literal("product"))
    title = ibis.ifelse(per_product.brand.isnull(), kind.capitalize(), per_product.brand.capitalize() + " " + kind)
    text = ibis.coalesce(per_product.brand + " ", ibis.literal("")) + ibis.coalesce(_words(per_product.code), "")
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
    return codes.mutate(title=_words(codes.collection_id).capitalize())


def _words(code: ir.StringValue) -> ir.StringValue:
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
