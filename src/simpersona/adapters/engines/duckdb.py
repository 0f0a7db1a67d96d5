"""The default table engine: Ibis on DuckDB, which spills to disk when a table outgrows memory."""

from __future__ import annotations

import gzip
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

import ibis
import pyarrow as pa
import pyarrow.compute as pc
from ibis.backends.duckdb import Backend
from ibis.backends.sql import SQLBackend

from simpersona.errors import SourceError
from simpersona.files import matching_files

NOT_TEXT = "not UTF-8 text"
"""The `fault` of a line that could not be decoded."""

_BLOCK = 16 * 2**20  # bytes of text at once
_LINES = pa.schema([("file", pa.string()), ("row", pa.int64()), ("line", pa.string()), ("fault", pa.string())])


def connect(folder: Path, memory_gb: float | None = None) -> Backend:
    """A new DuckDB that spills to `folder` (made if absent) beyond `memory_gb` (None: most of the machine's memory). Times
    are read and written in UTC.

    Rows come in no particular order unless they are sorted; that lets DuckDB stream large tables.
    """
    folder.mkdir(parents=True, exist_ok=True)
    limit = {} if memory_gb is None else {"memory_limit": f"{round(memory_gb * 1000)}MB"}
    engine = ibis.duckdb.connect(temp_directory=str(folder), **limit)
    engine.raw_sql("SET preserve_insertion_order = false; SET TimeZone = 'UTC'; SET enable_progress_bar = false")
    return engine


class DuckDBOnlyError(TypeError):
    """Only DuckDB can do this; another engine gets the rows as parquet."""


def as_duckdb(engine: SQLBackend) -> Backend:
    """The engine, which has to be DuckDB. Raises DuckDBOnlyError if it is another."""
    if not isinstance(engine, Backend):
        raise DuckDBOnlyError(f"only DuckDB can do this; {engine.name} gets the rows as parquet")
    return engine


def read_lines(engine: SQLBackend, paths: Sequence[Path]) -> tuple[ibis.Table, int]:
    """The lines of text files as a table (file, row, line, fault) of the engine, and how many there are.

    Every file is read once, a block at a time. `file` is its label and `row` counts from 1 within it. Blank
    lines are left out, but they count for `row`. A byte order mark is no part of the first line. `fault`
    is NOT_TEXT where a line is not UTF-8 text or holds a NUL character (`line` then has � instead),
    else null. Files may be gzipped (`.gz`); every file in a `.zip` is read, with the label ARCHIVE.zip/FILE.

    Raises DuckDBOnlyError on another engine, and SourceError if a file cannot be read, holds no line or none that is text.
    """
    engine = as_duckdb(engine)
    lines = engine.create_table(ibis.util.gen_name("lines"), schema=ibis.schema(_LINES))
    labels = file_labels(paths)
    for block in _large(block for path in paths for block in _blocks(path, labels[path])):
        engine.con.register("block", block)
        engine.raw_sql(
            f"INSERT INTO {lines.get_name()} SELECT * FROM block WHERE regexp_matches(line, '\\S')"  # noqa: S608
        )
        engine.con.unregister("block")
    return lines, _count(lines, labels)


def log_files(path: Path, patterns: Sequence[str], expected: str) -> list[Path]:
    """The log files at `path`, sorted: the file itself, those in the folder that match one of `patterns`, or
    those that `path` matches as a pattern (`*`, `?`, and `**` for any depth).

    Raises SourceError, which names `expected`, if there is none.
    """
    if path.is_file():
        return [path]
    if not path.exists() and set(str(path)) & set("*?["):
        if matching := matching_files(path):
            return matching
        raise SourceError(f"{path}: no file matches this pattern. Expected {expected}. Correct source.path.")
    if not path.exists():
        raise SourceError(f"{path}: no such file or folder. Expected {expected}. Correct source.path.")
    files = sorted({file for pattern in patterns for file in path.glob(pattern) if file.is_file()})
    if not files:
        raise SourceError(f"{path}: the folder holds no {' or '.join(patterns)}. Expected {expected}.")
    return files


def file_labels(paths: Sequence[Path]) -> dict[Path, str]:
    """The label of each file in the tables: its name. If two files have the same name, all labels are paths below the
    folder that all files share, with ":" instead of "/".
    """
    if len({path.name for path in paths}) == len(paths):
        return {path: path.name for path in paths}
    shared = Path(os.path.commonpath([path.parent for path in paths]))
    return {path: ":".join(path.relative_to(shared).parts) for path in paths}


def first_lines(path: Path, count: int) -> list[str]:
    """The first lines of a text file that are not blank, at most `count`; lines that are not UTF-8 are left out.

    Raises SourceError as `read_lines` does, also if none of these lines is text.
    """
    block = next(_blocks(path, path.name), None)
    lines = block.filter(pc.match_substring_regex(block["line"], r"\S")).slice(0, count).to_pylist() if block else []
    if not lines:
        raise SourceError(f"{path}: the file is empty. Expected one line per event.")
    texts = [line["line"] for line in lines if line["fault"] is None]
    if not texts:
        raise SourceError(
            f"{path}: cannot be read as lines of UTF-8 text: its first line is not."
            " Expected a text file, plain or packed (.gz, .zip); export it again as UTF-8."
        )
    return texts


def _blocks(path: Path, label: str) -> Iterator[pa.Table]:
    try:
        for name, stream in _streams(path, label):
            row = 0
            while raw := stream.readlines(_BLOCK):
                if row == 0:
                    raw[0] = raw[0].removeprefix(b"\xef\xbb\xbf")
                numbers = pa.array(range(row + 1, row + 1 + len(raw)), pa.int64())
                row += len(raw)
                yield pa.table([pa.repeat(name, len(raw)), numbers, *_decoded(raw)], schema=_LINES)
    # the last two: an encrypted archive, and an unknown compression
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise SourceError(
            f"{path}: cannot be read to its end ({error}). Expected a text file, plain or, with the ending .gz or .zip,"
            " packed; a damaged file has to be exported again."
        ) from error


def _streams(path: Path, label: str) -> Iterator[tuple[str, IO[bytes] | gzip.GzipFile]]:
    """The file with its label, or the files of the archive with theirs."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if not member.is_dir():
                    with archive.open(member) as stream:
                        yield f"{label}/{member.filename}", stream
    else:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            yield label, stream


def _large(blocks: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in large blocks: an insert costs more than the rows of a small file."""
    waiting: list[pa.Table] = []
    size = 0
    for block in blocks:
        waiting.append(block)
        size += block.nbytes
        if size >= _BLOCK:
            yield pa.concat_tables(waiting)
            waiting, size = [], 0
    if waiting:
        yield pa.concat_tables(waiting)


def _decoded(raw: list[bytes]) -> tuple[pa.Array, pa.Array]:
    """The lines as text, and the fault of each."""
    encoded = pa.array(raw, pa.binary())
    with suppress(pa.ArrowInvalid):
        text = encoded.cast(pa.string())
        if not pc.any(pc.match_substring(text, "\0")).as_py():
            return pc.utf8_rtrim(text, "\r\n"), pa.nulls(len(raw), pa.string())
    readable = [line.decode(errors="replace").replace("\0", "\ufffd") for line in raw]
    # a line may also hold the character � itself
    faults = [None if text.encode() == line else NOT_TEXT for text, line in zip(readable, raw, strict=True)]
    return pa.array([text.rstrip("\r\n") for text in readable], pa.string()), pa.array(faults, pa.string())


def _count(lines: ibis.Table, labels: Mapping[Path, str]) -> int:
    of_path = lines.mutate(path=lines.file.re_extract("^[^/]*", 0))  # the files of an archive count as one
    counts = of_path.group_by("path").aggregate(lines=of_path.count(), texts=of_path.fault.isnull().sum())
    count_of = {line["path"]: line for line in counts.to_pyarrow().to_pylist()}
    for path, label in labels.items():
        if label not in count_of:
            raise SourceError(f"{path}: the file is empty. Expected one line per event.")
        if not count_of[label]["texts"]:
            raise SourceError(
                f"{path}: cannot be read as lines of UTF-8 text: none of its {count_of[label]['lines']} line(s) is."
                " Expected a text file, plain or packed (.gz, .zip); export it again as UTF-8."
            )
    return sum(line["lines"] for line in count_of.values())
