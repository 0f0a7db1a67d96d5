"""Drift of stores between two periods: a run split at a day, or two files of codes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from simpersona.adapters.engines.open import open_engine
from simpersona.buyers.aggregate import aggregate
from simpersona.config.file import load_config
from simpersona.contracts import ASSIGNMENTS, PRODUCTS, Capabilities
from simpersona.errors import ConfigError, SourceError
from simpersona.evaluation.drift import drift
from simpersona.files import export_table, read_json, read_table, require_table_suffix
from simpersona.personas.fitted import FittedPersonas, assign_chunks, buyer_chunks
from simpersona.personas.mix import assignments


@dataclass(frozen=True)
class Periods:
    """Codes of two periods (ASSIGNMENTS each), and a label that names the periods."""

    before: pa.Table
    after: pa.Table
    label: str


def periods_of_files(before: Path, after: Path) -> Periods:
    """Two files of codes as `simpersona assign` writes them. Raises SourceError for one that cannot be read."""
    return Periods(_codes(before), _codes(after), f"{before} against {after}")


def periods_of_run(run: Path, day: str) -> Periods:
    """The codes of a run's buyers from their sessions before the midnight of `day`, and from those after it.

    Both periods have the length of the shorter one, because a buyer who is observed for longer does more. Raises
    ConfigError for a folder that is no run, a wrong day, or a day outside the run's sessions.
    """
    fitted = FittedPersonas.load(run)
    config = load_config(run / "config.toml")
    split = _midnight(day, config.events.time_zone)
    products, embeddings = read_table(run / "events/products.parquet", PRODUCTS), np.load(run / "buyers/embeddings.npy")
    has = Capabilities(**read_json(run / "events/quality.json")["has"])
    with TemporaryDirectory(prefix="simpersona-") as scratch:
        with open_engine(config.events.engine, Path(scratch) / "engine") as engine:
            events, sessions = (engine.read_parquet(run / f"events/{name}.parquet") for name in ("events", "sessions"))
            reach = (
                sessions.aggregate(first=sessions.start.min(), last=sessions.start.max()).to_pyarrow().to_pylist()[0]
            )
            length = min(split - reach["first"], reach["last"] - split)
            if length <= timedelta():
                raise ConfigError(
                    f"--split {day}: the run's sessions are from {reach['first']:%Y-%m-%d} to "
                    f"{reach['last']:%Y-%m-%d}; give a day in between"
                )
            paths = []
            for name, low in (("before", split - length), ("after", split)):
                events_within, sessions_within = [
                    _between(table, column, low, low + length)
                    for table, column in ((events, "time"), (sessions, "start"))
                ]
                paths.append(Path(scratch) / f"{name}.parquet")
                aggregate(events_within, sessions_within, has, config.events).to_parquet(paths[-1])
        before, after = (
            pa.concat_tables([ASSIGNMENTS.empty(), *_assigned(fitted, path, products, embeddings)]) for path in paths
        )
    days = length.total_seconds() / 86400
    return Periods(before, after, f"{days:.1f} days before {day} against as many from then on")


def write_drift(periods: Periods, out: Path, seed: int = 0) -> tuple[pa.Table, pa.Table]:
    """Writes DRIFT to `out` and MOVES to NAME-codes beside it, as parquet or CSV by the suffix, and returns both.

    Raises ConfigError for another suffix.
    """
    require_table_suffix(out)
    tables = drift(periods.before, periods.after, seed)
    for path, table in zip((out, out.with_name(f"{out.stem}-codes{out.suffix}")), tables, strict=True):
        export_table(path, table)
    return tables


def _codes(path: Path) -> pa.Table:
    if not path.is_file():
        raise SourceError(f"{path}: no such file. Give a run folder with --split DAY, or two files of codes.")
    try:
        table = pyarrow.csv.read_csv(path) if path.suffix == ".csv" else pq.read_table(path)
    except pa.ArrowException as error:
        raise SourceError(f"{path}: neither parquet nor CSV of codes ({error})") from None
    return ASSIGNMENTS.conform(table)


def _midnight(day: str, zone: str) -> datetime:
    try:
        return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=ZoneInfo(zone))
    except ValueError:
        raise ConfigError(f"--split {day}: expected a day such as 2026-03-01") from None


def _between(table: ibis.Table, column: str, low: datetime, high: datetime) -> ibis.Table:
    return table.filter(table[column] >= ibis.literal(low), table[column] < ibis.literal(high))


def _assigned(fitted: FittedPersonas, path: Path, products: pa.Table, embeddings: np.ndarray) -> Iterator[pa.Table]:
    """The codes (ASSIGNMENTS) of the buyers in the file `path`, in chunks."""
    count = pq.read_metadata(path).num_rows
    for vectors, codes in assign_chunks(fitted, buyer_chunks(path), products, embeddings, count):
        yield assignments(vectors, codes)
