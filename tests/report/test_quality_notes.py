"""What a reader is told of the log."""

from simpersona.report.quality_notes import quality_notes

CLEAN = {
    "rows_in": 1000,
    "rows_duplicate": 0,
    "event_rows": 1000,
    "first_event": "2024-03-01T00:00:00+00:00",
    "last_event": "2024-03-30T23:00:00+00:00",
    "clock": {"events_in_1970": 0, "days": 30, "days_without_events": 0},
    "products": 40,
    "products_unknown": 0,
    "rows_of_unknown_products": 0,
    "impossible": {"price": 0, "value": 0, "quantity": 0},
    "bots": {"dropped": False, "buyers": 0, "rules": {}},
    "unknown": [],
}


def told(**changes):
    return {note.subject: note for note in quality_notes(CLEAN | changes)}


def test_a_clean_log_raises_no_doubt():
    notes = told()
    assert list(notes) == ["period", "unknown products", "bots"]
    assert not any(note.doubtful for note in notes.values())
    assert notes["period"].text == "2024-03-01 to 2024-03-30, 30 days, none without an event."


def test_each_fault_is_told_with_its_size():
    notes = told(
        rows_duplicate=20,
        clock={"events_in_1970": 1, "days": 30, "days_without_events": 2},
        products_unknown=3,
        rows_of_unknown_products=5,
        impossible={"price": 4, "value": 0, "quantity": 1},
        bots={"dropped": False, "buyers": 1, "rules": {"more than 60 pages in a minute": {"buyers": 1, "pages": 99}}},
        unknown=["checkout_start"],
    )
    assert "20 rows (2.00%)" in notes["duplicates"].text
    assert "2 of them without an event" in notes["period"].text
    assert notes["clock"].text.startswith("1 event in 1970")
    assert notes["unknown products"].text.startswith("3 products not in the catalogue, in 0.50% of the events")
    assert "price 4, quantity 1" in notes["impossible amounts"].text
    assert "1 buyer suspected (more than 60 pages in a minute: 1 buyer). Kept" in notes["bots"].text
    assert "checkout start" in notes["not in the source"].text
    doubtful = {name for name, note in notes.items() if note.doubtful}
    assert doubtful == {"duplicates", "period", "clock", "impossible amounts", "bots"}  # half a percent is borne


def test_dropped_bots_leave_no_doubt():
    bots = {"dropped": True, "buyers": 2, "rules": {"pages in more than 20 hours of a day": {"buyers": 2, "pages": 9}}}
    assert told(bots=bots)["bots"].text.endswith("Their rows were rejected.")
    assert not told(bots=bots)["bots"].doubtful


def test_a_partial_report_gives_what_there_is():
    assert quality_notes({}) == []
    assert [note.subject for note in quality_notes({"rows_in": 3, "rows_duplicate": 1})] == ["duplicates", "bots"]


def test_what_was_masked_or_guessed_is_said_in_full():
    sentences = ["3 refunds name no order of the log.", "The log has amounts in several currencies."]
    notes = quality_notes(CLEAN | {"warnings": sentences})
    assert [note.text for note in notes if note.subject == "as it was read"] == sentences
    assert all(note.doubtful for note in notes if note.subject == "as it was read")
