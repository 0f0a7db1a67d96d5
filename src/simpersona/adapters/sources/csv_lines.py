"""Logs as CSV: lines split into the columns that their file's header names."""

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
from simpersona.errors import SourceError
from simpersona.events.materialize import materialize

_NAMES = {",": "comma", "\t": "tab", ";": "semicolon"}


class CsvRows(NamedTuple):
    """What CSV files hold: the whole lines as `file`, `row`, `raw` and one text column per name asked for
    (trimmed; null where empty), the other lines in the shape of REJECTED, and the number of both.
    """

    rows: ibis.Table
    rejected: ibis.Table
    rows_in: int


class _Header(NamedTuple):
    row: int
    columns: list[str]


def read_csv_lines(
    engine: SQLBackend,
    files: Sequence[Path],
    columns: Sequence[str],
    what: str,
    *,
    containing: str = "",
    separator: str = ",",
) -> CsvRows:
    """The lines of CSV files with a header each, which may name further columns and in any order.

    A line with a wrong number of fields is rejected. A field that holds a separator has to stand in double
    quotes (RFC 4180), and no field may hold a line's end. Only lines that contain the text `containing` are
    looked at; the others are in neither table.

    Raises SourceError, which says that it is `what`, if a file cannot be read or lacks a column.
    """
    lines, count = read_lines(engine, files)
    headers = _headers(lines, columns, what, separator)
    body = materialize(_split(lines, headers, containing, separator), "csv_lines")
    layouts = sorted({tuple(header.columns) for header in headers.values()})
    rows = ibis.union(*[_rows(body, columns, layout, headers) for layout in layouts])
    rejected = body.filter(body.fault.notnull()).select("file", "row", reason="fault", raw="line")
    return CsvRows(rows, rejected, count - len(headers))


def _rows(body: ibis.Table, columns: Sequence[str], layout: tuple[str, ...], headers: dict[str, _Header]) -> ibis.Table:
    files = [name for name, header in headers.items() if tuple(header.columns) == layout]
    whole = body.filter(body.fault.isnull() & body.file.isin(files))
    texts = {name: whole.fields[layout.index(name)].strip().nullif("") for name in columns}
    return whole.select("file", "row", raw=whole.line, **texts)


def _headers(lines: ibis.Table, columns: Sequence[str], what: str, separator: str) -> dict[str, _Header]:
    """The first line of each file; each must name the needed columns."""
    first = lines.group_by("file").aggregate(row=lines.row.min(), line=lines.line.argmin(lines.row))
    headers: dict[str, _Header] = {}
    for found in first.order_by("file").to_pyarrow().to_pylist():
        try:
            named = [name.strip() for name in next(csv.reader([found["line"]], delimiter=separator))]
        except csv.Error:  # a field longer than that reader takes
            named = [found["line"][:300]]
        if missing := [name for name in columns if name not in named]:
            raise SourceError(
                f"{found['file']}, row {found['row']}: missing column(s) {', '.join(missing)}."
                f" Found: {', '.join(named)[:300]}. Expected: {', '.join(columns)}."
                f" Is this {what}? Correct source.path or source.format."
            )
        headers[found["file"]] = _Header(found["row"], named)
    return headers


def _split(lines: ibis.Table, headers: dict[str, _Header], containing: str, separator: str) -> ibis.Table:
    """The lines below the headers with their `fields`, and the `fault` of those that are not whole."""
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
    found = body.fields.length()
    fault = ibis.cases(
        (body.fault.notnull(), body.fault),
        (found.isnull(), "a quoted field does not end before a " + _NAMES.get(separator, separator)),
        (found != body.width, "expected " + body.width.cast("string") + " fields, found " + found.cast("string")),
        else_=ibis.null("string"),
    )
    return body.mutate(fault=fault)


@ibis.udf.scalar.builtin(name="regexp_extract_all")
def _all_matches(text: str, pattern: str) -> list[str]:
    """DuckDB's list of what matches; Ibis has no word for it."""


def _quoted_fields(line: ir.StringValue, separator: str) -> ir.ArrayValue:
    """The fields of a line with quotes (RFC 4180); null where quotes and separators do not fit together."""
    led = separator + line  # so that every field, an empty one too, is a match of one character or more
    sign = f"[{separator}]"
    fields = _all_matches(led, f'{sign}(?:"(?:[^"]|"")*"|[^{separator}]*)')
    plain = fields.map(
        lambda field: ibis.ifelse(
            field.re_search(f'^{sign}".*"$'), field.substr(2, field.length() - 3).replace('""', '"'), field.substr(1)
        )
    )
    return ibis.ifelse(fields.join("") == led, plain, None)
