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
from simpersona.adapters.sources.amounts import json_amount, unambiguous
from simpersona.adapters.sources.catalogue import CATALOGUE_FILES
from simpersona.adapters.sources.event_rows import (
    ALL_KNOWN,
    event_log,
    ignored,
    page_host,
    unmapped_names,
    whole_number,
)
from simpersona.adapters.sources.ga_csv import read_ga_csv
from simpersona.adapters.sources.json_fields import json_objects, json_value
from simpersona.adapters.sources.refund_rows import REFUNDED, is_refund
from simpersona.adapters.sources.shop_log import ShopLogSource
from simpersona.adapters.sources.table_files import parquet_rows, row_text
from simpersona.adapters.sources.table_kinds import PATTERNS, columns_of, kind_of
from simpersona.adapters.sources.times import stamp_of
from simpersona.contracts import RawLog
from simpersona.errors import SourceError
from simpersona.events.cleaning import DUPLICATE, IGNORED
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
    "refund": REFUNDED,
}
"""Every other event (select_item, scroll, session_start, add_payment_info, a shop's own) is set aside and counted.
A product that is selected in a list has its own view_item.
"""
UNUSED_EVENTS = (
    "add_payment_info", "add_shipping_info", "add_to_wishlist", "click", "file_download", "first_visit", "form_start",
    "form_submit", "scroll", "select_item", "select_promotion", "session_start", "user_engagement", "video_complete",
    "video_progress", "video_start", "view_promotion",
)  # fmt: skip
"""Events of Google's own that no stage uses: they need no warning."""
NEEDED = ("event_name", "event_timestamp", "user_pseudo_id")

_SCALARS = {
    "name": "event_name",
    "stamp": "event_timestamp",
    "batch_index": "batch_event_index",
    "buyer_id": "user_pseudo_id",
    "host": "device.web_info.hostname",
    "transaction": "ecommerce.transaction_id",
    "revenue": "ecommerce.purchase_revenue",
    "refund": "ecommerce.refund_value",
}
_VALUE = "struct<string_value: string, int_value: string, float_value: string, double_value: string>"
_PARAMS = f"array<struct<key: string, value: {_VALUE}>>"
_ITEM_FIELDS = (
    "item_id", "item_name", "item_brand", "item_category", "price", "quantity", "item_list_id", "item_list_name",
)  # fmt: skip
_ITEM_TYPES = dict.fromkeys(_ITEM_FIELDS, "string") | {"price": "json", "quantity": "json"}  # numbers, or texts
_ITEMS = dt.dtype(f"array<struct<{', '.join(f'{name}: {kind}' for name, kind in _ITEM_TYPES.items())}>>")
_NOT_SET = ("", "(not set)")
_NAME = r"^[A-Za-z0-9_]{1,40}$"  # of an event, as Google allows it


class Ga4Source(ShopLogSource):
    """Reads a file, a folder or a pattern of files of the daily tables `events_YYYYMMDD`, as parquet or as JSON lines;
    an EventSource. `ga_csv` reads files of CSV.

    The shop is `shop`, else the host name (`device.web_info.hostname`, else that of `page_location`). A buyer is a
    `user_pseudo_id`; rows without one, of visitors who did not consent, are set aside. A session is a
    `ga_session_id`. Prices and order values are in the currency of the event. A list is its id, else its name.
    """

    def read(self, path: Path, engine: SQLBackend) -> RawLog:
        """The log at `path`; an input row is an event.

        Raises SourceError if there is no log, it cannot be read or lacks one of NEEDED.
        """
        files = log_files(path, PATTERNS, "GA4's BigQuery export as parquet or JSON lines")
        files = [file for file in files if file.name not in CATALOGUE_FILES]
        kind, names = kind_of(files), columns_of(files)
        if kind == "csv":
            return read_ga_csv(engine, files, names, self.identity, self.amounts)
        if missing := [name for name in NEEDED if name not in names]:
            raise SourceError(
                f"{files[0]}: missing column(s) {', '.join(missing)}. Found: {', '.join(names)[:300]}."
                f" Expected GA4's BigQuery export, with {', '.join(NEEDED)}. Correct source.path or source.format."
            )
        read, rows_in = _read_parquet(engine, files) if kind == "parquet" else _read_json(engine, files)
        flat = materialize(self._flat(read), "ga4_events")
        rows = _with_reason(mark_exported_again(flat) if len(files) > 1 else flat.mutate(repeated=False))
        unmapped = flat.filter(flat.fault.isnull() & flat.event.isnull() & ~flat.name.isin(UNUSED_EVENTS))
        said = unmapped_names(unmapped, _NAME)
        return event_log(engine, files[0].parent, rows, rows_in, ALL_KNOWN, self.identity, self.amounts, warnings=said)

    def _flat(self, read: ibis.Table) -> ibis.Table:
        """One row per event with what is needed of its parameters; `goods` are its items."""

        def param(name: str) -> ir.StringValue:
            values = read.params.filter(lambda param: param["key"] == name).map(lambda param: _param(param["value"]))
            return _set(values[0])

        goods = read.items.map(_good)
        event = read.name.cases(*EVENT_OF.items(), else_=ibis.null("string"))
        is_refunded = is_refund(event)
        is_order, is_list = (event == "checkout_completed") | is_refunded, event == "collection_viewed"
        amount = ibis.ifelse(is_refunded, read.refund, read.revenue)
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
            shop_id=_set(ibis.coalesce(_set(read.host), page_host(param("page_location")))),
            buyer_id=read.buyer_id,
            session_id=param("ga_session_id"),
            page=param("page_location"),
            time=stamp_of(read.stamp),
            seq=whole_number(read.batch_index),
            query=ibis.ifelse(event == "search_submitted", param("search_term"), None),
            collection_id=ibis.ifelse(is_list, listed, None),
            collection=ibis.ifelse(is_list, ibis.coalesce(param("item_list_name"), goods[0]["list_name"]), None),
            order_id=ibis.ifelse(is_order, ibis.coalesce(_set(read.transaction), param("transaction_id")), None),
            value=ibis.ifelse(is_order, ibis.coalesce(amount, param("value")), None),
            currency=param("currency"),
            goods=goods,
        )


def mark_exported_again(flat: ibis.Table) -> ibis.Table:
    """The events with `repeated`: whether a file before has the same event. The daily table of a day repeats what its intraday
    table has, and a table that was exported again repeats itself; files of intraday tables come last.

    An event has no id, so it is known by its buyer, time, name, page, session, order, search, list and items. Events that
    are the same within one file are several: the second of a file is the second of another one.
    """
    items = flat.goods.map(lambda good: good["product_id"].fill_null("")).join("\x1f")
    identity = {name: flat[name] for name in ("buyer_id", "time", "name", "page", "session_id", "order_id", "query")}
    keys = flat.select("file", "row", "event", **identity, listed=flat.collection_id, items=items)
    has_buyer = keys.buyer_id.notnull() | is_refund(keys.event)
    keys = keys.filter(keys.event.notnull() & keys.time.notnull() & has_buyer)
    same = [*identity, "listed", "items"]
    keys = keys.mutate(number=ibis.row_number().over(group_by=[*same, "file"], order_by="row"))
    order = [keys.file.lower().contains("intraday"), "file"]
    copy = ibis.row_number().over(group_by=[*same, "number"], order_by=order)
    copies = keys.mutate(copy=copy).filter(ibis._.copy > 0).select(copy_file="file", copy_row="row")
    copies = materialize(copies, "ga4_copies")
    marked = flat.left_join(copies, [flat.file == copies.copy_file, flat.row == copies.copy_row])
    return marked.mutate(repeated=marked.copy_row.notnull()).drop("copy_file", "copy_row")


def _with_reason(flat: ibis.Table) -> ibis.Table:
    return flat.mutate(
        reason=ibis.cases(
            (flat.fault.notnull(), flat.fault),
            (flat.name.isnull(), "event_name is missing"),
            (flat.event.isnull(), ignored(flat.name, _NAME)),
            (flat.repeated, DUPLICATE),
            (
                flat.buyer_id.isnull() & ~is_refund(flat.event),
                IGNORED + "no user_pseudo_id, as where a visitor does not consent",
            ),
            else_=ibis.null("string"),
        )
    )


def _read_json(engine: SQLBackend, files: list[Path]) -> tuple[ibis.Table, int]:
    lines, rows_in = read_lines(engine, files)
    paths = {ours: f"$.{theirs}" for ours, theirs in _SCALARS.items()}
    paths |= {"params": "$.event_params", "items": "$.items"}
    parsed = materialize(json_objects(lines, paths, ["revenue", "refund"]), "ga4_lines")
    values = {"params": json_value(parsed.params, _PARAMS), "items": json_value(parsed["items"], _ITEMS)}
    # without its parameters an event has no session, page and search
    odd = (parsed.params.notnull() & values["params"].isnull(), "event_params is not a list of key and value")
    fault = ibis.cases((parsed.fault.notnull(), parsed.fault), odd, else_=ibis.null("string"))
    return parsed.select("file", "row", *_SCALARS, fault=fault, raw="line", **values), rows_in


def _read_parquet(engine: SQLBackend, files: list[Path]) -> tuple[ibis.Table, int]:
    table, rows_in = parquet_rows(engine, files)
    scalars = {}
    for ours, theirs in _SCALARS.items():
        first, *rest = theirs.split(".")
        value: ir.Value = table[first] if first in table.columns else ibis.null("string")
        for step in rest:
            value = _field(value, step)
        text = value.cast("string").nullif("")
        scalars[ours] = unambiguous(text) if value.type().is_floating() else text
    lists = {
        ours: _list(table[theirs]) if theirs in table.columns else ibis.null(kind)
        for ours, theirs, kind in (("params", "event_params", _PARAMS), ("items", "items", _ITEMS))
    }
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


def _param(value: ir.StructValue) -> ir.StringValue:
    texts = [_text(value, f"{kind}_value") for kind in ("string", "int")]
    numbers = [unambiguous(_text(value, f"{kind}_value")) for kind in ("double", "float")]
    return ibis.coalesce(*texts, *numbers)


def _item_amount(item: ir.StructValue, name: str) -> ir.StringValue:
    value = _field(item, name)
    text = value.cast("string")
    if isinstance(value.type(), dt.JSON):
        return json_amount(text)
    return unambiguous(text) if value.type().is_numeric() else text


def _set(text: ir.StringValue) -> ir.StringValue:
    return ibis.ifelse(text.isin(_NOT_SET), None, text)


def _good(item: ir.StructValue) -> ir.StructValue:
    return ibis.struct(
        {
            "product_id": ibis.coalesce(_set(_text(item, "item_id")), _set(_text(item, "item_name"))),
            "title": _set(_text(item, "item_name")),
            "vendor": _set(_text(item, "item_brand")),
            "product_type": _set(_text(item, "item_category")),
            "price": _item_amount(item, "price"),
            "quantity": _item_amount(item, "quantity"),
            "list_id": _set(_text(item, "item_list_id")),
            "list_name": _set(_text(item, "item_list_name")),
        }
    )
