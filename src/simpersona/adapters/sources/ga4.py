"""Google Analytics 4 as exported to BigQuery (parquet or JSON lines), and the flat CSV samples of its public shop."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis makes the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

from pathlib import Path

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from simpersona.adapters.engines.duckdb import log_files, read_lines
from simpersona.adapters.sources.ga_flat import read_flat
from simpersona.adapters.sources.json_fields import json_objects, json_value
from simpersona.adapters.sources.named_products import CATALOGUE_FILES, catalogue
from simpersona.adapters.sources.source_times import moment
from simpersona.adapters.sources.table_files import PATTERNS, columns_of, kind_of, parquet_rows, row_text
from simpersona.contracts import Capabilities, RawLog
from simpersona.errors import SourceError
from simpersona.events.cleaning import IGNORED
from simpersona.events.materialize import materialize

EVENT_OF = {
    "page_view": "page_viewed",
    "view_item": "product_viewed",
    "view_item_list": "collection_viewed",
    "search": "search_submitted",
    "view_search_results": "search_submitted",
    "add_to_cart": "product_added_to_cart",
    "remove_from_cart": "product_removed_from_cart",
    "view_cart": "cart_viewed",
    "begin_checkout": "checkout_started",
    "purchase": "checkout_completed",
}
"""Every other event (select_item, scroll, session_start, add_payment_info, a shop's own) is set aside and counted;
a product that is selected in a list gives its own view_item.
"""
PER_PRODUCT = ("product_viewed", "product_added_to_cart", "product_removed_from_cart", "checkout_completed")
"""The events that give one row per item."""
NEEDED = ("event_name", "event_timestamp", "user_pseudo_id")

_SCALARS = {
    "name": "event_name",
    "stamp": "event_timestamp",
    "place": "batch_event_index",
    "buyer_id": "user_pseudo_id",
    "host": "device.web_info.hostname",
    "transaction": "ecommerce.transaction_id",
    "revenue": "ecommerce.purchase_revenue",
}
_VALUE = "struct<string_value: string, int_value: string, float_value: string, double_value: string>"
_PARAMS = f"array<struct<key: string, value: {_VALUE}>>"
_ITEM_FIELDS = (
    "item_id", "item_name", "item_brand", "item_category", "price", "quantity", "item_list_id", "item_list_name",
)  # fmt: skip
_ITEMS = f"array<struct<{', '.join(f'{name}: string' for name in _ITEM_FIELDS)}>>"
_NOT_SET = ("", "(not set)")
_NAME = r"^[A-Za-z0-9_]{1,40}$"  # of an event, as Google allows it; anything else may be personal


class Ga4Source:
    """Reads a file, a folder or a pattern of files of the daily tables `events_YYYYMMDD`, as parquet or as JSON lines;
    an EventSource. Files of CSV are read as `events_ga_flat` says.

    The shop is `shop`, else the host name (`device.web_info.hostname`, else that of `page_location`). A buyer is a
    `user_pseudo_id`; rows without one, of visitors who did not consent, are set aside. A session is a
    `ga_session_id`. Prices and order values are in the currency of the event. A list is its id, else its name.
    """

    def __init__(self, shop: str | None = None) -> None:
        self.shop = shop

    def read(self, path: Path, engine: SQLBackend) -> RawLog:
        """The log at `path`; an input row is an event.

        Raises SourceError if there is no log, it cannot be read or lacks one of NEEDED.
        """
        files = log_files(path, PATTERNS, "GA4's BigQuery export as parquet or JSON lines")
        files = [file for file in files if file.name not in CATALOGUE_FILES]
        kind, names = kind_of(files), columns_of(files)
        if kind == "csv":
            return read_flat(engine, files, names, self.shop)
        if missing := [name for name in NEEDED if name not in names]:
            raise SourceError(
                f"{files[0]}: missing column(s) {', '.join(missing)}. Found: {', '.join(names)[:300]}."
                f" Expected GA4's BigQuery export, with {', '.join(NEEDED)}. Correct source.path or source.format."
            )
        read, rows_in = _read_parquet(engine, files) if kind == "parquet" else _read_json(engine, files)
        judged = materialize(_judged(self._flat(read)), "ga4_events")
        used = judged.filter(judged.reason.isnull())
        products, collections = catalogue(engine, files[0].parent, lambda: _mentions(used))
        return RawLog(
            events=_events(used),
            rejected=judged.filter(judged.reason.notnull()).select("file", "row", "reason", "raw"),
            products=products,
            collections=collections,
            rows_in=rows_in,
            has=Capabilities(
                has_search=True,
                has_collection=True,
                has_checkout_start=True,
                has_price=True,
                has_session=True,
                has_text=True,
            ),
        )

    def _flat(self, read: ibis.Table) -> ibis.Table:
        """One row per event with what is needed of its parameters; `goods` are its items."""

        def param(name: str) -> ir.StringValue:
            found = read.params.filter(lambda given: given["key"] == name).map(
                lambda given: _param_text(given["value"])
            )
            return _set(found[0])

        goods = read.items.map(_good)
        page = param("page_location").re_extract(r"^[a-z]+://([^/:?#]+)", 1)
        event = read.name.cases(*EVENT_OF.items(), else_=ibis.null("string"))
        is_order, is_list = event == "checkout_completed", event == "collection_viewed"
        listed = ibis.coalesce(
            param("item_list_id"), goods[0]["list_id"], param("item_list_name"), goods[0]["list_name"]
        )
        return read.select(
            "file",
            "row",
            "raw",
            "fault",
            "name",
            event=event,
            shop_id=ibis.literal(self.shop) if self.shop else _set(ibis.coalesce(_set(read.host), page)),
            buyer_id=read.buyer_id,
            session_id=param("ga_session_id"),
            time=moment(read.stamp, "us"),
            seq=read.place.try_cast("int64"),
            query=ibis.ifelse(event == "search_submitted", param("search_term"), None),
            collection_id=ibis.ifelse(is_list, listed, None),
            collection=ibis.ifelse(is_list, ibis.coalesce(param("item_list_name"), goods[0]["list_name"]), None),
            order_id=ibis.ifelse(is_order, ibis.coalesce(_set(read.transaction), param("transaction_id")), None),
            value=ibis.ifelse(is_order, ibis.coalesce(read.revenue, param("value")).try_cast("float64"), None),
            goods=goods,
        )


def _read_json(engine: SQLBackend, files: list[Path]) -> tuple[ibis.Table, int]:
    lines, rows_in = read_lines(engine, files)
    paths = {ours: f"$.{theirs}" for ours, theirs in _SCALARS.items()}
    parsed = materialize(json_objects(lines, paths | {"params": "$.event_params", "items": "$.items"}), "ga4_lines")
    values = {"params": json_value(parsed.params, _PARAMS), "items": json_value(parsed["items"], _ITEMS)}
    return parsed.select("file", "row", "fault", *_SCALARS, raw="line", **values), rows_in


def _read_parquet(engine: SQLBackend, files: list[Path]) -> tuple[ibis.Table, int]:
    table, rows_in = parquet_rows(engine, files)
    scalars = {}
    for ours, theirs in _SCALARS.items():
        first, *rest = theirs.split(".")
        value: ir.Value = table[first] if first in table.columns else ibis.null("string")
        for step in rest:
            value = _field(value, step)
        scalars[ours] = value.cast("string").nullif("")
    lists = {}
    for ours, theirs, kind in (("params", "event_params", _PARAMS), ("items", "items", _ITEMS)):
        given = _list(table[theirs]) if theirs in table.columns else ibis.null(kind)
        lists[ours] = given
    none = ibis.null("string")
    return table.select("file", "row", raw=row_text(table), fault=none, **scalars, **lists), rows_in


def _list(value: ir.Value) -> ir.Value:
    """A repeated field; some exports write it as {"list": [{"element": ...}]}."""
    if isinstance(kind := value.type(), dt.Struct) and kind.names == ("list",):
        return value["list"].map(lambda entry: entry["element"])
    return value


def _field(value: ir.Value, name: str) -> ir.Value:
    kind = value.type()
    return value[name] if isinstance(kind, dt.Struct) and name in kind.names else ibis.null("string")


def _text(value: ir.Value, name: str) -> ir.StringValue:
    return _field(value, name).cast("string")


def _param_text(value: ir.StructValue) -> ir.StringValue:
    return ibis.coalesce(*[_text(value, f"{kind}_value") for kind in ("string", "int", "double", "float")])


def _set(text: ir.StringValue) -> ir.StringValue:
    return ibis.ifelse(text.isin(_NOT_SET), None, text)


def _good(item: ir.StructValue) -> ir.StructValue:
    return ibis.struct(
        {
            "product_id": ibis.coalesce(_set(_text(item, "item_id")), _set(_text(item, "item_name"))),
            "title": _set(_text(item, "item_name")),
            "vendor": _set(_text(item, "item_brand")),
            "product_type": _set(_text(item, "item_category")),
            "price": _text(item, "price").try_cast("float64"),
            "quantity": _text(item, "quantity").try_cast("int64"),
            "list_id": _set(_text(item, "item_list_id")),
            "list_name": _set(_text(item, "item_list_name")),
        }
    )


def _judged(flat: ibis.Table) -> ibis.Table:
    shown = ibis.ifelse(flat.name.re_search(_NAME), flat.name, "an event of another name")
    return flat.mutate(
        reason=ibis.cases(
            (flat.fault.notnull(), flat.fault),
            (flat.name.isnull(), "event_name is missing"),
            (flat.event.isnull(), IGNORED + shown),
            (flat.buyer_id.isnull(), IGNORED + "no user_pseudo_id, as where a visitor does not consent"),
            else_=ibis.null("string"),
        )
    )


def _events(used: ibis.Table) -> ibis.Table:
    several = (used.event.isin(PER_PRODUCT) & (used.goods.length() > 0)).fill_null(False)
    nothing = {"product_id": ibis.null("string"), "price": ibis.null("float64"), "quantity": ibis.null("int64")}
    single = used.filter(~several).mutate(part=ibis.literal(0, "int64"), **nothing)
    lines = used.filter(several).mutate(good=used.goods).unnest("good", offset="part")
    lines = lines.mutate(part=lines.part.cast("int64"), **{name: lines.good[name] for name in nothing})
    shape = (
        "shop_id", "buyer_id", "session_id", "time", "event", "product_id", "collection_id", "query", "price",
        "quantity", "order_id", "value", "file", "row", "part", "seq", "raw",
    )  # fmt: skip
    return ibis.union(*[rows.select(*shape) for rows in (single, lines)])


def _mentions(used: ibis.Table) -> tuple[ibis.Table, ibis.Table]:
    goods = used.select("shop_id", "collection_id", good=used.goods).unnest("good")
    fields = ("product_id", "title", "vendor", "product_type", "price")
    products = goods.select("shop_id", "collection_id", **{name: goods.good[name] for name in fields})
    return products, used.select("shop_id", "collection_id", title="collection")
