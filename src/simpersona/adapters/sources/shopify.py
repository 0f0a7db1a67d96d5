"""Shopify Web Pixels standard events as JSON lines: a store's own log, and what the lab writes."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis makes the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import ibis
import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from simpersona.adapters.engines.duckdb import log_files
from simpersona.adapters.sources.amounts import AmountReader, json_amount
from simpersona.adapters.sources.currencies import FACTOR
from simpersona.adapters.sources.envelopes import read_events
from simpersona.adapters.sources.event_rows import (
    ALL_KNOWN,
    event_log,
    number,
    page_host,
    unmapped_names,
    whole_number,
)
from simpersona.adapters.sources.json_fields import (
    JSON_LINES,
    json_objects,
    json_value,
    mark_repeated,
    require_json,
    unfolded,
)
from simpersona.adapters.sources.refund_rows import REFUND_OF, is_refund, spelled
from simpersona.adapters.sources.shop_log import ShopLogSource
from simpersona.adapters.sources.times import stamp_of
from simpersona.contracts import RawLog
from simpersona.events.cleaning import DUPLICATE, IGNORED
from simpersona.events.materialize import materialize

UNUSED_EVENTS = (
    "alert_displayed",
    "checkout_address_info_submitted",
    "checkout_contact_info_submitted",
    "checkout_shipping_info_submitted",
    "clicked",
    "form_submitted",
    "input_blurred",
    "input_changed",
    "input_focused",
    "payment_info_submitted",
    "ui_extension_errored",
)
"""Standard events that no stage uses. They are set aside with a separate reason and do not count as malformed."""

_FIELDS = {
    "event_id": "$.id",
    "event": "$.name",
    "buyer_id": "$.clientId",
    "timestamp": "$.timestamp",
    "sequence": "$.seq",
    "type": "$.type",
    "shop": "$.shop",
    "href": "$.context.document.location.href",
    "collection_id": "$.data.collection.id",
    "query": "$.data.searchResult.query",
    "variant_product": "$.data.productVariant.product.id",
    "variant_price": "$.data.productVariant.price.amount",
    "line_product": "$.data.cartLine.merchandise.product.id",
    "line_price": "$.data.cartLine.merchandise.price.amount",
    "line_quantity": "$.data.cartLine.quantity",
    "line_total": "$.data.cartLine.cost.totalAmount.amount",
    "checkout": "$.data.checkout.token",
    "order": "$.data.checkout.order.id",
    "order_value": "$.data.checkout.subtotalPrice.amount",
    "order_lines": "$.data.checkout.lineItems",
    **{
        f"refund_{number}": path
        for number, path in enumerate(
            (
                *(
                    f"$.{part}.{name}"
                    for part in ("customData", "data")
                    for name in ("order_id", "orderId", "order.id")
                ),
                "$.data.checkout.order.id",
            )
        )
    },
    **{
        f"refunded_{number}": path
        for number, path in enumerate(
            (
                *(
                    f"$.{part}.{name}"
                    for part in ("customData", "data")
                    for name in ("amount.amount", "amount", "refund_amount", "refundAmount", "value", "total")
                ),
            )
        )
    },
    **{
        f"refund_currency_{number}": f"$.customData.{name}"
        for number, name in enumerate(("amount.currencyCode", "currencyCode", "currency"))
    },
    **{
        f"{of}_currency": f"$.data.{path}.currencyCode"
        for of, path in {
            "checkout": "checkout",
            "order": "checkout.subtotalPrice",
            "variant": "productVariant.price",
            "line": "cartLine.merchandise.price",
            "total": "cartLine.cost.totalAmount",
        }.items()
    },
}
"""The path of each field in an event; what is absent or of another kind is null. Web Pixels have no refund of their own: a
refund is an event that the store publishes, under a name of REFUND_OF.
"""
_REFUND_ORDER, _REFUNDED, _REFUND_CURRENCY = (
    [name for name in _FIELDS if re.fullmatch(rf"{start}_\d+", name)]
    for start in ("refund", "refunded", "refund_currency")
)

_EVENT_KEYS = (("name", "clientId"),)
"""What an event has, in whatever it is wrapped."""
_NAME = r"^[\w $.:-]{1,60}$"  # of a custom event
_AMOUNTS = ("variant_price", "line_price", "line_quantity", "line_total", "order_value", *_REFUNDED)
_MONEY = "struct<amount: json>"  # a number or a string
_PRODUCT = "struct<id: string, title: string, vendor: string, type: string>"
_VARIANT = f"struct<price: {_MONEY}, product: {_PRODUCT}>"
_ORDER_LINES = f"array<struct<quantity: json, variant: {_VARIANT}, finalLinePrice: {_MONEY}>>"
_NAMED = (
    "struct<data: struct<"
    f" productVariant: {_VARIANT},"
    f" collection: struct<id: string, title: string, productVariants: array<{_VARIANT}>>,"
    f" searchResult: struct<productVariants: array<{_VARIANT}>>,"
    f" cartLine: struct<merchandise: {_VARIANT}>,"
    f" checkout: struct<lineItems: array<struct<variant: {_VARIANT}>>>>>"
)
"""The products and collections that an event names."""


class ShopifySource(ShopLogSource):
    """Reads a file, a folder or a pattern of files of JSON lines (plain, .gz or .zip); an EventSource.

    An event that was delivered again, in whatever envelope, is known by its id and is a duplicate.

    Beside the events may lie `products.parquet` and `collections.parquet` in the shape of PRODUCTS and
    COLLECTIONS; without them the catalogue is made from the products and collections that the events name.
    The shop is `shop`, else the line's "shop", else the host name of its page. There are no session ids.
    """

    def read(self, path: Path, engine: SQLBackend) -> RawLog:
        """The log at `path`; an input row is a line, or an event where lines wrap several (see `envelopes`). Lines that are no
        JSON object or miss clientId, name or timestamp are rejected, and standard events that no stage uses are set aside
        as ignored.

        Raises SourceError if there is no log, or it or the catalogue cannot be read.
        """
        files = log_files(path, JSON_LINES, "Web Pixels events, one JSON object a line")
        require_json(files, "shopify")
        lines, rows_in, inside = read_events(engine, files, _EVENT_KEYS)
        objects = json_objects(unfolded(lines, ["data", "context", "customData"]), _FIELDS, _AMOUNTS)
        refund = spelled(objects.event).cases(*REFUND_OF.items(), else_=ibis.null("string"))
        parsed = materialize(objects.mutate(event=ibis.coalesce(refund, objects.event)), "pixels")
        is_custom = (parsed.type == "custom") & ~is_refund(parsed.event)
        named = parsed.filter(parsed.fault.isnull() & is_custom & parsed.event.notnull())
        said = (*inside, *unmapped_names(named.rename(name="event"), _NAME))
        rows = self._flat(_with_reason(mark_repeated(parsed, "event_id", "buyer_id", "event", "timestamp")))
        has = replace(ALL_KNOWN, has_session=False)
        return event_log(engine, files[0].parent, rows, rows_in, has, self.identity, self.amounts, _mentions, said)

    def _flat(self, parsed: ibis.Table) -> ibis.Table:
        """One row per event, with its own product; `goods` are the lines of an order."""
        is_order, is_refunded = parsed.event == "checkout_completed", is_refund(parsed.event)
        order = ibis.ifelse(is_order, ibis.coalesce(parsed.order, parsed.checkout), None)
        order = ibis.ifelse(is_refunded, ibis.coalesce(*[parsed[name] for name in _REFUND_ORDER]), order)
        refunded = ibis.coalesce(*[parsed[name] for name in _REFUNDED])
        price = ibis.coalesce(parsed.variant_price, parsed.line_price)
        currencies = [parsed[f"{of}_currency"] for of in ("order", "checkout", "variant", "line", "total")]
        currencies += [parsed[name] for name in _REFUND_CURRENCY]
        return parsed.select(
            "file",
            "row",
            "reason",
            "buyer_id",
            "event",
            "collection_id",
            "query",
            raw="line",
            shop_id=ibis.coalesce(parsed.shop, page_host(parsed.href)),
            time=stamp_of(parsed.timestamp),
            seq=whole_number(number(parsed.sequence)),
            product_id=ibis.coalesce(parsed.variant_product, parsed.line_product),
            price=price,
            quantity=parsed.line_quantity,
            line_total=ibis.ifelse(price.isnull(), parsed.line_total, None),
            currency=ibis.coalesce(*currencies),
            # a pixel names an order by its global id, a server by the number in it
            order_id=order.re_replace(r"^gid://shopify/\w+/", ""),
            value=ibis.ifelse(is_refunded, refunded, ibis.ifelse(is_order, parsed.order_value, None)),
            goods=json_value(ibis.ifelse(is_order, parsed.order_lines, None), _ORDER_LINES).map(_order_line),
        )


def _with_reason(parsed: ibis.Table) -> ibis.Table:
    """The parsed lines with `reason`: null where the line is an event that is used."""
    return parsed.mutate(
        reason=ibis.cases(
            (parsed.fault.notnull(), parsed.fault),
            (parsed.event.isnull(), "name is missing"),
            (parsed.event.isin(UNUSED_EVENTS), IGNORED + parsed.event),
            ((parsed.type == "custom") & ~is_refund(parsed.event), IGNORED + "custom event"),
            (parsed.buyer_id.isnull() & ~is_refund(parsed.event), "clientId is missing"),
            (parsed.timestamp.isnull(), "timestamp is missing"),
            (parsed.repeated, DUPLICATE),
            else_=ibis.null("string"),
        )
    )


def _order_line(item: ir.StructValue) -> ir.StructValue:
    variant = item["variant"]
    return ibis.struct(
        {
            "product_id": variant["product"]["id"].nullif(""),
            "price": _amount(variant["price"]),
            "quantity": json_amount(item["quantity"].cast("string")),
            "line_total": _amount(item["finalLinePrice"]),  # after the line's discounts
        }
    )


def _mentions(used: ibis.Table, reader: AmountReader) -> tuple[ibis.Table, ibis.Table]:
    """Every mention of a product, and of a collection."""
    parsed = json_value(used.raw, _NAMED)
    factor = used[FACTOR] if FACTOR in used.columns else ibis.literal(1.0)
    naming = materialize(used.select("shop_id", parsed=parsed, factor=factor), "pixels_named").select(
        "shop_id", "factor", data=ibis._.parsed["data"]
    )
    collection = naming.data["collection"]
    collections = naming.select(
        "shop_id", collection_id=collection["id"].nullif(""), title=collection["title"].nullif("")
    )
    return _products(naming, reader), collections


def _products(naming: ibis.Table, reader: AmountReader) -> ibis.Table:
    data, none = naming.data, ibis.null("string")
    variants_and_collections = (
        (data["collection"]["productVariants"], data["collection"]["id"].nullif("")),
        (data["searchResult"]["productVariants"], none),
        (data["checkout"]["lineItems"].map(lambda item: item["variant"]), none),
        (ibis.array([data["productVariant"], data["cartLine"]["merchandise"]]), none),
    )
    mentions = ibis.union(
        *[
            naming.select("shop_id", "factor", collection_id=collection, variant=variants).unnest("variant")
            for variants, collection in variants_and_collections
        ]
    )
    variant = mentions.variant
    return mentions.select(
        "shop_id",
        "collection_id",
        product_id=variant["product"]["id"].nullif(""),
        title=variant["product"]["title"].nullif(""),
        vendor=variant["product"]["vendor"].nullif(""),
        product_type=variant["product"]["type"].nullif(""),
        price=reader.number("price", _amount(variant["price"])) * mentions.factor,
    )


def _amount(money: ir.Value) -> ir.StringValue:
    return json_amount(money["amount"].cast("string"))
