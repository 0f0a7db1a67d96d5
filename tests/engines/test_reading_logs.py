"""Logs read for Spark give the rows that DuckDB reads, whichever of the two does the reading."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simpersona.adapters.engines.duckdb import DuckDBOnlyError
from simpersona.adapters.engines.open import read_log
from simpersona.adapters.sources.ga4 import Ga4Source
from simpersona.adapters.sources.shopify import ShopifySource
from simpersona.adapters.sources.snowplow import SnowplowSource
from simpersona.adapters.sources.table import TableSource
from simpersona.contracts import COLLECTIONS, EVENTS, PRODUCTS

ROWS = [
    {"user": 1, "ts": 1_709_294_400_000_001, "action": "view", "item": {"id": "a", "price": 2.5}, "name": "Äpfel"},
    {"user": 2, "ts": 1_709_294_402_000_000, "action": "cart", "item": {"id": "b", "price": None}, "name": None},
    {"user": None, "ts": None, "action": "odd", "item": None, "name": None},
]
COLUMNS = {"buyer_id": "user", "time": "ts", "event": "action", "product_id": "item.id", "price": "item.price",
           "title": "name"}  # fmt: skip
NAMES = {"view": "product_viewed", "cart": "product_added_to_cart", "odd": "ignored"}
BERLIN = datetime(2024, 3, 1, 13, 30)  # noqa: DTZ001 - a table's own clock

ITEMS = [{"item_id": "p1", "item_name": "Shirt", "price": 9.5, "quantity": 1}, {"item_id": "p2", "item_name": "Cap"}]
PARAMS = [
    {"key": "ga_session_id", "value": {"int_value": 7, "string_value": None}},
    {"key": "search_term", "value": {"int_value": None, "string_value": "shirt"}},
]


def hit(second, name, items=()):
    ecommerce = {"transaction_id": "T", "purchase_revenue": 9.5} if name == "purchase" else None
    where = {"device": {"web_info": {"hostname": "acme.example"}}, "user_pseudo_id": "c1"}
    row = {"event_timestamp": 1_604_188_800_000_000 + second, "event_name": name, "items": list(items)}
    return row | where | {"event_params": PARAMS, "ecommerce": ecommerce}


def table_of_numbers(folder):
    pq.write_table(pa.Table.from_pylist(ROWS), folder / "log.parquet")
    return TableSource(COLUMNS, NAMES, shop="mine", time_format="us"), folder / "*.parquet"


def table_of_local_times(folder):
    pq.write_table(pa.Table.from_pylist([row | {"ts": BERLIN} for row in ROWS]), folder / "log.parquet")
    return TableSource(COLUMNS, NAMES, shop="mine", time_zone="Europe/Berlin"), folder


def table_of_texts(folder):
    times = [
        "2024-03-01T12:00:00Z", "2024-03-01 12:00:00 +0530", "2024-03-01 12:00:00 UTC", "2024-03-01T12:00Z", " 2024-03-01 12:00 ",
        "2024-03-01T12:00:00.5+01:00[Europe/Berlin]", "2024-03-01 12:00:00,250", "2024-03-01 12:00:00 EST", "2024-03-01",
        "2024-03-01 12:00:00", "epoch", "2024-03-01T12:00:00[Asia/Tokyo]",
    ]  # fmt: skip
    rows = [ROWS[0] | {"ts": time, "user": f"u{n} " if n % 2 else f"u{n}"} for n, time in enumerate(times)]
    pq.write_table(pa.Table.from_pylist(rows), folder / "log.parquet")
    return TableSource(COLUMNS, NAMES, shop="mine"), folder / "*.parquet"


def ga4(folder):
    rows = [hit(1, "view_item", ITEMS[:1]), hit(2, "search"), hit(3, "purchase", ITEMS), hit(4, "scroll")]
    table = pa.Table.from_pylist(rows)
    for day in (0, 1):
        pq.write_table(table.slice(2 * day, 2), folder / f"events_{day}.parquet")
    return Ga4Source(), folder / "events_*.parquet"


def snowplow(folder):
    ids = {"event_id": ["e"], "app_id": ["acme"], "domain_userid": ["d"], "domain_sessionid": ["s"]}
    pq.write_table(
        pa.table(ids | {"event_name": ["page_view"], "derived_tstamp": ["2024-03-01T12:00:00Z"]}),
        folder / "log.parquet",
    )
    return SnowplowSource(), folder / "log.parquet"


def lines_of_pixels(folder):
    line = {"name": "page_viewed", "clientId": "c", "timestamp": "2024-03-01T12:00:00Z", "shop": "acme"}
    (folder / "log.jsonl").write_text("\n".join([json.dumps(line), "{"]))
    return ShopifySource(), folder / "*.jsonl"


def rows_of(table, shape):
    return sorted(map(str, table.select(shape).to_pyarrow().to_pylist()))


def read_on_spark(source, path, engine, folder, by_spark):
    if by_spark:
        return source.read(path, engine)
    with pytest.raises(DuckDBOnlyError, match="pyspark gets the rows"):
        source.read(path, engine)
    folder.mkdir()
    return read_log(source, path, engine, folder)


@pytest.mark.parametrize(
    ("log", "by_spark"),
    [
        (table_of_numbers, True),
        (table_of_texts, True),
        (ga4, True),
        (table_of_local_times, False),
        (snowplow, False),
        (lines_of_pixels, False),
    ],
)
def test_the_same_log_on_both(duckdb_engine, spark_engine, tmp_path: Path, log, by_spark) -> None:
    source, path = log(tmp_path)
    one = read_log(source, path, duckdb_engine, tmp_path / "one")
    two = read_on_spark(source, path, spark_engine, tmp_path / "two", by_spark)
    assert (two.rows_in, two.has) == (one.rows_in, one.has)
    shapes = {"products": PRODUCTS.columns, "collections": COLLECTIONS.columns, "rejected": ("file", "row", "reason")}
    for name, shape in {"events": (*EVENTS.columns, "file", "row", "part", "seq"), **shapes}.items():
        assert rows_of(getattr(two, name), shape) == rows_of(getattr(one, name), shape), name
    first = one.events.order_by("row", "part").to_pyarrow().to_pylist()[0]
    if log is table_of_numbers:
        assert first["time"] == datetime(2024, 3, 1, 12, microsecond=1, tzinfo=UTC)
    elif log is table_of_local_times:
        assert first["time"] == datetime(2024, 3, 1, 12, 30, tzinfo=UTC)
