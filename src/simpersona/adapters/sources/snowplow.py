"""Snowplow's e-commerce events (snowplow_ecommerce_action and its entities), as its loaders and SDKs flatten them."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis makes the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import duckdb
import ibis
import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from simpersona.adapters.engines.duckdb import as_duckdb, file_labels, log_files, read_lines
from simpersona.adapters.sources.amounts import json_amount
from simpersona.adapters.sources.catalogue import CATALOGUE_FILES
from simpersona.adapters.sources.event_rows import ALL_KNOWN, event_log, number, unmapped_names
from simpersona.adapters.sources.json_fields import (
    JSON_LINES,
    json_objects,
    json_value,
    mark_repeated,
    require_json,
    unfolded,
)
from simpersona.adapters.sources.refund_rows import REFUNDED, is_refund
from simpersona.adapters.sources.shop_log import ShopLogSource
from simpersona.adapters.sources.times import stamp_of
from simpersona.contracts import RawLog
from simpersona.errors import SourceError
from simpersona.events.cleaning import DUPLICATE, IGNORED
from simpersona.events.materialize import materialize

EVENT_OF = {
    "page_view": "page_viewed",
    "screen_view": "page_viewed",
    "site_search": "search_submitted",
    "list_view": "collection_viewed",
    "product_view": "product_viewed",
    "add_to_cart": "product_added_to_cart",
    "remove_from_cart": "product_removed_from_cart",
    "checkout_step": "checkout_started",
    "transaction": "checkout_completed",
    "refund": REFUNDED,
}
"""By the type of the e-commerce action, else by the event's name."""
UNUSED_EVENTS = ("page_ping", "list_click", "promo_view", "promo_click", "focus_form", "change_form", "link_click")
"""Events of Snowplow's own that no stage uses: they need no warning."""

_ACTION = "unstruct_event_com_snowplowanalytics_snowplow_ecommerce_snowplow_ecommerce_action_1"
_SEARCH = "unstruct_event_com_snowplowanalytics_snowplow_site_search_1"
_MOBILE = "contexts_com_snowplowanalytics_snowplow_client_session_1"
_ENTITY = "contexts_com_snowplowanalytics_snowplow_ecommerce_{}_1"
_PRODUCTS, _ORDER, _STEP, _REFUND = (
    _ENTITY.format(name) for name in ("product", "transaction", "checkout_step", "refund")
)

_FIELDS = {
    **{
        name: f"$.{name}"
        for name in (
            *("event_id", "event_fingerprint", "app_id", "page_urlhost", "domain_userid", "domain_sessionid"),
            *("derived_tstamp", "collector_tstamp", "event", "event_name"),
        )
    },
    "action": f"$.{_ACTION}.type",
    "list_name": f"$.{_ACTION}.name",
    "terms": f"$.{_SEARCH}.terms",
    "products": f"$.{_PRODUCTS}",
    "step": f"$.{_STEP}[0].step",
    **{name: f"$.{_ORDER}[0].{name}" for name in ("transaction_id", "revenue", "tax", "shipping", "currency")},
    **{f"refund_{name}": f"$.{_REFUND}[0].{name}" for name in ("transaction_id", "refund_amount", "currency")},
    # in warehouses names are in snake case, elsewhere as in the schema
    "mobile_user": f"$.{_MOBILE}[0].userId",
    "mobile_user_snake": f"$.{_MOBILE}[0].user_id",
    "mobile_session": f"$.{_MOBILE}[0].sessionId",
    "mobile_session_snake": f"$.{_MOBILE}[0].session_id",
}
"""The path of each field in an event. A person's address, network address, location and browser are not read."""
_LINES = "array<struct<id: string, name: string, brand: string, category: string, currency: string, price: json, quantity: json>>"
_ORDER_AMOUNTS = ("revenue", "tax", "shipping", "refund_refund_amount")
_AS_TEXT = (_ACTION, _SEARCH, _MOBILE, _PRODUCTS, _ORDER, _STEP, _REFUND)
_NAME = r"^[A-Za-z_]{1,60}\z"


class SnowplowSource(ShopLogSource):
    """Reads a file, a folder or a pattern of files of JSON lines (plain, .gz or .zip) or of parquet; an EventSource.

    JSON lines are what Snowplow's Analytics SDKs make of an enriched event; parquet is what its loaders write
    to a lake, or an export of a warehouse's table: one column per self-describing event and per entity,
    a struct, a list of structs or their JSON as text, with `_1` or a full version such as `_1_0_2` at the end.

    The shop is `shop`, else `app_id`, else the page's host. A buyer is `domain_userid` (in apps the user of
    client_session) and never `user_id`, a session `domain_sessionid`, a time `derived_tstamp` or else the
    collector's. A list view is a collection view, unless the list's name says that it holds search results; the
    first checkout step starts a checkout, in a session without it the first of the later ones. An order is worth its revenue without tax and shipping. Of several
    copies of an event (`event_id` and `event_fingerprint`) the first counts. Other events are set aside as ignored.
    """

    def read(self, path: Path, engine: SQLBackend) -> RawLog:
        """The log at `path`; an input row is a line of JSON or a row of parquet.

        Raises SourceError if there is no log, it cannot be read or has none of Snowplow's columns.
        """
        what = "Snowplow events, one JSON object a line, or parquet"
        files = log_files(path, (*JSON_LINES, "*.parquet"), what)
        tables = [file for file in files if file.suffix == ".parquet" and file.name not in CATALOGUE_FILES]
        texts = [file for file in files if file.suffix != ".parquet"]
        if tables and texts:
            raise SourceError(f"{path}: holds both parquet and JSON lines. Expected one of them. Correct source.path.")
        require_json(texts, "snowplow")
        lines, rows_in = _parquet_lines(engine, tables) if tables else read_lines(engine, texts)
        objects = json_objects(unfolded(lines, _AS_TEXT), _FIELDS, _ORDER_AMOUNTS)
        parsed = materialize(self._named(objects), "snowplow")
        rows = materialize(
            _flat(_with_reason(mark_repeated(parsed, "event_id", "event_fingerprint"))), "snowplow_events"
        )
        known = [*EVENT_OF, *UNUSED_EVENTS]
        names = parsed.filter(parsed.fault.isnull() & parsed.name.notnull() & ~parsed.name.isin(known))
        said = unmapped_names(names, _NAME)
        return event_log(engine, files[0].parent, rows, rows_in, ALL_KNOWN, self.identity, self.amounts, warnings=said)

    def _named(self, parsed: ibis.Table) -> ibis.Table:
        """The parsed lines with shop, buyer and session, and `name`, the kind of the event."""
        users = parsed.domain_userid, parsed.mobile_user, parsed.mobile_user_snake
        return parsed.mutate(
            shop_id=ibis.coalesce(parsed.app_id, parsed.page_urlhost),
            buyer_id=ibis.coalesce(*[self.identity.real(user) for user in users]),
            placeholder=ibis.coalesce(*[self.identity.placeholder(user) for user in users]),
            session_id=ibis.coalesce(parsed.domain_sessionid, parsed.mobile_session, parsed.mobile_session_snake),
            name=ibis.coalesce(parsed.action, parsed.event_name, parsed.event),
        )


def _with_reason(parsed: ibis.Table) -> ibis.Table:
    """The parsed lines with `reason`: null where the line is an event that is used."""
    parsed = parsed.left_join(_late_starts(parsed), ["file", "row"], rname="start_{name}")
    later_step = (parsed.name == "checkout_step") & (number(parsed.step) > 1) & parsed.start_row.isnull()
    of_search = (parsed.name == "list_view") & parsed.list_name.lower().contains("search")
    return parsed.mutate(
        reason=ibis.cases(
            (parsed.fault.notnull(), parsed.fault),
            (parsed.name.isnull(), "event_name is missing"),
            (parsed.name == "snowplow_ecommerce_action", "the type of the action is missing"),
            (later_step.fill_null(False), IGNORED + "later checkout_step"),
            (of_search.fill_null(False), IGNORED + "list_view of search results"),
            (parsed.name.isin(list(EVENT_OF)) & parsed.repeated, DUPLICATE),
            (parsed.name.isin(list(EVENT_OF)), ibis.null("string")),
            (parsed.name.re_search(_NAME), IGNORED + parsed.name),
            else_=IGNORED + "custom event",
        )
    )


def _late_starts(parsed: ibis.Table) -> ibis.Table:
    """The file and row of the first checkout step of each session that has later steps alone: many stores first log the
    second, after the one that every visitor of the cart passes.
    """
    steps = parsed.filter((parsed.name == "checkout_step") & ~parsed.repeated & parsed.fault.isnull())
    steps = steps.mutate(is_first=(number(steps.step) <= 1).fill_null(True), time=_time(steps))
    session = ["shop_id", "buyer_id", "session_id"]
    steps = steps.mutate(
        starts=steps.is_first.cast("int64").max().over(group_by=session),
        place=ibis.row_number().over(group_by=session, order_by=["time", "file", "row"]),
    )
    late = steps.filter((steps.starts == 0) & (steps.place == 0)).select("file", "row")
    return materialize(late, "late_starts")


def _time(parsed: ibis.Table) -> ir.TimestampValue:
    return ibis.coalesce(*[stamp_of(stamp) for stamp in (parsed.derived_tstamp, parsed.collector_tstamp)])


def _flat(parsed: ibis.Table) -> ibis.Table:
    """One row per event; `goods` are its products."""
    event = parsed.name.cases(*EVENT_OF.items(), else_=parsed.name)
    is_order, is_refunded = event == "checkout_completed", is_refund(event)
    named = ibis.coalesce(parsed.refund_transaction_id, parsed.transaction_id)
    collection = ibis.ifelse(event == "collection_viewed", parsed.list_name, None)
    goods = json_value(parsed["products"], _LINES)
    return parsed.select(
        "file",
        "row",
        "reason",
        "shop_id",
        "buyer_id",
        "placeholder",
        "session_id",
        raw="line",
        event=event,
        time=_time(parsed),
        collection_id=collection,
        collection=collection,
        query=json_value(parsed.terms, "array<string>").join(" ").nullif(""),
        order_id=ibis.ifelse(is_refunded, named, ibis.ifelse(is_order, parsed.transaction_id, None)),
        value=ibis.ifelse(is_refunded, parsed.refund_refund_amount, ibis.ifelse(is_order, parsed.revenue, None)),
        **{name: ibis.ifelse(is_order, parsed[name], None) for name in ("tax", "shipping")},
        currency=ibis.coalesce(parsed.refund_currency, parsed.currency, goods[0]["currency"]),
        goods=goods.map(_good),
    )


def _good(product: ir.StructValue) -> ir.StructValue:
    return ibis.struct(
        {
            "product_id": product["id"].nullif(""),
            "title": product["name"].nullif(""),
            "vendor": product["brand"].nullif(""),
            "product_type": product["category"].re_extract(r"([^/>|]*)$", 1).strip().nullif(""),
            "price": json_amount(product["price"].cast("string")),
            "quantity": json_amount(product["quantity"].cast("string")),
        }
    )


def _parquet_lines(engine: SQLBackend, files: Sequence[Path]) -> tuple[ibis.Table, int]:
    """The rows of parquet files as the JSON lines that the SDKs would give, of the columns of _FIELDS alone."""
    shape = {"file": "string", "row": "int64", "line": "string", "fault": "string"}
    engine = as_duckdb(engine)
    lines = engine.create_table(ibis.util.gen_name("lines"), schema=ibis.schema(shape))
    for file, label in file_labels(files).items():
        try:
            described = engine.con.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(file)]).fetchall()
            row = _row_as_json({name: kind for name, kind, *_ in described}, file)
            engine.con.execute(
                f"INSERT INTO {lines.get_name()} SELECT ?, file_row_number + 1, {row}, NULL"  # noqa: S608
                " FROM read_parquet(?, file_row_number = true)",
                [label, str(file)],
            )
        except duckdb.Error as error:
            raise SourceError(f"{file}: cannot be read as parquet ({error}). It has to be exported again.") from error
    return lines, int(lines.count().to_pyarrow().as_py())


def _row_as_json(kinds: dict[str, str], file: Path) -> str:
    """SQL for a row as JSON, from the columns' types."""
    wanted = dict.fromkeys(re.split(r"[.\[]", path.removeprefix("$."))[0] for path in _FIELDS.values())
    values: dict[str, str] = {}
    for name in wanted:
        # 1_0_2 where a loader makes a column of each version, and capitals in Snowflake
        versions = [column for column in kinds if re.fullmatch(rf"{name}(_\d+_\d+)?", column, re.IGNORECASE)]
        if versions:
            values[name] = f"coalesce({', '.join(_as_json(column, kinds[column]) for column in sorted(versions))})"
    if not {"event", "event_name", _ACTION} & values.keys():
        raise SourceError(
            f"{file}: no column event, event_name or {_ACTION}. Found: {', '.join(kinds)[:300]}."
            " Is this Snowplow's events table? Correct source.path or source.format."
        )
    return "to_json({" + ", ".join(f"'{name}': {value}" for name, value in values.items()) + "})::VARCHAR"


def _as_json(column: str, kind: str) -> str:
    quoted = '"' + column.replace('"', '""') + '"'
    if kind in ("VARCHAR", "JSON") and column.lower().startswith(("unstruct_event_", "contexts_")):
        return f"CASE WHEN json_valid({quoted}) THEN nullif({quoted}, '[]')::JSON END"
    if kind.endswith("[]"):
        return f"CASE WHEN len({quoted}) > 0 THEN to_json({quoted}) END"
    return f"to_json({quoted})"
