"""How fast a world is written and in how much memory, beside random columns of the same shape written by pyarrow."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.measure import Stopwatch
from benchmarks.results import Table, number
from simpersona.config import LabConfig
from simpersona.lab.clientele import random_ids
from simpersona.lab.event_rows import LAYOUT, SCHEMA
from simpersona.lab.shop_part import BEGIN
from simpersona.lab.world import generate_world
from simpersona.pipeline.run_folder import peak_memory_mb

SIZES = (55_000, 550_000)
"""Buyers of worlds of about 1 and 10 million events."""
SHOPS, PRODUCTS = 12, 100
ROWS_AT_ONCE = 200_000
VOCABULARY = {"shop_id": SHOPS, "event": 9, "product_id": PRODUCTS, "collection_id": 12, "query": 300, "order_id": 1000}
"""Different texts of each column among so many rows, beside as many buyers as a tenth of them."""


def volume(sizes: tuple[int, int] = SIZES) -> tuple[Table, str]:
    """A table with a row for each size of the world, in buyers, and for random columns of the larger one's rows."""
    measured = [_apart("world", buyers) for buyers in sizes]
    rows = [[f"world of {buyers:,} buyers", *_cells(one)] for buyers, one in zip(sizes, measured, strict=True)]
    random = _apart("random", measured[-1]["events"])
    rows.append(["random columns, as many rows", *_cells(random)])
    large = measured[-1]
    ratio = (large["cpu"] / large["events"]) / (random["cpu"] / random["events"])
    note = (
        f"Each in its own process, {SHOPS} stores of {PRODUCTS} products, parquet. A row of the world costs {ratio:.2f} times"
        f" the processor time of a random one, and memory is {large['peak'] / measured[0]['peak']:.2f} times that of a world a"
        " tenth its size: a store is generated 10,000 buyers at a time. Random: numpy draws every column, pyarrow writes the same"
        f" schema with the same settings, {ROWS_AT_ONCE:,} rows a file."
    )
    return Table(("", "events", "CPU-seconds", "events per CPU-second", "peak memory, MB", "files, MB"), rows), note


def _cells(one: dict[str, float]) -> list[str]:
    speed = number(one["events"] / one["cpu"])
    return [f"{one['events']:,.0f}", number(one["cpu"]), speed, f"{one['peak']:,.0f}", f"{one['size']:,.0f}"]


def _apart(what: str, count: float) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.world_volume", what, str(int(count))]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _measure(what: str, count: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "out"
        watch = Stopwatch()
        if what == "world":
            config = LabConfig(shops=SHOPS, buyers=count, products_per_shop=PRODUCTS, output="parquet")
            events = generate_world(folder, config, lambda *_: None)
        else:
            events = _write_random(folder, count)
        cost = watch.lap()
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return {"events": events, "cpu": cost.cpu, "peak": peak_memory_mb(), "size": size / 1e6}


def _write_random(folder: Path, rows: int) -> int:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number_, first in enumerate(range(0, rows, ROWS_AT_ONCE)):
        table = _random_rows(min(ROWS_AT_ONCE, rows - first), rng)
        pq.write_table(table, folder / f"{number_:04d}.parquet", row_group_size=len(table), **LAYOUT)
    return rows


def _random_rows(count: int, rng: np.random.Generator) -> pa.Table:
    """Texts are dictionary-encoded, as the world's are."""

    def texts(different: int) -> pa.DictionaryArray:
        return pa.DictionaryArray.from_arrays(
            pa.array(rng.integers(0, different, count, np.int32)), random_ids(different, rng)
        )

    columns = {}
    for field in SCHEMA:
        if pa.types.is_string(field.type):
            columns[field.name] = texts(VOCABULARY.get(field.name, count // 10))
        elif pa.types.is_timestamp(field.type):
            moments = BEGIN + np.sort(rng.integers(0, 120 * 86_400_000, count)).astype("timedelta64[ms]")
            columns[field.name] = pa.array(moments).cast(field.type)
        elif pa.types.is_floating(field.type):
            columns[field.name] = pa.array(np.round(rng.lognormal(4, 1, count), 2))
        else:
            columns[field.name] = pa.array(rng.integers(0, 40, count)).cast(field.type)
    return pa.table(columns)


if __name__ == "__main__":
    print(json.dumps(_measure(sys.argv[1], int(sys.argv[2]))))
