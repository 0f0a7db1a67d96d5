# ruff: noqa: PLC0415 - each way loads only what it needs, because its memory is measured
"""The ways from a typed parquet log to the 16 scalars and the stratum; each runs in its own process."""

# pyright: reportIndexIssue=false, reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false
# pyright: reportReturnType=false, reportGeneralTypeIssues=false
# pandas' types say of most results that they may be anything.

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.measure import Stopwatch
from simpersona.contracts import SCALARS
from simpersona.pipeline.run_folder import peak_memory_mb

KEY = b"benchmark"
BUYER = ["shop_id", "buyer_id"]
COLUMNS = [*BUYER, "time", "event", "price", "quantity", "order_id", "value"]
"""What the scalars need."""

# sessions, then buyers; as one would write it without us
QUERY = """
with told as (
    select {columns}, lag(time) over (partition by shop_id, buyer_id order by time) as before from {log}),
numbered as (
    select *, sum(case when time - before <= interval 30 minutes then 0 else 1 end)
        over (partition by shop_id, buyer_id order by time) as session from told),
visits as (
    select shop_id, buyer_id, session, date_diff('microsecond', min(time), max(time)) / 1e6 as seconds,
        count(*) filter (event = 'product_viewed') as views,
        count(*) filter (event = 'product_added_to_cart') as adds,
        count(*) filter (event = 'checkout_started') as starts,
        count(*) filter (event = 'search_submitted') as searches,
        count(*) filter (event = 'collection_viewed') as collections,
        greatest(sum(case event when 'product_added_to_cart' then 1 when 'product_removed_from_cart' then -1 else 0 end
            * coalesce(price * coalesce(quantity, 1), 0)), 0) as cart
    from numbered group by all),
bought as (
    select shop_id, buyer_id, session, count(*) as orders, sum(value) as spent from (
        select shop_id, buyer_id, session, order_id, max(value) as value from numbered
        where event = 'checkout_completed' group by all) group by all),
days as (
    select shop_id, buyer_id, count(*) as days from (
        select distinct shop_id, buyer_id, time::date as day from numbered) group by all),
n as (
    select shop_id, buyer_id, count(*) as session_count, count(*) filter (views > 0) as view,
        count(*) filter (adds > 0) as add, count(*) filter (starts > 0) as start, count(orders) as purchase,
        count(*) filter (searches > 0) as search, count(*) filter (collections > 0) as collection,
        count(*) filter (views > 0 and adds + starts = 0 and orders is null) as browse, sum(seconds) as seconds,
        sum(views) as views, coalesce(avg(cart) filter (adds > 0), 0) as cart,
        coalesce(sum(spent) / sum(orders), 0) as spent
    from visits left join bought using (shop_id, buyer_id, session) group by all)
select shop_id, buyer_id, case when purchase > 0 then 'A' when start > 0 then 'B' when add > 0 then 'C'
        when view + search + collection > 0 then 'D' else 'E' end as stratum,
    session_count, days as active_day_count, view as product_view_session_count, add as add_to_cart_session_count,
    start as checkout_start_session_count, purchase as purchase_session_count, search as search_session_count,
    collection as collection_session_count, seconds as duration_seconds, views as product_view_count,
    add / session_count as add_to_cart_rate, purchase / session_count as checkout_rate,
    browse / session_count as browse_only_rate,
    (3 * add + 5 * start + 8 * purchase) / (session_count + 3 * add + 5 * start + 8 * purchase) as intent_strength,
    cart as mean_cart_value, spent as mean_order_value
from n join days using (shop_id, buyer_id)
"""


def by_general(log: Path, out: Path) -> None:
    """`prepare` and `aggregate` through files, as in a run."""
    from simpersona.adapters.engines.duckdb import connect
    from simpersona.adapters.engines.open import write_sessions
    from simpersona.adapters.sources.table import TableSource
    from simpersona.buyers.aggregate import aggregate
    from simpersona.config import EventsConfig
    from simpersona.events.prepare import prepare

    settings = EventsConfig()
    with tempfile.TemporaryDirectory() as scratch:
        engine = connect(Path(scratch) / "spill", settings.memory_gb)
        raw = TableSource().read(log, engine)
        prepared = prepare(raw, settings, KEY)
        files = [Path(scratch) / "events.parquet", Path(scratch) / "sessions.parquet"]
        prepared.events.to_parquet(files[0])
        write_sessions(prepared, files[1])
        aggregate(*(engine.read_parquet(file) for file in files), raw.has, settings).to_parquet(out)
        engine.disconnect()


def by_fused(log: Path, out: Path) -> None:
    """The fast path, one store after the other."""
    from simpersona.adapters.sources.typed_log import TypedLog
    from simpersona.buyers.fused import fused_buyers
    from simpersona.config import EventsConfig
    from simpersona.contracts import BUYERS

    typed = TypedLog.at(log)
    assert typed is not None, f"{log} is no typed log"
    with pq.ParquetWriter(out, BUYERS.schema) as file:
        for shop in typed.pieces:
            file.write_table(fused_buyers(typed.events(shop), typed.has, EventsConfig()).table())


def by_query(log: Path, out: Path) -> None:
    """The query above."""
    import duckdb

    with tempfile.TemporaryDirectory() as spill, duckdb.connect() as engine:
        engine.execute(f"set temp_directory = '{spill}'; set preserve_insertion_order = false; set TimeZone = 'UTC'")
        query = QUERY.format(columns=", ".join(COLUMNS), log=f"read_parquet({_files(log)})")
        engine.execute(f"copy ({query}) to '{out}' (format parquet)")


def by_pandas(log: Path, out: Path) -> None:
    """The same in pandas, from columns read by pyarrow."""
    import numpy as np
    import pandas as pd

    from benchmarks.events import plain_scalars

    frame = pd.concat([pd.read_parquet(file, columns=COLUMNS) for file in _files(log)], ignore_index=True)
    found = plain_scalars(frame)
    light = found.product_view_session_count + found.search_session_count + found.collection_session_count
    steps = [found[f"{step}_session_count"] > 0 for step in ("purchase", "checkout_start", "add_to_cart")]
    found["stratum"] = np.select([*steps, light > 0], list("ABCD"), "E")
    found.reset_index().to_parquet(out)


def by_polars(log: Path, out: Path) -> None:
    """The same in Polars on eager frames."""
    import polars as pl

    session, event = [*BUYER, "session"], pl.col("event")
    frame = pl.read_parquet(_files(log), columns=COLUMNS).sort([*BUYER, "time"])
    starts = (pl.col("time").diff() > pl.duration(minutes=30)).fill_null(False)
    frame = frame.with_columns(session=starts.cast(pl.Int32).cum_sum().over(BUYER))
    sign = pl.when(event == "product_added_to_cart").then(1).when(event == "product_removed_from_cart").then(-1)
    line = (pl.col("price") * pl.col("quantity").fill_null(1)).fill_null(0.0)
    visits = frame.group_by(session).agg(
        seconds=(pl.col("time").max() - pl.col("time").min()).dt.total_microseconds() / 1e6,
        views=(event == "product_viewed").sum(),
        adds=(event == "product_added_to_cart").sum(),
        starts=(event == "checkout_started").sum(),
        searches=(event == "search_submitted").sum(),
        collections=(event == "collection_viewed").sum(),
        cart=(sign.otherwise(0) * line).sum().clip(lower_bound=0),
    )
    orders = frame.filter(event == "checkout_completed").group_by([*session, "order_id"]).agg(pl.col("value").max())
    bought = orders.group_by(session).agg(orders=pl.len(), spent=pl.col("value").sum())
    days = frame.group_by([*BUYER, pl.col("time").dt.date()]).agg().group_by(BUYER).agg(days=pl.len())
    c, having = pl.col, lambda name: (pl.col(name) > 0).sum()
    n = visits.join(bought, on=session, how="left").group_by(BUYER).agg(
        session_count=pl.len().cast(pl.Float64), view=having("views"), add=having("adds"), start=having("starts"),
        purchase=having("orders"), search=having("searches"), collection=having("collections"),
        browse=((c("views") > 0) & (c("adds") + c("starts") == 0) & c("orders").is_null()).sum(),
        duration_seconds=c("seconds").sum(), product_view_count=c("views").sum(),
        mean_cart_value=c("cart").filter(c("adds") > 0).mean().fill_null(0.0),
        mean_order_value=(c("spent").sum() / c("orders").sum()).fill_nan(0.0),
    ).join(days, on=BUYER)  # fmt: skip
    intent = (3 * c("add") + 5 * c("start") + 8 * c("purchase")).cast(pl.Float64)
    light = c("view") + c("search") + c("collection") > 0
    steps = pl.when(c("purchase") > 0).then(pl.lit("A")).when(c("start") > 0).then(pl.lit("B"))
    n.with_columns(
        stratum=steps.when(c("add") > 0).then(pl.lit("C")).when(light).then(pl.lit("D")).otherwise(pl.lit("E")),
        active_day_count=c("days"), product_view_session_count=c("view"), add_to_cart_session_count=c("add"),
        checkout_start_session_count=c("start"), purchase_session_count=c("purchase"),
        search_session_count=c("search"), collection_session_count=c("collection"),
        add_to_cart_rate=c("add") / c("session_count"), checkout_rate=c("purchase") / c("session_count"),
        browse_only_rate=c("browse") / c("session_count"), intent_strength=intent / (c("session_count") + intent),
    ).select(*BUYER, "stratum", *SCALARS).write_parquet(out)  # fmt: skip


WAYS: dict[str, Callable[[Path, Path], None]] = {
    "query": by_query, "fused": by_fused, "general": by_general, "pandas": by_pandas, "polars": by_polars,
}  # fmt: skip


LOADED = {
    "query": ("duckdb",),
    "fused": ("simpersona.adapters.sources.typed_log",),
    "general": ("simpersona.adapters.sources.table", "simpersona.buyers.aggregate", "simpersona.events.prepare"),
    "pandas": ("benchmarks.events",),
    "polars": ("polars",),
}
"""What is imported before the clock starts."""


def measured(way: str, log: Path, out: Path) -> dict[str, float]:
    """CPU and wall seconds and peak memory in MB of one way, in its own process; `out` gets the buyers."""
    return apart("benchmarks.volume_ways", way, str(log), str(out))


def apart(module: str, *arguments: str) -> dict[str, float]:
    """What a module prints as JSON in its last line."""
    done = subprocess.run([sys.executable, "-m", module, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{module} {' '.join(arguments)} failed: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _files(log: Path) -> list[str]:
    return [str(file) for file in sorted(log.glob("*-[0-9][0-9][0-9][0-9].parquet"))]


def warm_up() -> None:
    """Numba caches compiled functions on disk; loading them is not part of the work."""
    from datetime import UTC, datetime

    from simpersona.buyers.fused import fused_buyers
    from simpersona.config import EventsConfig
    from simpersona.contracts import EVENTS, Capabilities

    row = dict.fromkeys(EVENTS.columns) | {
        "shop_id": "s", "buyer_id": "b", "time": datetime(2024, 1, 1, tzinfo=UTC), "event": "product_viewed",
    }  # fmt: skip
    events = pa.Table.from_pylist([row], pa.schema([(field.name, field.type) for field in EVENTS.schema]))
    flags = {f"has_{name}": True for name in ("search", "collection", "checkout_start", "price", "text")}
    fused_buyers(events, Capabilities(**flags), EventsConfig())


if __name__ == "__main__":
    for module in LOADED[sys.argv[1]]:
        importlib.import_module(module)
    if sys.argv[1] == "fused":
        warm_up()
    watch = Stopwatch()
    WAYS[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
    cost = watch.lap()
    print(json.dumps({"cpu": cost.cpu, "wall": cost.wall, "peak": peak_memory_mb()}))
