"""Events inside what carried them: a queue's, a webhook's or a batch's JSON around each event or around a list of them."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis makes the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import ibis
from ibis.backends.sql import SQLBackend

from simpersona.adapters.engines.duckdb import first_lines, read_lines
from simpersona.adapters.sources.json_fields import json_field, json_value
from simpersona.events.cleaning import IGNORED
from simpersona.events.materialize import materialize

_FIRST_LINES = 100  # in which an event is expected
_DEEPEST = 5  # steps from a line to its event
_EACH = "[]"
"""The step into the entries of a list; other steps are keys of an object, which may be a text of JSON."""


def read_events(
    engine: SQLBackend, files: Sequence[Path], keys: Collection[Collection[str]]
) -> tuple[ibis.Table, int, tuple[str, ...]]:
    """The events of JSON lines as `read_lines` gives lines, their number, and what to say.

    An event is an object with all of one of `keys`. Where the first lines hold none, but objects with one inside, each event
    takes the place of its line; where these are entries of a list, each entry is a row. `row` then counts the entries of
    a file. A line without such an event stays as it is.

    Raises SourceError as `read_lines` does.
    """
    lines, count = read_lines(engine, files)
    path = _path_to_event(first_lines(files[0], _FIRST_LINES), keys)
    if not path:
        return lines, count, ()
    for step in path:
        lines = _entries(lines) if step == _EACH else _inner(lines, step)
    lines = materialize(lines, "events_inside")
    where = ".".join(path).replace(f".{_EACH}", _EACH)
    warning = (
        f"{files[0].name}: the lines hold each event in {where!r}, as a queue or a webhook does. It is read from there."
    )
    return lines, int(lines.count().to_pyarrow().as_py()), (warning,)


def _path_to_event(lines: Sequence[str], keys: Collection[Collection[str]]) -> tuple[str, ...]:
    """The steps that lead to most events of the lines; none if a line itself is an event, or no line holds one."""
    found: Counter[tuple[str, ...]] = Counter()
    for line in lines:
        with suppress(ValueError, RecursionError):
            found.update({*_events_in(json.loads(line), keys)})
    if not found or () in found:
        return ()
    return max(found, key=lambda path: (found[path], -len(path)))


def _events_in(
    value: object, keys: Collection[Collection[str]], path: tuple[str, ...] = ()
) -> Iterator[tuple[str, ...]]:
    if len(path) > _DEEPEST:
        return
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        with suppress(ValueError, RecursionError):
            value = json.loads(value)
    if isinstance(value, dict):
        if any(all(value.get(key) is not None for key in alternative) for alternative in keys):
            yield path
            return
        for key, inner in value.items():
            yield from _events_in(inner, keys, (*path, key))
    elif isinstance(value, list):
        for inner in value:
            yield from _events_in(inner, keys, (*path, _EACH))


def _inner(lines: ibis.Table, key: str) -> ibis.Table:
    """The lines with what an object holds under a key in its place; a line that has nothing there stays."""
    return lines.mutate(line=ibis.coalesce(json_field(lines.line, key), lines.line))


def _entries(lines: ibis.Table) -> ibis.Table:
    """The entries of lists as lines of their own, numbered within their file; a line that is no list stays one."""
    held = materialize(lines.mutate(entries=json_value(lines.line, "array<string>")), "envelopes")
    each = held.filter(held.entries.length() > 0).unnest("entries", offset="entry")
    each = each.select("file", "row", "fault", line=each.entries.fill_null("null"), entry=each.entry.cast("int64"))
    empty = ibis.ifelse(held.entries.length() == 0, f"{IGNORED}an empty list", held.fault)
    others = held.filter((held.entries.length() == 0) | held.entries.isnull())
    others = others.select("file", "row", fault=empty, line=others.line, entry=ibis.literal(0, "int64"))
    rows = materialize(ibis.union(each, others.select(*each.columns)), "envelope_entries")
    # the texts are long: only the numbers are sorted
    order = ibis.window(group_by="file", order_by=["row", "entry"])
    places = rows.select("file", "row", "entry", number=ibis.row_number().over(order) + 1)
    places = places.rename(of_file="file", of_row="row", of_entry="entry")
    same = [rows.file == places.of_file, rows.row == places.of_row, rows.entry == places.of_entry]
    return rows.join(places, same).select("file", "line", "fault", row="number")
