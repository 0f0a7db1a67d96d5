"""How a field for a date, a time or a colour says what it takes: in its name, so that every policy can fill it in."""

from __future__ import annotations

from collections.abc import Sequence

_HINTS = {
    "date": "yyyy-mm-dd",
    "datetime-local": "yyyy-mm-ddThh:mm",
    "month": "yyyy-mm",
    "week": "yyyy-Www",
    "time": "hh:mm",
    "color": "#rrggbb",
}
HINTED = frozenset(_HINTS)
"""Types of `input` that take only a text of one form."""
_WANTED = {
    "date": "a date like 2030-06-15",
    "datetime-local": "a date and a time like 2030-06-15T10:30",
    "month": "a month like 2030-06",
    "week": "a week like 2030-W24",
    "time": "a time like 10:30",
    "color": "a colour like #336699",
    "range": "a number",
}


def not_entered(kind: str) -> str:
    """Why a field took no text: `kind` is the type of the field."""
    return f"It takes only {_WANTED[kind]}" if kind in _WANTED else "Nothing can be typed there"


MAX_STEPS = 11
"""The number of values of a slider that are offered."""


def hinted(name: str, kind: str) -> str:
    """The name of a field with the form of what it takes: "Deliver on (yyyy-mm-dd)"."""
    return f"{name} ({_HINTS[kind]})".strip() if kind in _HINTS else name


def slider_options(low: float, high: float) -> Sequence[str]:
    """The values that a slider offers: whole numbers where they are few, else evenly spaced ones."""
    if not low < high:
        return ()
    if float(low).is_integer() and float(high).is_integer() and high - low < MAX_STEPS:
        return [f"{value:g}" for value in range(int(low), int(high) + 1)]
    return [f"{round(low + (high - low) * step / (MAX_STEPS - 1), 6):g}" for step in range(MAX_STEPS)]
