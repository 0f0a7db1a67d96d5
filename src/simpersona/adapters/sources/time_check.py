"""Whether the times of a log were read as they are meant."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis makes the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

import ibis
import ibis.expr.types as ir

from simpersona.adapters.sources.times import UNITS
from simpersona.errors import SourceError
from simpersona.events.materialize import has_rows

_START, _END = (ibis.timestamp(f"{year}-01-01 00:00:00+00:00") for year in (1971, 2200))
_LIKELY = range(1990, 2100)  # years in which a log was written
_SAMPLE = 1000  # values that a format has to fit
_MOST = 1e30
_DAY = 86_400_000_000  # microseconds
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
    """Warnings if some times lie in 1970, fit the format with day and month exchanged, or all have no time of day. `rows` has
    `time` and `stamp`, the log's own value of it.

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
        value_in_1970=rows.stamp.min(where=kinds["in_1970"]),
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
            values = _values(rows.filter(kinds[name]))
            raise SourceError(_wrong_format(f"{count[name]:,} of {stamps:,} times {what}", values, form))
    warnings = []
    if count["in_1970"]:
        warnings.append(
            f"{count['in_1970']:,} of {stamps:,} times lie in 1970 or before (such as {str(count['value_in_1970'])[:60]!r}): nobody"
            f' set them, or they have another unit than the others. Those of 1970 are kept; source.time_format is "{form}".'
        )
    if count["unread"] and (other := _other_order(form)):
        fitting = sum(_fits(value, other) for value in _values(rows.filter(kinds["unread"])))
        if fitting:
            warnings.append(
                f'Some times that source.time_format = "{form}" cannot read fit "{other}" ({fitting:,} different ones). If all times are'
                " written so, days up to the 12th were read with day and month exchanged."
            )
    if stamps > 1 and _all_timeless(rows.limit(_SAMPLE), form) and _all_timeless(rows, form):
        warnings.append(
            f"None of {stamps:,} times has a time of day. The order of events within a day and durations are not known: a buyer's day"
            " is one session, and equal rows of a day count once (events.keep_duplicates keeps them)."
        )
    return warnings


def _values(rows: ibis.Table) -> list[str]:
    """Different values of times, at most _SAMPLE."""
    values = rows.select("stamp").distinct().order_by("stamp").limit(_SAMPLE)
    return [value.strip() for value in values.to_pyarrow()["stamp"].to_pylist()]


def likely_formats(values: Sequence[str]) -> list[str]:
    """The formats that read every one of the values as a time of our days: one, or two where days and months may be exchanged."""
    units = [unit for unit in UNITS if all(_fits_unit(value, unit) for value in values)]
    if units:
        return units[:1]
    if all(_fits_iso(value) for value in values):
        return ["iso"]
    fitting = [pattern for pattern in _PATTERNS if all(_fits(value, pattern) for value in values)]
    return [pattern for pattern in fitting if pattern in (fitting[0], _other_order(fitting[0]))]


def _fits_unit(value: str, unit: str) -> bool:
    try:
        number = float(value)
    except ValueError:
        return False
    return len(value) != len("20240501") and abs(number) < _MOST and _year(number * UNITS[unit]) in _LIKELY


def _fits_iso(value: str) -> bool:
    try:
        return datetime.fromisoformat(value).year in _LIKELY and not value.isdigit()
    except ValueError:
        return False


def _fits(value: str, pattern: str) -> bool:
    try:
        return datetime.strptime(value, pattern).year in _LIKELY  # noqa: DTZ007 - only the year is of interest
    except ValueError:
        return False


def _other_order(form: str) -> str | None:
    """A pattern with day and month exchanged; None if the order is not in doubt."""
    exchanged = re.sub(r"%d([-/.])%m", r"%m\1%d", form)
    if exchanged == form:
        exchanged = re.sub(r"%m([-/.])%d(?=[-/.]%[yY])", r"%d\1%m", form)
    return exchanged if exchanged != form else None


def _all_timeless(rows: ibis.Table, form: str) -> bool:
    """Whether no value has a time of day."""
    has_time = rows.filter(rows.stamp.notnull() & ~_is_timeless(rows.stamp, form))
    return not has_rows(has_time)


def _is_timeless(stamp: ir.StringValue, form: str) -> ir.BooleanValue:
    """Whether a value is a date alone, or at midnight."""
    if form in UNITS:
        return (stamp.try_cast("float64") * UNITS[form] % _DAY == 0).fill_null(False)
    if form != "iso":
        return stamp.notnull() & (not re.search(r"%-?[HIcTXs]", form))
    return stamp.re_search(r"^[\d]+[-/.]\d+[-/.]\d+([T ]00:00(:00(\.0+)?)?(Z|[+-]00(:?00)?| UTC)?)?$").fill_null(False)


def _year(micros: float) -> int | None:
    try:
        return datetime.fromtimestamp(micros / 1e6, UTC).year
    except (ValueError, OverflowError, OSError):
        return None


def _wrong_format(problem: str, values: Sequence[str], form: str) -> str:
    likely = [name for name in likely_formats(values) if name != form]
    if len(likely) > 1:
        advice = f'The values fit source.time_format = "{likely[0]}" and "{likely[1]}": only you know which comes first, day or month.'
    elif likely:
        advice = f'The value fits source.time_format = "{likely[0]}".'
    else:
        advice = (
            'Set source.time_format to "iso" (2024-03-01T12:00:00+01:00), to "s", "ms", "us" or "ns" (numbers since 1970), or to a'
            ' pattern such as "%d.%m.%Y %H:%M"; or correct source.columns.time.'
        )
    return f'{problem} with source.time_format = "{form}"; a value is {values[0][:60]!r}. {advice}'
