"""Files that hold a table: CSV, TSV, JSON lines or parquet."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis makes the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
from ibis.backends.sql import SQLBackend

from simpersona.adapters.engines.duckdb import first_lines, read_lines
from simpersona.adapters.sources.csv_lines import read_csv_lines
from simpersona.adapters.sources.json_fields import json_objects
from simpersona.contracts import REJECTED
from simpersona.errors import SourceError
from simpersona.events.materialize import materialize

KINDS = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".jsonl": "json", ".ndjson": "json", ".json": "json",
    ".parquet": "parquet",
}  # fmt: skip
"""The kind of a file by the end of its name."""
PACKED = (".gz", ".zip")
PATTERNS = tuple(
    f"*{end}{packed}" for end, kind in KINDS.items() for packed in ("", *PACKED) if not packed or kind != "parquet"
)
"""The names of files that hold a table."""

_SEPARATORS = ",\t;|"
_FIRST_LINES = 100  # of JSON, in which all keys are expected to occur


class TableRows(NamedTuple):
    """Rows with `file`, `row` (from 1, a CSV's header included), `raw` and the wanted columns under our names;
    the lines that could not be read, in the shape of REJECTED; and the number of both.
    """

    rows: ibis.Table
    rejected: ibis.Table
    rows_in: int


def kind_of(files: Sequence[Path]) -> str:
    """The files' kind: "csv", "json" or "parquet". Raises SourceError for an unknown kind or several kinds."""
    kinds = {_kind(file): file for file in files}
    if None in kinds:
        raise SourceError(
            f"{kinds[None]}: not known by the end of its name. Expected {', '.join(KINDS)}, or these with .gz or .zip."
        )
    if len(kinds) > 1:
        shown = " and ".join(file.name for file in kinds.values())
        raise SourceError(
            f"{files[0].parent}: holds files of several kinds, such as {shown}. Expected one kind; set source.path to a pattern such as *.csv."
        )
    return str(*kinds)


def columns_of(files: Sequence[Path]) -> list[str]:
    """The columns of the first file. For JSON lines, the keys of the first lines; later lines may have others.

    Raises SourceError if the file cannot be read or is of another kind.
    """
    kind, file = kind_of(files), files[0]
    if kind == "parquet":
        return list(_metadata(file).schema.to_arrow_schema().names)
    if kind == "csv":
        header = first_lines(file, 1)[0]
        return _header(header, _separator(header))
    return _keys(file)


def read_rows(engine: SQLBackend, files: Sequence[Path], columns: Mapping[str, str]) -> TableRows:
    """The files' rows with the columns {our name: theirs}. "=text" is a constant; a dot leads into a nested value.

    Raises SourceError if a file cannot be read or lacks a column.
    """
    kind = kind_of(files)
    constants = {ours: ibis.literal(theirs[1:]) for ours, theirs in columns.items() if theirs.startswith("=")}
    given = {ours: theirs for ours, theirs in columns.items() if not theirs.startswith("=")}
    if kind == "parquet":
        read = _read_parquet(engine, files, given)
    elif kind == "csv":
        read = _read_csv(engine, files, given)
    else:
        read = _read_json(engine, files, given)
    return read._replace(rows=read.rows.mutate(**constants)) if constants else read


def parquet_rows(engine: SQLBackend, files: Sequence[Path]) -> tuple[ibis.Table, int]:
    """Every column of parquet files, with `file` and `row`, and the number of rows; nothing is read yet.

    Raises SourceError if a file is no parquet, none holds a row, or the files do not fit together.
    """
    rows_in = sum(_metadata(file).num_rows for file in files)
    if not rows_in:
        raise SourceError(f"{files[0]}: the file is empty. Expected one row per event.")
    try:
        table = _numbered(engine, files)
    except Exception as error:  # each engine has its own errors
        raise SourceError(f"{files[0].parent}: the parquet files do not fit together: {error}") from error
    shared = files[0].parent
    if len({file.name for file in files}) < len(files):
        shared = Path(os.path.commonpath([file.parent for file in files]))
    path = table.source_file.re_replace("^.*?" + re.escape(f"{shared.name}/"), "")
    return table.mutate(file=path.replace("/", ":"), row=table.source_row).drop("source_file", "source_row"), rows_in


def row_text(table: ibis.Table) -> ir.StringValue:
    """A row as a text, which is the same for equal rows only."""
    names = [name for name in table.columns if name not in {"file", "row"}]
    return ibis.literal("\x1f").join([table[name].cast("string").fill_null("\x1e") for name in names])


def _kind(file: Path) -> str | None:
    ends = [end.lower() for end in file.suffixes]
    if ends and ends[-1] in PACKED:
        ends.pop()
    kind = KINDS.get(ends[-1]) if ends else None
    return None if kind == "parquet" and file.suffix.lower() in PACKED else kind


def _metadata(file: Path) -> pq.FileMetaData:
    try:
        return pq.read_metadata(file)
    except (OSError, pa.ArrowException) as error:
        raise SourceError(f"{file}: cannot be read as parquet: {error}") from error


def _numbered(engine: SQLBackend, files: Sequence[Path]) -> ibis.Table:
    """The rows with their `source_file` and `source_row`, from 1."""
    paths = [str(file.absolute()) for file in files]
    if engine.name == "duckdb":
        table = engine.read_parquet(
            paths, filename="source_file", file_row_number=True, union_by_name=True, hive_partitioning=False
        )
        return table.mutate(source_row=table.file_row_number + 1).drop("file_row_number")
    return engine.read_numbered(paths)


def _read_parquet(engine: SQLBackend, files: Sequence[Path], columns: Mapping[str, str]) -> TableRows:
    table, rows_in = parquet_rows(engine, files)
    values = {ours: _within(table, theirs, files[0]) for ours, theirs in columns.items()}
    rows = table.select("file", "row", raw=row_text(table), **values)
    return TableRows(rows, ibis.memtable(REJECTED.empty()), rows_in)


def _within(table: ibis.Table, name: str, file: Path) -> ir.Value:
    """The column of exactly that name, else the nested value that the names between the dots lead to."""
    if name in table.columns:
        return table[name]
    first, *rest = name.split(".")
    value = table[first]
    for step in rest:
        kind = value.type()
        if not isinstance(kind, dt.Struct) or step not in kind.names:
            raise SourceError(f"{file}: {name!r} leads nowhere: no field {step!r} in {kind}. Correct source.columns.")
        value = value[step]
    return value


def _read_csv(engine: SQLBackend, files: Sequence[Path], columns: Mapping[str, str]) -> TableRows:
    separator = _separator(first_lines(files[0], 1)[0])
    needed = sorted(set(columns.values()))
    read = read_csv_lines(engine, files, needed, "one log", separator=separator)
    lines = materialize(read.rows, "table_lines")
    return TableRows(
        lines.select("file", "row", "raw", **{ours: lines[theirs] for ours, theirs in columns.items()}),
        read.rejected,
        read.rows_in,
    )


def _separator(header: str) -> str:
    return max(_SEPARATORS, key=header.count)


def _header(line: str, separator: str) -> list[str]:
    return [name.strip() for name in next(csv.reader([line], delimiter=separator))]


def _read_json(engine: SQLBackend, files: Sequence[Path], columns: Mapping[str, str]) -> TableRows:
    lines, rows_in = read_lines(engine, files)
    keys = set(_keys(files[0]))
    paths = {ours: _path(theirs, whole=theirs in keys) for ours, theirs in columns.items()}
    parsed = materialize(json_objects(lines, paths), "table_objects")
    rejected = parsed.filter(parsed.fault.notnull()).select("file", "row", reason="fault", raw="line")
    rows = parsed.filter(parsed.fault.isnull()).select("file", "row", *columns, raw="line")
    return TableRows(rows, rejected, rows_in)


def _path(name: str, *, whole: bool) -> str:
    steps = [name] if whole else name.split(".")
    return "$" + "".join(f'."{step}"' for step in steps)


def _keys(file: Path) -> list[str]:
    keys: dict[str, None] = {}
    for line in first_lines(file, _FIRST_LINES):
        try:
            read = json.loads(line)
        except (ValueError, RecursionError):
            continue
        keys |= dict.fromkeys(read) if isinstance(read, dict) else {}
    if not keys:
        raise SourceError(f"{file}: its first lines hold no JSON object. Expected JSON lines, one object a line.")
    return list(keys)
