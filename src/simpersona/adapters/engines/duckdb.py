"""The default table engine: Ibis on DuckDB, which spills to disk when a table outgrows memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path

import ibis
import pyarrow as pa
import pyarrow.compute as pc
from ibis.backends.duckdb import Backend
from ibis.backends.sql import SQLBackend

from simpersona.adapters.text.files import BLOCK, PLAIN, RECORDS, TextForm, guessed_encoding, text_blocks
from simpersona.errors import SourceError
from simpersona.files import matching_files

_FEW_NOT_TEXT = (
    10  # lines that may be damaged in any log; more than one in a thousand of another encoding are no damage
)


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


def read_lines(engine: SQLBackend, paths: Sequence[Path], form: TextForm = PLAIN) -> tuple[ibis.Table, int]:
    """The lines of text files as a table (file, row, line, fault) of the engine, and how many there are.

    Every file is read once, a block at a time. `file` is its label and `row` counts from 1 within it. Blank
    lines are left out, but they count for `row`. An object of a JSON document (an array, or an object of several lines)
    is a line, and so is a record of CSV whose quoted fields hold line ends. `fault` says where a line is
    not UTF-8 text or holds a NUL character (`line` then has � instead), else null. Files may be gzipped (`.gz`);
    every file in a `.zip`, which may be gzipped too, is read, with the label ARCHIVE.zip/FILE.

    Raises DuckDBOnlyError on another engine, and SourceError if a file cannot be read, holds no line or none that is text,
    or if so many lines are not UTF-8 that the encoding must be another.
    """
    engine = as_duckdb(engine)
    lines = engine.create_table(ibis.util.gen_name("lines"), schema=ibis.schema(RECORDS))
    labels = file_labels(paths)
    for block in _large(block for path in paths for block in text_blocks(path, labels[path], form)):
        engine.con.register("block", block)
        engine.raw_sql(
            f"INSERT INTO {lines.get_name()} SELECT * FROM block WHERE regexp_matches(line, '\\S')"  # noqa: S608
        )
        engine.con.unregister("block")
    return lines, _count(lines, labels, form)


def log_files(path: Path, patterns: Sequence[str], expected: str) -> list[Path]:
    """The log files at `path`, sorted: the file itself, those in the folder, and in its folders of partitions, that match one
    of `patterns` (in small or capital letters), or those that `path` matches as a pattern (`*`, `?`, and `**` for any depth).

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
    files = sorted(file for file in _below(path) if any(fnmatch(file.name.lower(), pattern) for pattern in patterns))
    if not files:
        raise SourceError(f"{path}: the folder holds no {' or '.join(patterns)}. Expected {expected}.")
    return files


def _below(folder: Path) -> Iterator[Path]:
    """The files of a folder and of its folders of partitions."""
    for path in folder.iterdir():
        if path.is_file():
            yield path
        elif is_partition(path.name):
            yield from _below(path)


def is_partition(name: str) -> bool:
    """Whether a folder is one of partitions: its name is a column and its value, "day=2024-03-01"."""
    key, equals, _ = name.partition("=")
    return bool(equals) and key.isidentifier()


def partition_values(file: Path) -> dict[str, str]:
    """The columns and values that the names of a file's folders of partitions give, the outermost first."""
    values: list[tuple[str, str]] = []
    folder = file.parent
    while is_partition(folder.name):
        key, _, value = folder.name.partition("=")
        values.append((key, value))
        folder = folder.parent
    return dict(reversed(values))


def above_partitions(folder: Path) -> Path:
    """The folder that holds the folders of partitions in which `folder` lies; `folder` itself if there are none."""
    while is_partition(folder.name):
        folder = folder.parent
    return folder


def file_labels(paths: Sequence[Path]) -> dict[Path, str]:
    """The label of each file in the tables: its name. If two files have the same name, or files lie in folders of partitions,
    all labels are paths below the folder that all files share, with ":" instead of "/".
    """
    shared = shared_folder(paths)
    return {path: ":".join(path.relative_to(shared).parts) if shared else path.name for path in paths}


def shared_folder(paths: Sequence[Path]) -> Path | None:
    """The folder below which the labels of files are paths; None where their names are enough."""
    partitioned = any(is_partition(path.parent.name) for path in paths)
    if len({path.name for path in paths}) == len(paths) and not partitioned:
        return None
    return above_partitions(Path(os.path.commonpath([path.parent for path in paths])))


def first_lines(path: Path, count: int, form: TextForm = PLAIN) -> list[str]:
    """The first lines of a text file that are not blank, at most `count`; lines that are not UTF-8 are left out.

    Raises SourceError as `read_lines` does, also if none of these lines is text.
    """
    block = next(text_blocks(path, path.name, form), None)
    lines = block.filter(pc.match_substring_regex(block["line"], r"\S")).slice(0, count).to_pylist() if block else []
    if not lines:
        raise SourceError(f"{path}: the file is empty. Expected one line per event.")
    texts = [line["line"] for line in lines if line["fault"] is None]
    if not texts:
        raise _wrong_encoding(path, form, "its first line", 1)
    return texts


def _large(blocks: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in large blocks: an insert costs more than the rows of a small file."""
    waiting: list[pa.Table] = []
    size = 0
    for block in blocks:
        waiting.append(block)
        size += block.nbytes
        if size >= BLOCK:
            yield pa.concat_tables(waiting)
            waiting, size = [], 0
    if waiting:
        yield pa.concat_tables(waiting)


def _count(lines: ibis.Table, labels: Mapping[Path, str], form: TextForm) -> int:
    of_path = lines.mutate(path=lines.file.re_extract("^[^/]*", 0))  # the files of an archive count as one
    counts = of_path.group_by("path").aggregate(lines=of_path.count(), texts=of_path.fault.isnull().sum())
    count_of = {line["path"]: line for line in counts.to_pyarrow().to_pylist()}
    for path, label in labels.items():
        if label not in count_of:
            raise SourceError(f"{path}: the file is empty. Expected one line per event.")
        total, faulty = count_of[label]["lines"], count_of[label]["lines"] - count_of[label]["texts"]
        if faulty == total or (form.encoding is None and _is_another_encoding(faulty, total)):
            raise _wrong_encoding(path, form, f"{'none' if faulty == total else faulty} of its {total} line(s)", faulty)
    return sum(line["lines"] for line in count_of.values())


def _is_another_encoding(faulty: int, total: int) -> bool:
    """Whether so many lines are no UTF-8 that this is no damage: rows with an accent in a name would be missing."""
    return faulty > max(_FEW_NOT_TEXT, total / 1000) or (faulty > 2 and faulty > total / 20)


def _wrong_encoding(path: Path, form: TextForm, which: str, faulty: int) -> SourceError:
    expected = form.encoding or "UTF-8"
    are = "is" if which.startswith("none") else ("is not" if faulty == 1 else "are not")
    likely = guessed_encoding(path) if form.encoding is None else None
    guess = f" They may be {likely}." if likely else ""
    setting = f'source.encoding = "{likely or "cp1252"}" names another encoding (source.format = "table")'
    return SourceError(
        f"{path}: cannot be read as lines of {expected} text: {which} {are}.{guess}"
        f" Expected a text file, plain or packed (.gz, .zip). {setting}; or export it again as UTF-8."
    )
