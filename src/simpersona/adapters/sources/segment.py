"""Segment's e-commerce spec as JSON lines of calls, as RudderStack and PostHog write it too."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis makes the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

from pathlib import Path

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from simpersona.adapters.engines.duckdb import log_files
from simpersona.adapters.sources.amounts import AmountReader, json_amount, present
from simpersona.adapters.sources.catalogue import CATALOGUE_FILES
from simpersona.adapters.sources.envelopes import read_events
from simpersona.adapters.sources.event_rows import (
    ALL_KNOWN,
    event_log,
    ignored,
    mentioned_goods,
    page_host,
    unmapped_names,
)
from simpersona.adapters.sources.identity import shown_id
from simpersona.adapters.sources.json_fields import (
    JSON_LINES,
    json_items,
    json_objects,
    json_text,
    json_value,
    mark_repeated,
    require_json,
    unfolded,
)
from simpersona.adapters.sources.refund_rows import REFUND_OF, is_refund, spelled
from simpersona.adapters.sources.shared_ids import shared_users
from simpersona.adapters.sources.shop_log import ShopLogSource
from simpersona.adapters.sources.times import stamp_of
from simpersona.contracts import RawLog
from simpersona.events.cleaning import DUPLICATE
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
    **REFUND_OF,
}
"""Names of track calls in small letters with "_" between the words, however they are spelled ("Product Viewed").
Every other call (Product Clicked, Coupon Applied, a shop's own) is set aside and counted.
"""
PAGE_CALLS = ("page", "screen")

_FIELDS = {
    "call": "$.type",
    "name": "$.event",
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
_GOOD_FIELDS = ("product_id", "productId", "id", "sku", "name", "brand", "category", "price", "quantity")
_GOOD = dt.Struct(fields=dict.fromkeys(_GOOD_FIELDS, dt.string) | dict.fromkeys(("price", "quantity"), dt.json))
_WORTH = ("subtotal", "revenue", "total", "value", "$value", "amount")
_PROPERTIES = dt.Struct(
    fields=dict(_GOOD)
    | dict.fromkeys(("list_id", "query", "order_id", "orderId", "currency"), dt.string)
    | dict.fromkeys(_WORTH, dt.json)
    | dict.fromkeys(("$session_id", "$current_url", "$anon_distinct_id", "$insert_id", "url"), dt.string)
    | {"products": dt.json}  # an array, its text, or a single object
)
_CALL_KEYS = (("type", "anonymousId"), ("type", "userId"), ("event", "distinct_id"), ("event", "anonymousId"))
"""What a call has, in whatever it is wrapped."""
_NAME = r"^[\w $.:-]{1,60}$"  # of an event


class SegmentSource(ShopLogSource):
    """Reads a file, a folder or a pattern of files of JSON lines (plain, .gz or .zip), one call a line; an EventSource.

    A call is Segment's ({"type": "track", "event", "anonymousId", "userId", "properties", "context", ...}) or PostHog's
    ({"event", "distinct_id", "properties", "timestamp"}). The shop is `shop`, else the host name of the page. A
    buyer is the user, where any call names one together with the anonymous id, else the anonymous id: what
    a user does before logging in, and what the server reports of that user, belong to one buyer. A call that was
    delivered again is known by its `messageId` or `uuid`. A session is `context.sessionId` or `$session_id`.
    An order is worth its subtotal, else its revenue, else its total, else its value.
    """

    def read(self, path: Path, engine: SQLBackend) -> RawLog:
        """The log at `path`; an input row is a line, or a call where lines wrap several (see `envelopes`). Lines that are no JSON
        object, name no event or nobody, or have no time are rejected; identify, group and alias calls and events of no use are
        set aside.

        Raises SourceError if there is no log or it cannot be read.
        """
        files = log_files(path, JSON_LINES, "calls of Segment's spec, one JSON object a line")
        files = [file for file in files if file.name not in CATALOGUE_FILES]
        require_json(files, "segment")
        lines, rows_in, inside = read_events(engine, files, _CALL_KEYS)
        objects = json_objects(unfolded(lines, ["context"]), _FIELDS)
        calls = materialize(self._flat(objects), "segment_calls")
        calls, shared = self._without_shared_users(calls)
        rows = materialize(_with_reason(mark_repeated(_with_buyers(calls), "message", "call", "name")), "segment_rows")
        is_track = (rows.call.fill_null("track") == "track") & rows.name.notnull()
        unmapped = unmapped_names(rows.filter(rows.fault.isnull() & rows.event.isnull() & is_track), _NAME)
        said = (*inside, *shared, *unmapped)
        return event_log(
            engine, files[0].parent, rows, rows_in, ALL_KNOWN, self.identity, self.amounts, _mentions, said
        )

    def _without_shared_users(self, calls: ibis.Table) -> tuple[ibis.Table, tuple[str, ...]]:
        """The calls, where a user of very many anonymous ids is nobody: these ids stay the buyers."""
        if self.identity.shared_ids == "keep":
            return calls, ()
        both = calls.filter(calls.anonymous.notnull() & calls.linked.notnull() & (calls.anonymous != calls.linked))
        users = shared_users(both.select(user="linked", device="anonymous"))
        if not users:
            return calls, ()
        is_shared = calls.linked.isin(users).fill_null(False)
        warning = (
            f"The user ids {', '.join(shown_id(user) for user in users)} stand beside very many anonymous ids, so they are of"
            ' nobody: the buyers are the anonymous ids. source.shared_ids = "keep" reads each as one buyer.'
        )
        return calls.mutate(linked=ibis.ifelse(is_shared, None, calls.linked)), (warning,)

    def _flat(self, objects: ibis.Table) -> ibis.Table:
        """One row per call with what is needed of its properties; `goods` are its products."""
        calls = objects.mutate(p=json_value(objects.properties, _PROPERTIES))
        p, is_page = calls.p, calls.call.isin(PAGE_CALLS).fill_null(False)
        known = spelled(calls.name).cases(*EVENT_OF.items(), else_=ibis.null("string"))
        event = ibis.ifelse(is_page, "page_viewed", known)
        # a call without a type is PostHog's
        event = ibis.ifelse(is_page | (calls.call.fill_null("track") == "track"), event, None)
        is_order = (event == "checkout_completed") | is_refund(event)
        is_list = event == "collection_viewed"
        host = page_host(ibis.coalesce(calls.url, p["$current_url"], p["url"]))
        worth = [present(_amount(p[name])) for name in _WORTH]
        goods = json_items(json_text(p["products"].cast("string")), dt.Array(value_type=_GOOD))
        several = (goods.length() > 0).fill_null(False)
        own_product = ibis.struct({name: p[name] for name in _GOOD_FIELDS})
        real, person = self.identity.real, self.identity.real(calls.person)
        ids = calls.user, calls.anonymous, calls.person
        return calls.select(
            "file",
            "row",
            "fault",
            "call",
            "name",
            raw="line",
            event=event,
            shop_id=host,
            message=ibis.coalesce(calls.message, calls.uuid, p["$insert_id"]),
            # PostHog's identify call names the anonymous id that the user had before
            anonymous=ibis.coalesce(real(calls.anonymous), real(p["$anon_distinct_id"]), person),
            linked=ibis.coalesce(real(calls.user), ibis.ifelse(p["$anon_distinct_id"].notnull(), person, None)),
            placeholder=ibis.coalesce(*[self.identity.placeholder(name) for name in ids]),
            session_id=ibis.coalesce(p["$session_id"], calls.context_session),
            time=stamp_of(ibis.coalesce(calls.timestamp, calls.original, calls.sent, calls.received)),
            query=ibis.ifelse(event == "search_submitted", p["query"].nullif(""), None),
            collection_id=ibis.ifelse(is_list, ibis.coalesce(p["list_id"].nullif(""), p["category"].nullif("")), None),
            collection=ibis.ifelse(is_list, p["category"].nullif(""), None),
            order_id=ibis.ifelse(is_order, ibis.coalesce(p["order_id"].nullif(""), p["orderId"].nullif("")), None),
            value=ibis.ifelse(is_order, ibis.coalesce(*worth), None),
            currency=p["currency"],
            goods=ibis.ifelse(several, goods, ibis.array([own_product])).map(_good),
        )


def _good(product: ir.StructValue) -> ir.StructValue:
    return ibis.struct(
        {
            "product_id": ibis.coalesce(
                *[product[name].nullif("") for name in ("product_id", "productId", "id", "sku")]
            ),
            "title": product["name"].nullif(""),
            "vendor": product["brand"].nullif(""),
            "product_type": product["category"].nullif(""),
            "price": _amount(product["price"]),
            "quantity": _amount(product["quantity"]),
        }
    )


def _amount(value: ir.Value) -> ir.StringValue:
    return json_amount(value.cast("string"))


def _with_buyers(calls: ibis.Table) -> ibis.Table:
    """The calls with their `buyer_id`. An anonymous id of several users belongs to the first in the alphabet, so that a
    buyer does not depend on the order of the calls.
    """
    both = calls.filter(calls.anonymous.notnull() & calls.linked.notnull())
    links = materialize(both.group_by(was="anonymous").aggregate(is_user=both.linked.min()), "segment_links")
    linked = calls.left_join(links, calls.anonymous == links.was)
    return linked.mutate(buyer_id=ibis.coalesce(linked.linked, linked.is_user, linked.anonymous)).drop("was", "is_user")


def _with_reason(calls: ibis.Table) -> ibis.Table:
    return calls.mutate(
        reason=ibis.cases(
            (calls.fault.notnull(), calls.fault),
            (calls.name.isnull() & calls.call.isnull(), "type and event are missing"),
            ((calls.call == "track") & calls.name.isnull(), "event is missing"),
            (calls.event.isnull(), ignored(ibis.coalesce(calls.name, calls.call + " call"), _NAME)),
            (
                calls.buyer_id.isnull() & calls.placeholder.isnull() & ~is_refund(calls.event),
                "anonymousId, userId and distinct_id are missing",
            ),
            (calls.repeated, DUPLICATE),
            else_=ibis.null("string"),
        )
    )


def _mentions(used: ibis.Table, _: AmountReader) -> tuple[ibis.Table, ibis.Table]:
    products = mentioned_goods(used.filter(used.event != "page_viewed"))[0]  # whose name is that of the page
    return products, mentioned_goods(used)[1]
