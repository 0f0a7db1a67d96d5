"""Refunds and cancellations reduce the order that they name."""

from __future__ import annotations

import json

from simpersona.adapters.sources.ga4 import Ga4Source
from simpersona.adapters.sources.segment import SegmentSource
from simpersona.adapters.sources.shopify import ShopifySource
from simpersona.adapters.sources.snowplow import SnowplowSource
from simpersona.adapters.sources.table import TableSource
from simpersona.config import EventsConfig
from simpersona.events.prepare import prepare

KEEP = EventsConfig(keep_ids=True)


def prepared(engine, tmp_path, *purchases):
    """The log of purchases: buyer, hour, order id and value, and perhaps an event and a shop."""
    lines = [
        f"{buyer};2024-05-01T{hour:02}:00:00Z;{(*rest, 'checkout_completed')[0]};{order};{value};{(*rest, '', 's')[1] or 's'}"
        for buyer, hour, order, value, *rest in purchases
    ]
    return of_table(engine, tmp_path, "buyer_id;time;event;order_id;value;shop_id", *lines)


def of_table(engine, tmp_path, header, *lines, **settings):
    path = tmp_path / "log.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return prepare(TableSource(**settings).read(path, engine), KEEP, b"key")


def revenue_of(found):
    (orders,) = found.quality["orders"]
    return orders["revenue"]


def order_values(found):
    """The value of each order of the events, by its id."""
    events = found.events.to_pyarrow().to_pylist()
    return {line["order_id"]: line["value"] for line in events if line["event"] == "checkout_completed"}


REFUNDS = {
    "in part": ([("a", 11, "-5.00")], 5.0),
    "in full, at the time of the order": ([("a", 10, "-10.00")], 0.0),
    "before the order, by another clock": ([("a", 9, "-5.00")], 5.0),
    "twice": ([("a", 11, "-5.00"), ("a", 12, "-3.00")], 2.0),
    "never below 0": ([("a", 11, "-99.00")], 0.0),
    "as accounts write it": ([("a", 11, "(5.00)")], 5.0),
    "delivered again": ([("a", 11, "-5.00"), ("a", 11, "-5.00")], 5.0),
    "by somebody else": ([("agent", 11, "-5.00")], 5.0),
    "by a server": ([("", 11, "4.00", "order_refunded")], 6.0),
    "with a sign": ([("a", 11, "-4.00", "order_refunded")], 6.0),
    "without an amount": ([("a", 11, "", "order_refunded")], 0.0),
    "of 0": ([("a", 11, "0", "order_refunded")], 0.0),
    "cancelled": ([("a", 11, "1.00", "order_cancelled")], 0.0),
}


def test_refunds_reduce_their_orders(engine, tmp_path):
    orders = [("a", 10, name, "10.00") for name in REFUNDS] + [("b", 10, "other", "30.00")]
    refunds = [(buyer, hour, name, *rest) for name, (lines, _) in REFUNDS.items() for buyer, hour, *rest in lines]
    found = prepared(engine, tmp_path, *orders, *refunds)
    left = {name: value for name, (_, value) in REFUNDS.items()} | {"other": 30.0}
    assert order_values(found) == left
    quality = found.quality
    assert quality["orders"] == [{"currency": None, "orders": 14, "revenue": sum(left.values())}]
    assert quality["impossible"]["value"] == 0
    assert quality["refunds"] == {
        "applied": 14, "orders": 13, "without_order": 0, "without_amount": 0, "orders_in_full": 5,
    }  # fmt: skip
    assert any(said.startswith("14 refunds and cancellations were subtracted") for said in quality["warnings"])
    assert quality["sessions"] == 2  # a refund is no visit
    assert (quality["rows_in"], quality["rows_kept"], quality["rows_duplicate"]) == (29, 14, 1)
    assert quality["reasons"]["ignored: refund or cancellation of an order"] == 14


def test_refunds_of_no_known_order_are_said_and_are_no_orders(engine, tmp_path):
    found = prepared(
        engine, tmp_path, ("a", 10, "o1", "10.00"),
        ("a", 11, "o9", "-5.00"), ("a", 12, "", "-5.00"), ("a", 13, "o9", "", "order_cancelled"),
        ("a", 14, "", "5.00", "order_refunded"), ("a", 15, "o1", "-5.00", "checkout_completed", "other"),
    )  # fmt: skip
    assert found.quality["orders"] == [{"currency": None, "orders": 1, "revenue": 10.0}]
    assert found.quality["refunds"]["without_order"] == 5
    assert found.quality["reasons"] == {"ignored: refund or cancellation that names no order of the log": 5}
    assert any("not subtracted from any order" in said for said in found.quality["warnings"])


def test_an_id_that_two_buyers_have_is_the_order_of_the_one_who_is_named(engine, tmp_path):
    orders = ("a", 10, "o1", "10.00"), ("b", 10, "o1", "30.00")
    assert revenue_of(prepared(engine, tmp_path, *orders, ("b", 11, "o1", "-5.00"))) == 35.0
    unclear = prepared(engine, tmp_path, *orders, ("c", 11, "o1", "-5.00"))
    assert revenue_of(unclear) == 40.0
    assert unclear.quality["refunds"]["without_order"] == 1


LINES = "buyer_id;time;event;order_id;product_id;price;quantity"
STORNO = {
    "one of two": ("storno", "p2;5.00;1", 20.0),
    "at the price of the order": ("storno", "p2;;1", 20.0),
    "the line as it was bought": ("storno", "p2;;", 15.0),
    "all of the line": ("storno", "p2;;-2", 15.0),
    "all": ("storno", ";;", 0.0),
    "a negative quantity": ("buy", "p2;5.00;-1", 20.0),
    "a negative price": ("buy", "p1;-15.00;1", 10.0),
}


def test_lines_of_a_refund_reduce_an_order_that_has_lines_alone(engine, tmp_path):
    lines = [f"a;2024-05-01T10:00:00Z;buy;{name};{line}" for name in STORNO for line in ("p1;15.00;1", "p2;5.00;2")]
    lines += [f"a;2024-05-02T10:00:00Z;{event};{name};{line}" for name, (event, line, _) in STORNO.items()]
    names = {"buy": "checkout_completed", "storno": "order_refunded"}
    found = of_table(engine, tmp_path, LINES, *lines, events=names)
    assert order_values(found) == {name: left for name, (*_, left) in STORNO.items()}
    assert revenue_of(found) == sum(left for *_, left in STORNO.values())


def test_a_refund_of_a_product_without_a_price_is_said(engine, tmp_path):
    lines = [
        "a;2024-05-01T10:00:00Z;checkout_completed;o1;p1;15.00;1",
        "a;2024-05-02T10:00:00Z;order_refunded;o1;p9;;1",
    ]
    found = of_table(engine, tmp_path, LINES, *lines)
    assert revenue_of(found) == 15.0
    assert found.quality["refunds"] == {
        "applied": 0, "orders": 0, "without_order": 0, "without_amount": 1, "orders_in_full": 0,
    }  # fmt: skip
    assert any(said.startswith("1 refunds have no amount that is known") for said in found.quality["warnings"])


def test_a_refund_in_another_currency_is_not_read_as_one_in_full(engine, tmp_path):
    header = "buyer_id;time;event;order_id;value;currency"
    lines = ["a;2024-05-01T10:00:00Z;checkout_completed;o1;15.00;EUR", "b;2024-05-01T10:00:00Z;checkout_completed;o2;5;EUR",
             "a;2024-05-02T10:00:00Z;order_refunded;o1;4.00;USD"]  # fmt: skip
    masked = of_table(engine, tmp_path, header, *lines)
    assert revenue_of(masked) == 20.0
    assert masked.quality["refunds"]["without_amount"] == 1
    assert revenue_of(of_table(engine, tmp_path, header, *lines, exchange_rates={"EUR": 1.0, "USD": 0.5})) == 18.0


def test_an_order_that_is_logged_again_is_reduced_once(engine, tmp_path):
    found = prepared(engine, tmp_path, ("a", 10, "o1", "10.00"), ("a", 15, "o1", "10.00"), ("a", 16, "o1", "-4.00"))
    assert found.quality["orders"] == [{"currency": None, "orders": 1, "revenue": 6.0}]


# --- by the names of each source ------------------------------------------------------------------


def lines_of(tmp_path, *objects):
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, objects)), encoding="utf-8")
    return tmp_path / "log.jsonl"


def call(event, **properties):
    lost = properties.pop("lost", False)
    return {"type": "track", "event": event, "messageId": repr((event, properties)), "anonymousId": None if lost else "a",
            "timestamp": properties.pop("at", "2024-05-03T10:00:00Z"),
            "context": {} if lost else {"page": {"url": "https://s.example/"}}, "properties": properties}  # fmt: skip


MUGS = {"product_id": "p1", "price": 5, "quantity": 2}
REFUNDED_CALLS = {
    "o1": ("Order Refunded", {}, 0.0),
    "o2": ("Order Refunded", {"total": 4.5}, 20.5),
    "o3": ("order_refunded", {"products": [{"product_id": "p1", "quantity": 1}]}, 20.0),
    "o4": ("Order Refunded", {"total": 5, "products": [MUGS]}, 20.0),
    "o5": ("Order Cancelled", {"total": 3, "products": [MUGS]}, 0.0),
    "o6": ("Order Canceled", {"at": "2024-05-01T08:00:00Z"}, 0.0),
    "o7": ("Order Refunded", {"lost": True}, 0.0),
    "o8": ("Order Refunded", {"total": "free"}, 25.0),
}


def test_segment(engine, tmp_path):
    bought = {"revenue": 25, "products": [MUGS, {"product_id": "p2", "price": 15}], "at": "2024-05-01T10:00:00Z"}
    calls = [call("Order Completed", order_id=order, **bought) for order in REFUNDED_CALLS]
    calls += [call(event, order_id=order, **stated) for order, (event, stated, _) in REFUNDED_CALLS.items()]
    found = prepare(SegmentSource().read(lines_of(tmp_path, *calls), engine), KEEP, b"key")
    assert order_values(found) == {order: left for order, (*_, left) in REFUNDED_CALLS.items()}


def hit(second, name, buyer="c1", items=(), **ecommerce):
    return {"event_timestamp": 1_709_294_400_000_000 + second * 1_000_000, "event_name": name, "user_pseudo_id": buyer,
            "device": {"web_info": {"hostname": "acme.example"}}, "items": list(items), "ecommerce": ecommerce,
            "event_params": [{"key": "currency", "value": {"string_value": "EUR"}}]}  # fmt: skip


REFUNDED_HITS = {
    "T1": ({}, 0.0),
    "T2": ({"refund_value": 7.5}, 17.5),
    "T3": ({"refund_value": 0, "items": [{"item_id": "p1", "quantity": 1}]}, 20.0),
    "T4": ({"refund_value": 7.5, "buyer": None}, 17.5),
    "T5": ({"refund_value": 7.5, "buyer": "server.1"}, 17.5),
}


def test_ga4(engine, tmp_path):
    items = [{"item_id": "p1", "price": 5.0, "quantity": 2}, {"item_id": "p2", "price": 15.0, "quantity": 1}]
    hits = [hit(0, "purchase", items=items, transaction_id=order, purchase_revenue=25.0) for order in REFUNDED_HITS]
    hits += [hit(90, "refund", transaction_id=order, **stated) for order, (stated, _) in REFUNDED_HITS.items()]
    found = prepare(Ga4Source().read(lines_of(tmp_path, *hits), engine), KEEP, b"key")
    assert order_values(found) == {order: left for order, (_, left) in REFUNDED_HITS.items()}
    assert found.quality["buyers"] == 1


def pixel(number, hour, name, data=None, **other):
    return {"id": f"{number}{name}", "name": name, "clientId": "c", "timestamp": f"2024-05-01T{hour:02}:00:00Z",
            "type": "standard", "context": {"document": {"location": {"href": "https://s.example/"}}}, "data": data} | other  # fmt: skip


REFUNDED_PIXELS = {
    "1001": ("order_refunded", {"type": "custom", "customData": {"order_id": 1001, "amount": "5.50"}}, 19.5),
    "1002": ("refund", {"type": "custom", "customData": {"orderId": "gid://shopify/Order/1002"}}, 0.0),
    "1003": ("refunds/create", {"data": {"order_id": "1003", "amount": {"amount": 5}}, "clientId": None, "context": None},
             20.0),
    "1004": ("order_cancelled", {"type": "custom", "customData": json.dumps({"order": {"id": "1004"}})}, 0.0),
}  # fmt: skip


def test_shopify(engine, tmp_path):
    def bought(order):
        line = {"quantity": 1, "variant": {"price": {"amount": 25.0}, "product": {"id": "p1"}}}
        return {"checkout": {"order": {"id": f"gid://shopify/OrderIdentity/{order}"}, "lineItems": [line],
                             "subtotalPrice": {"amount": 25.0, "currencyCode": "EUR"}}}  # fmt: skip

    pixels = [pixel(order, 10, "checkout_completed", bought(order)) for order in REFUNDED_PIXELS]
    pixels += [pixel(order, 11, name, **other) for order, (name, other, _) in REFUNDED_PIXELS.items()]
    found = prepare(ShopifySource().read(lines_of(tmp_path, *pixels), engine), KEEP, b"key")
    assert order_values(found) == {order: left for order, (*_, left) in REFUNDED_PIXELS.items()}


def action(number, kind, **entity):
    name = "com_snowplowanalytics_snowplow_ecommerce"
    return {"event_id": str(number), "event_name": "snowplow_ecommerce_action", "app_id": "s", "domain_userid": "u",
            "domain_sessionid": "a", "derived_tstamp": f"2026-01-01T10:{number:02}:00Z",
            f"unstruct_event_{name}_snowplow_ecommerce_action_1": {"type": kind},
            f"contexts_{name}_{kind}_1": [entity]}  # fmt: skip


def test_snowplow(engine, tmp_path):
    actions = [
        action(1, "transaction", transaction_id="T1", revenue=20.0, currency="EUR"),
        action(2, "transaction", transaction_id="T2", revenue=20.0, currency="EUR"),
        action(3, "refund", transaction_id="T1", refund_amount=4.0, currency="EUR"),
        action(4, "refund", transaction_id="T2", currency="EUR"),
    ]
    found = prepare(SnowplowSource().read(lines_of(tmp_path, *actions), engine), KEEP, b"key")
    assert order_values(found) == {"T1": 16.0, "T2": 0.0}
