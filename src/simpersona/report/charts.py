"""The data of the report's charts: plain values that a template draws as HTML and SVG.

Charts need no library and no script, and every value is text of the page. So a chart follows light and dark mode, prints, and
works on a phone and with a screen reader. A colour is the end of a CSS class, `c-real`. A chart without data is None.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from simpersona.report.formatting import MISSING, Interval

Tick = tuple[float, str]
"""A position on an axis in percent of its length, and its label."""


CANNOT_BE_MEASURED = "cannot be measured in the visited store"
"""The note of a group of bars that lacks the bar of simulated visits."""


@dataclass(frozen=True)
class Bar:
    """One bar: its label, its value as number and as text, its 95 % interval and the paper's value, if any."""

    label: str
    value: float | None
    text: str
    colour: str
    interval: Interval | None = None
    interval_text: str = ""
    paper: float | None = None
    paper_text: str = ""


@dataclass(frozen=True)
class BarGroup:
    """Bars to compare with each other."""

    label: str
    bars: tuple[Bar, ...]
    hint: str = ""


@dataclass(frozen=True)
class BarChart:
    """Horizontal bars on an axis from 0 to `top`."""

    groups: tuple[BarGroup, ...]
    top: float
    ticks: tuple[Tick, ...]
    kind = "bars"

    @property
    def legend(self) -> list[tuple[str, str]]:
        """(colour, label) of each kind of bar."""
        return list(dict.fromkeys((bar.colour, bar.label) for group in self.groups for bar in group.bars))

    @property
    def has_paper(self) -> bool:
        """Whether a bar has the paper's value beside it."""
        return any(bar.paper is not None for group in self.groups for bar in group.bars)

    def percent(self, value: float) -> float:
        """A value's position on the axis in percent of its length, clipped to the axis."""
        return round(100 * min(max(value / self.top, 0), 1), 2)


@dataclass(frozen=True)
class Stack:
    """One stacked bar with its parts: (colour, share in 0..1, text)."""

    label: str
    parts: tuple[tuple[str, float, str], ...]
    note: str = ""


@dataclass(frozen=True)
class StackChart:
    """Stacked bars and the meaning of their colours."""

    rows: tuple[Stack, ...]
    legend: tuple[tuple[str, str], ...]
    kind = "stacks"


@dataclass(frozen=True)
class Line:
    """Points in percent of the plot's width and height from its lower left; the values are in the chart's `table`."""

    label: str
    colour: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class LineChart:
    """Lines over a common axis. `table` has the numbers: a head and rows."""

    lines: tuple[Line, ...]
    x_label: str
    y_label: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    table: tuple[tuple[str, ...], ...]
    kind = "lines"

    @property
    def legend(self) -> list[tuple[str, str]]:
        """(colour, label) of each line."""
        return [(line.colour, line.label) for line in self.lines]


def bar_chart(groups: Sequence[BarGroup], top: float | None = None, percent: bool = True) -> BarChart | None:
    """A chart of the groups that have a value. The axis ends at `top`, or at a round number above all values."""
    known = tuple(group for group in groups if any(bar.value is not None for bar in group.bars))
    if not known:
        return None
    if top is None:
        top = max(_drawn(known), default=0.0)
        top = round_up(top) if top > 0 else 1.0
    ticks = [(25.0 * quarter, _tick(top * quarter / 4, percent)) for quarter in range(5)]
    return BarChart(known, top, tuple(ticks))


def line_chart(
    series: Sequence[tuple[str, str, Sequence[float], Sequence[float | None]]], x_label: str, y_label: str
) -> LineChart | None:
    """Lines of (label, colour, x, y) from 0 to a round number; a y that is None is left out."""
    series = [line for line in series if any(y is not None for y in line[3])]
    if not series:
        return None
    first, last = min(min(x) for _, _, x, _ in series), max(max(x) for _, _, x, _ in series)
    values = [y for _, _, _, ys in series for y in ys if y is not None]
    low, high = min(0.0, *values), round_up(max(*values, 1e-9))
    wide, tall = (last - first) or 1, high - low
    lines = tuple(
        Line(
            label,
            colour,
            tuple(
                (round(100 * (x - first) / wide, 2), round(100 * (y - low) / tall, 2))
                for x, y in zip(xs, ys, strict=True)
                if y is not None
            ),
        )
        for label, colour, xs, ys in series
    )
    x_ticks = ((0.0, f"{first:g}"), (50.0, f"{(first + last) / 2:g}"), (100.0, f"{last:g}"))
    y_ticks = tuple((50.0 * half, f"{low + tall * half / 2:.3g}") for half in range(3))
    return LineChart(lines, x_label, y_label, x_ticks, y_ticks, tuple(_numbers(series, x_label)))


def round_up(value: float) -> float:
    """The next of 1, 2, 4, 5, 8, 10 times a power of ten. Between one half and 1 it is 1, since most charts show shares."""
    if 0.5 < value <= 1:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 5, 8, 10) if step * power >= value * (1 - 1e-9))


def _drawn(groups: Sequence[BarGroup]) -> Iterator[float]:
    for group in groups:
        for bar in group.bars:
            yield from (value for value in (bar.value, bar.paper, *(bar.interval or ())) if value is not None)


def _tick(value: float, percent: bool) -> str:
    return f"{100 * value:g} %" if percent else f"{value:g}"


def _numbers(series: Sequence[tuple[str, str, Sequence[float], Sequence[float | None]]], x_label: str) -> Iterator:
    """About twenty rows: the shape of a line, not each of its points."""
    columns = [dict(zip(xs, ys, strict=True)) for _, _, xs, ys in series]
    positions = sorted({x for column in columns for x in column})
    every = max(1, len(positions) // 20)
    yield (x_label, *(label for label, *_ in series))
    for x in positions[::every]:
        values = [column.get(x) for column in columns]
        yield (f"{x:g}", *(MISSING if value is None else f"{value:.4g}" for value in values))
