"""The numbers behind a chart as a table, for who cannot see or point at it."""

from __future__ import annotations

from collections.abc import Sequence
from html import unescape
from typing import Any

from simpersona.report.charts import Figure

_CELLS = 6_000
"""A table of more cells than this is left out: the page would double in size, and nobody reads it."""

Rows = list[list[str]]


def chart_table(chart: Figure) -> Rows | None:
    """The head and the rows: one row per place on the chart's axis, one column per line or colour.

    None for a map, whose places mean nothing by themselves, and where there would be too many cells.
    """
    traces = chart["data"]
    if any("text" in trace and trace.get("mode") == "markers" for trace in traces):
        return None
    rows = _grid(traces[0]) if traces[0]["type"] == "heatmap" else _series(chart)
    return rows if sum(map(len, rows)) <= _CELLS else None


def _grid(trace: dict[str, Any]) -> Rows:
    body = [[_plain(name), *map(_shown, line)] for name, line in zip(trace["y"], trace["z"], strict=True)]
    return [["", *map(_plain, trace["x"])], *body]


def _series(chart: Figure) -> Rows:
    columns: list[dict[str, Any]] = []
    for trace in chart["data"]:
        across = trace.get("orientation") == "h" or (trace.get("mode") == "markers" and _is_text(trace["y"]))
        places, values = (trace["y"], trace["x"]) if across else (trace["x"], trace["y"])
        if isinstance(values, dict) or not len(places):
            continue
        raw = trace.get("customdata")
        values = raw if raw and not isinstance(raw[0], (list, tuple)) and _is_number(raw[0]) else values
        columns.append(dict(zip(_names(places), values, strict=False)))
    names = list(dict.fromkeys(name for column in columns for name in column))
    head = [_plain(trace.get("name", "value")) for trace in chart["data"]][: len(columns)]
    return [["", *head], *([name, *(_shown(column.get(name)) for column in columns)] for name in names)]


def _names(places: Sequence[Any]) -> list[str]:
    """Places on the axis; of an axis of two levels, both."""
    if len(places) == 2 and all(isinstance(level, list) for level in places):
        return [", ".join(map(_plain, pair)) for pair in zip(*places, strict=True)]
    return [_plain(place) for place in places]


def _plain(text: Any) -> str:
    """Without the entities that a chart's labels need."""
    return unescape(str(text))


def _is_text(values: Sequence[Any]) -> bool:
    return bool(values) and isinstance(values[0], str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:,.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else _plain(value)
