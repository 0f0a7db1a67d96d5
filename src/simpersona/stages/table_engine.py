"""The table engine of a stage, and raw logs on it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ibis.backends.sql import SQLBackend

from simpersona.adapters import engine_duckdb
from simpersona.contracts import RawLog
from simpersona.errors import ConfigError
from simpersona.ports import EventSource


@contextmanager
def table_engine(address: str, folder: Path) -> Iterator[SQLBackend]:
    """The engine of `events.engine`, as long as it is needed; `folder` is its own, and is removed.

    Raises ConfigError if it cannot be had.
    """
    engine = engine_duckdb.connect(folder) if address == "duckdb" else _spark(address, folder)
    try:
        yield engine
    finally:
        engine.disconnect()
        shutil.rmtree(folder, ignore_errors=True)


def read_log(source: EventSource, path: Path, engine: SQLBackend, folder: Path) -> RawLog:
    """The source's log as tables of the engine. Raises SourceError as the source does.

    What DuckDB alone can read (text, for example) it reads whatever the engine, and hands over as parquet in `folder`.
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


def _spark(address: str, folder: Path) -> SQLBackend:
    try:
        from simpersona.adapters.engine_spark import connect
    except ImportError as error:
        raise ConfigError(
            f"events.engine = {address!r} needs PySpark ({error}). Get it with: pip install 'simpersona[spark]'"
        ) from error
    return connect(address, folder)
