"""Shopify Web Pixels standard events as JSON lines: a store's own log, and what the lab writes."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis makes the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

from pathlib import Path

import ibis
import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from simpersona.adapters.engines.duckdb import log_files, read_lines
from simpersona.adapters.sources.json_fields import json_objects, json_value, mark_repeated
from simpersona.adapters.sources.named_products import catalogue
from simpersona.contracts import Capabilities, RawLog
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
"""Standard events that no stage uses; set aside with a reason of their own, and no fault of the log."""

_FIELDS = {
    "event_id": "$.id",
    "name": "$.name",
    "client": "$.clientId",
    "timestamp": "$.timestamp",
    "seq": "$.seq",
    "type": "$.type",
    "shop": "$.shop",
    "href": "$.context.document.location.href",
    "collection": "$.data.collection.id",
    "query": "$.data.searchResult.query",
    "product": "$.data.productVariant.product.id",
    "price": "$.data.productVariant.price.amount",
    "line_product": "$.data.cartLine.merchandise.product.id",
    "line_price": "$.data.cartLine.merchandise.price.amount",
    "line_quantity": "$.data.cartLine.quantity",
    "line_total": "$.data.cartLine.cost.totalAmount.amount",
    "checkout": "$.data.checkout.token",
    "order": "$.data.checkout.order.id",
    "order_value": "$.data.checkout.subtotalPrice.amount",
    "order_lines": "$.data.checkout.lineItems",
}
"""Where an event has what; anything absent or of another kind is null."""

_MONEY = "struct<amount: string>"  # a number or a string
_PRODUCT = "struct<id: string, title: string, vendor: string, type: string>"
_VARIANT = f"struct<price: {_MONEY}, product: {_PRODUCT}>"
_ORDER_LINES = f"array<struct<quantity: string, variant: {_VARIANT}, finalLinePrice: {_MONEY}>>"
_NAMED = (
    "struct<data: struct<"
    f" productVariant: {_VARIANT},"
    f" collection: struct<id: string, title: string, productVariants: array<{_VARIANT}>>,"
    f" searchResult: struct<productVariants: array<{_VARIANT}>>,"
    f" cartLine: struct<merchandise: {_VARIANT}>,"
    f" checkout: struct<lineItems: array<struct<variant: {_VARIANT}>>>>>"
)
"""The products and collections that an event names."""


class ShopifySource:
    """Reads a folder of *.jsonl files (plain or .gz), or one such file; an EventSource.

    An event that was delivered again, in whatever envelope, is known by its id and is a duplicate.

    Beside the events may lie `products.parquet` and `collections.parquet` in the shape of PRODUCTS and
    COLLECTIONS; without them the catalogue is made from the products and collections that the events name.
    The shop is `shop`, else the line's "shop", else the host name of its page. There are no session ids.
    """

    def __init__(self, shop: str | None = None) -> None:
        self.shop = shop

    def read(self, path: Path, engine: SQLBackend) -> RawLog:
        """The log at `path`; an input row is a line. Lines that are no JSON object or miss clientId, name
        or timestamp are rejected, and standard events that no stage uses are set aside as ignored.

        Raises SourceError if there is no log, or it or the catalogue cannot be read.
        """
        files = log_files(path, ("*.jsonl", "*.jsonl.gz"), "Web Pixels events, one JSON object a line")
        lines, rows_in = read_lines(engine, files)
        parsed = materialize(self._with_shop(json_objects(lines, _FIELDS)), "pixels")
        judged = _judged(mark_repeated(parsed, "event_id", "client", "name", "timestamp"))
        read = judged.filter(judged.reason.isnull())
        rejected = judged.filter(judged.reason.notnull())
        products, collections = catalogue(engine, files[0].parent, lambda: _named(read))
        return RawLog(
            events=_events(read),
            rejected=rejected.select("file", "row", "reason", raw="line"),
            products=products,
            collections=collections,
            rows_in=rows_in,
            has=Capabilities(
                has_search=True, has_collection=True, has_checkout_start=True, has_price=True, has_text=True
            ),
        )

    def _with_shop(self, parsed: ibis.Table) -> ibis.Table:
        host = parsed.href.re_extract(r"^[a-z]+://([^/:?#]+)", 1).nullif("")
        return parsed.mutate(shop_id=ibis.literal(self.shop) if self.shop else ibis.coalesce(parsed.shop, host))


def _judged(parsed: ibis.Table) -> ibis.Table:
    """The parsed lines with `reason`: null where the line is an event that is used."""
    reason = ibis.cases(
        (parsed.fault.notnull(), parsed.fault),
        (parsed.client.isnull(), "clientId is missing"),
        (parsed.name.isnull(), "name is missing"),
        (parsed.timestamp.isnull(), "timestamp is missing"),
        (parsed.name.isin(UNUSED_EVENTS), IGNORED + parsed.name),
        (parsed.type == "custom", IGNORED + "custom event"),
        (parsed.repeated, DUPLICATE),
        else_=ibis.null("string"),
    )
    return parsed.mutate(reason=reason).drop("fault", "repeated")


def _events(read: ibis.Table) -> ibis.Table:
    is_order = read.name == "checkout_completed"
    rows = read.mutate(
        time=read.timestamp.try_cast("timestamp('UTC')"),
        seq=_number(read.seq).try_cast("int64"),
        order_id=ibis.ifelse(is_order, ibis.coalesce(read.order, read.checkout), None),
        value=ibis.ifelse(is_order, _number(read.order_value), None),
    )
    ordered = json_value(ibis.ifelse(is_order, rows.order_lines, None), _ORDER_LINES).map(_order_line)
    several = (ordered.length() > 0).fill_null(False)
    lines = rows.filter(several).mutate(item=ordered).unnest("item", offset="part")
    count = _number(rows.line_quantity)
    price = ibis.coalesce(_number(rows.price), _number(rows.line_price), _number(rows.line_total) / count.nullif(0))
    single = rows.filter(~several).mutate(
        item=_row_line(product_id=ibis.coalesce(rows.product, rows.line_product), price=price, quantity=count),
        part=ibis.literal(0),
    )
    # an order gives one row per line, anything else one row
    return ibis.union(*[_in_shape(part) for part in (single, lines)])


def _in_shape(rows: ibis.Table) -> ibis.Table:
    item = rows.item
    return rows.select(
        "shop_id",
        "time",
        "query",
        "order_id",
        "value",
        "file",
        "row",
        "seq",
        buyer_id="client",
        session_id=ibis.null("string"),
        event="name",
        collection_id="collection",
        product_id=item["product_id"],
        price=item["price"],
        quantity=item["quantity"],
        part=rows.part.cast("int64"),
        raw="line",
    )


def _order_line(item: ir.StructValue) -> ir.StructValue:
    count = _number(item["quantity"])
    paid = _amount(item["finalLinePrice"]) / count.nullif(0)  # after the line's discounts
    variant = item["variant"]
    return _row_line(
        product_id=_text(variant["product"]["id"]),
        price=ibis.coalesce(paid, _amount(variant["price"])),
        quantity=count,
    )


def _row_line(*, product_id: ir.Value, price: ir.Value, quantity: ir.Value) -> ir.StructValue:
    return ibis.struct({"product_id": product_id, "price": price, "quantity": quantity.try_cast("int64")})


def _named(read: ibis.Table) -> tuple[ibis.Table, ibis.Table]:
    """Every mention of a product, and of a collection."""
    named = json_value(read.line, _NAMED)
    naming = materialize(read.select("shop_id", named=named), "pixels_named").select(
        "shop_id", data=ibis._.named["data"]
    )
    collection = naming.data["collection"]
    collections = naming.select("shop_id", collection_id=_text(collection["id"]), title=_text(collection["title"]))
    return _products(naming), collections


def _products(naming: ibis.Table) -> ibis.Table:
    data = naming.data
    lists = {
        "listed": (data["collection"]["productVariants"], _text(data["collection"]["id"])),
        "found": (data["searchResult"]["productVariants"], ibis.null("string")),
        "ordered": (data["checkout"]["lineItems"].map(lambda item: item["variant"]), ibis.null("string")),
        "shown": (ibis.array([data["productVariant"], data["cartLine"]["merchandise"]]), ibis.null("string")),
    }
    seen = ibis.union(
        *[
            naming.select("shop_id", collection_id=collection, variant=variants).unnest("variant")
            for variants, collection in lists.values()
        ]
    )
    variant = seen.variant
    return seen.select(
        "shop_id",
        "collection_id",
        product_id=_text(variant["product"]["id"]),
        title=_text(variant["product"]["title"]),
        vendor=_text(variant["product"]["vendor"]),
        product_type=_text(variant["product"]["type"]),
        price=_amount(variant["price"]),
    )


def _text(value: ir.Value) -> ir.StringValue:
    return value.nullif("")


def _number(value: ir.Value) -> ir.FloatingValue:
    return value.try_cast("float64")


def _amount(money: ir.Value) -> ir.FloatingValue:
    return _number(money["amount"])
