"""Files that hold a table: CSV, TSV, JSON lines or parquet."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis makes the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends.sql import SQLBackend

from simpersona.adapters.engines.duckdb import file_labels, partition_values, read_lines, shared_folder
from simpersona.adapters.sources.csv_lines import read_csv_lines
from simpersona.adapters.sources.json_fields import json_at, json_objects, json_value, unfolded
from simpersona.adapters.sources.several_names import column_of
from simpersona.adapters.sources.table_kinds import (
    AS_THEY_ARE,
    FileForm,
    first_objects,
    kind_of,
    metadata_of,
    own_columns,
    partitions_of,
    separator_of,
)
from simpersona.adapters.text.files import TextForm
from simpersona.contracts import REJECTED
from simpersona.errors import SourceError
from simpersona.events.cleaning import AMOUNTS, IGNORED
from simpersona.events.materialize import materialize

_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


class TableRows(NamedTuple):
    """Rows with `file`, `row` (from 1, a CSV's header included), `raw` and the wanted columns under our names;
    the lines that could not be read, in the shape of REJECTED; and the number of both.
    """

    rows: ibis.Table
    rejected: ibis.Table
    rows_in: int


def read_rows(
    engine: SQLBackend, files: Sequence[Path], columns: Mapping[str, str], form: FileForm = AS_THEY_ARE
) -> TableRows:
    """The files' rows with the columns {our name: theirs}. "=text" is a constant; a dot leads into a nested value.

    With `form.records`, a row is an entry of that list, and its number counts the entries of a file; columns below that path
    lead into the entry, others to what holds it. A column can be the key of a folder of partitions ("day" of
    day=2024-03-01).

    Raises SourceError if a file cannot be read or lacks a column.
    """
    kind = kind_of(files)
    constants = {ours: ibis.literal(theirs[1:]) for ours, theirs in columns.items() if theirs.startswith("=")}
    given = {ours: theirs for ours, theirs in columns.items() if not theirs.startswith("=")}
    partitions = partitions_of(files)
    inside = own_columns(files, form) if partitions else ()
    of_folder = {ours: theirs for ours, theirs in given.items() if theirs in partitions and theirs not in inside}
    given = {ours: theirs for ours, theirs in given.items() if ours not in of_folder}
    if kind == "csv" and form.records:
        raise SourceError(f"{files[0]}: source.records names a list of JSON or parquet; a CSV has none.")
    if kind != "csv" and form.header:
        raise SourceError(f"{files[0]}: source.header names the columns of a CSV without a header; this is {kind}.")
    if kind == "parquet":
        read = _read_parquet(engine, files, given, form)
    elif kind == "csv":
        read = _read_csv(engine, files, given, form)
    else:
        read = _read_json(engine, files, given, form)
    rows = _with_partitions(read.rows, files, of_folder)
    return read._replace(rows=rows.mutate(**constants) if constants else rows)


def parquet_rows(engine: SQLBackend, files: Sequence[Path]) -> tuple[ibis.Table, int]:
    """Every column of parquet files, with `file` and `row`, and the number of rows; nothing is read yet.

    Raises SourceError if a file is no parquet, none holds a row, or the files do not fit together.
    """
    rows_in = sum(metadata_of(file).num_rows for file in files)
    if not rows_in:
        raise SourceError(f"{files[0]}: the file is empty. Expected one row per event.")
    try:
        table = _numbered(engine, files)
    except Exception as error:  # each engine has its own errors
        raise SourceError(f"{files[0].parent}: the parquet files do not fit together: {error}") from error
    shared = shared_folder(files)
    path = table.source_file.re_replace("^.*?" + re.escape(f"{shared.name}/") if shared else "^.*/", "")
    return table.mutate(file=path.replace("/", ":"), row=table.source_row).drop("source_file", "source_row"), rows_in


def row_text(table: ibis.Table) -> ir.StringValue:
    """A row as a text, which is the same for equal rows only."""
    names = [name for name in table.columns if name not in {"file", "row"}]
    return ibis.literal("\x1f").join([table[name].cast("string").fill_null("\x1e") for name in names])


def _numbered(engine: SQLBackend, files: Sequence[Path]) -> ibis.Table:
    """The rows with their `source_file` and `source_row`, from 1."""
    paths = [str(file.absolute()) for file in files]
    if engine.name == "duckdb":
        table = engine.read_parquet(
            paths, filename="source_file", file_row_number=True, union_by_name=True, hive_partitioning=False
        )
        return table.mutate(source_row=table.file_row_number + 1).drop("file_row_number")
    return engine.read_numbered(paths)


def _with_partitions(rows: ibis.Table, files: Sequence[Path], columns: Mapping[str, str]) -> ibis.Table:
    """The rows with columns from the names of their folders: {our name: key}."""
    if not columns:
        return rows
    lines = []
    for file, label in file_labels(files).items():
        values = partition_values(file)
        texts = {ours: unquote(values.get(key, _NO_VALUE)) for ours, key in columns.items()}
        lines.append({"of_file": label} | {ours: None if text == _NO_VALUE else text for ours, text in texts.items()})
    schema = pa.schema([(name, pa.string()) for name in ("of_file", *columns)])
    folders = ibis.memtable(pa.Table.from_pylist(lines, schema))
    # the label of a file in an archive continues with "/"
    joined = rows.left_join(folders, rows.file.re_extract("^[^/]*", 0) == folders.of_file)
    # rows that differ in their folders only are no duplicates
    texts = [joined[name].fill_null("\x1e") for name in columns]
    return joined.mutate(raw=ibis.literal("\x1f").join([joined.raw, *texts])).drop("of_file")


def _read_parquet(engine: SQLBackend, files: Sequence[Path], columns: Mapping[str, str], form: FileForm) -> TableRows:
    table, rows_in = parquet_rows(engine, files)
    if form.records is None:
        values = {ours: _within(table, theirs, files[0]) for ours, theirs in columns.items()}
        rows = table.select("file", "row", raw=row_text(table), **values)
        return TableRows(rows, ibis.memtable(REJECTED.empty()), rows_in)
    entries = _within(table, form.records, files[0])
    if not isinstance(kind := entries.type(), dt.Array) or not isinstance(kind.value_type, dt.Struct):
        raise SourceError(f"{files[0]}: source.records = {form.records!r} is {kind}; expected a list of structs.")
    outer, inner = _divided(columns, form.records)
    held = table.select(
        "file", "row", entries=entries, **{ours: _within(table, theirs, files[0]) for ours, theirs in outer.items()}
    )
    fault = ibis.cases(
        (held.entries.isnull(), f"no list {form.records}"),
        (held.entries.length() == 0, f"{IGNORED}an empty list {form.records}"),
        else_=ibis.null("string"),
    )
    held = held.mutate(fault=fault, raw=ibis.null("string"))
    each = held.filter(held.fault.isnull()).unnest("entries", offset="entry")
    names = {ours: theirs.split(".") for ours, theirs in inner.items()}
    values = {ours: _step_into(each.entries, steps, files[0]) for ours, steps in names.items()}
    return _numbered_entries(each.mutate(raw=each.entries.cast("string"), **values), held, columns, outer)


def _divided(columns: Mapping[str, str], records: str) -> tuple[dict[str, str], dict[str, str]]:
    """The columns of what holds the list, and those of its entries, whose paths then start in the entry."""
    start = f"{records}."
    outer = {ours: theirs for ours, theirs in columns.items() if not theirs.startswith(start)}
    return outer, {ours: theirs.removeprefix(start) for ours, theirs in columns.items() if ours not in outer}


def _numbered_entries(
    each: ibis.Table, held: ibis.Table, columns: Mapping[str, str], outer: Mapping[str, str]
) -> TableRows:
    """The entries (`entry` is their place in the list) and the faulty rows that `held` no list, numbered within each file.

    Equal entries of equal holders are equal rows: `raw` has both.
    """
    texts = [each[name].cast("string").fill_null("\x1e") for name in outer]
    entry = each.entry.cast("int64")
    whole = each.mutate(raw=ibis.literal("\x1f").join([*texts, each.raw]), entry=entry)
    rows = whole.filter(whole.fault.isnull()).select("file", "row", "entry", "raw", *columns)
    faulty = ibis.union(
        held.filter(held.fault.notnull()).select("file", "row", "fault", "raw", entry=ibis.literal(0, "int64")),
        whole.filter(whole.fault.notnull()).select("file", "row", "fault", "raw", "entry"),
    )
    places = ibis.union(rows.select("file", "row", "entry"), faulty.select("file", "row", "entry"))
    order = ibis.window(group_by="file", order_by=["row", "entry"])
    places = materialize(
        places.select(in_file="file", in_row="row", in_entry="entry", number=ibis.row_number().over(order) + 1),
        "places",
    )

    def renumbered(table: ibis.Table, *names: str) -> ibis.Table:
        same = [table.file == places.in_file, table.row == places.in_row, table.entry == places.in_entry]
        return table.join(places, same).select("file", *names, row="number")

    rejected = renumbered(faulty, "fault", "raw")
    return TableRows(
        renumbered(rows, "raw", *columns),
        rejected.select("file", "row", reason="fault", raw="raw"),
        int(places.count().to_pyarrow().as_py()),
    )


def _within(table: ibis.Table, name: str, file: Path) -> ir.Value:
    """The column of exactly that name, else the nested value that the names between the dots lead to."""
    if name in table.columns:
        return table[name]
    first, *rest = name.split(".")
    if first not in table.columns:
        raise SourceError(f"{file}: {name!r} leads nowhere: no column {first!r}. Correct source.records.")
    return _step_into(table[first], rest, file)


def _step_into(value: ir.Value, steps: Sequence[str], file: Path) -> ir.Value:
    for number, step in enumerate(steps):
        kind = value.type()
        if isinstance(kind, dt.String | dt.JSON):  # a column of JSON as text
            return json_at(value.cast("string"), _path(".".join(steps[number:]), whole=False), is_amount=True)
        if not isinstance(kind, dt.Struct) or step not in kind.names:
            raise SourceError(
                f"{file}: {'.'.join(steps)!r} leads nowhere: no field {step!r} in {kind}. Correct source.columns."
            )
        value = value[step]
    return value


def _read_csv(engine: SQLBackend, files: Sequence[Path], columns: Mapping[str, str], form: FileForm) -> TableRows:
    separator = separator_of(files[0], form)
    header = own_columns(files, form)
    # a column may hold JSON, into which a dot leads
    held = {ours: _holder(theirs, header) for ours, theirs in columns.items()}
    needed = sorted(set(held.values()))
    read = read_csv_lines(
        engine, files, needed, "one log", separator=separator, header=form.header, encoding=form.encoding
    )
    lines = materialize(read.rows, "table_lines")
    return TableRows(
        lines.select(
            "file", "row", "raw", **{ours: _csv_value(lines, ours, columns[ours], held[ours]) for ours in columns}
        ),
        read.rejected,
        read.rows_in,
    )


def _holder(theirs: str, names: Sequence[str]) -> str:
    """The column that holds a value: the one of that name, else the one whose JSON has it."""
    first = theirs.partition(".")[0]
    return first if theirs not in names and first in names else theirs


def _csv_value(lines: ibis.Table, ours: str, theirs: str, column: str) -> ir.StringValue:
    if theirs == column:
        return lines[column]
    return json_at(lines[column], _path(theirs.removeprefix(f"{column}."), whole=False), is_amount=_is_amount(ours))


def _read_json(engine: SQLBackend, files: Sequence[Path], columns: Mapping[str, str], form: FileForm) -> TableRows:
    lines, rows_in = read_lines(engine, files, TextForm(form.encoding))
    keys = set(first_objects(files[0], form))
    outer, inner = _divided(columns, form.records) if form.records else (columns, {})
    lines = _with_json_texts_read(lines, [theirs for theirs in outer.values() if theirs not in keys])
    paths = {ours: _path(theirs, whole=theirs in keys) for ours, theirs in outer.items()}
    if form.records is None:
        parsed = materialize(json_objects(lines, paths, _amounts(paths)), "table_objects")
        rejected = parsed.filter(parsed.fault.notnull()).select("file", "row", reason="fault", raw="line")
        rows = parsed.filter(parsed.fault.isnull()).select("file", "row", *columns, raw="line")
        return TableRows(rows, rejected, rows_in)
    held = {"entries": _path(form.records, whole=form.records in keys)}
    held = json_objects(lines, paths | held, _amounts(paths))
    held = held.mutate(entries=json_value(held.entries, "array<string>"))
    fault = ibis.cases(
        (held.fault.notnull(), held.fault),
        (held.entries.isnull(), f"no list {form.records}"),
        (held.entries.length() == 0, f"{IGNORED}an empty list {form.records}"),
        else_=ibis.null("string"),
    )
    held = materialize(held.mutate(fault=fault), "table_holders")
    held = held.mutate(raw=held.line)
    each = held.filter(held.fault.isnull()).select("file", "row", "fault", "entries", *outer)
    each = each.unnest("entries", offset="entry").rename(line="entries")
    each = _with_json_texts_read(each.mutate(line=each.line.fill_null("null")), list(inner.values()))
    paths = {ours: _path(theirs, whole=False) for ours, theirs in inner.items()}
    each = json_objects(each, paths, _amounts(paths))
    each = materialize(each, "table_entries")
    return _numbered_entries(each.mutate(raw=each.line), held, columns, outer)


def _with_json_texts_read(lines: ibis.Table, names: Sequence[str]) -> ibis.Table:
    """The lines, in which what a dot of the names leads into may be a text of JSON."""
    nested = {name.partition(".")[0] for name in names if "." in name}
    return unfolded(lines, sorted(nested)) if nested else lines


def _amounts(paths: Mapping[str, str]) -> list[str]:
    return [name for name in paths if _is_amount(name)]


def _is_amount(ours: str) -> bool:
    """Whether a column, or another name of it, holds amounts."""
    return column_of(ours) in AMOUNTS


def _path(name: str, *, whole: bool) -> str:
    steps = [name] if whole else name.split(".")
    return "$" + "".join(f'."{step}"' for step in steps)
