"""Fields of JSON lines, as DuckDB reads them. A field that is absent or of another kind is null, never an error."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis makes the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from simpersona.adapters.sources.amounts import is_ambiguous, unambiguous
from simpersona.errors import SourceError
from simpersona.events.materialize import has_rows, materialize

JSON_LINES = (
    *(f"*{end}{packed}" for end in (".jsonl", ".ndjson", ".json") for packed in ("", ".gz", ".zip")),
    "*.zip",
)
"""The names of files of JSON lines or of JSON arrays."""


def require_json(files: Sequence[Path], form: str) -> None:
    """Raises SourceError if a file of a format of JSON is a CSV, by its name."""
    for file in files:
        if {".csv", ".tsv"} & {end.lower() for end in file.suffixes}:
            raise SourceError(
                f'{file}: source.format = "{form}" reads JSON lines, and this is a CSV by its name. source.format = "table" reads it,'
                " with a map of its columns and event names ([source.columns], [source.events])."
            )


def json_objects(lines: ibis.Table, paths: Mapping[str, str], amounts: Sequence[str] = ()) -> ibis.Table:
    """The lines (file, row, line, fault) with the text at each of `paths` ({"client": "$.clientId"}) under its
    name, null where there is nothing or an empty text; `fault` also names a line that is no JSON object. What is a number
    in the lines, of the names `amounts`, gets a text that is not ambiguous.
    """
    fault = ibis.cases(
        (lines.fault.notnull(), lines.fault),
        (~_is_json(lines.line), "not JSON"),
        (~lines.line.re_search(r"^\s*\{"), "not a JSON object"),
        else_=ibis.null("string"),
    )
    texts = _texts_at(_if_json(lines.line), list(paths.values()))
    values = {name: texts[index].nullif("") for index, name in enumerate(paths)}
    for name in amounts:
        # few amounts are ambiguous: only their lines are parsed again, for the kind of the value
        is_number = _kind_at(lines.line, paths[name]) != "VARCHAR"
        values[name] = ibis.ifelse(is_ambiguous(values[name]) & is_number, unambiguous(values[name]), values[name])
    return lines.mutate(fault=fault, **values)


def unfolded(lines: ibis.Table, names: Sequence[str]) -> ibis.Table:
    """The lines with the JSON that the fields `names` hold as text, as a warehouse's column has it, in place of that text."""
    line = lines.line
    is_text = line.re_search(rf'"(?:{"|".join(map(re.escape, names))})"\s*:\s*"\s*[\[{{]')
    if not has_rows(lines.filter(is_text)):
        return lines
    fields, readable = [], _if_json(line)  # a damaged line stays as it is, to be rejected
    for name in names:
        text = ibis.ifelse(
            _kind_at(readable, f'$."{name}"') == "VARCHAR", _if_json(_text_at(readable, f'$."{name}"')), None
        )
        fields.append(f'"{name}":' + text)
    patch = "{" + ibis.array(fields).filter(lambda field: field.notnull()).join(",") + "}"
    # with a text added it is a text: beside DuckDB's JSON a damaged line would be read as JSON, which is an error
    patched = ibis.coalesce(_merged(readable, patch) + "", line)
    # computed once: the expression is long, and each field that is read would repeat it
    return materialize(lines.mutate(line=ibis.ifelse(is_text, patched, line)), "unfolded")


def json_items(text: ir.StringValue, kind: str | dt.DataType) -> ir.Value:
    """An array of JSON as `json_value` reads it; of an object alone it is the only element."""
    return json_value(ibis.ifelse(text.re_search(r"^\s*\{"), "[" + text + "]", text), kind)


def json_at(text: ir.StringValue, path: str, *, is_amount: bool = False) -> ir.StringValue:
    """The text of the value at a path ("$.product.id") of a JSON text, null where there is nothing. What is a number gets,
    as an amount, a text that is not ambiguous.
    """
    readable = _if_json(text)
    value = _text_at(readable, path).nullif("")
    if not is_amount:
        return value
    return ibis.ifelse(is_ambiguous(value) & (_kind_at(readable, path) != "VARCHAR"), unambiguous(value), value)


def json_field(text: ir.StringValue, key: str) -> ir.StringValue:
    """What a JSON object holds under a key, as text: that of a text itself, of anything else its JSON; null where there is
    nothing.
    """
    return _text_at(_if_json(text), f'$."{key}"')


def json_text(leaf: ir.StringValue) -> ir.StringValue:
    """A JSON value as text: that of a text itself, of anything else its JSON."""
    return _text_at(_if_json(leaf), "$")


def json_value(text: ir.StringValue, kind: str | dt.DataType) -> ir.Value:
    """A JSON text as a value of the type `kind`, whose leaves are texts, or JSON that is not parsed; null where it is no JSON.

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
    return "JSON" if kind.is_json() else "VARCHAR"


@ibis.udf.scalar.builtin(name="json_valid")
def _is_json(text: str) -> bool:
    """Whether a text is JSON, as DuckDB sees it."""


@ibis.udf.scalar.builtin(name="json_extract_string")
def _texts_at(text: str, paths: list[str]) -> list[str]:
    """The value at each path of a JSON text, as text; null where there is nothing. The text is parsed once."""


@ibis.udf.scalar.builtin(name="json_extract_string")
def _text_at(text: str, path: str) -> str:
    """The value at a path of a JSON text, as text; null where there is nothing."""


@ibis.udf.scalar.builtin(name="json_type")
def _kind_at(text: str, path: str) -> str:
    """DuckDB's name for the kind of the value at a path."""


@ibis.udf.scalar.builtin(name="json_merge_patch")
def _merged(text: str, patch: str) -> str:
    """A JSON object with the fields of another in place of its own."""


def _if_json(text: ir.StringValue) -> ir.StringValue:
    return ibis.ifelse(_is_json(text), text, None)
