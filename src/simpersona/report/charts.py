"""How a chart of the report looks: plotly figures as plain values, ready for JSON.

A colour is written as a CSS variable, `var(--blue)`: the page replaces it when it draws, so that one figure
serves light and dark. A chart whose data are missing is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np

Figure = dict[str, Any]
Values = Mapping[str, Any]

PAPER_MARK = {"symbol": "diamond-open", "size": 9, "color": "var(--ink)", "line": {"width": 1.6}}
PERCENT = {"tickformat": ".0%", "rangemode": "tozero"}


def figure(data: list[dict[str, Any]], *, height: int = 260, **layout: Any) -> Figure:
    """A figure in the house's style. `height` in pixels; `layout` as plotly has it, titles as plain text.

    Grid lines run across the bars' values only.
    """
    values = "xaxis" if any(trace.get("orientation") == "h" for trace in data) else "yaxis"
    house = {
        "height": height,
        "margin": {"l": 48, "r": 12, "t": 10, "b": 40},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": "var(--muted)", "size": 12, "family": "system-ui, sans-serif"},
        "legend": {
            "orientation": "h",
            "y": 1.02,
            "yanchor": "bottom",
            "x": 0,
            "traceorder": "normal",
            "font": {"size": 11},
        },
        "hoverlabel": {"font": {"size": 12}},
        "bargap": 0.35,
        "showlegend": len(data) > 1,
    }
    for name in ("xaxis", "yaxis"):
        axis = layout.pop(name, {})
        title = {"title": {"text": axis["title"]}} if "title" in axis else {}
        house[name] = {"gridcolor": "var(--line)", "zerolinecolor": "var(--line)", "automargin": True}
        house[name] |= {"showgrid": name == values} | axis | title
    return {"data": data, "layout": house | layout}


def line(x: list[Any], y: list[Any], name: str, colour: str) -> dict[str, Any]:
    """A line trace."""
    return {"type": "scatter", "mode": "lines", "x": x, "y": y, "name": name, "line": {"color": colour, "width": 2}}


def rounded(values: np.ndarray) -> list[float]:
    """Plain numbers; five digits are enough to draw."""
    return [round(float(value), 5) for value in values]


def height_for(rows: int, each: int = 26) -> int:
    """Pixels for a chart with `rows` horizontal bars of `each` pixels."""
    return min(110 + each * rows, 620)


def label(text: str) -> str:
    """A label that plotly shows as it is: it would read tags in it."""
    return escape(text if len(text) <= 60 else f"{text[:59]}…")


def wrapped(text: str, width: int = 60) -> str:
    """The text in lines of about `width` characters, shown as it is."""
    lines = [""]
    for word in text.split():
        lines[-1:] = [f"{lines[-1]} {word}".strip()] if len(lines[-1]) + len(word) < width else [lines[-1], word]
    return "<br>".join(escape(text) for text in lines)
