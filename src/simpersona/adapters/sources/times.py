"""Times as sources write them, read as times in UTC."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis makes the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1, "ns": 0.001}
"""Microseconds in each unit."""

_OFFSET = r"(?i)(z|utc|gmt|[+-]\d{2}(:?\d{2})?)$"  # behind a time of day
_ISO = r"^\d+[-/.\d]*(?:[T ]\d+:\d+(?::\d[\d.]*(?:Z|[+-]\d[\d:]*)?)?)?$"
"""What an engine may read as a time. It also reads names of zones, of which many mean several ("CST", "BST", "IST"), and
DuckDB then reads the times of later rows that name no zone in that zone."""
_LOOSE = (
    r"^\s*(\d+[-/.\d]*)"
    r"(?:[T ](\d+:\d+)(:\d+)?([.,]\d+)? *(?:(Z|UTC|GMT|[+-]\d[\d:]*)(?:\[[A-Z0-9_/+-]+\])?)?)?\s*$"
)
_SINCE_1970 = r"^(\d{10}|\d{13}|\d{16,17}|\d{19})(\.\d*)?$"
_MOST = 2.5e17  # microseconds, about 8,000 years: the range of an engine's times
_UTC = "timestamp('UTC', 6)"


def time_of(value: ir.Value, form: str = "iso", zone: str = "UTC") -> ir.TimestampValue:
    """The value as a time in UTC, null where it is no time.

    `form` is "iso" (a text, with or without an offset), "s", "ms", "us" or "ns" (numbers since 1970, also as text) or a
    pattern of `strptime`. A time that does not name its zone is in `zone`. A column of times is read as it is.
    Patterns, and zones other than UTC, need DuckDB.
    """
    kind = value.type()
    if isinstance(kind, dt.Timestamp | dt.Date):
        naive = isinstance(kind, dt.Date) or kind.timezone is None
        return _in_zone(value.cast("timestamp"), zone) if naive else value.try_cast(_UTC)
    if form in UNITS:
        micros = value.try_cast("float64") * UNITS[form]
        fits = ibis.ifelse(micros.abs() < _MOST, micros, None)  # also false for NaN
        since = ibis.timestamp("1970-01-01 00:00:00") + fits.try_cast("int64").as_interval("us")
        return since.try_cast(_UTC)
    text = value.cast("string")
    if form != "iso":
        return _in_zone(_by_pattern(text, form), "UTC" if "%z" in form else zone)
    text = _iso(text)
    if zone == "UTC":
        return text.try_cast(_UTC)
    local = _in_zone(text.try_cast("timestamp"), zone)
    return ibis.ifelse(text.re_search(r"\d:\d.*" + _OFFSET), text.try_cast(_UTC), local)


def stamp_of(text: ir.StringValue) -> ir.TimestampValue:
    """A text in ISO's form, or a number since 1970, as a time in UTC; null where it is neither. The number of digits shows
    whether it counts seconds (10), milliseconds (13), microseconds (16, and 17 for times that are too late to be true) or
    nanoseconds (19).
    """
    number = ibis.ifelse(text.re_search(_SINCE_1970), text, None).try_cast("float64")
    scale = ibis.cases((number < 1e11, 1e6), (number < 1e14, 1e3), (number < 1e18, 1.0), else_=1e-3)
    since = ibis.timestamp("1970-01-01 00:00:00") + (number * scale).round().try_cast("int64").as_interval("us")
    return ibis.coalesce(since.try_cast(_UTC), ibis.ifelse(text.re_search(r"^\d+$"), None, _iso(text)).try_cast(_UTC))


def earlier_reading(value: ir.Value, time: ir.TimestampValue, form: str, zone: str) -> ir.TimestampValue | None:
    """The earlier time that the value stands for if it is a local time that occurs twice, and null if it is not; None if
    no value can be. `time` is what `time_of` reads, the later one. Needs DuckDB, as zones do.
    """
    local = _local_reading(value, form, zone)
    if local is None:
        return None
    readings = [time - ibis.interval(minutes=minutes) for minutes in (60, 30)]  # 30 on Lord Howe Island
    return ibis.coalesce(*[ibis.ifelse(_at(zone, reading) == local, reading, None) for reading in readings])


def is_skipped(value: ir.Value, time: ir.TimestampValue, form: str, zone: str) -> ir.BooleanValue | None:
    """Whether the value is a local time that does not exist, in the hour that is left out where clocks are set forward; None
    if no value can be. `time` is what `time_of` reads: the same minute an hour later. Needs DuckDB, as zones do.
    """
    local = _local_reading(value, form, zone)
    return None if local is None else (_at(zone, time) != local).fill_null(False)


def _local_reading(value: ir.Value, form: str, zone: str) -> ir.TimestampValue | None:
    """The local time of the zone that the value states, null where it names its own zone; None if no value states one."""
    if zone == "UTC" or form in UNITS or "%z" in form:
        return None
    kind = value.type()
    if isinstance(kind, dt.Timestamp | dt.Date):
        if isinstance(kind, dt.Timestamp) and kind.timezone is not None:
            return None
        return value.cast("timestamp")
    text = value.cast("string")
    if form != "iso":
        return _by_pattern(text, form)
    text = _iso(text)
    return ibis.ifelse(text.re_search(r"\d:\d.*" + _OFFSET), None, text.try_cast("timestamp"))


def _iso(text: ir.StringValue) -> ir.StringValue:
    """The text in the form that every engine reads, null if it is none: also 2024-05-01 10:00:00,5 +0200,
    2024-05-01T10:00Z without seconds and 2024-05-01T10:00+02:00[Europe/Berlin], as programs write them.
    """
    loose = text.upper()
    date, clock, second, fraction, offset = [loose.re_extract(_LOOSE, group) for group in range(1, 6)]
    offset = ibis.ifelse(offset.isin(["UTC", "GMT"]), "Z", offset)
    rest = ibis.ifelse(second == "", ":00", second) + fraction.replace(",", ".") + offset
    plain = date + ibis.ifelse(clock == "", "", " " + clock + rest)
    # not by groups in a replacement, which engines write in different ways
    return ibis.ifelse(text.re_search(_ISO), text, ibis.ifelse(loose.re_search(_LOOSE), plain, None))


def _in_zone(naive: ir.TimestampValue, zone: str) -> ir.TimestampValue:
    return naive.try_cast(_UTC) if zone == "UTC" else _local(zone, naive)


@ibis.udf.scalar.builtin(name="timezone", signature=((dt.string, dt.timestamp), dt.dtype(_UTC)))
def _local(zone: object, naive: object) -> object:
    """DuckDB's reading of a time as local time of a zone."""


@ibis.udf.scalar.builtin(name="timezone", signature=((dt.string, dt.dtype(_UTC)), dt.timestamp))
def _at(zone: object, time: object) -> object:
    """DuckDB's local time in a zone."""


@ibis.udf.scalar.builtin(name="try_strptime", signature=((dt.string, dt.string), dt.timestamp))
def _by_pattern(text: object, pattern: object) -> object:
    """DuckDB's reading of a time by a pattern."""
