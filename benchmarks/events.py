"""Raw events to buyers: our way through the table engine, beside plain pandas."""

# pyright: reportIndexIssue=false, reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false
# pyright: reportReturnType=false, reportGeneralTypeIssues=false
# pandas' types say of most results that they may be anything.

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.measure import costs
from benchmarks.results import Section, Table, number
from simpersona.adapters.engines.duckdb import connect
from simpersona.adapters.sources.rees46 import COLUMNS, EVENT_OF, Rees46Source
from simpersona.adapters.sources.shopify import ShopifySource
from simpersona.buyers.aggregate import aggregate
from simpersona.config import EventsConfig, LabConfig
from simpersona.contracts import SCALARS
from simpersona.events.prepare import prepare
from simpersona.lab.world import generate_world
from simpersona.ports import EventSource

KEY = b"benchmark"
BUYER = ["shop_id", "buyer_id"]
SESSION = [*BUYER, "session"]


def section(shops: int = 3, buyers: int = 20_000, repeats: int = 3) -> Section:
    """Rows and CPU seconds of both sources, and of pandas on the same rows."""
    settings = EventsConfig()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        generate_world(folder / "world", LabConfig(shops=shops, buyers=buyers), lambda *_: None)
        log = folder / "world/events"
        shopify, (ours, clean, sessions) = costs(lambda: _ours(ShopifySource(), log, folder, settings), repeats)
        rows = sum(_lines(file) for file in log.glob("*.jsonl"))
        csv = _as_rees46(clean, folder / "rees46.csv")
        rees46, _ = costs(lambda: _ours(Rees46Source(), csv, folder, settings), repeats)
        csv_rows = _lines(csv) - 1
        parsing, _ = costs(lambda: _parsed(log), 1)
        frame = clean.to_pandas()
        plain, scalars = costs(lambda: plain_scalars(frame), repeats)
    apart = _apart(ours, scalars)
    total = parsing.cpu + plain.cpu

    def row(name: str, count: int, wall: float, cpu: float) -> list[str]:
        share = cpu / count * 1e6
        return [name, f"{count:,}", number(count / wall), number(share), f"{share / (total / rows * 1e6):.2f}"]

    table = Table(
        ("", "input rows", "rows/s (wall)", "CPU-s per million rows", "relative to pandas with json.loads"),
        [
            row("Web Pixels JSON lines, `ShopifySource` → `prepare` → `aggregate`", rows, shopify.wall, shopify.cpu),
            row("REES46 CSV, `Rees46Source` → `prepare` → `aggregate`", csv_rows, rees46.wall, rees46.cpu),
            row("pandas: `json.loads` of every line and a frame", rows, parsing.wall, parsing.cpu),
            row("pandas: sessions and the 16 scalars of the finished frame", rows, plain.wall, plain.cpu),
        ],
    )
    note = (
        f"Ours also sets malformed rows aside, drops duplicates, hashes ids, writes the timelines of {sessions:,} sessions "
        "and lists the products of each buyer, and it spills to disk. Pandas does not do this: it holds everything in memory "
        f"and computes only the scalars, on the finished frame in {plain.cpu / shopify.cpu:.2f} of our CPU seconds. The "
        f"{len(scalars):,} × 16 scalars of both differ by at most {apart:.1g}."
    )
    what = f"A generated world of {shops} stores and {buyers:,} buyers; medians of {repeats}."
    return Section("events", what, [(table, note)], ("duckdb", "ibis-framework", "pandas"))


def _ours(source: EventSource, path: Path, folder: Path, settings: EventsConfig) -> tuple[pa.Table, pa.Table, int]:
    """Buyers, clean events and the number of sessions, through files as in a run."""
    engine = connect(folder / "spill")
    raw = source.read(path, engine)
    prepared = prepare(raw, settings, KEY)
    files = [folder / "events.parquet", folder / "sessions.parquet"]
    for table, file in zip((prepared.events, prepared.sessions), files, strict=True):
        table.to_parquet(file)
    buyers = aggregate(*(engine.read_parquet(file) for file in files), raw.has, settings).to_pyarrow()
    engine.disconnect()
    return buyers, pq.read_table(files[0]), pq.read_metadata(files[1]).num_rows


def _as_rees46(events: pa.Table, path: Path) -> Path:
    """The events that REES46's format has, as such a file."""
    name_of = {ours: theirs for theirs, ours in EVENT_OF.items()}
    frame = events.to_pandas()
    frame = frame[frame.event.isin(list(name_of))].sort_values("time")
    columns = {
        "event_time": frame.time.dt.strftime("%Y-%m-%d %H:%M:%S UTC"),
        "event_type": frame.event.map(name_of),
        "product_id": frame.product_id,
        "category_code": frame.shop_id.str.replace("-", "_") + ".all",
        "brand": "maker",
        "price": frame.price,
        "user_id": frame.buyer_id,
        "user_session": frame.session_id,
    }
    assert set(columns) == set(COLUMNS)
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def _lines(file: Path) -> int:
    with file.open("rb") as lines:
        return sum(1 for _ in lines)


def _parsed(log: Path) -> pd.DataFrame:
    """The cost of reading alone, without our code: every line as Python objects, the leading fields as columns."""
    rows = []
    for file in sorted(log.glob("*.jsonl")):
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                event = json.loads(line)
                rows.append((event["shop"], event["clientId"], event["timestamp"], event["name"]))
    frame = pd.DataFrame(rows, columns=["shop_id", "buyer_id", "time", "event"])
    return frame.assign(time=pd.to_datetime(frame.time, utc=True))


def plain_scalars(events: pd.DataFrame, gap_minutes: float = 30) -> pd.DataFrame:
    """The 16 scalars by pandas from clean events of a source without session ids, indexed by store and buyer."""
    frame = events.sort_values([*BUYER, "time"], kind="stable")
    starts = frame.groupby(BUYER, sort=False).time.diff() > pd.Timedelta(minutes=gap_minutes)
    frame["session"] = starts.groupby([frame.shop_id, frame.buyer_id], sort=False).cumsum()
    name, line = frame.event, (frame.price * frame.quantity.fillna(1)).fillna(0.0)
    signs = name.map({"product_added_to_cart": 1.0, "product_removed_from_cart": -1.0}).fillna(0.0)
    kinds = {
        "product_view": "product_viewed",
        "add_to_cart": "product_added_to_cart",
        "checkout_start": "checkout_started",
        "search": "search_submitted",
        "collection": "collection_viewed",
    }
    frame = frame.assign(cart=signs * line, **{kind: name == event for kind, event in kinds.items()})
    by_session = frame.groupby(SESSION, sort=False)
    visits = by_session[list(kinds)].sum()
    times = by_session.time
    visits["seconds"] = (times.max() - times.min()).dt.total_seconds()
    visits["cart_value"] = by_session.cart.sum().clip(lower=0)
    orders = frame[name == "checkout_completed"].groupby([*SESSION, "order_id"], sort=False).value.max()
    visits["orders"] = orders.groupby(level=SESSION).count()
    visits["spent"] = orders.groupby(level=SESSION).sum()
    visits = visits.fillna(0.0)
    deeper = visits.add_to_cart + visits.checkout_start + visits.orders
    having = (visits[[*kinds, "orders"]] > 0).assign(browse_only=(visits.product_view > 0) & (deeper == 0))
    n = having.groupby(level=BUYER).sum()
    sums = visits.groupby(level=BUYER)[["seconds", "product_view", "orders", "spent"]].sum()
    sessions = visits.groupby(level=BUYER).size()
    days = frame.assign(day=frame.time.dt.floor("D")).groupby(BUYER).day.nunique()
    intent = 3 * n.add_to_cart + 5 * n.checkout_start + 8 * n.orders
    carts = visits[visits.add_to_cart > 0].groupby(level=BUYER).cart_value.mean()
    return pd.DataFrame(
        {
            "session_count": sessions,
            "active_day_count": days,
            "product_view_session_count": n.product_view,
            "add_to_cart_session_count": n.add_to_cart,
            "checkout_start_session_count": n.checkout_start,
            "purchase_session_count": n.orders,
            "search_session_count": n.search,
            "collection_session_count": n.collection,
            "duration_seconds": sums.seconds,
            "product_view_count": sums.product_view,
            "add_to_cart_rate": n.add_to_cart / sessions,
            "checkout_rate": n.orders / sessions,
            "browse_only_rate": n.browse_only / sessions,
            "intent_strength": intent / (sessions + intent),
            "mean_cart_value": carts,
            "mean_order_value": sums.spent / sums.orders.where(sums.orders > 0),
        }
    ).fillna(0.0)


def _apart(buyers: pa.Table, scalars: pd.DataFrame) -> float:
    """The largest difference between ours and pandas' scalars, relative to values above 1."""
    ours = buyers.select([*BUYER, *SCALARS]).to_pandas().set_index(BUYER)[list(SCALARS)]
    theirs = scalars.loc[ours.index, list(SCALARS)].to_numpy(float)
    mine = ours.to_numpy(float)
    assert len(ours) == len(scalars)
    return float(np.max(np.abs(mine - theirs) / np.maximum(1, np.abs(theirs))))
