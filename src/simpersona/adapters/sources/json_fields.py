"""Fields of JSON lines, as DuckDB reads them. A field that is absent or of another kind is null, never an error."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis makes the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

import json
from collections.abc import Mapping

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from simpersona.events.materialize import materialize

JSON_LINES = (
    *(f"*{end}{packed}" for end in (".jsonl", ".ndjson", ".json") for packed in ("", ".gz", ".zip")),
    "*.zip",
)
"""The names of files of JSON lines or of JSON arrays."""


def json_objects(lines: ibis.Table, paths: Mapping[str, str]) -> ibis.Table:
    """The lines (file, row, line, fault) with the text at each of `paths` ({"client": "$.clientId"}) under its
    name, null where there is nothing or an empty text; `fault` also names a line that is no JSON object.
    """
    fault = ibis.cases(
        (lines.fault.notnull(), lines.fault),
        (~_is_json(lines.line), "not JSON"),
        (~lines.line.re_search(r"^\s*\{"), "not a JSON object"),
        else_=ibis.null("string"),
    )
    texts = _texts_at(_if_json(lines.line), list(paths.values()))
    return lines.mutate(fault=fault, **{name: texts[index].nullif("") for index, name in enumerate(paths)})


def json_value(text: ir.StringValue, kind: str | dt.DataType) -> ir.Value:
    """A JSON text as a value of the type `kind`, whose leaves are texts; null where it is no JSON.

    An array is read from an array alone and a struct from an object alone.
    """
    kind = dt.dtype(kind)

    @ibis.udf.scalar.builtin(name="json_transform", signature=((dt.string, dt.string), kind))
    def transform(text: object, structure: str) -> object:
        """DuckDB's reading of JSON into typed values."""

    opening = r"^\s*\[" if kind.is_array() else r"^\s*\{"
    fitting = ibis.ifelse(text.re_search(opening), _if_json(text), None)
    return transform(fitting, json.dumps(_structure(kind)))


def mark_repeated(rows: ibis.Table, identity: str, *others: str) -> ibis.Table:
    """The rows with `repeated`: whether an earlier one (by file and row) has the same event id, the column
    `identity`, and the same `others`. The event was then delivered again, though its envelope may differ.
    """
    keys = rows.filter(rows[identity].notnull()).select("file", "row", identity, *others)
    copy = ibis.row_number().over(group_by=[identity, *others], order_by=["file", "row"])
    copies = keys.mutate(copy=copy).filter(ibis._.copy > 0).select(copy_file="file", copy_row="row")
    copies = materialize(copies, "repeated")  # few rows, so that the long lines need not be sorted
    marked = rows.left_join(copies, [rows.file == copies.copy_file, rows.row == copies.copy_row])
    return marked.mutate(repeated=marked.copy_row.notnull()).drop("copy_file", "copy_row")


def _structure(kind: dt.DataType) -> object:
    """The type in the JSON notation of DuckDB."""
    if isinstance(kind, dt.Struct):
        return {name: _structure(inner) for name, inner in kind.items()}
    if isinstance(kind, dt.Array):
        return [_structure(kind.value_type)]
    return "VARCHAR"


@ibis.udf.scalar.builtin(name="json_valid")
def _is_json(text: str) -> bool:
    """Whether a text is JSON, as DuckDB sees it."""


@ibis.udf.scalar.builtin(name="json_extract_string")
def _texts_at(text: str, paths: list[str]) -> list[str]:
    """The value at each path of a JSON text, as text; null where there is nothing. The text is parsed once."""


def _if_json(text: ir.StringValue) -> ir.StringValue:
    return ibis.ifelse(_is_json(text), text, None)
