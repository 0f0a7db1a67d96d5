"""The table engine of a stage, and raw logs on it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import ibis
import pyarrow.parquet as pq
from ibis.backends.sql import SQLBackend

from simpersona.adapters.engines import duckdb as engine_duckdb
from simpersona.adapters.named import load
from simpersona.config.adapter_name import is_import_path
from simpersona.contracts import SESSIONS, RawLog
from simpersona.errors import ConfigError
from simpersona.events.prepare import Prepared
from simpersona.ports import EventSource

PART = 500_000
"""Number of events whose timelines are in memory at once."""


@contextmanager
def open_engine(address: str, folder: Path, memory_gb: float | None = None) -> Iterator[SQLBackend]:
    """The engine that `events.engine` names, until the block ends. It spills to `folder`, which is removed. `memory_gb` limits
    the memory of DuckDB's tables; Spark's is set where Spark is started.

    Raises ConfigError if the engine cannot be opened.
    """
    if address == "duckdb":
        engine = engine_duckdb.connect(folder, memory_gb)
    elif "://" in address and not address.startswith("spark://"):
        engine = _named(address)
    elif is_import_path(address):
        engine = _imported(address, folder)
    else:
        engine = _spark(address, folder)
    try:
        yield engine
    finally:
        engine.disconnect()
        shutil.rmtree(folder, ignore_errors=True)


def read_log(source: EventSource, path: Path, engine: SQLBackend, folder: Path) -> RawLog:
    """The source's log as tables of the engine. Raises SourceError as the source does.

    DuckDB reads what no other engine can, such as text, and hands it over as parquet in `folder`.
    """
    try:
        return source.read(path, engine)
    except engine_duckdb.DuckDBOnlyError:
        reader = engine_duckdb.connect(folder / "text")
    raw = source.read(path, reader)
    tables = {}
    for name in ("events", "rejected", "products", "collections"):
        file = folder / f"raw_{name}.parquet"
        getattr(raw, name).to_parquet(file)
        tables[name] = engine.read_parquet(file)
    reader.disconnect()
    return replace(raw, **tables)


def write_sessions(prepared: Prepared, path: Path) -> None:
    """Writes SESSIONS as a parquet file. DuckDB cannot spill lists such as the timelines, so it gets a part of the buyers at
    a time.
    """
    if prepared.sessions.get_backend().name != "duckdb":
        prepared.sessions.to_parquet(path)
        return
    with pq.ParquetWriter(path, SESSIONS.schema) as writer:
        for part in prepared.parts(PART):
            writer.write_table(SESSIONS.conform(part.to_pyarrow()))


def _named(address: str) -> SQLBackend:
    """The engine that Ibis connects to, such as `bigquery://PROJECT/DATASET`."""
    kind = address.partition("://")[0]
    try:
        engine = ibis.connect(address)
    except Exception as error:  # each backend has its own errors
        # the address is not repeated: it may hold a password
        raise ConfigError(
            f"events.engine: no connection to the {kind} of this address ({type(error).__name__}). "
            f"It needs pip install 'ibis-framework[{kind}]', and an address and credentials as Ibis's page on {kind} says."
        ) from error
    if not isinstance(engine, SQLBackend):
        raise ConfigError(f'events.engine: {kind} is no SQL engine. Name another, or leave it at "duckdb".')
    return engine


def _imported(path: str, folder: Path) -> SQLBackend:
    """The Ibis connection that a function of another package returns for `folder`."""
    engine = load(path, {}, "events.engine")(folder)
    if not isinstance(engine, SQLBackend):
        raise ConfigError(
            f"events.engine = {path!r} gives an object of type {type(engine).__name__}; expected an Ibis connection to an SQL "
            "engine, such as ibis.duckdb.connect()."
        )
    return engine


def _spark(address: str, folder: Path) -> SQLBackend:
    try:
        from simpersona.adapters.engines.spark import connect  # noqa: PLC0415 - heavy
    except ImportError as error:
        raise ConfigError(
            f"events.engine = {address!r} needs PySpark ({error}). Get it with: pip install 'simpersona[spark]'"
        ) from error
    return connect(address, folder)
