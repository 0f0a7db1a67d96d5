"""Shared by all sources: rows in the shape of EVENTS, one row per product, rejected rows, the catalogue."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis makes the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import ibis
import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from simpersona.adapters.sources.amounts import AmountReader, AmountSettings, currency_code, currency_in
from simpersona.adapters.sources.catalogue import CATALOGUE_FILES, catalogue
from simpersona.adapters.sources.currencies import in_one_currency
from simpersona.adapters.sources.identity import Identity, with_shops
from simpersona.adapters.sources.refund_rows import REFUNDED, is_refund, names_a_part, refund_event
from simpersona.contracts import COLLECTIONS, EVENTS, PRODUCTS, PROVENANCE, Capabilities, RawLog
from simpersona.events.cleaning import IGNORED
from simpersona.events.materialize import has_rows, materialize

ALL_KNOWN = Capabilities(
    has_search=True, has_collection=True, has_checkout_start=True, has_price=True, has_session=True, has_text=True
)
PER_PRODUCT = ("product_viewed", "product_added_to_cart", "product_removed_from_cart", "checkout_completed", REFUNDED)
"""The events that give one row per product."""

_SHAPE = {name: kind.copy(nullable=True) for name, kind in ibis.Schema.from_pyarrow(EVENTS.schema).items()} | {
    name: kind.copy(nullable=True) for name, kind in ibis.Schema.from_pyarrow(PROVENANCE).items()
}
_NAMES_SHOWN = 20
_OF_PRODUCT = ("product_id", "price", "quantity")
_MENTIONED = ("product_id", "title", "vendor", "product_type", "price")


def event_log(
    engine: SQLBackend,
    folder: Path,
    rows: ibis.Table,
    rows_in: int,
    has: Capabilities,
    identity: Identity,
    amounts: AmountSettings,
    mentions: Callable[[ibis.Table, AmountReader], tuple[ibis.Table, ibis.Table]] | None = None,
    warnings: tuple[str, ...] = (),
) -> RawLog:
    """The log of a source that reads one event per input row.

    `rows` has `file`, `row`, `raw`, the `reason` why a row is not used (null where it is), `goods` (an array of structs
    of product_id, title, vendor, product_type, price and quantity), the name of the `collection`, and the columns of
    EVENTS as far as the source has them, and perhaps `currency`; an event may be one of REFUND_NAMES. `identity` says whose the rows are. Amounts are texts,
    which `amounts` says how to read. The catalogue lies in `folder`, or is made from what the used rows mention (see
    `catalogue`); `mentions` is `mentioned_goods` unless given. Without a readable amount the log has no prices.
    """
    rows, of_host, about_ids = identity.resolve(rows)
    texts = rows.filter(rows.reason.isnull())
    texts = texts.mutate(event=refund_event(texts.event, names_a_part(texts)))
    reader = AmountReader.of(texts, amounts.decimal)
    if "currency" in texts.columns:
        texts = texts.mutate(currency=_currency(texts))
    # computed once: the expression of an amount is long, and every later step would repeat it
    read = materialize(reader.read(texts), "amounts")
    one = in_one_currency(read, amounts.exchange_rates)
    used = one.rows
    named = used.filter(~is_refund(used.event))
    products, collections = catalogue(
        engine, folder, lambda: mentions(named, reader) if mentions else mentioned_goods(named)
    )
    # a catalogue beside the log may name its shops by their hosts
    if identity.shop is None and any((folder / name).is_file() for name in CATALOGUE_FILES):
        products = with_shops(products, of_host, PRODUCTS.key)
        collections = with_shops(collections, of_host, COLLECTIONS.key)
    has_price = has.has_price and reader.is_readable("price", "value", "line_total")
    return RawLog(
        product_rows(used),
        rejected_rows(rows),
        products,
        collections,
        rows_in,
        replace(has, has_price=has_price, has_session=has.has_session and _any(used, "session_id")),
        (*warnings, *about_ids, *reader.warnings(), *one.warnings),
        one.counts,
        one.currency,
        one.of_store,
    )


def _currency(texts: ibis.Table) -> ir.StringValue:
    """The currency that a row names in its own column, else in one of its amounts."""
    amounts = [texts[name] for name in ("value", "price") if name in texts.columns]
    return ibis.coalesce(
        currency_code(texts.currency), *map(currency_in, amounts), currency_in(texts.goods[0]["price"])
    )


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
    """REJECTED from the rows that have a reason, with their `event` where a source knows it."""
    event = rows.event if "event" in rows.columns else ibis.null("string")
    return rows.filter(rows[reason].notnull()).select("file", "row", reason=reason, raw=raw, event=event)


def ignored(name: ir.StringValue, harmless: str) -> ir.StringValue:
    """The reason of an event without a use. A name that does not match `harmless` is not shown: a field out of place may
    be personal.
    """
    return IGNORED + ibis.ifelse(name.re_search(harmless), name, "an event of another name")


def _any(rows: ibis.Table, column: str) -> bool:
    return has_rows(rows.filter(rows[column].notnull()))


def unmapped_names(rows: ibis.Table, harmless: str, setting: str = "") -> tuple[str, ...]:
    """What to say about rows of events, by their `name`, that no rule maps. Names that do not match `harmless` are counted,
    not shown.
    """
    shown = ibis.ifelse(rows["name"].re_search(harmless), rows["name"], ibis.null("string"))
    lines = rows.group_by(shown=shown).aggregate(rows=ibis._.count()).to_pyarrow().to_pylist()
    counts = {line["shown"]: line["rows"] for line in lines}
    if not counts:
        return ()
    names = sorted((name for name in counts if name is not None), key=lambda name: (-counts[name], name))
    listed = [f'"{name}" ({counts[name]:,} rows)' for name in names[:_NAMES_SHOWN]]
    others = sum(counts.values()) - sum(counts[name] for name in names[:_NAMES_SHOWN])
    listed += [f"other names ({others:,} rows)"] if others else []
    said = (
        f"{sum(counts.values()):,} rows have an event name that no rule maps, and are not used: {', '.join(listed)}. If one"
        f" of them is a purchase, a cart addition or a view, it is missing from the result.{setting}"
    )
    taken_back = [name for name in names if re.search(r"refund|cancel", name, re.IGNORECASE)]
    if not taken_back:
        return (said,)
    return (
        said,
        (
            f"{sum(counts[name] for name in taken_back):,} rows are refunds or cancellations, by their names"
            f" ({', '.join(taken_back[:_NAMES_SHOWN])}). They are not subtracted: the orders that they name keep their value."
        ),
    )


def page_host(address: ir.StringValue) -> ir.StringValue:
    """The host name in the address of a page; null where there is none."""
    return address.re_extract(r"^[a-z]+://([^/:?#]+)", 1).nullif("")


def number(value: ir.Value) -> ir.FloatingValue:
    """The value as a number, null where it is none."""
    return value.try_cast("float64")


def whole_number(value: ir.Value) -> ir.IntegerValue:
    """The value as a whole number, null where it is none."""
    return value.try_cast("int64")
