"""Shopify's Web Pixels standard events, from the published reference."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime

import pyarrow.parquet as pq
import pytest

from simpersona.adapters.sources.shopify import ShopifySource
from simpersona.config import EventsConfig
from simpersona.contracts import PRODUCTS
from simpersona.errors import SourceError
from simpersona.events.prepare import prepare


def rows_of(table):
    return table.to_pyarrow().to_pylist()


def variant(number, price="10.00"):
    return {
        "id": f"v{number}",
        "price": {"amount": price, "currencyCode": "USD"},
        "product": {"id": f"p{number}", "title": f"Shirt {number}", "vendor": "Acme", "type": "shirts"},
        "title": "M",
        "sku": None,
    }


_NUMBERS = itertools.count()


def pixel(name, data=None, **other):
    place = {"document": {"location": {"href": "https://acme.example/x?y"}, "title": "Acme"}}
    line = {
        "id": f"e{next(_NUMBERS)}",
        "name": name,
        "clientId": "c1",
        "timestamp": "2024-03-01T12:00:00.500Z",
        "seq": 1,
    }
    return line | {"type": "standard", "shop": "acme", "context": place, "data": data} | other


@pytest.fixture
def read_pixels(engine, tmp_path):
    def read(*lines):
        path = tmp_path / "shop.jsonl"
        path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
        return ShopifySource().read(tmp_path, engine)

    return read


def test_pixels_of_a_funnel(read_pixels):
    cart = {"cartLine": {"merchandise": variant(1, 12.5), "quantity": 2, "cost": {"totalAmount": {"amount": 25}}}}
    order = {
        "order": {"id": "o1"},
        "token": "t",
        "lineItems": [
            {"id": "1", "title": "Shirt 1", "quantity": 2, "variant": variant(1), "finalLinePrice": {"amount": "18.0"}},
            {"id": "2", "title": "Shirt 2", "quantity": 1, "variant": variant(2, 7)},
        ],
        "subtotalPrice": {"amount": "25.0"},
        "totalPrice": {"amount": 31.0},
    }
    raw = read_pixels(
        pixel("collection_viewed", {"collection": {"id": "c1", "title": "Shirts", "productVariants": [variant(3)]}}),
        pixel("search_submitted", {"searchResult": {"query": "red shirt", "productVariants": []}}),
        pixel("product_added_to_cart", cart),
        pixel("cart_viewed", {"cart": None}),
        pixel("checkout_started", {"checkout": order}),
        pixel("checkout_completed", {"checkout": order}),
    )
    events = sorted(rows_of(raw.events), key=lambda line: (line["row"], line["part"]))
    assert [line["event"] for line in events] == [
        "collection_viewed",
        "search_submitted",
        "product_added_to_cart",
        "cart_viewed",
        "checkout_started",
        "checkout_completed",
        "checkout_completed",
    ]
    collection, search, added, _, started, first, second = events
    assert collection["collection_id"] == "c1"
    assert search["query"] == "red shirt"
    assert (added["product_id"], added["price"], added["quantity"]) == ("p1", 12.5, 2)
    assert (started["order_id"], started["value"], started["product_id"]) == (None, None, None)
    assert (first["product_id"], first["price"], first["quantity"]) == ("p1", 9.0, 2)  # what was paid for one
    assert (second["product_id"], second["price"], second["quantity"]) == ("p2", 7.0, 1)
    assert {(line["order_id"], line["value"]) for line in (first, second)} == {("o1", 25.0)}  # before shipping
    assert first["time"] == datetime(2024, 3, 1, 12, 0, 0, 500_000, tzinfo=UTC)
    assert (first["shop_id"], first["buyer_id"], first["seq"]) == ("acme", "c1", 1)
    products = {line["product_id"]: line for line in rows_of(raw.products)}
    assert set(products) == {"p1", "p2", "p3"}
    assert products["p3"]["collection_ids"] == ["c1"]
    assert products["p1"]["text"] == "Shirt 1 Acme shirts"
    assert rows_of(raw.collections) == [{"shop_id": "acme", "collection_id": "c1", "title": "Shirts"}]


def test_pixels_with_little_in_them(read_pixels):
    """Nested values may be absent, null or of another kind; the shop is then the page's host."""
    raw = read_pixels(
        pixel("product_viewed", {"productVariant": None}, shop=None),
        pixel("product_viewed", {"productVariant": {"price": "cheap", "product": []}}),
        pixel("checkout_completed", {"checkout": {"lineItems": [], "token": "t", "subtotalPrice": {"amount": 5}}}),
        {"name": "page_viewed", "clientId": 7, "timestamp": "2024-03-01T12:00:00+01:00", "shop": "acme"},
    )
    by_row = {line["row"]: line for line in rows_of(raw.events)}
    assert by_row[1]["shop_id"] == "acme.example"
    assert (by_row[2]["product_id"], by_row[2]["price"]) == (None, None)
    assert (by_row[3]["order_id"], by_row[3]["value"], by_row[3]["product_id"]) == ("t", 5.0, None)
    assert (by_row[4]["buyer_id"], by_row[4]["time"]) == ("7", datetime(2024, 3, 1, 11, tzinfo=UTC))


def test_pixels_with_wild_numbers_and_kinds(read_pixels):
    cart = {"cartLine": {"merchandise": variant(1, -3), "quantity": 1e300}}
    raw = read_pixels(
        pixel("product_added_to_cart", cart, seq=1e300),
        pixel("checkout_completed", {"checkout": {"lineItems": "[not a list", "order": {"id": "o"}}}),
        pixel("checkout_completed", {"checkout": {"lineItems": [None, 3], "order": "o"}}),
    )
    by_row = {line["row"]: line for line in rows_of(raw.events)}
    assert (by_row[1]["seq"], by_row[1]["quantity"], by_row[1]["product_id"]) == (None, None, "p1")
    assert (by_row[2]["order_id"], by_row[2]["product_id"]) == ("o", None)
    assert by_row[3]["order_id"] is None
    (product,) = rows_of(raw.products)
    assert product["price"] is None


def test_pixels_set_aside(read_pixels):
    raw = read_pixels(
        pixel("page_viewed"),
        "not json",
        "[1, 2]",
        pixel("page_viewed", clientId=None),
        pixel(None),
        pixel("page_viewed", timestamp=""),
        pixel("clicked"),
        pixel("quiz_taken", type="custom"),
        pixel("page_viewed", timestamp="yesterday"),
    )
    prepared = prepare(raw, EventsConfig(max_rejected_share=0.99), b"key")
    assert [(line["row"], line["reason"]) for line in rows_of(prepared.rejected)] == [
        (2, "not JSON"),
        (3, "not a JSON object"),
        (4, "clientId is missing"),
        (5, "name is missing"),
        (6, "timestamp is missing"),
        (7, "ignored: clicked"),
        (8, "ignored: custom event"),
        (9, "time is missing or unreadable"),
    ]
    quality = prepared.quality
    assert (quality["rows_malformed"], quality["rows_ignored"], quality["rows_kept"]) == (6, 2, 1)
    assert quality["rejected_share"] == 6 / 9


def test_pixels_beside_a_catalogue(read_pixels, tmp_path):
    shop = {"shop_id": "acme", "product_id": "p1", "title": "Shirt", "text": "a shirt", "vendor": None}
    catalogue = PRODUCTS.empty().from_pylist([shop], PRODUCTS.schema)
    pq.write_table(catalogue, tmp_path / "products.parquet")
    raw = read_pixels(pixel("product_viewed", {"productVariant": variant(2)}))
    assert [line["title"] for line in rows_of(raw.products)] == ["Shirt"]
    assert rows_of(raw.collections) == []


@pytest.mark.parametrize("broken", ["columns", "bytes", "key"])
def test_a_broken_catalogue_is_named(read_pixels, tmp_path, broken):
    path = tmp_path / "products.parquet"
    rows = PRODUCTS.sample(2, shop_id=["a", "a"], product_id=["p", "p"])
    if broken == "bytes":
        path.write_bytes(b"PAR1 no")
    else:
        pq.write_table(rows.drop_columns("title") if broken == "columns" else rows, path)
    with pytest.raises(SourceError, match=r"products\.parquet: not a catalogue as expected"):
        read_pixels(pixel("page_viewed"))


def test_an_event_that_came_twice_is_a_duplicate(read_pixels):
    """Late and out of order, in another envelope: its id, buyer, name and time tell."""
    first = pixel("product_viewed", {"productVariant": variant(1)})
    other = pixel("product_viewed", {"productVariant": variant(2)}, timestamp="2024-03-01T11:00:00.500+01:00")
    raw = read_pixels(first, other, first | {"seq": 9, "retry": True}, other | {"timestamp": "2024-03-01T12:00:00Z"})
    assert [(line["row"], line["reason"]) for line in rows_of(raw.rejected)] == [(3, "exact duplicate")]
    times = {line["row"]: line["time"].hour for line in rows_of(raw.events)}
    assert times == {1: 12, 2: 10, 4: 12}  # the offset counts


def test_every_standard_event_is_known(read_pixels):
    """The list of the reference: https://shopify.dev/docs/api/web-pixels-api/standard-events."""
    unused = [
        "alert_displayed",
        "checkout_address_info_submitted",
        "checkout_contact_info_submitted",
        "checkout_shipping_info_submitted",
        "payment_info_submitted",
        "ui_extension_errored",
        "clicked",
        "form_submitted",
        "input_blurred",
        "input_changed",
        "input_focused",
    ]
    used = [
        "cart_viewed",
        "checkout_completed",
        "checkout_started",
        "collection_viewed",
        "page_viewed",
        "product_added_to_cart",
        "product_removed_from_cart",
        "product_viewed",
        "search_submitted",
    ]
    quality = prepare(read_pixels(*map(pixel, unused + used)), EventsConfig(), b"key").quality
    assert quality["reasons"] == {f"ignored: {name}": 1 for name in sorted(unused)}
    assert quality["events"] == dict.fromkeys(sorted(used), 1)


def test_the_shop_may_be_set(engine, tmp_path):
    (tmp_path / "log.jsonl").write_text(json.dumps(pixel("page_viewed")))
    (line,) = rows_of(ShopifySource(shop="one").read(tmp_path, engine).events)
    assert line["shop_id"] == "one"
