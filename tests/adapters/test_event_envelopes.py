"""Events inside the JSON of what carried them: queues, webhooks and batches."""

from __future__ import annotations

import json

import pytest

from simpersona.adapters.sources.segment import SegmentSource
from simpersona.adapters.sources.shopify import ShopifySource
from simpersona.adapters.sources.table import TableSource

VARIANT = {"price": {"amount": 12.5, "currencyCode": "EUR"}, "product": {"id": "p1", "title": "Mug"}}


def pixel(number, name, **data):
    page = {"document": {"location": {"href": "https://mugs.example/p1"}}}
    return {
        "id": f"e{number}", "name": name, "clientId": "c1", "timestamp": f"2024-05-01T10:0{number}:00.000Z",
        "type": "standard", "context": page, "data": data,
    }  # fmt: skip


ORDER = {"token": "t1", "subtotalPrice": {"amount": 25.0, "currencyCode": "EUR"}}
PIXELS = [
    pixel(1, "product_viewed", productVariant=VARIANT),
    pixel(2, "checkout_completed", checkout=ORDER | {"lineItems": [{"quantity": 2, "variant": VARIANT}]}),
]
RIGHT = [("product_viewed", "p1", None), ("checkout_completed", "p1", 25.0)]


def events_of(raw):
    rows = raw.events.order_by("time").to_pyarrow().to_pylist()
    return [(row["event"], row["product_id"], row["value"]) for row in rows]


def write(path, objects):
    path.write_text("\n".join(map(json.dumps, objects)) + "\n", encoding="utf-8")
    return path


ENVELOPES = {
    "payload": [{"topic": "pixels", "shop": None, "payload": event} for event in PIXELS],
    "data": [{"data": event, "name": "pixel"} for event in PIXELS],
    "detail.payload": [{"detail-type": "x", "detail": {"metadata": {}, "payload": event}} for event in PIXELS],
    "value": [{"topic": "x", "timestamp": 1714557600000, "value": json.dumps(event)} for event in PIXELS],
    "batch[]": [{"batch": PIXELS}],
    "Records[].body": [{"Records": [{"body": json.dumps(event)}]} for event in PIXELS],
    "Records[].Sns.Message.event": [
        {"Records": [{"Sns": {"Message": json.dumps({"event": event})}} for event in PIXELS]}
    ],
}


@pytest.mark.parametrize("where", ENVELOPES)
def test_an_event_is_read_from_what_carried_it(engine, tmp_path, where):
    raw = ShopifySource().read(write(tmp_path / "log.jsonl", ENVELOPES[where]), engine)
    assert events_of(raw) == RIGHT
    assert raw.rows_in == 2
    assert f"the lines hold each event in {where!r}" in raw.warnings[0]


def test_rows_add_up_where_lines_hold_several_events_or_none(engine, tmp_path):
    lines = [{"Records": PIXELS}, {"Records": []}, {"Event": "test"}, {"Records": [PIXELS[0] | {"id": "e3"}, None]}]
    raw = ShopifySource().read(write(tmp_path / "log.jsonl", lines), engine)
    rejected = raw.rejected.order_by("row").to_pyarrow().to_pylist()
    # two events, an empty list, a line without a list, an event and what is none
    assert raw.rows_in == 6 == len(rejected) + len(events_of(raw))
    assert [(row["row"], row["reason"]) for row in rejected] == [
        (3, "ignored: an empty list"),
        (4, "name is missing"),
        (6, "not a JSON object"),
    ]


def test_an_event_of_its_own_is_not_looked_into(engine, tmp_path):
    """A product's data may look like an event."""
    odd = PIXELS[0] | {"customData": {"payload": PIXELS[1]}}
    raw = ShopifySource().read(write(tmp_path / "log.jsonl", [odd]), engine)
    assert events_of(raw) == RIGHT[:1]
    assert not any("hold each event" in warning for warning in raw.warnings)


def test_a_batch_of_calls(engine, tmp_path):
    call = {
        "type": "track", "event": "Order Completed", "messageId": "m1", "anonymousId": "a", "timestamp": "2024-05-01T10:05:00Z",
        "context": {"page": {"url": "https://mugs.example/x"}},
        "properties": {"order_id": "o1", "revenue": 25, "products": [{"product_id": "p1", "price": 12.5, "quantity": 2}]},
    }  # fmt: skip
    raw = SegmentSource().read(write(tmp_path / "log.jsonl", [{"batch": [call], "sentAt": "2024-05-01"}]), engine)
    assert events_of(raw) == RIGHT[1:]


def test_a_dot_leads_into_json_text_of_an_entry(engine, tmp_path):
    path = write(tmp_path / "log.jsonl", ENVELOPES["Records[].body"])
    columns = {"buyer_id": "Records.body.clientId", "time": "Records.body.timestamp", "event": "Records.body.name",
               "value": "Records.body.data.checkout.subtotalPrice.amount"}  # fmt: skip
    raw = TableSource(columns=columns, records="Records").read(path, engine)
    assert events_of(raw) == [("product_viewed", None, None), ("checkout_completed", None, 25.0)]
