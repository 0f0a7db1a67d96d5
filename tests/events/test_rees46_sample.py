"""The public sample of REES46's log, where it is at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from simpersona.adapters.sources.rees46 import Rees46Source
from simpersona.config import EventsConfig
from simpersona.contracts import COLLECTIONS, EVENTS, PRODUCTS, SESSIONS
from simpersona.events.prepare import prepare

SAMPLE = Path(__file__).parents[3] / "shared" / "data" / "rees46" / "2019-10-01_morning.csv"

pytestmark = pytest.mark.skipif(not SAMPLE.exists(), reason="the REES46 sample is not beside the repository")


def test_the_cut_off_last_line_is_the_only_malformed_row(duckdb_engine):
    raw = Rees46Source().read(SAMPLE, duckdb_engine)
    assert raw.rows_in == 17_435
    (cut,) = raw.rejected.to_pyarrow().to_pylist()
    assert (cut["file"], cut["row"], cut["reason"]) == (SAMPLE.name, 17_436, "expected 9 fields, found 8")
    assert raw.events.count().to_pyarrow().as_py() == 17_434


def test_one_shop(duckdb_engine):
    raw = Rees46Source(shop_by="none").read(SAMPLE, duckdb_engine)
    counts = raw.events.event.value_counts(name="rows").to_pyarrow().to_pylist()
    # the cut-off row, a view, is the 17,056th
    assert {line["event"]: line["rows"] for line in counts} == {
        "product_viewed": 17_055,
        "product_added_to_cart": 165,
        "checkout_completed": 214,
    }
    prepared = prepare(raw, EventsConfig(), b"key")
    quality = prepared.quality
    assert (quality["rows_in"], quality["rows_kept"], quality["rows_rejected"]) == (17_435, 17_429, 6)
    assert (quality["rows_malformed"], quality["rows_duplicate"]) == (1, 5)
    assert (quality["shops"], quality["buyers"], quality["sessions"]) == (1, 4_504, 5_067)
    assert (quality["products"], quality["products_unknown"]) == (6_493, 0)
    assert EVENTS.check(prepared.events.to_pyarrow()).num_rows == 17_429
    assert SESSIONS.check(prepared.sessions.to_pyarrow()).num_rows == 5_067


def test_category_roots_as_shops(duckdb_engine):
    raw = Rees46Source().read(SAMPLE, duckdb_engine)
    products = PRODUCTS.check(raw.products.to_pyarrow())
    shops = set(products["shop_id"].to_pylist())
    assert len(shops) == 14
    assert "uncategorized" in shops
    assert len(set(products["title"].to_pylist())) == products.num_rows
    assert COLLECTIONS.check(raw.collections.to_pyarrow()).num_rows == 115
    galaxy = next(line for line in products.to_pylist() if line["product_id"] == "1004856")
    assert (galaxy["title"], galaxy["product_type"]) == ("Samsung smartphone 1004856", "smartphones")
    assert galaxy["text"] == "samsung electronics smartphone"
    assert galaxy["collection_ids"] == ["electronics.smartphone"]
