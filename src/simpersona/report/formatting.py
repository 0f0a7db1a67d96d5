"""How numbers are written on a page: by the unit of their metric."""

from __future__ import annotations

from typing import Any

from simpersona.evaluation.metric import Unit

MISSING = "–"
Interval = tuple[float, float]


def formatted(value: Any, unit: Unit = "number") -> str:
    """A figure as text: a share as a percentage, a p value with two digits, an integer as it is, a dash for None.

    Two numbers are joined with "to", more with commas.
    """
    match value:
        case None:
            return MISSING
        case str():
            return value
        case list() | tuple():
            return (" to " if len(value) == 2 else ", ").join(formatted(item, unit) for item in value)
        case _:
            return _number(value, unit)


def formatted_interval(interval: Interval | None, unit: Unit = "number") -> str:
    """An interval with its unit written once: "8.8 – 19.7 %". Empty for None."""
    if interval is None:
        return ""
    low, high = (formatted(bound, unit) for bound in interval)
    return f"{low.removesuffix(' %')} – {high}"


def percent(share: float, digits: int = 0) -> str:
    """A share as a percentage. A positive share that would round to 0 becomes "under 1 %"."""
    text = f"{100 * share:.{digits}f} %"
    return f"under {10**-digits:g} %" if share > 0 and float(text[:-2]) == 0 else text


def counted(number: int, name: str, plural: str = "") -> str:
    """A number of things: "1 order", "12 orders"."""
    return f"{number:,} {name if number == 1 else plural or name + 's'}"


def first_sentence(text: str) -> str:
    """The first sentence of a text, with its full stop."""
    return text.partition(". ")[0].rstrip(".") + "."


def _number(value: float, unit: Unit) -> str:
    if unit == "p value":
        return f"{value:.2g}"
    if isinstance(value, int):
        return f"{value:,}"
    if unit == "share":
        return f"{100 * value:.1f} %"
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.3f}"
