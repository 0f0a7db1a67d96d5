"""The default table engine: Ibis on DuckDB, which spills to disk when a table outgrows memory."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import ibis
import pyarrow as pa
import pyarrow.compute as pc
from ibis.backends.duckdb import Backend

from simpersona.errors import SourceError

NOT_TEXT = "not UTF-8 text"
"""The `fault` of a line that could not be decoded."""

_BLOCK = 16 * 2**20  # bytes of text at once
_LINES = pa.schema([("file", pa.string()), ("row", pa.int64()), ("line", pa.string()), ("fault", pa.string())])


def connect(folder: Path) -> Backend:
    """A fresh DuckDB in memory that spills to `folder` (made if absent). Times are read and written in UTC.

    Rows come in no particular order unless they are sorted; that lets DuckDB stream large tables.
    """
    folder.mkdir(parents=True, exist_ok=True)
    engine = ibis.duckdb.connect(temp_directory=str(folder))
    engine.raw_sql("SET preserve_insertion_order = false; SET TimeZone = 'UTC'; SET enable_progress_bar = false")
    return engine


def read_lines(engine: Backend, paths: Sequence[Path]) -> tuple[ibis.Table, int]:
    """The lines of text files as a table (file, row, line, fault) of the engine, and how many there are.

    Every file is read once, a block at a time. `file` is its name and `row` counts from 1 within it. Blank
    lines are left out, but they count for `row`; a byte order mark is no part of the first line. `fault`
    is NOT_TEXT where a line is not UTF-8 text or holds a NUL character (`line` then has � in its place),
    else null. Files may be gzipped (`.gz`).

    Raises SourceError if a file cannot be read, holds no line or none that is text.
    """
    lines = engine.create_table(ibis.util.gen_name("lines"), schema=ibis.schema(_LINES))
    for path in paths:
        for block in _blocks(path):
            engine.con.register("block", block)
            engine.raw_sql(
                f"INSERT INTO {lines.get_name()} SELECT * FROM block WHERE regexp_matches(line, '\\S')"  # noqa: S608
            )
        engine.con.unregister("block")
    return lines, _count(lines, paths)


def log_files(path: Path, patterns: Sequence[str], expected: str) -> list[Path]:
    """The log files at `path`: the file itself, or those in the folder that match one of `patterns`, sorted.

    Raises SourceError, which names `expected`, if there is none.
    """
    if path.is_file():
        return [path]
    if not path.exists():
        raise SourceError(f"{path}: no such file or folder. Expected {expected}. Correct source.path.")
    found = sorted({file for pattern in patterns for file in path.glob(pattern) if file.is_file()})
    if not found:
        raise SourceError(f"{path}: the folder holds no {' or '.join(patterns)}. Expected {expected}.")
    return found


def _blocks(path: Path) -> Iterator[pa.Table]:
    row = 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            while raw := stream.readlines(_BLOCK):
                if row == 0:
                    raw[0] = raw[0].removeprefix(b"\xef\xbb\xbf")
                numbers = pa.array(range(row + 1, row + 1 + len(raw)), pa.int64())
                row += len(raw)
                yield pa.table([pa.repeat(path.name, len(raw)), numbers, *_decoded(raw)], schema=_LINES)
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(
            f"{path}: cannot be read to its end ({error}). Expected a text file, plain or, with the ending .gz,"
            " gzipped; a damaged file has to be exported again."
        ) from error


def _decoded(raw: list[bytes]) -> tuple[pa.Array, pa.Array]:
    """The lines as text, and the fault of each."""
    encoded = pa.array(raw, pa.binary())
    with suppress(pa.ArrowInvalid):
        text = encoded.cast(pa.string())
        if not pc.any(pc.match_substring(text, "\0")).as_py():
            return pc.utf8_rtrim(text, "\r\n"), pa.nulls(len(raw), pa.string())
    readable = [line.decode(errors="replace").replace("\0", "\ufffd") for line in raw]
    # told apart from a line that holds the sign of its own
    faults = [None if text.encode() == line else NOT_TEXT for text, line in zip(readable, raw, strict=True)]
    return pa.array([text.rstrip("\r\n") for text in readable], pa.string()), pa.array(faults, pa.string())


def _count(lines: ibis.Table, paths: Sequence[Path]) -> int:
    per_file = lines.group_by("file").aggregate(lines=lines.count(), texts=lines.fault.isnull().sum())
    found = {line["file"]: line for line in per_file.to_pyarrow().to_pylist()}
    for path in paths:
        if path.name not in found:
            raise SourceError(f"{path}: the file is empty. Expected one line per event.")
        if not found[path.name]["texts"]:
            raise SourceError(
                f"{path}: cannot be read as lines of UTF-8 text: none of its {found[path.name]['lines']} line(s) is."
                " Expected a text file, plain or .gz; export it again as UTF-8."
            )
    return sum(line["lines"] for line in found.values())
