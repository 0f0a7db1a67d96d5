"""Calls of Segment's e-commerce spec (version 2), and of PostHog, written by hand from the published pages."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from simpersona.adapters.sources.segment import SegmentSource
from simpersona.config import EventsConfig
from simpersona.contracts import EVENTS, PRODUCTS, Capabilities
from simpersona.events.prepare import prepare

GAMES = {"product_id": "507f1f77bcf86cd799439011", "sku": "45790-32", "name": "Monopoly: 3rd Edition", "price": 19,
         "position": 1, "category": "Games", "brand": "Hasbro"}  # fmt: skip
UNO = {"product_id": "505bd76785ebb509fc183733", "sku": "46493-32", "name": "Uno Card Game", "price": "3.00",
       "quantity": 2, "category": "Games"}  # fmt: skip


def call(second, kind="track", event=None, properties=None, **other):
    line = {"messageId": f"m-{second}", "type": kind, "anonymousId": "anon-1", "channel": "browser"}
    stamp = f"2024-03-01T12:00:{second:02}.000Z"
    line |= {"timestamp": stamp, "sentAt": "2024-03-01T13:00:00Z", "receivedAt": "2024-03-02T00:00:00Z"}
    line |= {"context": {"page": {"url": "https://shop.example/games?a=b"}, "library": {"name": "analytics.js"}}}
    line |= {"event": event} if event else {}
    return line | ({"properties": properties} if properties is not None else {}) | other


CALLS = [
    call(0, "page", properties={"title": "Games", "url": "https://shop.example/"}, name="Games"),
    call(1, event="Products Searched", properties={"query": "blue roses"}),
    call(2, event="Product List Viewed", properties={"list_id": "hot_deals_1", "category": "Deals",
                                                     "products": [GAMES, UNO]}),
    call(3, event="Product Clicked", properties=GAMES),
    call(4, event="Product Viewed", properties=GAMES | {"quantity": 1, "currency": "usd", "value": 18.99}),
    call(5, event="Product Added", properties=UNO | {"cart_id": "c"}),
    call(6, event="product_removed", properties=UNO),
    call(7, event="Cart Viewed", properties={"cart_id": "c", "products": [GAMES]}),
    call(8, "identify", traits={"email": "jane@mail.example"}, userId="user-9"),
    call(9, event="Checkout Started", properties={"order_id": "50314b8e", "value": 30, "products": [GAMES, UNO]}),
    # from the server, which knows the user alone
    call(10, event="Order Completed", anonymousId=None, userId="user-9", properties={
        "checkout_id": "fksdjfsdjfisjf9sdfjsd9f", "order_id": "50314b8e", "total": 27.5, "subtotal": 22.5,
        "revenue": 25.0, "shipping": 3, "tax": 2, "products": [GAMES, UNO]}),
    call(11, event="Order Completed", properties={"order_id": "o2", "revenue": 25.0}),
    call(12, event="Product Viewed", properties=GAMES, messageId="m-4", sentAt="2024-03-05T00:00:00Z"),
    call(13, event="Product Viewed", properties=GAMES, anonymousId=None),
]  # fmt: skip
USED = [  # row, event, product, collection, query, price, quantity, order, value
    (1, "page_viewed", None, None, None, None, None, None, None),
    (2, "search_submitted", None, None, "blue roses", None, None, None, None),
    (3, "collection_viewed", None, "hot_deals_1", None, None, None, None, None),
    (5, "product_viewed", GAMES["product_id"], None, None, 19.0, 1, None, None),
    (6, "product_added_to_cart", UNO["product_id"], None, None, 3.0, 2, None, None),
    (7, "product_removed_from_cart", UNO["product_id"], None, None, 3.0, 2, None, None),
    (8, "cart_viewed", None, None, None, None, None, None, None),
    (10, "checkout_started", None, None, None, None, None, None, None),
    (11, "checkout_completed", GAMES["product_id"], None, None, 19.0, None, "50314b8e", 22.5),
    (11, "checkout_completed", UNO["product_id"], None, None, 3.0, 2, "50314b8e", 22.5),
    (12, "checkout_completed", None, None, None, None, None, "o2", 25.0),
]


@pytest.fixture
def read(engine, tmp_path):
    def read(*calls, shop=None):
        (tmp_path / "calls.jsonl").write_text("\n".join(json.dumps(line) for line in calls), encoding="utf-8")
        return SegmentSource(shop=shop).read(tmp_path, engine)

    return read


def rows_of(table):
    return table.to_pyarrow().to_pylist()


def events_of(raw):
    return sorted(rows_of(raw.events), key=lambda line: (line["row"], line["part"]))


def test_calls_of_segment(read):
    raw = read(*CALLS)
    events = events_of(raw)
    told = ("row", "event", "product_id", "collection_id", "query", "price", "quantity", "order_id", "value")
    assert [tuple(line[name] for name in told) for line in events] == USED
    assert {(line["shop_id"], line["session_id"]) for line in events} == {("shop.example", None)}
    # before and after logging in, in the browser and on the server
    assert {line["buyer_id"] for line in events} == {"user-9"}
    assert events[3]["time"] == datetime(2024, 3, 1, 12, 0, 4, tzinfo=UTC)
    assert sorted((line["row"], line["reason"]) for line in rows_of(raw.rejected)) == [
        (4, "ignored: Product Clicked"),
        (9, "ignored: identify call"),
        (13, "exact duplicate"),
        (14, "anonymousId, userId and distinct_id are missing"),
    ]
    assert raw.has == Capabilities(True, True, True, True, has_session=False, has_text=True)
    EVENTS.check(raw.events.to_pyarrow())
    uno, games = PRODUCTS.check(raw.products.to_pyarrow()).to_pylist()
    assert (games["title"], games["vendor"], games["product_type"], games["price"]) == (
        "Monopoly: 3rd Edition",
        "Hasbro",
        "Games",
        19.0,
    )
    assert uno["collection_ids"] == ["hot_deals_1"]
    assert rows_of(raw.collections) == [{"shop_id": "shop.example", "collection_id": "hot_deals_1", "title": "Deals"}]
    quality = prepare(raw, EventsConfig(max_rejected_share=0.2), b"key").quality
    assert (quality["rows_kept"], quality["rows_malformed"], quality["rows_duplicate"]) == (10, 1, 1)


def posthog(number, event, person, properties, **other):
    properties = {"$session_id": "s1", "$current_url": "https://shop.example/x", "$ip": "203.0.113.77"} | properties
    line = {"uuid": f"u{number}", "event": event, "distinct_id": person, "properties": properties}
    return line | {"timestamp": f"2024-05-22T17:09:{number:02}.220000+02:00"} | other


def test_events_of_posthog(read):
    text = posthog(3, "Product Viewed", "anon", {"product_id": 7, "price": 12.5})
    raw = read(
        posthog(1, "$pageview", "anon", {}),
        posthog(2, "$autocapture", "anon", {}),
        text | {"properties": json.dumps(text["properties"])},  # as the batch exports write them
        posthog(4, "$identify", "user-1", {"$anon_distinct_id": "anon"}),
        posthog(5, "order_completed", "user-1", {"order_id": "o", "total": 12.5, "products": [{"product_id": "7"}]}),
        posthog(5, "order_completed", "user-1", {"order_id": "o", "total": 12.5, "products": [{"product_id": "7"}]},
                created_at="later"),
    )  # fmt: skip
    events = events_of(raw)
    told = ("event", "buyer_id", "session_id", "shop_id", "product_id", "value")
    assert [tuple(line[name] for name in told) for line in events] == [
        ("page_viewed", "user-1", "s1", "shop.example", None, None),
        ("product_viewed", "user-1", "s1", "shop.example", "7", None),
        ("checkout_completed", "user-1", "s1", "shop.example", "7", 12.5),
    ]
    assert events[0]["time"] == datetime(2024, 5, 22, 15, 9, 1, 220_000, tzinfo=UTC)
    assert sorted(line["reason"] for line in rows_of(raw.rejected)) == [
        "exact duplicate",
        "ignored: $autocapture",
        "ignored: $identify",
    ]
    assert raw.has.has_session


def test_values_of_another_kind_are_as_good_as_none(read):
    raw = read(
        call(1, event="Product Viewed", properties=[1]),
        call(2, event="Product Viewed", properties={"product_id": {"a": 1}, "price": "cheap", "products": "no"}),
        call(3, event="Order Completed", properties={"products": [None, {"sku": "s", "quantity": -1}], "total": None}),
        call(4, event="Ünïcode jane@mail.example", properties={}),
        shop="mine",
    )
    events = events_of(raw)
    assert [line["row"] for line in events] == [1, 2, 3, 3]
    assert (events[0]["product_id"], events[1]["price"], events[3]["product_id"]) == (None, None, "s")
    (aside,) = rows_of(raw.rejected)
    assert aside["reason"] == "ignored: an event of another name"
    assert {line["shop_id"] for line in events} == {"mine"}
