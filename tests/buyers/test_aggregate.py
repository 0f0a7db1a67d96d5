"""Sessions to strata and raw scalars; the expected values are calculated by hand."""

from __future__ import annotations

from datetime import UTC, datetime

import ibis
import pyarrow as pa
import pytest

from simpersona.buyers.aggregate import aggregate
from simpersona.config import EventsConfig
from simpersona.contracts import BUYERS, EVENTS, SESSIONS, Capabilities

EVERYTHING = Capabilities(
    has_search=True, has_collection=True, has_checkout_start=True, has_price=True, has_session=True, has_text=True
)


def session(buyer, number, *, view=0, cart=0, start=0, order=0, search=0, collection=0, seconds=0.0, money=(0.0, 0.0)):
    time = datetime(2024, 3, 1 + number, tzinfo=UTC)
    counts = {"event": 1, "product_view": view, "collection_view": collection, "search": search, "add_to_cart": cart}
    counts |= {"remove_from_cart": 0, "checkout_start": start, "purchase": order}
    return {
        "shop_id": "shop",
        "buyer_id": buyer,
        "session_id": f"s{number}",
        "start": time,
        "end": time,
        "duration_seconds": seconds,
        "cart_value": money[0],
        "order_value": money[1],
        "timeline": [],
    } | {f"{name}_count": count for name, count in counts.items()}


def event(buyer, when, name="page_viewed", product=None):
    time = datetime.fromisoformat(when).replace(tzinfo=UTC)
    return {"shop_id": "shop", "buyer_id": buyer, "time": time, "event": name, "product_id": product}


def buyers_of(engine, sessions, events=(), has=EVERYTHING, config=None):
    seen = {line["buyer_id"] for line in events}
    events = [*events, *(event(s["buyer_id"], "2024-03-01") for s in sessions if s["buyer_id"] not in seen)]
    tables = [
        engine.create_table(ibis.util.gen_name("test"), ibis.memtable(pa.Table.from_pylist(list(rows), schema)))
        for rows, schema in ((events, EVENTS.schema), (sessions, SESSIONS.schema))
    ]
    table = aggregate(*tables, has, config or EventsConfig())
    return {line["buyer_id"]: line for line in BUYERS.check(table.to_pyarrow()).to_pylist()}


def test_the_scalars_of_a_buyer(engine):
    buyer = buyers_of(
        engine,
        [
            session("ann", 0, view=3, seconds=60.0),
            session("ann", 1, view=1, cart=2, seconds=30.5, money=(30.0, 0.0)),
            session("ann", 2, view=1, cart=1, start=1, order=2, search=4, money=(10.0, 26.0)),
            session("ann", 3, search=1, collection=2),
        ],
    )["ann"]
    assert buyer["session_count"] == 4
    assert buyer["product_view_session_count"] == 3
    assert buyer["add_to_cart_session_count"] == 2
    assert buyer["checkout_start_session_count"] == 1
    assert buyer["purchase_session_count"] == 1
    assert buyer["search_session_count"] == 2
    assert buyer["collection_session_count"] == 1
    assert buyer["duration_seconds"] == 90.5
    assert buyer["product_view_count"] == 5
    assert buyer["add_to_cart_rate"] == 2 / 4
    assert buyer["checkout_rate"] == 1 / 4
    assert buyer["browse_only_rate"] == 1 / 4  # a search without a product view is no browsing
    assert buyer["intent_strength"] == pytest.approx((3 * 2 + 5 * 1 + 8 * 1) / (4 + 3 * 2 + 5 * 1 + 8 * 1))  # 19/23
    assert buyer["mean_cart_value"] == 20.0  # over the two sessions with a cart
    assert buyer["mean_order_value"] == 13.0  # over the two orders


def test_intent_strength_at_its_ends(engine):
    """Eq. 3: a window shopper has 0, a buyer who converts in every session about 0.94."""
    buyers = buyers_of(
        engine,
        [session("looks", 0, view=5), *(session("buys", n, view=1, cart=1, start=1, order=1) for n in range(3))],
    )
    assert buyers["looks"]["intent_strength"] == 0
    assert buyers["buys"]["intent_strength"] == pytest.approx(16 / 17)


@pytest.mark.parametrize(
    ("stratum", "sessions"),
    [
        ("A", [{"order": 1}]),
        ("A", [{"view": 1}, {"start": 1}, {"order": 1}]),
        ("B", [{"cart": 1, "start": 1}]),
        ("C", [{"view": 3, "cart": 1}]),
        ("D", [{"view": 1}]),
        ("D", [{"search": 1}]),
        ("D", [{"collection": 1}]),
        ("E", [{}]),
    ],
)
def test_strata(engine, stratum, sessions):
    buyers = buyers_of(engine, [session("ann", n, **counts) for n, counts in enumerate(sessions)])
    assert buyers["ann"]["stratum"] == stratum


def test_what_the_source_cannot_tell_is_unknown_and_counts_as_nothing(engine):
    visit = session("ann", 0, view=1, cart=1, order=1)
    unknown = {
        "checkout_start_session_count",
        "search_session_count",
        "collection_session_count",
        "mean_cart_value",
        "mean_order_value",
    }
    bare = buyers_of(engine, [visit | {"cart_value": None, "order_value": None}], has=Capabilities())["ann"]
    assert {name for name, value in bare.items() if value is None} == unknown
    assert bare["intent_strength"] == pytest.approx(11 / 12)
    assert bare["stratum"] == "A"
    priced = buyers_of(engine, [session("ann", 0, view=1)])["ann"]
    assert priced["mean_cart_value"] == priced["mean_order_value"] == 0  # known: there was none


def test_channels_hold_distinct_products(engine):
    events = [
        event("ann", "2024-03-01", "product_viewed", "p2"),
        event("ann", "2024-03-02", "product_viewed", "p2"),
        event("ann", "2024-03-02", "product_viewed", "p1"),
        event("ann", "2024-03-02", "product_added_to_cart", "p1"),
        event("ann", "2024-03-02", "product_removed_from_cart", "p9"),
        event("ann", "2024-03-02", "product_viewed"),
    ]
    buyer = buyers_of(engine, [session("ann", 0, view=1)], events)["ann"]
    assert (buyer["viewed"], buyer["carted"], buyer["purchased"]) == (["p1", "p2"], ["p1"], [])
    assert [buyer[f"has_{channel}"] for channel in ("viewed", "carted", "purchased")] == [True, True, False]


@pytest.mark.parametrize(
    ("zone", "days"),
    [("UTC", 2), ("Europe/Berlin", 1), ("America/New_York", 2)],  # 23:30 and 00:30 UTC around 2 March
)
def test_a_day_is_a_date_of_the_time_zone(engine, zone, days):
    events = [event("ann", "2024-03-01T23:30:00"), event("ann", "2024-03-02T00:30:00")]
    events += [event("ann", "2024-03-02T05:30:00")] if zone == "America/New_York" else []
    buyers = buyers_of(engine, [session("ann", 0)], events, config=EventsConfig(time_zone=zone))
    assert buyers["ann"]["active_day_count"] == days
