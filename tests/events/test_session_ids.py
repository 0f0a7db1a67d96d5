"""Session ids of a source within bounds: long ones, ids of events, and events without one."""

from __future__ import annotations

import pytest

from simpersona.config import EventsConfig
from simpersona.events.prepare import prepare

KEEP = EventsConfig(keep_ids=True, max_rejected_share=1)
HOUR = 60


def sessions_of(log, config=KEEP):
    prepared = prepare(log, config, b"key")
    rows = prepared.sessions.to_pyarrow().to_pylist()
    warnings = [warning for warning in prepared.quality["warnings"] if "has not a single" not in warning]
    return [(line["session_id"], line["event_count"]) for line in rows], warnings


def test_an_id_that_lives_for_days_is_split_at_gaps(raw_log, row):
    minutes = (0, 10, 20 * HOUR, 20 * HOUR + 30, 90 * HOUR)
    rows = [row(minutes=minute, session_id="s") for minute in minutes]
    rows += [row(minutes=minute, session_id="s", buyer_id="bob") for minute in (0, 5 * HOUR, 12 * HOUR)]
    found, warnings = sessions_of(raw_log(rows))
    assert found == [("s", 2), ("s (2)", 2), ("s (3)", 1), ("s", 3)]
    (warning,) = warnings
    assert "1 session ids" in warning
    assert "3 sessions" in warning
    assert "max_session_hours" in warning
    found, warnings = sessions_of(raw_log(rows), KEEP.model_copy(update={"trust_session_ids": True}))
    assert (found, warnings) == ([("s", 5), ("s", 3)], [])
    found, _ = sessions_of(raw_log(rows), KEEP.model_copy(update={"max_session_hours": 100}))
    assert found == [("s", 5), ("s", 3)]


def test_ids_that_change_with_every_event_are_dropped(raw_log, row):
    rows = [row(minutes=visit * 100 + page, session_id=f"{visit}-{page}") for visit in range(4) for page in range(3)]
    found, warnings = sessions_of(raw_log(rows))
    assert found == [("gap-1", 3), ("gap-2", 3), ("gap-3", 3), ("gap-4", 3)]
    assert "12 session ids stand in 12 events" in warnings[0]
    found, _ = sessions_of(raw_log(rows), KEEP.model_copy(update={"trust_session_ids": True}))
    assert len(found) == 12


def test_visits_of_one_event_keep_their_ids(raw_log, row):
    rows = [row(minutes=visit * 100, session_id=f"s{visit}") for visit in range(12)]
    found, warnings = sessions_of(raw_log(rows))
    assert sorted(found) == sorted((f"s{visit}", 1) for visit in range(12))
    assert warnings == []


@pytest.mark.parametrize(
    ("minutes", "session"),
    [
        (10, "s1"),  # within the visit
        (0, "s1"),
        (45, "s1"),  # 30 minutes after it
        (46, "gap-1"),
        (70, "s2"),  # 30 minutes before the next
        (-30, "s1"),
        (-31, "gap-1"),
    ],
)
def test_an_event_without_an_id_joins_the_open_session(raw_log, row, minutes, session):
    rows = [row(minutes=minute, session_id="s1") for minute in (0, 15)] + [row(minutes=100, session_id="s2")]
    rows += [row(minutes=minutes, buyer_id="ann"), row(minutes=minutes, buyer_id="bob")]
    log = raw_log(rows)
    counts, _ = sessions_of(log)
    expected = {"s1": 2, "s2": 1}
    expected[session] = expected.get(session, 0) + 1
    assert sorted(counts) == sorted([*expected.items(), ("gap-1", 1)])


def test_several_events_without_an_id_follow_each_other(raw_log, row):
    rows = [row(minutes=0, session_id="s1")] + [row(minutes=minute) for minute in (25, 50, 90, 115)]
    found, warnings = sessions_of(raw_log(rows))
    assert found == [("s1", 3), ("gap-1", 2)]
    assert "2 events without a session id joined" in warnings[0]


def test_equal_events_without_an_id_join_no_session_that_is_over(raw_log, row):
    alike = [row(minutes=5 * HOUR) for _ in range(40)]
    rows = [row(minutes=0, session_id="s"), *alike, row(minutes=8 * HOUR, session_id="s2")]
    config = KEEP.model_copy(update={"keep_duplicates": True})
    assert sessions_of(raw_log(rows), config)[0] == [("s", 1), ("gap-1", 40), ("s2", 1)]
