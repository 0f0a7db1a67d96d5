"""Shopify Web Pixels standard events as JSON lines: a store's own log, and what the lab writes."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis makes the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

import json
from pathlib import Path

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
from ibis.backends.duckdb import Backend

from simpersona.adapters.engine_duckdb import log_files, read_lines
from simpersona.contracts import COLLECTIONS, PRODUCTS, Capabilities, RawLog
from simpersona.errors import ContractError, SourceError
from simpersona.events.cleaning import IGNORED, usable
from simpersona.events.kept import keep
from simpersona.tables import Contract

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
_ORDER_LINES = dt.dtype(f"array<struct<quantity: string, variant: {_VARIANT}, finalLinePrice: {_MONEY}>>")
_NAMED = dt.dtype(
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

    Beside the events may lie `products.parquet` and `collections.parquet` in the shape of PRODUCTS and
    COLLECTIONS; without them the catalogue is made from the products and collections that the events name.
    The shop is the line's "shop", else the host name of its page. There are no session ids.
    """

    def read(self, path: Path, engine: Backend) -> RawLog:
        """The log at `path`; an input row is a line. Lines that are no JSON object or miss clientId, name
        or timestamp are rejected, and standard events that no stage uses are set aside as ignored.

        Raises SourceError if there is no log, or it or the catalogue cannot be read.
        """
        files = log_files(path, ("*.jsonl", "*.jsonl.gz"), "Web Pixels events, one JSON object a line")
        lines, rows_in = read_lines(engine, files)
        judged = _judged(keep(_parsed(lines), "pixels"))
        read = judged.filter(judged.reason.isnull())
        rejected = judged.filter(judged.reason.notnull())
        folder = path if path.is_dir() else path.parent
        return RawLog(
            events=_events(read),
            rejected=rejected.select("file", "row", "reason", raw="line"),
            products=_catalogue(engine, folder / "products.parquet", PRODUCTS, read),
            collections=_catalogue(engine, folder / "collections.parquet", COLLECTIONS, read),
            rows_in=rows_in,
            has=Capabilities(
                has_search=True, has_collection=True, has_checkout_start=True, has_price=True, has_text=True
            ),
        )


@ibis.udf.scalar.builtin(name="json_valid")
def _is_json(text: str) -> bool:
    """Whether a text is JSON, as DuckDB sees it."""


@ibis.udf.scalar.builtin(name="json_extract_string")
def _texts_at(text: str, paths: list[str]) -> list[str]:
    """What is at each path of a JSON text, as text, the text read once; null where there is nothing."""


@ibis.udf.scalar.builtin(name="json_transform", signature=((dt.string, dt.string), _ORDER_LINES))
def _order_lines(text: object, structure: str) -> object:
    """DuckDB's reading of JSON into typed values: what is absent or of another kind becomes null."""


@ibis.udf.scalar.builtin(name="json_transform", signature=((dt.string, dt.string), _NAMED))
def _named(text: object, structure: str) -> object:
    """The same for the products and collections of an event."""


def _if_json(text: ir.StringValue) -> ir.StringValue:
    return ibis.ifelse(_is_json(text), text, None)


def _parsed(lines: ibis.Table) -> ibis.Table:
    """The lines with their _FIELDS."""
    found = _texts_at(_if_json(lines.line), list(_FIELDS.values()))
    return lines.mutate(
        is_json=_is_json(lines.line),
        is_object=lines.line.re_search(r"^\s*\{"),
        **{name: found[place].nullif("") for place, name in enumerate(_FIELDS)},
    )


def _judged(parsed: ibis.Table) -> ibis.Table:
    """The parsed lines with `reason`: null where the line is an event that is used."""
    reason = ibis.cases(
        (parsed.fault.notnull(), parsed.fault),
        (~parsed.is_json, "not JSON"),
        (~parsed.is_object, "not a JSON object"),
        (parsed.client.isnull(), "clientId is missing"),
        (parsed.name.isnull(), "name is missing"),
        (parsed.timestamp.isnull(), "timestamp is missing"),
        (parsed.name.isin(UNUSED_EVENTS), IGNORED + parsed.name),
        (parsed.type == "custom", IGNORED + "custom event"),
        else_=ibis.null("string"),
    )
    return parsed.mutate(reason=reason).drop("fault", "is_json", "is_object")


def _structure(kind: dt.DataType) -> object:
    """DuckDB's way to write the type down in JSON."""
    if isinstance(kind, dt.Struct):
        return {name: _structure(inner) for name, inner in kind.items()}
    if isinstance(kind, dt.Array):
        return [_structure(kind.value_type)]
    return "VARCHAR"


def _events(read: ibis.Table) -> ibis.Table:
    is_order = read.name == "checkout_completed"
    rows = read.mutate(
        shop_id=_shop(read),
        time=read.timestamp.try_cast("timestamp('UTC')"),
        seq=_number(read.seq).try_cast("int64"),
        order_id=ibis.ifelse(is_order, ibis.coalesce(read.order, read.checkout), None),
        value=ibis.ifelse(is_order, _number(read.order_value), None),
    )
    items = ibis.ifelse(is_order & rows.order_lines.startswith("["), rows.order_lines, None)
    ordered = _order_lines(_if_json(items), json.dumps(_structure(_ORDER_LINES))).map(_order_line)
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


def _catalogue(engine: Backend, file: Path, contract: Contract, read: ibis.Table) -> ibis.Table:
    """The catalogue table in the file, else made from the events; small, so it is checked in memory."""
    made = _products if contract is PRODUCTS else _collections
    try:
        table = pq.read_table(file) if file.is_file() else made(_naming(read)).to_pyarrow()
        checked = contract.check(table)
    except (ContractError, OSError, pa.ArrowException) as error:
        raise SourceError(f"{file}: not a catalogue as expected: {error}") from error
    kept = engine.create_table(ibis.util.gen_name(contract.name), ibis.memtable(checked))
    return kept.order_by(*contract.key)


def _naming(read: ibis.Table) -> ibis.Table:
    """The products and collections that the events name: `shop_id`, `data`."""
    named = _named(read.line, json.dumps(_structure(_NAMED)))
    return keep(read.select(shop_id=_shop(read), named=named), "pixels_named").select(
        "shop_id", data=ibis._.named["data"]
    )


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
    seen = seen.select(
        "shop_id",
        "collection_id",
        product_id=_text(variant["product"]["id"]),
        title=_text(variant["product"]["title"]),
        vendor=_text(variant["product"]["vendor"]),
        product_type=_text(variant["product"]["type"]),
        price=usable(_amount(variant["price"])),
    )
    seen = seen.filter(seen.product_id.notnull() & seen.shop_id.notnull())
    none = ibis.literal([], type="array<string>")
    products = seen.group_by("shop_id", "product_id").aggregate(
        title=seen.title.max().fill_null("product"),  # max: any one, but always the same one
        vendor=seen.vendor.max(),
        product_type=seen.product_type.max(),
        price=seen.price.median(),
        collection_ids=ibis.coalesce(seen.collection_id.collect(distinct=True), none).sort(),
    )
    words = [ibis.coalesce(products[name], ibis.literal("")) for name in ("vendor", "product_type")]
    text = (products.title + " " + words[0] + " " + words[1]).strip()
    return products.mutate(text=text, variants=ibis.null("array<string>"))


def _collections(naming: ibis.Table) -> ibis.Table:
    collection = naming.data["collection"]
    seen = naming.select("shop_id", collection_id=_text(collection["id"]), title=_text(collection["title"]))
    seen = seen.filter(seen.collection_id.notnull() & seen.shop_id.notnull())
    return seen.group_by("shop_id", "collection_id").aggregate(title=seen.title.max().fill_null("collection"))


def _shop(read: ibis.Table) -> ir.StringValue:
    host = read.href.re_extract(r"^[a-z]+://([^/:?#]+)", 1)
    return ibis.coalesce(read.shop, _text(host))


def _text(value: ir.Value) -> ir.StringValue:
    return value.nullif("")


def _number(value: ir.Value) -> ir.FloatingValue:
    return value.try_cast("float64")


def _amount(money: ir.Value) -> ir.FloatingValue:
    return _number(money["amount"])
