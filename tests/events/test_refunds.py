"""Refunds reduce the order that they name."""

from __future__ import annotations

import pytest

from simpersona.adapters.sources.table import TableSource
from simpersona.config import EventsConfig
from simpersona.events.prepare import prepare


def prepared(engine, tmp_path, *purchases):
    """The log of purchases: buyer, hour, order id and value."""
    lines = [
        f"{buyer};2024-05-01T{hour:02}:00:00Z;checkout_completed;{order};{value}"
        for buyer, hour, order, value in purchases
    ]
    path = tmp_path / "log.csv"
    path.write_text("\n".join(["buyer_id;time;event;order_id;value", *lines]), encoding="utf-8")
    return prepare(TableSource().read(path, engine), EventsConfig(keep_ids=True), b"key")


@pytest.mark.parametrize(("refunds", "revenue", "count"), [
    ([("a", 11, "o1", "-5.00")], 35.0, 1),  # in part
    ([("a", 10, "o1", "-10.00")], 30.0, 1),  # in full, at the time of the order
    ([("a", 11, "o1", "-5.00"), ("a", 12, "o1", "-3.00")], 32.0, 2),  # twice
    ([("a", 11, "o1", "-99.00")], 30.0, 1),  # never below 0
    ([("a", 11, "o1", "(5.00)")], 35.0, 1),  # as accounts write it
    ([("a", 11, "o1", "-5.00"), ("a", 11, "o1", "-5.00")], 35.0, 1),  # delivered again
])  # fmt: skip
def test_a_refund_reduces_its_order(engine, tmp_path, refunds, revenue, count):
    found = prepared(engine, tmp_path, ("a", 10, "o1", "10.00"), ("b", 10, "o2", "30.00"), *refunds)
    assert found.quality["orders"] == [{"currency": None, "orders": 2, "revenue": revenue}]
    assert found.quality["impossible"]["value"] == 0
    assert any(said.startswith(f"{count} purchases with a negative order value") for said in found.quality["warnings"])


@pytest.mark.parametrize("refund", [("b", 11, "o1", "-5.00"), ("a", 11, "o9", "-5.00"), ("a", 11, "", "-5.00")])
def test_a_refund_of_no_known_order_is_said_and_changes_no_other_order(engine, tmp_path, refund):
    found = prepared(engine, tmp_path, ("a", 10, "o1", "10.00"), refund)
    assert found.quality["orders"][0]["revenue"] == 10.0
    assert found.quality["impossible"]["value"] == 1
    assert any("not subtracted from any order" in said for said in found.quality["warnings"])
