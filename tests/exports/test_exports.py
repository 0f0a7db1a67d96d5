"""Whole exports with the mess of real ones: the shops, buyers, sessions, orders and revenue that were planted come out exactly."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tests.exports.ga4_export import write_tables
from tests.exports.german_csv import CONFIG, german, write_csv
from tests.exports.planted import Product, Visit, orders_of, plant, strata_of
from tests.exports.shopify_export import USD, write_pixels

pytestmark = pytest.mark.slow

MUGS = [Product(f"{700 + number}", f"Mug no. {number}", 400 * number + 99) for number in range(1, 25)]
HOURS = [
    datetime(2026, 10, 5, tzinfo=UTC) + timedelta(days=day, hours=hour) for day in range(6) for hour in (2, 7, 12, 18)
]


def run_stages(folder: Path, config: str, *stages: str) -> tuple[dict[str, Any], Path, str]:
    """The quality report, the run's folder, and what the command said."""
    (folder / "c.toml").write_text('name = "x"\n' + config, encoding="utf-8")
    said = ""
    for stage in stages:
        command = [sys.executable, "-m", "simpersona", stage, "c.toml"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=600)
        assert done.returncode == 0, done.stderr
        said += done.stdout + done.stderr
    run = folder / "runs/x"
    return json.loads((run / "events/quality.json").read_text()), run, said


def assert_counts(quality: dict[str, Any], lines: dict[str, int]) -> None:
    """Every input row is kept, malformed, a duplicate or ignored, as planted."""
    found = {name: quality[f"rows_{name}"] for name in lines}
    assert found == lines
    assert quality["rows_in"] == quality["rows_kept"] + quality["rows_rejected"]
    assert quality["rows_rejected"] == sum(count for name, count in lines.items() if name != "in")


def assert_planted(quality: dict[str, Any], run: Path, visits: list[Visit]) -> None:
    orders = orders_of(visits)
    sessions = pq.read_table(run / "events/sessions.parquet")
    assert quality["sessions"] == sessions.num_rows == len(visits)
    assert quality["buyers"] == len({visit.buyer for visit in visits})
    assert (
        sum(line["orders"] for line in quality["orders"]) == pc.sum(sessions["purchase_count"]).as_py() == len(orders)
    )
    strata = pc.value_counts(pq.read_table(run / "buyers/buyers.parquet")["stratum"]).to_pylist()
    assert {line["values"]: line["counts"] for line in strata} == strata_of(visits)
    refunded = [order for order in orders if order.refund != "none"]
    assert quality["refunds"] == {
        "applied": len(refunded), "orders": len(refunded), "without_order": 0, "without_amount": 0,
        "orders_in_full": sum(order.refunded == order.cents for order in refunded),
    }  # fmt: skip


def euros(cents: float) -> Any:
    return pytest.approx(cents / 100, abs=1e-6)


def test_shopify_pixels_over_three_hosts(tmp_path):
    visits = plant(1, MUGS, HOURS, buyers=420, currencies=["EUR", "EUR", "USD"])
    lines = write_pixels(tmp_path / "pixels", visits, 1)
    assert lines["in"] > 5000
    config = '[source]\nformat = "shopify"\npath = "pixels"\nexchange_rates = {EUR = 1.0, USD = %s}\n' % (1 / USD)
    quality, run, said = run_stages(tmp_path, config, "events", "buyers")
    assert quality["stores"] == ["acme-mugs.example"]
    assert_counts(quality, lines)
    assert_planted(quality, run, visits)
    cents = sum(order.cents - order.refunded for order in orders_of(visits))
    assert quality["orders"] == [{"currency": "EUR", "orders": len(orders_of(visits)), "revenue": euros(cents)}]
    in_full = sum(order.refund != "none" and order.refunded == order.cents for order in orders_of(visits))
    orders = f"{len(orders_of(visits)):,} orders ({in_full} of them refunded in full or cancelled)"
    assert f"{orders} worth {cents / 100:,.2f} EUR" in said
    for words in ("several hosts", "Amounts were converted", "wheel_spun", "name no page", "refunds and cancellations"):
        assert words in said


def test_ga4_daily_and_intraday_tables(tmp_path):
    visits = plant(2, MUGS, HOURS, buyers=420, currencies=["EUR"])
    strangers = plant(3, MUGS, HOURS, buyers=40, currencies=["EUR"])
    lines = write_tables(tmp_path / "ga4", visits, strangers, 2)
    assert lines["in"] > 5000
    quality, run, said = run_stages(
        tmp_path, '[source]\nformat = "ga4"\npath = "ga4/events_*.json"\n', "events", "buyers"
    )
    assert quality["stores"] == ["shop.acme.example"]
    assert_counts(quality, lines)
    assert_planted(quality, run, visits)
    cents = sum(order.cents - order.refunded for order in orders_of(visits))
    assert quality["orders"] == [{"currency": "EUR", "orders": len(orders_of(visits)), "revenue": euros(cents)}]
    assert sum("no user_pseudo_id" in reason for reason in quality["reasons"]) == 1
    assert "refunds and cancellations" in said


def test_a_german_csv_over_the_change_to_winter_time(tmp_path):
    cups = [
        Product(f"B-{number}", f'Becher "Größe {number}";\nhandbemalt', 1234 * number**2 + 99)
        for number in range(1, 16)
    ]
    change = datetime(2026, 10, 25, 0, 35, tzinfo=UTC)  # clocks go back 25 minutes later
    starts = [change + timedelta(hours=hours) for hours in (-72, -48, -30, -6, 0, 0, 4, 26, 50)]
    visits = plant(4, cups, sorted({*starts}), buyers=420, currencies=["EUR"])
    lines = write_csv(tmp_path / "export", visits, 4)
    assert lines["in"] > 5000
    quality, run, said = run_stages(tmp_path, CONFIG, "events", "buyers")
    assert quality["stores"] == ["becher.example"]
    assert_counts(quality, lines)
    assert_planted(quality, run, visits)
    orders = orders_of(visits)
    cents = sum(order.cents - order.refunded for order in orders)
    assert quality["orders"] == [{"currency": "EUR", "orders": len(orders), "revenue": euros(cents)}]
    assert german(129900) == "1.299,00 €"
    sessions = pq.read_table(run / "events/sessions.parquet")
    longest = max(visit.events[-1].at - visit.events[0].at for visit in visits)
    assert pc.max(sessions["duration_seconds"]).as_py() <= longest.total_seconds() + 60
    titles = pq.read_table(run / "events/products.parquet")["title"].to_pylist()
    assert set(titles) == {cup.title for cup in cups}
    for words in ("decimal comma", "occurs twice", "refunds and cancellations"):
        assert words in said
