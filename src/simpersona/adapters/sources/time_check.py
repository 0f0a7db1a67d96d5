"""Whether the times of a log were read as they are meant."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis makes the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

from datetime import UTC, datetime

import ibis

from simpersona.adapters.sources.times import UNITS
from simpersona.errors import SourceError

_START, _END = (ibis.timestamp(f"{year}-01-01 00:00:00+00:00") for year in (1971, 2200))
_LIKELY = range(1990, 2100)  # years in which a log was written
_PATTERNS = tuple(
    f"{day}{time}"
    for day in (
        "%d.%m.%Y",
        "%d/%m/%Y",
        "%m/%d/%Y",
        "%Y/%m/%d",
        "%d-%m-%Y",
        "%Y%m%d",
        "%d.%m.%y",
        "%b %d, %Y",
        "%d %b %Y",
    )
    for time in (" %H:%M:%S", " %H:%M", " %H:%M:%S.%f", " %I:%M:%S %p", " %I:%M %p", "T%H:%M:%S", "%H%M%S", "")
)


def check_times(rows: ibis.Table, form: str) -> list[str]:
    """A warning if some times lie in 1970. `rows` has `time` and `stamp`, the log's own value of it.

    Raises SourceError if at least half of the values cannot be read, or are read as times in 1970 or after 2199: then they have
    another format or unit. The error names a value, `form` and the one that is likely.
    """
    rows = rows.select("time", stamp=rows.stamp.cast("string"))
    unread, in_1970, late = rows.time.isnull(), rows.time < _START, rows.time >= _END
    kinds = {"unread": rows.stamp.notnull() & unread, "in_1970": in_1970, "late": late}
    kinds = {name: kind.fill_null(False) for name, kind in kinds.items()}
    counts = rows.aggregate(
        stamps=rows.stamp.count(),
        **{name: kind.sum() for name, kind in kinds.items()},
        **{f"value_{name}": rows.stamp.min(where=kind) for name, kind in kinds.items()},
    )
    count = counts.to_pyarrow().to_pylist()[0]
    stamps = count["stamps"]
    found = {
        "unread": "cannot be read",
        "in_1970": "would lie in 1970, the year of a time of 0",
        "late": "would lie after 2199",
    }
    for name, what in found.items():
        if stamps and 2 * (count[name] or 0) >= stamps:
            value = str(count[f"value_{name}"])[:60]
            raise SourceError(_wrong_format(f"{count[name]:,} of {stamps:,} times {what}", value, form))
    if count["in_1970"]:
        warning = (
            f"{count['in_1970']:,} of {stamps:,} times lie in 1970 (such as {str(count['value_in_1970'])[:60]!r}): nobody set"
            f' them, or they have another unit than the others. They are kept; source.time_format is "{form}".'
        )
        return [warning]
    return []


def likely_format(value: str) -> str | None:
    """The format that reads the value as a time of our days."""
    text = value.strip()
    try:
        number = float(text)
    except ValueError:
        number = None
    if number is not None and len(text) != len("20240501") and abs(number) < 1e30:
        for unit, micros in UNITS.items():
            if _year(number * micros) in _LIKELY:
                return unit
    try:
        if datetime.fromisoformat(text).year in _LIKELY and not text.isdigit():
            return "iso"
    except ValueError:
        pass
    for pattern in _PATTERNS:
        try:
            if datetime.strptime(text, pattern).year in _LIKELY:  # noqa: DTZ007 - only the year is of interest
                return pattern
        except ValueError:
            continue
    return None


def _year(micros: float) -> int | None:
    try:
        return datetime.fromtimestamp(micros / 1e6, UTC).year
    except (ValueError, OverflowError, OSError):
        return None


def _wrong_format(problem: str, value: str, form: str) -> str:
    likely = likely_format(value)
    if likely and likely != form:
        advice = f'The value fits source.time_format = "{likely}".'
    else:
        advice = (
            'Set source.time_format to "iso" (2024-03-01T12:00:00+01:00), to "s", "ms" or "us" (numbers since 1970), or to a'
            ' pattern such as "%d.%m.%Y %H:%M"; or correct source.columns.time.'
        )
    return f'{problem} with source.time_format = "{form}"; a value is {value!r}. {advice}'
