"""Shared by all sources: rows in the shape of EVENTS, one row per product, rejected rows, the catalogue."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis makes the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import ibis
import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from simpersona.adapters.sources.catalogue import CATALOGUE_FILES, catalogue
from simpersona.adapters.sources.identity import Identity, with_shops
from simpersona.contracts import COLLECTIONS, EVENTS, PRODUCTS, PROVENANCE, Capabilities, RawLog
from simpersona.events.cleaning import IGNORED

ALL_KNOWN = Capabilities(
    has_search=True, has_collection=True, has_checkout_start=True, has_price=True, has_session=True, has_text=True
)
PER_PRODUCT = ("product_viewed", "product_added_to_cart", "product_removed_from_cart", "checkout_completed")
"""The events that give one row per product."""

_SHAPE = {name: kind.copy(nullable=True) for name, kind in ibis.Schema.from_pyarrow(EVENTS.schema).items()} | {
    name: kind.copy(nullable=True) for name, kind in ibis.Schema.from_pyarrow(PROVENANCE).items()
}
_OF_PRODUCT = ("product_id", "price", "quantity")
_MENTIONED = ("product_id", "title", "vendor", "product_type", "price")


def event_log(
    engine: SQLBackend,
    folder: Path,
    rows: ibis.Table,
    rows_in: int,
    has: Capabilities,
    identity: Identity,
    mentions: Callable[[ibis.Table], tuple[ibis.Table, ibis.Table]] | None = None,
) -> RawLog:
    """The log of a source that reads one event per input row.

    `rows` has `file`, `row`, `raw`, the `reason` why a row is not used (null where it is), `goods` (an array of structs
    of product_id, title, vendor, product_type, price and quantity), the name of the `collection`, and the columns of
    EVENTS as far as the source has them. `identity` says whose the rows are. The catalogue lies in `folder`, or is made from what the used rows mention
    (see `catalogue`); `mentions` is `mentioned_goods` unless given.
    """
    rows, of_host, warnings = identity.resolve(rows)
    used = rows.filter(rows.reason.isnull())
    products, collections = catalogue(engine, folder, lambda: (mentions or mentioned_goods)(used))
    # a catalogue beside the log may name its shops by their hosts
    if identity.shop is None and any((folder / name).is_file() for name in CATALOGUE_FILES):
        products = with_shops(products, of_host, PRODUCTS.key)
        collections = with_shops(collections, of_host, COLLECTIONS.key)
    has = replace(has, has_session=has.has_session and _any(used, "session_id"))
    return RawLog(product_rows(used), rejected_rows(rows), products, collections, rows_in, has, warnings)


def event_rows(rows: ibis.Table, **columns: ir.Value | str) -> ibis.Table:
    """Rows in the shape of EVENTS and PROVENANCE. A column is the given one, else that of `rows`, else null; `part` is 0."""
    values: dict[str, ir.Value | str] = {}
    for name, kind in _SHAPE.items():
        if name in columns or name in rows.columns:
            values[name] = columns.get(name, rows[name] if name in rows.columns else name)
        else:
            values[name] = ibis.literal(0, "int64") if name == "part" else ibis.null(kind)
    return rows.select(**values)


def product_rows(events: ibis.Table) -> ibis.Table:
    """EVENTS from events with `goods`: one row per product of the events PER_PRODUCT, one row of each other event."""
    several = (events.event.isin(PER_PRODUCT) & (events.goods.length() > 0)).fill_null(False)
    each = events.filter(several).mutate(good=events.goods).unnest("good", offset="part")
    of_product = {name: each.good[name] for name in _OF_PRODUCT}
    return ibis.union(event_rows(events.filter(~several)), event_rows(each, part=each.part.cast("int64"), **of_product))


def mentioned_goods(events: ibis.Table) -> tuple[ibis.Table, ibis.Table]:
    """Every mention of a product in `goods`, and of a collection."""
    each = events.select("shop_id", "collection_id", good=events.goods).unnest("good")
    products = each.select("shop_id", "collection_id", **{name: each.good[name] for name in _MENTIONED})
    return products, events.select("shop_id", "collection_id", title="collection")


def rejected_rows(rows: ibis.Table, reason: str = "reason", raw: str = "raw") -> ibis.Table:
    """REJECTED from the rows that have a reason."""
    return rows.filter(rows[reason].notnull()).select("file", "row", reason=reason, raw=raw)


def ignored(name: ir.StringValue, harmless: str) -> ir.StringValue:
    """The reason of an event without a use. A name that does not match `harmless` is not shown: a field out of place may
    be personal.
    """
    return IGNORED + ibis.ifelse(name.re_search(harmless), name, "an event of another name")


def _any(rows: ibis.Table, column: str) -> bool:
    return bool(rows.filter(rows[column].notnull()).limit(1).count().to_pyarrow().as_py())


def page_host(address: ir.StringValue) -> ir.StringValue:
    """The host name in the address of a page; null where there is none."""
    return address.re_extract(r"^[a-z]+://([^/:?#]+)", 1).nullif("")


def number(value: ir.Value) -> ir.FloatingValue:
    """The value as a number, null where it is none."""
    return value.try_cast("float64")


def whole_number(value: ir.Value) -> ir.IntegerValue:
    """The value as a whole number, null where it is none."""
    return value.try_cast("int64")
