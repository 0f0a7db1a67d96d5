"""Logs as CSV: lines split into the columns that the header of their file names."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis makes the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends.sql import SQLBackend

from simpersona.adapters.engines.duckdb import read_lines
from simpersona.adapters.text.csv_records import escaped
from simpersona.adapters.text.files import TextForm
from simpersona.errors import SourceError
from simpersona.events.materialize import materialize

_NAMES = {",": "comma", "\t": "tab", ";": "semicolon"}


class CsvRows(NamedTuple):
    """The lines of CSV files: the complete ones as `file`, `row`, `raw` and one text column per wanted column
    (trimmed; null where empty), the other ones in the shape of REJECTED, and the number of both.
    """

    rows: ibis.Table
    rejected: ibis.Table
    rows_in: int


class _Header(NamedTuple):
    row: int  # 0 where no line names the columns
    columns: list[str]


def read_csv_lines(
    engine: SQLBackend,
    files: Sequence[Path],
    columns: Sequence[str],
    what: str,
    *,
    containing: str = "",
    separator: str = ",",
    header: Sequence[str] = (),
    encoding: str | None = None,
) -> CsvRows:
    """The lines of CSV files. Each has a header, with the columns and perhaps others, in any order, or all have the columns
    `header` and no line for them.

    A line with a wrong number of fields is rejected. A field with a separator or a line end must be in double quotes
    (RFC 4180); a row of several lines has the number of its first. Only lines that contain the text `containing` are read;
    the others are in neither table. `what` names the log in errors.

    Raises SourceError if a file cannot be read, lacks a column or has it twice.
    """
    lines, count = read_lines(engine, files, TextForm(encoding, separator))
    headers = _headers(lines, columns, what, separator, header)
    body = materialize(_split(lines, headers, containing, separator), "csv_lines")
    layouts = sorted({tuple(header.columns) for header in headers.values()})
    rows = ibis.union(*[_rows(body, columns, layout, headers) for layout in layouts])
    rejected = body.filter(body.fault.notnull()).select("file", "row", reason="fault", raw="line")
    return CsvRows(rows, rejected, count - sum(header.row > 0 for header in headers.values()))


def _rows(body: ibis.Table, columns: Sequence[str], layout: tuple[str, ...], headers: dict[str, _Header]) -> ibis.Table:
    files = [name for name, header in headers.items() if tuple(header.columns) == layout]
    whole = body.filter(body.fault.isnull() & body.file.isin(files))
    texts = {name: whole.fields[layout.index(name)].strip().nullif("") for name in columns}
    return whole.select("file", "row", raw=whole.line, **texts)


def _headers(
    lines: ibis.Table, columns: Sequence[str], what: str, separator: str, given: Sequence[str]
) -> dict[str, _Header]:
    """The header of each file, its first line, which must name the columns. Where the columns are given, a first line that
    names the same ones is no row.
    """
    first = lines.group_by("file").aggregate(row=lines.row.min(), line=lines.line.argmin(lines.row))
    headers: dict[str, _Header] = {}
    for header in first.order_by("file").to_pyarrow().to_pylist():
        try:
            named = [name.strip() for name in next(csv.reader([header["line"]], delimiter=separator))]
        except csv.Error:  # a field longer than that reader takes
            named = [header["line"][:300]]
        if given:
            headers[header["file"]] = _Header(header["row"] if named == list(given) else 0, list(given))
            continue
        if missing := [name for name in columns if name not in named]:
            raise SourceError(
                f"{header['file']}, row {header['row']}: missing column(s) {', '.join(missing)}."
                f" Found: {', '.join(named)[:300]}. Expected: {', '.join(columns)}."
                f" Is this {what}? Correct source.path or source.format."
            )
        if twice := [name for name in columns if named.count(name) > 1]:
            raise SourceError(
                f"{header['file']}, row {header['row']}: the column(s) {', '.join(twice)} occur more than once, so it is not clear which"
                f" one is meant. Found: {', '.join(named)[:300]}. Rename one of them in this line."
            )
        headers[header["file"]] = _Header(header["row"], named)
    return headers


def _split(lines: ibis.Table, headers: dict[str, _Header], containing: str, separator: str) -> ibis.Table:
    """The lines below the headers with their `fields`, and the `fault` of those that cannot be split."""
    widths = [
        {"name": name, "header_row": header.row, "width": len(header.columns)} for name, header in headers.items()
    ]
    known = ibis.memtable(pa.Table.from_pylist(widths))
    body = lines.join(known, lines.file == known.name)
    body = body.filter((body.row > body.header_row) & body.line.contains(containing))
    # regular expressions are slow, and few lines have quotes
    body = body.mutate(
        fields=ibis.ifelse(body.line.contains('"'), _quoted_fields(body.line, separator), body.line.split(separator))
    )
    count = body.fields.length()
    fault = ibis.cases(
        (body.fault.notnull(), body.fault),
        (count.isnull(), "a quoted field does not end before a " + _NAMES.get(separator, separator)),
        (count != body.width, "expected " + body.width.cast("string") + " fields, found " + count.cast("string")),
        else_=ibis.null("string"),
    )
    return body.mutate(fault=fault)


@ibis.udf.scalar.builtin(name="regexp_extract_all")
def _all_matches(text: str, pattern: str) -> list[str]:
    """DuckDB's list of all matches, for which Ibis has no function."""


def _quoted_fields(line: ir.StringValue, separator: str) -> ir.ArrayValue:
    """The fields of a line with quotes (RFC 4180); null where quotes and separators do not match."""
    led = separator + line  # then every field, also an empty one, is a match of one character or more
    start = escaped(separator)
    fields = _all_matches(led, f'{start}(?:"(?:[^"]|"")*"|[^{start}]*)')
    plain = fields.map(
        lambda field: ibis.ifelse(
            field.re_search(f'(?s)^{start}".*"$'),
            field.substr(2, field.length() - 3).replace('""', '"'),
            field.substr(1),
        )
    )
    return ibis.ifelse(fields.join("") == led, plain, None)
