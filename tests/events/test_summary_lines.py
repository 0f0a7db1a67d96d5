"""The three lines that the owner of a log can check."""

from __future__ import annotations

import pytest

from simpersona.config import EventsConfig
from simpersona.contracts import Capabilities
from simpersona.events.prepare import prepare
from simpersona.events.summary_lines import summary_lines

KEEP = EventsConfig(keep_ids=True)

QUALITY = {
    "stores": ["a.example", "b.example"],
    "shops": 2,
    "unknown": [],
    "time_zone": "UTC",
    "first_event": "2024-03-01T23:30:00+00:00",
    "last_event": "2024-03-03T01:00:00+00:00",
    "event_counts": {"product_viewed": 1200, "search_submitted": 1, "checkout_completed": 9},
    "orders": [{"currency": None, "orders": 7, "revenue": 1234.5}],
    "orders_without_amount": 0,
    "refunds": {},
}


def test_a_log_is_described_by_what_its_owner_knows():
    assert summary_lines(QUALITY) == (
        "stores: 2, most events first: a.example, b.example",
        "period: 2024-03-01 23:30 to 2024-03-03 01:00, times and days in UTC (events.time_zone)",
        "events: 1,200 product views, 1 search, 7 orders worth 1,234.50",
    )


def test_stores_beyond_the_first_ten_are_counted():
    names = [f"s{number}" for number in range(10)]
    line = summary_lines(QUALITY | {"stores": names, "shops": 12})[0]
    assert line == f"stores: 12, most events first: {', '.join(names)}, and 2 more"
    assert summary_lines(QUALITY | {"stores": ["s"], "shops": 1})[0] == "stores: 1: s"


def test_times_are_those_of_the_zone_in_which_days_are_counted():
    line = summary_lines(QUALITY | {"time_zone": "Europe/Berlin"})[1]
    assert line.startswith("period: 2024-03-02 00:30 to 2024-03-03 02:00, times and days in Europe/Berlin")
    assert summary_lines(QUALITY | {"unknown": ["time"]})[1] == "period: not known, for the source has no times"


@pytest.mark.parametrize(
    ("orders", "shown"),
    [
        ([("EUR", 2, 30.0), ("USD", 1, 9.99)], "3 orders worth 30.00 EUR + 9.99 USD"),
        ([(None, 1, 0.0)], "1 order worth 0.00"),
        ([(None, 2, None)], "2 orders of unknown value"),
        ([(None, 0, None)], "0 orders"),
        ([("EUR", 1, 5.0), (None, 1, None)], "2 orders worth 5.00 EUR"),
        ([], "0 orders"),
    ],
)
def test_orders_are_added_up_by_currency(orders, shown):
    lines = [dict(zip(("currency", "orders", "revenue"), line, strict=True)) for line in orders]
    assert summary_lines(QUALITY | {"orders": lines})[2].endswith(f", {shown}")


def test_orders_of_which_nothing_is_left_are_shown():
    shown = "7 orders (2 of them refunded in full or cancelled) worth 1,234.50"
    assert summary_lines(QUALITY | {"refunds": {"orders_in_full": 2}})[2].endswith(shown)
    assert summary_lines(QUALITY | {"refunds": {"orders_in_full": 0}}) == summary_lines(QUALITY)


def test_orders_of_unknown_value_are_shown():
    refunded = QUALITY | {"refunds": {"orders_in_full": 2}, "orders_without_amount": 1}
    assert summary_lines(refunded)[2].endswith(
        "7 orders (2 of them refunded in full or cancelled, 1 of unknown value) worth 1,234.50"
    )
    nothing = QUALITY | {"orders": [{"currency": "USD", "orders": 7, "revenue": None}], "orders_without_amount": 7}
    assert summary_lines(nothing)[2].endswith("7 orders of unknown value")


def test_a_total_of_which_nothing_is_known_is_not_zero(raw_log, row):
    rows = [
        row("checkout_completed", 0, order_id="o1", product_id="p1"),
        row("checkout_completed", 90, order_id="o2", product_id="p1"),
    ]
    quality = prepare(raw_log(rows), KEEP, b"key").quality
    assert quality["orders"] == [{"currency": None, "orders": 2, "revenue": None}]
    assert summary_lines(quality)[2] == "events: 2 orders of unknown value"
    known = [*rows, row("checkout_completed", 200, order_id="o3", value=5.0, product_id="p1")]
    assert summary_lines(prepare(raw_log(known), KEEP, b"key").quality)[2] == (
        "events: 3 orders (2 of unknown value) worth 5.00"
    )


def test_the_figures_are_those_of_the_sessions(raw_log, row):
    rows = [
        row("product_viewed", 0, product_id="p1"),
        row("product_viewed", 0, shop_id="zoo", product_id="p1"),
        row("page_viewed", 1, shop_id="zoo"),
        row("checkout_completed", 2, order_id="o1", value=30.0, product_id="p1"),
        row("checkout_completed", 2, order_id="o1", value=30.0, product_id="p2", part=1, row=4),  # its second line
        row("checkout_completed", 90, order_id="o1", value=30.0, product_id="p1"),  # its page is opened again
        row("checkout_completed", 91, order_id="o2", price=5.0, quantity=2, product_id="p1"),
    ]
    quality = prepare(raw_log(rows), KEEP, b"key").quality
    assert (quality["shops"], quality["stores"]) == (2, ["shop", "zoo"])
    assert quality["event_counts"] == {"checkout_completed": 3, "page_viewed": 1, "product_viewed": 2}
    assert quality["orders"] == [{"currency": None, "orders": 2, "revenue": 40.0}]
    assert summary_lines(quality)[2] == "events: 1 page view, 2 product views, 2 orders worth 40.00"
    unpriced = prepare(raw_log(rows, has=Capabilities()), KEEP, b"key").quality
    assert unpriced["orders"] == [{"currency": None, "orders": 2, "revenue": None}]
