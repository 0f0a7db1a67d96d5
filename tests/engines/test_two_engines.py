"""The same expressions on DuckDB and on Spark give the same rows, in the same order."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import ibis
import pyarrow as pa
import pytest

from simpersona.buyers.aggregate import aggregate
from simpersona.config import EventsConfig
from simpersona.contracts import (
    BUYERS,
    COLLECTIONS,
    EVENT_NAMES,
    EVENTS,
    PRODUCTS,
    PROVENANCE,
    REFUND_NAMES,
    REJECTED,
    SESSIONS,
    Capabilities,
    RawLog,
)
from simpersona.events.prepare import prepare

START = datetime(2024, 3, 30, 22, tzinfo=UTC)  # Berlin's clocks go forward in that night
EVERYTHING = Capabilities(has_search=True, has_collection=True, has_checkout_start=True, has_price=True, has_text=True)
SHAPE = pa.schema([pa.field(field.name, field.type) for field in [*EVENTS.schema, *PROVENANCE]])

CHOICES: dict[str, list[Any]] = {
    "shop_id": ["shop", "shop", "shop", "Läden 店", "other", None, "", "\t"],
    "buyer_id": ["ann", "bob", "zoë", "ann", "Bob", None, " "],
    "session_id": [None, None, None, "s", "visit"],
    "event": [*EVENT_NAMES] * 4 + [*REFUND_NAMES] * 2 + ["teleported", "two\nlines", "viewed\n", None, ""],
    "product_id": [None, "p1", "p2", "p10", "gone", "ü"],
    "collection_id": [None, None, "c1", "c9"],
    "query": [None, None, "red shirt", "Ünïcode \U0001f455", "", "a'b\\"],
    "price": [None, 0.1, 0.2, 10.0, 33.333333, 1e-7, 0.0, -5.0, float("nan"), float("inf"), 99999.99],
    "quantity": [None, 1, 2, 3, 0, -2, 1000],
    "order_id": [None, None, "o1", "o2"],
    "value": [None, 9.99, 20.005, -1.0, float("nan")],
    "seq": [None, None, 0, 1, 2**40],
    "part": [0, 0, 0, 0, 1],
}
GAPS = [0, 0, 0, 1e-6, 60, 1799.999999, 1800, 1800.000001, 3600, 5 * 3600, 86400]


def nasty_rows(seed: int, count: int) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    rows, time = [], START
    for number in range(1, count + 1):
        time += timedelta(seconds=rng.choice(GAPS))
        row = {name: rng.choice(values) for name, values in CHOICES.items()}
        late = time - timedelta(hours=rng.choice([0, 0, 0, 0, 7]))
        wrong = rng.choice([None, datetime(1969, 12, 31, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)])
        row["time"] = wrong if rng.random() < 0.03 else late
        row |= {"file": rng.choice(["a.log", "b.log"]), "row": number, "raw": repr(sorted(row.items()))}
        rows.append(row)
        if rng.random() < 0.05:
            rows.append(row | {"row": number + count})
    return rows


def log_on(engine, rows, has=EVERYTHING) -> RawLog:
    def stored(table: pa.Table) -> ibis.Table:
        return engine.create_table(ibis.util.gen_name("test"), ibis.memtable(table))

    products = [
        {"shop_id": shop, "product_id": product, "title": f"{product} of {shop}", "text": product, "product_type": kind}
        for shop in ("shop", "Läden 店")
        for product, kind in (("p1", "shirts"), ("p2", None), ("ü", "Röcke"))
    ]
    return RawLog(
        events=stored(pa.Table.from_pylist(rows, SHAPE)),
        rejected=stored(
            pa.Table.from_pylist([{"file": "a.log", "row": 10**6, "reason": "not JSON", "raw": "{"}], REJECTED.schema)
        ),
        products=stored(pa.Table.from_pylist(products, PRODUCTS.schema)),
        collections=stored(
            pa.Table.from_pylist([{"shop_id": "shop", "collection_id": "c1", "title": "Shirts"}], COLLECTIONS.schema)
        ),
        rows_in=sum(row["part"] == 0 for row in rows) + 1,
        has=has,
    )


def everything(engine, rows, config, has=EVERYTHING):
    """All that the two rooms give, as plain rows."""
    log = log_on(engine, rows, has)
    prepared = prepare(log, config, b"key")
    buyers = aggregate(prepared.events, prepared.sessions, has, config)
    tables = {
        "events": EVENTS.check(prepared.events.to_pyarrow()),
        "sessions": SESSIONS.check(prepared.sessions.to_pyarrow()),
        "rejected": REJECTED.check(prepared.rejected.to_pyarrow()),
        "buyers": BUYERS.check(buyers.to_pyarrow()),
    }
    return {name: table.to_pylist() for name, table in tables.items()}, prepared.quality


@pytest.mark.parametrize(
    ("seed", "config"),
    [
        (1, EventsConfig(keep_ids=True, max_rejected_share=1, time_zone="Europe/Berlin")),
        (2, EventsConfig(max_rejected_share=1, session_gap_minutes=0.5, keep_duplicates=True)),
    ],
)
def test_every_row_of_a_nasty_log_is_the_same(duckdb_engine, spark_engine, seed, config):
    rows = nasty_rows(seed, 700)
    expected, expected_quality = everything(duckdb_engine, rows, config)
    found, quality = everything(spark_engine, rows, config)
    for name, lines in expected.items():
        assert len(lines) > 10
        for number, (line, other) in enumerate(zip(lines, found[name], strict=True)):
            assert line == other, f"{name} {number}"
    assert quality == expected_quality
