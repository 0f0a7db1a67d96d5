"""Large typed logs: sessions, scalars, product channels and codes, beside the ways one would write by hand."""

# pyright: reportIndexIssue=false, reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false
# pandas' types say of most results that they may be anything.

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from threadpoolctl import threadpool_limits

from benchmarks.measure import Stopwatch, costs
from benchmarks.results import Section, Table, number
from benchmarks.volume_ways import BUYER, KEY, WAYS, apart, measured
from simpersona.adapters.sources.typed_log import TypedLog
from simpersona.buyers.channels import ChannelBags, Projection
from simpersona.buyers.fused import fused_buyers
from simpersona.buyers.vectorizer import Vectorizer
from simpersona.config import BuyersConfig, EventsConfig, LabConfig, PersonasConfig
from simpersona.contracts import SCALARS
from simpersona.events.cleaning import hashed_id
from simpersona.lab.world import generate_world
from simpersona.pack.assign_typed import Work, typed_codes
from simpersona.personas.fitted import FittedPersonas, assign_buyers
from simpersona.personas.vqvae_training import train_vqvae
from simpersona.pipeline.run_folder import peak_memory_mb

EVENTS = int(os.environ.get("SIMPERSONA_BENCH_EVENTS", "10000000"))
"""About as many events; SIMPERSONA_BENCH_EVENTS=100000000 for the large world."""
ALL_WAYS = 10_000_000
"""Up to here every way is run, above only the fast path."""
COMPARED = 1_000_000
"""Events of the world in which channels and codes are compared."""
DIM = 768
"""Of the made-up embeddings, as in the paper."""
_EVENTS_PER_BUYER, _DAYS = 11.4, 42
_MOST_BUYERS_OF_A_SHOP, _PRODUCTS = 100_000, 500
_TICK = 0.01  # seconds, in which the system counts
_SAID = {
    "query": "hand-written two-stage DuckDB query",
    "fused": "ours, fast path (`TypedLog` → `fused_buyers`)",
    "general": "ours, general path (`TableSource` → `prepare` → `aggregate`)",
    "pandas": "pandas",
    "polars": "Polars, eager",
}


def section(events: int = EVENTS, worlds: Path | None = None) -> Section:
    """Ratios within one run; `worlds` may hold the generated worlds of an earlier run, one folder per size."""
    with tempfile.TemporaryDirectory() as scratch:
        place = worlds or Path(scratch)
        sizes = sorted({max(events // 100, 1), max(events // 10, 1), events})
        logs = {size: _world(place, size) for size in sizes}
        small = logs[next((size for size in sizes if size >= COMPARED), events)]
        out = Path(scratch) / "found"
        out.mkdir()
        compared = max(size for size in sizes if size <= ALL_WAYS or size == sizes[0])
        tables = (
            _ways(logs[compared], out, cost := {}),
            _channels(small),
            _end_to_end(logs[events], small, Path(scratch)),
            _linear(logs, compared, cost, out),
        )
    what = (
        f"Generated worlds of about {', '.join(f'{size:,}' for size in sizes)} events, {_DAYS} days, about "
        f"{_EVENTS_PER_BUYER:.0f} events per buyer, as typed parquet; each method runs once, in its own process. CPU seconds after "
        "imports; memory is the process's peak."
    )
    return Section("volume", what, tables, ("duckdb", "ibis-framework", "numba", "pandas", "polars"))


def _world(folder: Path, events: int) -> Path:
    place, buyers = folder / f"w{events}", max(round(events / _EVENTS_PER_BUYER), 60)
    shops = max(3 if events < ALL_WAYS else 12, round(buyers / _MOST_BUYERS_OF_A_SHOP))
    if not place.exists():
        config = LabConfig(
            shops=shops, buyers=buyers, products_per_shop=_PRODUCTS, days=_DAYS, seed=7, output="parquet"
        )
        generate_world(place, config, lambda *_: None)
    return place / "events"


def _rows(log: Path) -> int:
    return sum(pq.read_metadata(file).num_rows for file in log.glob("*-[0-9][0-9][0-9][0-9].parquet"))


# --- the 16 scalars and the stratum --------------------------------------------------------------


def _ways(log: Path, out: Path, cost: dict[str, dict[str, float]]) -> tuple[Table, str]:
    """`cost` is filled."""
    rows = _rows(log)
    cost |= {way: measured(way, log, out / f"{way}.parquet") for way in WAYS}
    reference = buyers_of(out / "query.parquet")
    differ = {way: apart_by(buyers_of(out / f"{way}.parquet", reference), reference) for way in WAYS if way != "query"}
    cells = [
        [
            _SAID[way],
            number(one["cpu"]),
            f"{one['cpu'] / cost['query']['cpu']:.2f}",
            number(one["cpu"] / rows * 1e6),
            f"{one['peak']:,.0f}",
            "–" if way == "query" else f"{differ[way]:.1g}",
        ]
        for way, one in cost.items()
    ]
    fused = cost["fused"]["cpu"]
    note = (
        f"{rows:,} rows, {len(reference):,} buyers. All make sessions by a gap of 30 minutes, the 16 scalars and the stratum, and "
        f"write one row per buyer; strata are equal and scalars differ by at most what the last column says (relative above 1). "
        f"The fast path also judges rows, drops duplicates and lists each buyer's products: it takes {cost['pandas']['cpu'] / fused:.1f}"
        f" times less CPU than pandas and {cost['polars']['cpu'] / fused:.1f} times less than Polars. The general path also hashes "
        "ids, stores rejected rows, writes clean events and the timeline of every session, in order, and reports on "
        "quality and bots; it runs on Spark unchanged. The query, pandas and Polars do not: they trust every row."
    )
    head = ("", "CPU-s", "relative to the query", "CPU-s per million rows", "peak memory, MB", "difference")
    return Table(head, cells), note


def buyers_of(file: Path, like: pd.DataFrame | None = None) -> pd.DataFrame:
    """Stratum and scalars by store and buyer; hashed ids are matched by hashing those of `like`."""
    frame = pd.read_parquet(file, columns=[*BUYER, "stratum", *SCALARS]).set_index(BUYER).sort_index()
    if like is None:
        return frame
    if like.index[0] not in frame.index:
        hashes = pd.MultiIndex.from_tuples([(shop, hashed_id(buyer, KEY)) for shop, buyer in like.index], names=BUYER)
        frame = frame.loc[hashes].set_axis(like.index)
    assert len(frame) == len(like)
    return frame.loc[like.index]


def apart_by(found: pd.DataFrame, reference: pd.DataFrame) -> float:
    """The largest difference of a scalar, relative above 1; the strata have to be equal."""
    assert (found.stratum.astype(str).to_numpy() == reference.stratum.astype(str).to_numpy()).all()
    ours, theirs = (frame[list(SCALARS)].to_numpy(float) for frame in (found, reference))
    return float(np.max(np.abs(ours - theirs) / np.maximum(1, np.abs(theirs))))


# --- product channels ----------------------------------------------------------------------------


def _channels(log: Path) -> tuple[Table, str]:

    typed, buyers = _fused(log)
    products = pq.read_table(typed.catalogue)
    embeddings = np.random.default_rng(0).normal(size=(len(products), DIM)).astype(np.float32)
    bags = ChannelBags.of(buyers, products)
    projection = Projection.fit(ChannelBags.of(buyers.slice(0, 5000), products), embeddings, 128)
    weight, bias = projection.weight.astype(np.float32), projection.bias.astype(np.float32)

    def averaged() -> list[np.ndarray]:
        """Each channel's mean embedding, then its projection; absent channels stay 0."""
        parts = []
        for matrix, there in zip(bags.matrices, bags.present.T, strict=True):
            part = np.zeros((len(there), weight.shape[1]), np.float32)
            part[there] = (matrix @ embeddings)[there] @ weight + bias
            parts.append(part)
        return parts

    with threadpool_limits(1):
        late, slow = costs(averaged, 3)
        soon, quick = costs(lambda: bags.means(projection(embeddings)), 3)
    differ = float(np.abs(np.concatenate(slow, axis=1) - quick).max())
    rows = [
        ["average, then project", number(late.cpu), "1.00"],
        ["project once, then average (ours)", number(soon.cpu), f"{soon.cpu / max(late.cpu, _TICK):.3f}"],
    ]
    note = (
        f"{len(buyers):,} buyers, {len(products):,} products with random embeddings of {DIM} dimensions, 128 kept, three "
        f"channels, one thread, medians of 3. Ours takes {late.cpu / max(soon.cpu, _TICK):.1f} times less; the results differ by at most "
        f"{differ:.1g}."
    )
    return Table(("product channels", "CPU-s", "relative"), rows), note


def _fused(log: Path) -> tuple:

    typed = TypedLog.at(log)
    assert typed is not None, f"{log} is no typed log"
    tables = (fused_buyers(typed.events(shop), typed.has, EventsConfig()).table() for shop in typed.pieces)
    return typed, pa.concat_tables(tables)


# --- from events to the mixes of all shops -------------------------------------------------------


def _end_to_end(log: Path, small: Path, scratch: Path) -> tuple[Table, str]:
    pack = scratch / "pack"
    pack.mkdir()
    same, of = _train(small, pack, scratch)
    rows = _rows(log)
    whole = apart("benchmarks.volume", "assign", str(log), str(pack))
    phases = apart("benchmarks.volume", "phases", str(log), str(pack))
    total = sum(phases.values())
    cells = [
        ["wall seconds, a worker per core", number(whole["wall"])],
        ["CPU-seconds", number(whole["cpu"])],
        ["events per second (wall)", number(rows / whole["wall"])],
        ["peak memory, MB", f"{whole['peak']:,.0f}"],
        *([f"of the CPU: {name}", f"{seconds / total:.0%}"] for name, seconds in phases.items()),
    ]
    note = (
        f"{rows:,} rows of typed parquet to the codes of {whole['buyers']:,.0f} buyers and the mixes of {whole['shops']:.0f} stores "
        f"with a pack of 64 codes and random embeddings of {DIM} dimensions (embedding the catalogue is not counted). "
        f"In the world of {_rows(small):,} rows, {same:,} of {of:,} codes are those of the general path. Phases are those of a single worker."
    )
    return Table(("events to p_s(k), fast path", ""), cells), note


def _train(log: Path, folder: Path, scratch: Path) -> tuple[int, int]:
    """Trains a small pack; how many buyers have the same code by both paths, and of how many."""
    typed, buyers = _fused(log)
    products, embeddings = _catalogue(typed.catalogue)
    sample = buyers.take(np.random.default_rng(0).permutation(len(buyers))[:20_000])
    vectorizer = Vectorizer.fit(sample, products, embeddings, BuyersConfig())
    vectors = vectorizer.transform(sample, products, embeddings)
    train = np.arange(len(vectors)) % 5 > 0
    codes = min(64, int(train.sum()) // 2)
    model = train_vqvae(
        vectors.take(train), vectors.take(~train), PersonasConfig(codes=codes, epochs=2), 0, lambda *_: None
    )
    pack = FittedPersonas(vectorizer, model, "made up")
    pack.save(folder)
    file = scratch / "general.parquet"
    measured("general", log, file)
    _, expected, named = assign_buyers(pack, pq.read_table(file), products, embeddings)
    by_name = dict(zip(zip(named.shop_id, named.buyer_id, strict=True), expected, strict=True))
    same = of = 0
    for shop in typed_codes(typed, pack, products, embeddings, EventsConfig()):
        ids = shop.buyer_id.to_pylist()
        same += sum(by_name[shop.shop_id, hashed_id(i, KEY)] == c for i, c in zip(ids, shop.code, strict=True))
        of += len(ids)
    assert of == len(expected)
    return same, of


def _catalogue(file: Path) -> tuple[pa.Table, np.ndarray]:
    products = pq.read_table(file)
    return products, np.random.default_rng(0).normal(size=(len(products), DIM)).astype(np.float32)


def _assign(log: Path, folder: Path) -> dict[str, float]:
    """All codes and mixes, the stores in parallel."""
    pack = FittedPersonas.load(folder)
    products, embeddings = _catalogue(log / "products.parquet")
    watch = Stopwatch()
    typed = TypedLog.at(log)
    assert typed is not None
    mixes, buyers = {}, 0
    for shop in typed_codes(typed, pack, products, embeddings, EventsConfig()):
        mixes[shop.shop_id] = np.bincount(shop.code, minlength=len(pack.network.codebook)) / len(shop.code)
        buyers += len(shop.code)
    cost = watch.lap()
    return {
        "cpu": cost.cpu, "wall": cost.wall, "peak": peak_memory_mb(), "buyers": buyers, "shops": len(mixes),
    }  # fmt: skip


def _phases(log: Path, folder: Path) -> dict[str, float]:
    """CPU seconds of each part of the same work, in one thread, over the largest stores."""
    pack = FittedPersonas.load(folder)
    products, embeddings = _catalogue(log / "products.parquet")
    spent: dict[str, float] = {}

    def timed(name: str, work: Callable[[], object]) -> object:
        before = time.process_time()
        result = work()
        spent[name] = spent.get(name, 0.0) + time.process_time() - before
        return result

    with threadpool_limits(1):
        typed = TypedLog.at(log)
        assert typed is not None
        work = Work(typed, pack, products, pack.vectorizer.projection(embeddings), EventsConfig())
        for shop in sorted(typed.rows, key=lambda one: -typed.rows[one])[:6]:
            events = timed("read parquet", lambda shop=shop: typed.events(shop))
            buyers = timed("sessions, scalars, products", lambda e=events: fused_buyers(e, typed.has, EventsConfig()))
            codes = timed("encode and nearest code", lambda s=shop, b=buyers: work.codes(s, b))
            timed("mix", lambda c=codes: np.bincount(c))
    return spent


# --- linear? -------------------------------------------------------------------------------------


def _linear(logs: dict[int, Path], most: int, known: dict[str, dict[str, float]], out: Path) -> tuple[Table, str]:
    """`known` costs are those of the size `most`."""
    rows = []
    for way in ("fused", "general", "query"):
        for size, log in logs.items():
            if way == "fused" or size <= most:
                cost = known[way] if size == most else measured(way, log, out / "again.parquet")
                count = _rows(log)
                share = number(cost["cpu"] / count * 1e6)
                rows.append([_SAID[way], f"{count:,}", number(cost["cpu"]), share, f"{cost['peak']:,.0f}"])
    note = "The same work on worlds of growing size."
    return Table(("", "rows", "CPU-s", "CPU-s per million rows", "peak memory, MB"), rows), note


if __name__ == "__main__":
    print(json.dumps({"assign": _assign, "phases": _phases}[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))))
