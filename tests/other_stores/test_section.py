"""The benchmark of the three stores, on a few visits without a browser."""

from dataclasses import replace

import pytest

from benchmarks.measure import Machine
from benchmarks.other_stores import section
from benchmarks.storefronts.visiting import STORES


@pytest.mark.slow
def test_the_benchmark_reports_agreement_and_orders_by_store_and_shopper():
    over_http = {"rendered": replace(STORES["rendered"], drivers=("http",))}
    measured = section(6, over_http)
    agreement, course = (table for table, _ in measured.tables)
    labels = [f"pages from the server, http, {shopper}" for shopper in ("plan", "scorer")]
    assert [row[0] for row in agreement.rows] == labels
    assert [(row[0], row[1], row[2]) for row in course.rows] == [(labels[0], "2", "0"), (labels[1], "6", "0")]
    assert agreement.rows[0][1] == "1 / 1 (2)"  # both plans search once
    assert "## other_stores" in measured.text(Machine())
