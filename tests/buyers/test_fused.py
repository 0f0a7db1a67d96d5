"""Parity test of the fast path: the same buyers as `prepare` and `aggregate`, number for number, from the same rows."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simpersona.adapters.engines.duckdb import connect
from simpersona.buyers.aggregate import aggregate
from simpersona.config import EventsConfig, LabConfig
from simpersona.contracts import (
    BUYERS,
    CHANNELS,
    COLLECTIONS,
    EVENT_NAMES,
    EVENTS,
    PRODUCTS,
    REJECTED,
    SCALARS,
    Capabilities,
    RawLog,
)
from simpersona.errors import ContractError, GeneralPathError
from simpersona.events.prepare import prepare
from simpersona.lab.world import generate_world

pytest.importorskip("numba", reason="the fast path needs the extra `fast`")
from simpersona.buyers.fused import fused_buyers

HAS = Capabilities(
    has_search=True, has_collection=True, has_checkout_start=True, has_price=True, has_session=False, has_text=True
)
SCHEMA = pa.schema([pa.field(field.name, field.type) for field in EVENTS.schema] + [("seq", pa.int64())])
NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
SHARES = ("_rate", "_strength")


@pytest.fixture(scope="module")
def duck(tmp_path_factory):
    """DuckDB only: another test compares the two engines."""
    return connect(tmp_path_factory.mktemp("duck"))


def defined(engine, events: pa.Table, config: EventsConfig, has: Capabilities = HAS):
    """BUYERS by the general path, and the number of rows that it accepted."""

    def stored(table):
        return engine.create_table(ibis.util.gen_name("test"), ibis.memtable(table))

    lines = [repr(line) for line in events.to_pylist()]
    events = events.append_column("raw", pa.array(lines)).append_column("row", pa.array(range(1, len(lines) + 1)))
    table = stored(events).mutate(file=ibis.literal("log"), part=ibis.literal(0, "int64"))
    empty = (stored(contract.empty()) for contract in (REJECTED, PRODUCTS, COLLECTIONS))
    prepared = prepare(RawLog(table, *empty, rows_in=len(lines), has=has), config, b"key")
    buyers = BUYERS.check(aggregate(prepared.events, prepared.sessions, has, config).to_pyarrow())
    return buyers, prepared.quality["rows_kept"]


def assert_same(engine, events: pa.Table, config: EventsConfig, has: Capabilities = HAS):
    expected, kept = defined(engine, events, config, has)
    found = fused_buyers(events, has, config)
    assert len(events) == kept + found.rejected.total()
    table = BUYERS.check(found.table()).sort_by([("shop_id", "ascending"), ("buyer_id", "ascending")])
    expected = expected.sort_by([("shop_id", "ascending"), ("buyer_id", "ascending")])
    for name in ("buyer_id", "stratum", *CHANNELS, *[f"has_{channel}" for channel in CHANNELS]):
        assert table[name].to_pylist() == expected[name].to_pylist(), name
    for name in SCALARS:
        ours, theirs = (np.asarray(one[name].to_pandas(), dtype=float) for one in (table, expected))
        # sums of money are rounded to 1e-6, after additions in whatever order
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1.5e-6 if "value" in name else 1e-12, err_msg=name)


def is_refund(row):
    value, unit = row["value"], (row["price"] == -5.0 or row["quantity"] == -1)
    return value == -5.0 or ((value is None or not math.isfinite(value)) and unit)


minutes = st.sampled_from([0, 1, 30, 30.0000005, 31, 60, 61, 91, 700, 719.99, 720, 1440, 1470.5, 9000])
money = st.sampled_from([None, 0.0, 0.01, 10.0, 19.99, 1e9, -5.0, float("nan"), float("inf")])
rows = st.fixed_dictionaries(
    {
        "shop_id": st.just("shop"),
        "buyer_id": st.sampled_from(["ann", "bob", "ço ñ", ""]) | st.none(),
        "time": minutes.map(lambda after: NOON + timedelta(minutes=after))
        | st.sampled_from([None, datetime(1969, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)]),
        "event": st.sampled_from([*EVENT_NAMES * 3, "clicked", ""]) | st.none(),
        "product_id": st.sampled_from(["p1", "p2", "p10", None]),
        "collection_id": st.sampled_from(["c", None]),
        "query": st.sampled_from(["a  b", None]),
        "price": money,
        "quantity": st.sampled_from([None, 1, 2, 0, -1]),
        "order_id": st.sampled_from(["o1", "o2", None]),
        "value": money,
        "seq": st.sampled_from([0, 1, None]),
    }
).map(lambda row: row | {"value": 7.0} if row["event"] == "checkout_completed" and is_refund(row) else row)
good = rows.map(lambda row: row | {"buyer_id": "eve", "time": NOON, "event": "page_viewed"})


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(
    log=st.lists(rows, min_size=10, max_size=100),
    one=good,
    copies=st.integers(0, 3),
    keep_duplicates=st.booleans(),
    zone=st.sampled_from(["UTC", "Asia/Kolkata"]),
)
def test_any_log_gives_the_same_buyers(duck, log, one, copies, keep_duplicates, zone):
    log = [*log, one, *log[:copies]]  # one row that is kept, and doubles
    config = EventsConfig(max_rejected_share=1, keep_ids=True, keep_duplicates=keep_duplicates, time_zone=zone)
    assert_same(duck, pa.Table.from_pylist(log, SCHEMA), config)


@pytest.mark.parametrize("refund", [
    {"value": -6.0}, {"value": -6.0, "order_id": None}, {"price": -6.0}, {"price": 6.0, "quantity": -1},
    {"event": "order_refunded", "value": 6.0}, {"event": "order_cancelled"},
])  # fmt: skip
def test_refunds_are_left_to_the_general_path(refund):
    row = {"shop_id": "shop", "buyer_id": "ann", "time": NOON, "event": "checkout_completed", "order_id": "o"}
    log = [row | {"value": 6.0}, row | refund]
    with pytest.raises(GeneralPathError, match="refunds"):
        fused_buyers(pa.Table.from_pylist(log, SCHEMA), HAS, EventsConfig(keep_ids=True))


@pytest.mark.parametrize(
    "unknown", ["has_search", "has_collection", "has_checkout_start", "has_price", "has_cart", "has_time"]
)
def test_what_the_source_cannot_tell_is_unknown(duck, unknown):
    log = [
        {"shop_id": "shop", "buyer_id": "ann", "time": NOON + timedelta(minutes=at), "event": name, "product_id": "p",
         "price": 2.0, "quantity": 3, "order_id": "o", "value": 6.0}
        for at, name in enumerate(EVENT_NAMES)
    ]  # fmt: skip
    config = EventsConfig(keep_ids=True)
    assert_same(duck, pa.Table.from_pylist(log, SCHEMA), config, Capabilities(**(vars(HAS) | {unknown: False})))


def test_a_generated_world_gives_the_same_buyers(duck, tmp_path):
    generate_world(tmp_path / "world", LabConfig(shops=2, buyers=400, output="parquet"), lambda *_: None)
    files = sorted((tmp_path / "world/events").glob("*-0*.parquet"))
    assert len(files) == 2
    for file in files:
        events = pq.read_table(file)
        shuffled = events.take(np.random.default_rng(0).permutation(len(events)))
        assert_same(
            duck, pa.table({name: shuffled[name] for name in SCHEMA.names}).cast(SCHEMA), EventsConfig(keep_ids=True)
        )


def test_a_long_history_is_put_in_order():
    """300 visits of one buyer, a day apart, told backwards: by hand, 300 sessions of two views."""
    log = [
        {"shop_id": "shop", "buyer_id": "ann", "event": "product_viewed", "product_id": f"p{view}",
         "time": NOON + timedelta(days=day, minutes=view)}
        for day in reversed(range(300)) for view in (1, 0)
    ]  # fmt: skip
    buyers = fused_buyers(pa.Table.from_pylist(log, SCHEMA), HAS, EventsConfig()).table().to_pylist()
    (ann,) = buyers
    assert ann["session_count"] == ann["active_day_count"] == 300
    assert ann["product_view_count"] == 600
    assert ann["duration_seconds"] == 300 * 60
    assert ann["viewed"] == ["p0", "p1"]


def test_no_row_gives_no_buyer():
    found = fused_buyers(SCHEMA.empty_table(), HAS, EventsConfig())
    assert len(found) == found.table().num_rows == 0


def test_what_it_cannot_read_is_named():
    line = {"shop_id": "a", "buyer_id": "ann", "time": NOON, "event": "page_viewed"}
    with pytest.raises(ContractError, match="the events have session ids"):
        fused_buyers(pa.Table.from_pylist([line | {"session_id": "s"}], SCHEMA), HAS, EventsConfig())
    with pytest.raises(ContractError, match=r"events of 2 shops \(a, b"):
        fused_buyers(pa.Table.from_pylist([line, line | {"shop_id": "b"}], SCHEMA), HAS, EventsConfig())
