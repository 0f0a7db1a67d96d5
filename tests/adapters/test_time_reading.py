"""Times in the wrong unit or format, and local times that occur twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import ibis
import pyarrow as pa
import pytest

from simpersona.adapters.sources.clock_change import is_later
from simpersona.adapters.sources.table import TableSource
from simpersona.adapters.sources.time_check import likely_formats
from simpersona.adapters.sources.times import stamp_of, time_of
from simpersona.errors import SourceError

HOUR = timedelta(hours=1)


@pytest.fixture
def read(engine, tmp_path):
    def read(*times, **settings):
        lines = [f"u1,{time},page_viewed" for time in times]
        (tmp_path / "log.csv").write_text("\n".join(["buyer_id,time,event", *lines]), encoding="utf-8")
        return TableSource(**settings).read(tmp_path / "log.csv", engine)

    return read


@pytest.mark.parametrize(
    ("value", "form", "likely"),
    [
        ("1714557600", "ms", "s"),
        ("1714557600", "us", "s"),
        ("1714557600000", "us", "ms"),
        ("1714557600000", "s", "ms"),
        ("1714557600000000", "ms", "us"),
        ("1714557600", "iso", "s"),
        ("1714557600.25", "iso", "s"),
        ("2024-05-01T10:00:00Z", "ms", "iso"),
        ("01.05.2024 10:00", "iso", "%d.%m.%Y %H:%M"),
        ("31/12/2024 10:00:00", "%m/%d/%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S"),
        ("20240501100000", "iso", "%Y%m%d%H%M%S"),
    ],
)
def test_a_wrong_format_names_the_value_the_setting_and_the_likely_format(read, value, form, likely):
    assert likely_formats([value]) == [likely]
    with pytest.raises(SourceError) as error:
        read(value, value, time_format=form)
    assert all(text in str(error.value) for text in (repr(value), f'"{form}"', f'source.time_format = "{likely}"'))


def test_a_format_that_reads_nothing_of_our_days(read):
    with pytest.raises(SourceError, match=r"a value is 'yesterday'. Set source.time_format"):
        read("yesterday", "yesterday")


def test_a_few_wrong_times_are_counted(read):
    raw = read("2024-05-01T10:00:00Z", "2024-05-01T10:00:00Z", "1970-01-01T00:00:00Z", "soon", "2024-05-02T10:00:00Z")
    assert "1 of 5 times lie in 1970" in raw.warnings[0]
    assert read("2024-05-01T10:00:00Z", "1999-05-01T10:00:00Z").warnings == ()


def at(text):
    return datetime.fromisoformat(f"2024-10-27T{text}+00:00").astimezone(UTC)


@pytest.mark.parametrize(
    ("times", "known", "later"),
    [  # in UTC: clocks go from 3:00 to 2:00 in Berlin at 01:00
        (["00:10", "00:15"], ["23:50"], [False, False]),
        (["00:10", "00:15"], ["02:00"], [True, True]),  # at 01:10 and 01:15, before an event at 3:00
        (["00:05", "00:50"], ["02:05"], [True, True]),
        (["00:10"], [], [False]),
        (["00:02", "00:10", "00:50", "00:55"], [], [True, True, False, False]),  # a visit through the change
        (["00:05", "00:45"], ["23:55", "02:10"], [False, True]),
        (["00:10", "00:20", "00:40"], ["00:30"], [False, False, False]),
    ],
)
def test_a_time_that_occurs_twice_continues_the_visit(times, known, later):
    days = [at(time) - timedelta(days=time.startswith("23")) for time in known]
    assert is_later([at(time) for time in times], days, HOUR) == later


@pytest.mark.parametrize(
    ("zone", "form", "times", "right"),
    [
        (
            "Europe/Berlin",
            "iso",
            ["2024-10-27 01:50:00", "2024-10-27 02:10:00", "2024-10-27 02:05:00"],
            ["2024-10-26T23:50", "2024-10-27T00:05", "2024-10-27T00:10"],
        ),
        (
            "Europe/Berlin",
            "iso",
            ["2024-10-27 02:50:00", "2024-10-27 03:05:00"],
            ["2024-10-27T01:50", "2024-10-27T02:05"],
        ),
        (
            "America/New_York",
            "%m/%d/%Y %H:%M",
            ["11/03/2024 00:50", "11/03/2024 01:15"],
            ["2024-11-03T04:50", "2024-11-03T05:15"],
        ),
        (
            "Australia/Lord_Howe",  # by half an hour
            "iso",
            ["2024-04-07 01:20:00", "2024-04-07 01:45:00"],
            ["2024-04-06T14:20", "2024-04-06T14:45"],
        ),
        ("Europe/Berlin", "iso", ["2024-10-27T02:10:00+01:00"], ["2024-10-27T01:10"]),
        (
            "Europe/Berlin",
            "iso",
            ["2024-03-31 01:55:00", "2024-03-31 03:05:00"],
            ["2024-03-31T00:55", "2024-03-31T01:05"],
        ),
        ("UTC", "iso", ["2024-10-27 02:10:00"], ["2024-10-27T02:10"]),
    ],
)
def test_local_times(read, zone, form, times, right):
    raw = read(*times, time_zone=zone, time_format=form)
    found = sorted(raw.events.time.to_pyarrow().to_pylist())
    assert [time.isoformat()[:16] for time in found] == right


def test_a_time_that_does_not_exist_is_an_hour_later_and_said(read):
    # clocks in Berlin go from 2:00 to 3:00 on 31 March 2024, at 01:00 UTC
    times = ["2024-03-31 01:59:00", "2024-03-31 02:30:00", "2024-03-31 03:05:00", "2024-03-31T02:30:00+00:00"]
    raw = read(*times, time_zone="Europe/Berlin")
    found = raw.events.order_by("row").time.to_pyarrow().to_pylist()
    assert [time.astimezone(UTC).strftime("%H:%M") for time in found] == ["00:59", "01:30", "01:05", "02:30"]
    (warning,) = raw.warnings
    assert warning.startswith("1 rows have a time that does not exist (such as '2024-03-31 02:30:00')")
    raw = read("31.03.2024 02:15", time_zone="Europe/Berlin", time_format="%d.%m.%Y %H:%M")
    assert "31.03.2024 02:15" in raw.warnings[0]


def test_times_of_json_are_texts_or_numbers_whose_digits_show_their_unit(engine):
    texts = ["2024-05-01T10:00:00Z", "2024-05-01T12:00:00.000+02:00", "1714557600", "1714557600.0", "1714557600000",
             "1714557600000000", "1714557600000000000", "17145576", "soon", None]  # fmt: skip
    table = ibis.memtable(pa.table({"place": range(len(texts)), "text": pa.array(texts)}))
    found = engine.to_pyarrow(table.select("place", time=stamp_of(table.text)).order_by("place"))["time"].to_pylist()
    right = datetime(2024, 5, 1, 10, tzinfo=UTC)
    assert found == [right] * 7 + [None] * 3


TEXTS = {  # and the time of day in UTC, and in Berlin's if the text names no zone; None: no time
    "2024-05-01 10:00:00 +0530": ("04:30:00", "04:30:00"),
    "2024-05-01T10:00:00+0530": ("04:30:00", "04:30:00"),
    "2024-05-01 10:00:00.250 -02": ("12:00:00.250000", "12:00:00.250000"),
    "2024-05-01 10:00:00 Z": ("10:00:00", "10:00:00"),
    "2024-05-01 10:00:00 UTC": ("10:00:00", "10:00:00"),
    "2024-05-01t10:00:00z": ("10:00:00", "10:00:00"),
    "2024-05-01T10:00Z": ("10:00:00", "10:00:00"),  # as Java writes a full minute
    "2024-05-01T10:00+02:00[Europe/Berlin]": ("08:00:00", "08:00:00"),
    "2024-05-01 10:00:00,123": ("10:00:00.123000", "08:00:00.123000"),  # as Python's logging writes it
    " 2024-05-01 10:00 ": ("10:00:00", "08:00:00"),
    # the names of zones are not read, and change nothing for the rows behind them
    "2024-05-01 10:00:00 EST": None,
    "2024-05-01 10:00:00 BST": None,
    "2024-05-01 10:00:00 Asia/Tokyo": None,
    "2024-05-01T10:00:00[Europe/Berlin]": None,
    "2024-05-01 10:00:00": ("10:00:00", "08:00:00"),
    "2024-05-01 10:00:00 PM": None,
    "epoch": None,
    "infinity": None,
    "45413.4": None,  # as spreadsheets count days
}


def test_texts_of_times_are_read_by_their_offset_or_not_at_all(engine):
    texts = [*TEXTS, *TEXTS]
    table = ibis.memtable(pa.table({"place": range(len(texts)), "text": pa.array(texts)}))
    table = engine.create_table("texts_of_times", table)
    read = table.select("place", utc=time_of(table.text), berlin=time_of(table.text, "iso", "Europe/Berlin"))
    lines = read.order_by("place").to_pyarrow().to_pylist()
    found = [tuple(line[zone] and str(line[zone].time()) for zone in ("utc", "berlin")) for line in lines]
    assert found == [times or (None, None) for times in TEXTS.values()] * 2


def test_both_orders_of_day_and_month_are_named_where_both_fit(read):
    both = r'"%d/%m/%Y %H:%M" and "%m/%d/%Y %H:%M": only you know which comes first'
    with pytest.raises(SourceError, match=both):
        read("05/04/2024 10:00", "06/04/2024 11:00")
    with pytest.raises(SourceError, match=r'fits source.time_format = "%m/%d/%Y %H:%M"\.'):
        read("05/04/2024 10:00", "06/14/2024 11:00")


def test_the_other_order_of_day_and_month_is_said(read):
    times = ["04/05/2024 10:00", "05/05/2024 10:00", "06/05/2024 10:00", "14/05/2024 10:00"]
    raw = read(*times, time_format="%m/%d/%Y %H:%M")
    assert 'cannot read fit "%d/%m/%Y %H:%M" (1 different ones)' in raw.warnings[0]


@pytest.mark.parametrize(
    ("times", "form"),
    [
        (["2024-05-01", "2024-05-02"], "iso"),
        (["2024-05-01 00:00:00", "2024-05-02T00:00:00.000Z"], "iso"),
        (["01.05.2024", "02.05.2024"], "%d.%m.%Y"),
        (["1714521600", "1714608000"], "s"),
    ],
)
def test_dates_without_a_time_of_day_are_said(read, times, form):
    assert "None of 2 times has a time of day" in read(*times, time_format=form).warnings[0]


def test_midnight_is_a_time_of_day_where_others_have_one(read):
    assert read("2024-05-01 00:00:00", "2024-05-01 00:00:01").warnings == ()
