"""Flat CSV tables of Google Analytics: item rows of GA4 purchases, and hits of GA360 (Universal Analytics)."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis makes the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import ibis
import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from simpersona.adapters.sources.amounts import AmountSettings
from simpersona.adapters.sources.csv_lines import read_csv_lines
from simpersona.adapters.sources.event_rows import PER_PRODUCT, number
from simpersona.adapters.sources.identity import Identity
from simpersona.adapters.sources.table import TableSource
from simpersona.adapters.sources.table_files import TableRows, read_rows
from simpersona.contracts import RawLog
from simpersona.errors import SourceError
from simpersona.events.materialize import materialize

PURCHASES = ("user_pseudo_id", "event_timestamp", "item_id", "item_name", "price", "quantity")
HITS = (
    "visitId", "time", "productSKU", "v2ProductName", "productPrice", "productQuantity", "transactionId",
    "transactionRevenue", "pagePathLevel1", "eCommerceAction_type", "eCommerceAction_step",
)  # fmt: skip

_NOT_SET = ("", "(not set)")
_CLICK = "click on a product in a list"
_ACTIONS = {
    "1": _CLICK,
    "2": "product_viewed",
    "3": "product_added_to_cart",
    "4": "product_removed_from_cart",
    "6": "checkout_completed",
}


def read_ga_csv(
    engine: SQLBackend, files: Sequence[Path], names: Sequence[str], identity: Identity, amounts: AmountSettings
) -> RawLog:
    """The log of CSV files with these columns.

    Item rows of purchases have the columns PURCHASES: the rows of one buyer and time are one order. Hits have the columns
    HITS; their visitor ids are unusable in the published sample, so a buyer is a visit (`visitId`, its
    start in seconds). The action type of a hit says what it is; without one it is a page view, a search (whose query is
    not published) or a view of the cart, by its page. The first checkout step starts a checkout.

    Raises SourceError if the columns are of neither kind.
    """
    if all(name in names for name in PURCHASES):
        columns = {
            "buyer_id": "user_pseudo_id", "time": "event_timestamp", "event": "=checkout_completed",
            "product_id": "item_id", "title": "item_name", "price": "price", "quantity": "quantity",
            "order_id": "event_timestamp",
        }  # fmt: skip
        source = TableSource.of(identity, amounts, time_format="us", nothing=_NOT_SET)
        return source.of_rows(engine, read_rows(engine, files, columns), files[0].parent)
    if all(name in names for name in HITS):
        read = read_csv_lines(engine, files, HITS, "GA360 hits")
        rows = materialize(_hits(read.rows), "ga360_hits")
        source = TableSource.of(identity, amounts, events={_CLICK: "ignored"}, time_format="ms", nothing=_NOT_SET)
        return source.of_rows(engine, TableRows(rows, read.rejected, read.rows_in), files[0].parent)
    raise SourceError(
        f"{files[0]}: a CSV of Google Analytics has the columns {', '.join(PURCHASES)} (item rows of purchases) or"
        f' {", ".join(HITS)} (hits). Found: {", ".join(names)[:300]}. Any other table: source.format = "table".'
    )


def _hits(rows: ibis.Table) -> ibis.Table:
    page, action = rows.pagePathLevel1.fill_null(""), rows.eCommerceAction_type
    event = ibis.cases(
        ((action == "5") & (rows.eCommerceAction_step == "1"), "checkout_started"),
        (action.isin(list(_ACTIONS)), action.cases(*_ACTIONS.items(), else_=ibis.null("string"))),
        (page.startswith("/asearch.html"), "search_submitted"),
        (page.startswith("/basket.html"), "cart_viewed"),
        else_="page_viewed",
    )
    rows = rows.mutate(event=event)
    is_order, shown = rows.event == "checkout_completed", rows.event.isin(PER_PRODUCT)

    def money(micros: ir.StringValue) -> ir.FloatingValue:
        return number(micros) / 1_000_000

    return rows.select(
        "file",
        "row",
        "raw",
        "event",
        buyer_id="visitId",
        session_id="visitId",
        time=number(rows.visitId) * 1000 + number(rows.time).fill_null(0),
        # on other pages the product is one of those in a list
        product_id=ibis.ifelse(shown, rows.productSKU, None),
        title=ibis.ifelse(shown, rows.v2ProductName, None),
        price=ibis.ifelse(shown, money(rows.productPrice), None),
        quantity=rows.productQuantity,
        order_id=ibis.ifelse(is_order, rows.transactionId, None),
        value=ibis.ifelse(is_order, money(rows.transactionRevenue), None),
    )
