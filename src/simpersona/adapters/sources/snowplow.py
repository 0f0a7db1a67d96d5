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
from simpersona.adapters.sources.json_fields import json_objects, json_value, mark_repeated
from simpersona.adapters.sources.named_products import CATALOGUE_FILES, catalogue
from simpersona.contracts import Capabilities, RawLog
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
}
"""By the type of the e-commerce action, else by the event's name."""

_ACTION = "unstruct_event_com_snowplowanalytics_snowplow_ecommerce_snowplow_ecommerce_action_1"
_SEARCH = "unstruct_event_com_snowplowanalytics_snowplow_site_search_1"
_MOBILE = "contexts_com_snowplowanalytics_snowplow_client_session_1"
_ENTITY = "contexts_com_snowplowanalytics_snowplow_ecommerce_{}_1"
_PRODUCTS, _ORDER, _STEP = (_ENTITY.format(name) for name in ("product", "transaction", "checkout_step"))

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
    **{name: f"$.{_ORDER}[0].{name}" for name in ("transaction_id", "revenue", "tax", "shipping")},
    # in warehouses names are in snake case, elsewhere as in the schema
    "mobile_user": f"$.{_MOBILE}[0].userId",
    "mobile_user_snake": f"$.{_MOBILE}[0].user_id",
    "mobile_session": f"$.{_MOBILE}[0].sessionId",
    "mobile_session_snake": f"$.{_MOBILE}[0].session_id",
}
"""Where an event has what; the address, the network address, the place and the browser of a person are not read."""
_LINES = "array<struct<id: string, name: string, brand: string, category: string, price: string, quantity: string>>"
_PATTERNS = (
    *(f"*{end}{packed}" for end in (".jsonl", ".ndjson", ".json") for packed in ("", ".gz", ".zip")),
    "*.parquet",
)
_OF_PRODUCTS = ("product_viewed", "product_added_to_cart", "product_removed_from_cart", "checkout_completed")
_NAME = r"^[A-Za-z_]{1,60}\z"


class SnowplowSource:
    """Reads a file, a folder or a pattern of files of JSON lines (plain, .gz or .zip) or of parquet; an EventSource.

    JSON lines are what Snowplow's Analytics SDKs make of an enriched event; parquet is what its loaders write
    to a lake or what is exported of a warehouse's table: one column per self-describing event and per entity,
    a struct, a list of structs or their JSON as text, with `_1` or a full version such as `_1_0_2` at the end.

    The shop is `shop`, else `app_id`, else the page's host. A buyer is `domain_userid` (in apps the user of
    client_session) and never `user_id`, a session `domain_sessionid`, a time `derived_tstamp` or else the
    collector's. A list view is a collection view, unless the list's name tells that it is of search results; the
    first checkout step starts a checkout. An order is worth its revenue without tax and shipping. Of several
    copies of an event (`event_id` and `event_fingerprint`) one is kept. Other events are set aside as ignored.
    """

    def __init__(self, shop: str | None = None) -> None:
        self.shop = shop

    def read(self, path: Path, engine: SQLBackend) -> RawLog:
        """The log at `path`; an input row is a line of JSON or a row of parquet.

        Raises SourceError if there is no log, it cannot be read or has none of Snowplow's columns.
        """
        what = "Snowplow events, one JSON object a line, or parquet"
        files = log_files(path, _PATTERNS, what)
        tables = [file for file in files if file.suffix == ".parquet" and file.name not in CATALOGUE_FILES]
        texts = [file for file in files if file.suffix != ".parquet"]
        if tables and texts:
            raise SourceError(f"{path}: holds both parquet and JSON lines. Expected one of them. Correct source.path.")
        lines, rows_in = _parquet_lines(engine, tables) if tables else read_lines(engine, texts)
        judged = _judged(materialize(self._with_shop(json_objects(lines, _FIELDS)), "snowplow"))
        read = judged.filter(judged.reason.isnull())
        events = materialize(_events(read), "snowplow_events")
        products, collections = catalogue(engine, files[0].parent, lambda: _mentions(read))
        return RawLog(
            events=events,
            rejected=judged.filter(judged.reason.notnull()).select("file", "row", "reason", raw="line"),
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

    def _with_shop(self, parsed: ibis.Table) -> ibis.Table:
        shop = ibis.literal(self.shop) if self.shop else ibis.coalesce(parsed.app_id, parsed.page_urlhost)
        return parsed.mutate(
            shop_id=shop,
            buyer_id=ibis.coalesce(parsed.domain_userid, parsed.mobile_user, parsed.mobile_user_snake),
            session_id=ibis.coalesce(parsed.domain_sessionid, parsed.mobile_session, parsed.mobile_session_snake),
            name=ibis.coalesce(parsed.action, parsed.event_name, parsed.event),
        )


def _judged(parsed: ibis.Table) -> ibis.Table:
    """The parsed lines with `reason`: null where the line is an event that is used."""
    parsed = mark_repeated(parsed, "event_id", "event_fingerprint")
    later_step = (parsed.name == "checkout_step") & (_number(parsed.step) > 1)
    of_search = (parsed.name == "list_view") & parsed.list_name.lower().contains("search")
    reason = ibis.cases(
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
    return parsed.mutate(reason=reason).drop("fault", "repeated")


def _events(read: ibis.Table) -> ibis.Table:
    event = read.name.cases(*EVENT_OF.items(), else_=read.name)
    is_order = event == "checkout_completed"
    net = _number(read.revenue) - _number(read.tax).fill_null(0.0) - _number(read.shipping).fill_null(0.0)
    rows = read.mutate(
        event=event,
        time=ibis.coalesce(
            read.derived_tstamp.try_cast("timestamp('UTC')"), read.collector_tstamp.try_cast("timestamp('UTC')")
        ),
        collection_id=ibis.ifelse(event == "collection_viewed", read.list_name, None),
        query=json_value(read.terms, "array<string>").join(" ").nullif(""),
        order_id=ibis.ifelse(is_order, read.transaction_id, None),
        value=ibis.ifelse(is_order, net, None),
    )
    items = json_value(ibis.ifelse(rows.event.isin(_OF_PRODUCTS), rows["products"], None), _LINES)
    several = (items.length() > 0).fill_null(False)
    of_products = rows.filter(several).mutate(item=items).unnest("item", offset="part")
    item = of_products.item
    named = of_products.mutate(
        product_id=item["id"].nullif(""),
        price=_number(item["price"]),
        quantity=_number(item["quantity"]).try_cast("int64"),
        part=of_products.part.cast("int64"),
    )
    bare = rows.filter(~several).mutate(
        product_id=ibis.null("string"),
        price=ibis.null("float64"),
        quantity=ibis.null("int64"),
        part=ibis.literal(0, "int64"),
    )
    columns = ("shop_id", "buyer_id", "session_id", "time", "event", "product_id", "collection_id", "query", "price")
    columns += ("quantity", "order_id", "value", "file", "row", "part")
    return ibis.union(*[rows.select(*columns, seq=ibis.null("int64"), raw="line") for rows in (named, bare)])


def _mentions(read: ibis.Table) -> tuple[ibis.Table, ibis.Table]:
    """Every mention of a product, and of a list as a collection."""
    listed = ibis.ifelse(read.name == "list_view", read.list_name, None)
    seen = read.select("shop_id", collection_id=listed, item=json_value(read["products"], _LINES)).unnest("item")
    item = seen.item
    products = seen.select(
        "shop_id",
        "collection_id",
        product_id=item["id"].nullif(""),
        title=item["name"].nullif(""),
        vendor=item["brand"].nullif(""),
        product_type=item["category"].re_extract(r"([^/>|]*)$", 1).strip().nullif(""),
        price=_number(item["price"]),
    )
    return products, read.select("shop_id", collection_id=listed, title=listed)


def _number(value: ir.Value) -> ir.FloatingValue:
    return value.try_cast("float64")


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
    wanted = dict.fromkeys(re.split(r"[.\[]", place.removeprefix("$."))[0] for place in _FIELDS.values())
    found: dict[str, str] = {}
    for name in wanted:
        # 1_0_2 where a loader makes a column of each version, and capitals in Snowflake
        versions = [column for column in kinds if re.fullmatch(rf"{name}(_\d+_\d+)?", column, re.IGNORECASE)]
        if versions:
            found[name] = f"coalesce({', '.join(_as_json(column, kinds[column]) for column in sorted(versions))})"
    if not {"event", "event_name", _ACTION} & found.keys():
        raise SourceError(
            f"{file}: no column event, event_name or {_ACTION}. Found: {', '.join(kinds)[:300]}."
            " Is this Snowplow's events table? Correct source.path or source.format."
        )
    return "to_json({" + ", ".join(f"'{name}': {value}" for name, value in found.items()) + "})::VARCHAR"


def _as_json(column: str, kind: str) -> str:
    quoted = '"' + column.replace('"', '""') + '"'
    if kind in ("VARCHAR", "JSON") and column.lower().startswith(("unstruct_event_", "contexts_")):
        return f"CASE WHEN json_valid({quoted}) THEN nullif({quoted}, '[]')::JSON END"
    if kind.endswith("[]"):
        return f"CASE WHEN len({quoted}) > 0 THEN to_json({quoted}) END"
    return f"to_json({quoted})"
