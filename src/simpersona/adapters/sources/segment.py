"""Segment's e-commerce spec as JSON lines of calls, as RudderStack and PostHog write it too."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis makes the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

from pathlib import Path

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from simpersona.adapters.engines.duckdb import log_files, read_lines
from simpersona.adapters.sources.json_fields import json_objects, json_value, mark_repeated
from simpersona.adapters.sources.named_products import CATALOGUE_FILES, catalogue
from simpersona.adapters.sources.source_times import moment
from simpersona.contracts import Capabilities, RawLog
from simpersona.events.cleaning import DUPLICATE, IGNORED
from simpersona.events.materialize import materialize

EVENT_OF = {
    "product_viewed": "product_viewed",
    "product_list_viewed": "collection_viewed",
    "products_searched": "search_submitted",
    "product_added": "product_added_to_cart",
    "product_removed": "product_removed_from_cart",
    "cart_viewed": "cart_viewed",
    "checkout_started": "checkout_started",
    "order_completed": "checkout_completed",
    # the first version of the spec
    "viewed_product": "product_viewed",
    "viewed_product_category": "collection_viewed",
    "added_product": "product_added_to_cart",
    "removed_product": "product_removed_from_cart",
    "completed_order": "checkout_completed",
    # PostHog's own
    "$pageview": "page_viewed",
    "$screen": "page_viewed",
}
"""Names of track calls in small letters with "_" between the words, however they are spelled ("Product Viewed").
Every other one (Product Clicked, Coupon Applied, Order Refunded, a shop's own) is set aside and counted.
"""
PAGE_CALLS = ("page", "screen")
PER_PRODUCT = ("product_viewed", "product_added_to_cart", "product_removed_from_cart", "checkout_completed")
"""The events that give one row per product."""

_PATTERNS = tuple(f"*{end}{packed}" for end in (".jsonl", ".ndjson", ".json") for packed in ("", ".gz", ".zip"))
_FIELDS = {
    "call": "$.type",
    "given": "$.event",
    "message": "$.messageId",
    "uuid": "$.uuid",
    "anonymous": "$.anonymousId",
    "user": "$.userId",
    "person": "$.distinct_id",
    "timestamp": "$.timestamp",
    "original": "$.originalTimestamp",
    "sent": "$.sentAt",
    "received": "$.receivedAt",
    "context_session": "$.context.sessionId",
    "url": "$.context.page.url",
    "properties": "$.properties",  # as one text: PostHog exports it as such
}
_GOOD_FIELDS = ("product_id", "id", "sku", "name", "brand", "category", "price", "quantity")
_GOOD = dt.Struct(fields=dict.fromkeys(_GOOD_FIELDS, dt.string))
_PROPERTIES = dt.Struct(
    fields=dict(_GOOD)
    | dict.fromkeys(("list_id", "query", "order_id", "subtotal", "revenue", "total"), dt.string)
    | dict.fromkeys(("$session_id", "$current_url", "$anon_distinct_id", "url"), dt.string)
    | {"products": dt.Array(value_type=_GOOD)}
)
_NAME = r"^[\w $.:-]{1,60}$"  # of an event; anything else may be a field out of place, and personal


class SegmentSource:
    """Reads a file, a folder or a pattern of files of JSON lines (plain, .gz or .zip), one call a line; an EventSource.

    A call is Segment's ({"type": "track", "event", "anonymousId", "userId", "properties", "context", ...}) or PostHog's
    ({"event", "distinct_id", "properties", "timestamp"}). The shop is `shop`, else the host name of the page. A
    buyer is the user, where any call names one together with the anonymous id, else the anonymous id: what
    one did before logging in, and what the server tells of the same user, is one buyer's. A call that was
    delivered again is known by its `messageId` or `uuid`. A session is `context.sessionId` or `$session_id`.
    An order is worth its subtotal, else its revenue, else its total.
    """

    def __init__(self, shop: str | None = None) -> None:
        self.shop = shop

    def read(self, path: Path, engine: SQLBackend) -> RawLog:
        """The log at `path`; an input row is a line. Lines that are no JSON object, name no event or nobody,
        or have no time are rejected; identify, group and alias calls and events of no use are set aside.

        Raises SourceError if there is no log or it cannot be read.
        """
        files = log_files(path, _PATTERNS, "calls of Segment's spec, one JSON object a line")
        files = [file for file in files if file.name not in CATALOGUE_FILES]
        lines, rows_in = read_lines(engine, files)
        parsed = materialize(self._flat(json_objects(lines, _FIELDS)), "segment_calls")
        judged = _judged(mark_repeated(_with_buyers(parsed), "message", "call", "given"))
        used = materialize(judged.filter(judged.reason.isnull()), "segment_events")
        products, collections = catalogue(engine, files[0].parent, lambda: _mentions(used))
        has_session = used.filter(used.session_id.notnull()).limit(1).count().to_pyarrow().as_py() > 0
        return RawLog(
            events=_events(used),
            rejected=judged.filter(judged.reason.notnull()).select("file", "row", "reason", raw="line"),
            products=products,
            collections=collections,
            rows_in=rows_in,
            has=Capabilities(
                has_search=True,
                has_collection=True,
                has_checkout_start=True,
                has_price=True,
                has_session=has_session,
                has_text=True,
            ),
        )

    def _flat(self, objects: ibis.Table) -> ibis.Table:
        """One row per call with what is needed of its properties; `goods` are its products."""
        properties = json_value(objects.properties, _PROPERTIES)
        calls = objects.mutate(p=properties)
        p, is_page = calls.p, calls.call.isin(PAGE_CALLS).fill_null(False)
        spelled = calls.given.lower().re_replace(r"[^a-z0-9$]+", "_")
        event = ibis.ifelse(is_page, "page_viewed", spelled.cases(*EVENT_OF.items(), else_=ibis.null("string")))
        # a call without a type is PostHog's
        event = ibis.ifelse(is_page | (calls.call.fill_null("track") == "track"), event, None)
        is_order, is_list = event == "checkout_completed", event == "collection_viewed"
        host = ibis.coalesce(calls.url, p["$current_url"], p["url"]).re_extract(r"^[a-z]+://([^/:?#]+)", 1).nullif("")
        worth = [_number(p[name]) for name in ("subtotal", "revenue", "total")]
        several = (p["products"].length() > 0).fill_null(False)
        goods = ibis.ifelse(several, p["products"], ibis.array([_own(p)])).map(_good)
        return calls.select(
            "file",
            "row",
            "line",
            "fault",
            "call",
            "given",
            "user",
            event=event,
            shop_id=ibis.literal(self.shop) if self.shop else host,
            message=ibis.coalesce(calls.message, calls.uuid),
            # PostHog's identify call names the anonymous id that the user had before
            anonymous=ibis.coalesce(calls.anonymous, p["$anon_distinct_id"], calls.person),
            linked=ibis.coalesce(calls.user, ibis.ifelse(p["$anon_distinct_id"].notnull(), calls.person, None)),
            session_id=ibis.coalesce(p["$session_id"], calls.context_session),
            time=moment(ibis.coalesce(calls.timestamp, calls.original, calls.sent, calls.received)),
            query=ibis.ifelse(event == "search_submitted", p["query"].nullif(""), None),
            collection_id=ibis.ifelse(is_list, ibis.coalesce(p["list_id"].nullif(""), p["category"].nullif("")), None),
            collection=ibis.ifelse(is_list, p["category"].nullif(""), None),
            order_id=ibis.ifelse(is_order, p["order_id"].nullif(""), None),
            value=ibis.ifelse(is_order, ibis.coalesce(*worth), None),
            goods=goods,
        )


def _own(properties: ir.StructValue) -> ir.StructValue:
    """The product that the properties themselves are."""
    return ibis.struct({name: properties[name] for name in _GOOD_FIELDS})


def _good(product: ir.StructValue) -> ir.StructValue:
    return ibis.struct(
        {
            "product_id": ibis.coalesce(*[product[name].nullif("") for name in ("product_id", "id", "sku")]),
            "title": product["name"].nullif(""),
            "vendor": product["brand"].nullif(""),
            "product_type": product["category"].nullif(""),
            "price": _number(product["price"]),
            "quantity": product["quantity"].try_cast("int64"),
        }
    )


def _number(text: ir.StringValue) -> ir.FloatingValue:
    return text.try_cast("float64")


def _with_buyers(calls: ibis.Table) -> ibis.Table:
    """The calls with their `buyer_id`: of several users of one anonymous id the first in the alphabet, so that a
    buyer does not depend on the order of the calls.
    """
    both = calls.filter(calls.anonymous.notnull() & calls.linked.notnull())
    links = materialize(both.group_by(was="anonymous").aggregate(is_user=both.linked.min()), "segment_links")
    known = calls.left_join(links, calls.anonymous == links.was)
    return known.mutate(buyer_id=ibis.coalesce(known.linked, known.is_user, known.anonymous)).drop("was", "is_user")


def _judged(calls: ibis.Table) -> ibis.Table:
    name = ibis.coalesce(calls.given, calls.call + " call")
    shown = ibis.ifelse(name.re_search(_NAME), name, "an event of another name")
    return calls.mutate(
        reason=ibis.cases(
            (calls.fault.notnull(), calls.fault),
            (calls.given.isnull() & calls.call.isnull(), "type and event are missing"),
            ((calls.call == "track") & calls.given.isnull(), "event is missing"),
            (calls.event.isnull(), IGNORED + shown),
            (calls.buyer_id.isnull(), "anonymousId, userId and distinct_id are missing"),
            (calls.repeated, DUPLICATE),
            else_=ibis.null("string"),
        )
    )


def _events(used: ibis.Table) -> ibis.Table:
    of_products = used.event.isin(PER_PRODUCT)
    nothing = {"product_id": ibis.null("string"), "price": ibis.null("float64"), "quantity": ibis.null("int64")}
    single = used.filter(~of_products).mutate(part=ibis.literal(0, "int64"), **nothing)
    lines = used.filter(of_products).mutate(good=used.goods).unnest("good", offset="part")
    lines = lines.mutate(part=lines.part.cast("int64"), **{name: lines.good[name] for name in nothing})
    shape = (
        "shop_id", "buyer_id", "session_id", "time", "event", "product_id", "collection_id", "query", "price",
        "quantity", "order_id", "value", "file", "row", "part",
    )  # fmt: skip
    return ibis.union(*[rows.select(*shape, raw="line", seq=ibis.null("int64")) for rows in (single, lines)])


def _mentions(used: ibis.Table) -> tuple[ibis.Table, ibis.Table]:
    goods = used.select("shop_id", "collection_id", "event", good=used.goods).unnest("good")
    goods = goods.filter(goods.event != "page_viewed")  # whose name is that of the page
    fields = ("product_id", "title", "vendor", "product_type", "price")
    products = goods.select("shop_id", "collection_id", **{name: goods.good[name] for name in fields})
    return products, used.select("shop_id", "collection_id", title="collection")
