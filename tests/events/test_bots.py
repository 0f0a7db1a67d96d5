"""Programs among the buyers: found by rules that no person breaks, reported, and rejected when asked."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simpersona.config import EventsConfig
from simpersona.contracts import REJECTED, Capabilities
from simpersona.events.prepare import prepare

KEY = b"secret"
DAY = 24 * 60


def bots(log, **settings):
    return prepare(log, EventsConfig(keep_ids=True, **settings), KEY).quality["bots"]


def visits(row, buyer, minutes, event="product_viewed"):
    return [row(event, minute, buyer_id=buyer, product_id=f"p{n}") for n, minute in enumerate(minutes)]


def test_one_page_a_second_is_borne_and_more_is_not(raw_log, row):
    quick = visits(row, "quick", [n / 60 for n in range(60)])
    program = visits(row, "program", [n / 61 for n in range(61)])
    assert bots(raw_log(quick + program)) == {
        "dropped": False,
        "buyers": 1,
        "rules": {"more than 60 pages in a minute": {"buyers": 1, "pages": 61}},
    }


def test_what_is_no_page_does_not_count(raw_log, row):
    adds = visits(row, "ann", [n / 61 for n in range(61)], "product_added_to_cart")
    lines = [row("product_viewed", n / 61, product_id=f"p{n}", part=n) for n in range(61)]  # of one input row
    assert bots(raw_log(adds + lines))["buyers"] == 0


def test_many_pages_in_an_hour(raw_log, row):
    few = visits(row, "few", [n * 6 for n in range(10)])
    many = visits(row, "many", [n * 5 for n in range(11)])
    assert bots(raw_log(few + many), bot_pages_per_hour=10, bot_hours_per_day=2)["rules"] == {
        "more than 10 pages in an hour": {"buyers": 1, "pages": 11}
    }


def test_who_never_rests(raw_log, row):
    long_day = visits(row, "person", [60 * hour for hour in range(-12, 8)])  # 20 hours, from midnight
    never = visits(row, "never", [60 * hour for hour in range(-12, 9)])
    apart = visits(row, "apart", [60 * hour for hour in range(20)] + [DAY + 60 * hour for hour in range(20)])
    assert bots(raw_log(long_day + never + apart))["rules"] == {
        "pages in more than 20 hours of a day": {"buyers": 1, "pages": 21}
    }


def test_a_bot_is_one_in_its_shop_only_and_its_fastest_rule_is_named(raw_log, row):
    program = visits(row, "x", [n / 61 for n in range(61)])
    elsewhere = [line | {"shop_id": "other"} for line in visits(row, "x", [0, 1])]
    found = bots(raw_log(program + elsewhere), bot_pages_per_hour=30)
    assert found["rules"] == {"more than 60 pages in a minute": {"buyers": 1, "pages": 61}}


def test_dropped_rows_are_rejected_whole_and_are_no_fault(raw_log, row):
    person = visits(row, "ann", [0, 1])
    program = [*visits(row, "x", [n / 61 for n in range(61)]), row("checkout_started", 2, buyer_id="x")]
    broken = row("teleported", 3, buyer_id="x")
    config = EventsConfig(keep_ids=True, bots="drop", max_rejected_share=0.05)
    prepared = prepare(raw_log([*person, *program, broken]), config, KEY)
    quality = prepared.quality
    counts = {name: quality[f"rows_{name}"] for name in ("in", "kept", "rejected", "malformed", "bot")}
    assert counts == {"in": 65, "kept": 2, "rejected": 63, "malformed": 1, "bot": 62}
    assert quality["bots"] == {
        "dropped": True,
        "buyers": 1,
        "rules": {"more than 60 pages in a minute": {"buyers": 1, "pages": 61}},
    }
    rejected = REJECTED.check(prepared.rejected.to_pyarrow()).to_pylist()
    assert {line["reason"] for line in rejected} == {
        "bot: more than 60 pages in a minute",
        "unknown event name: teleported",
    }
    assert all(line["raw"] for line in rejected)
    assert prepared.events.buyer_id.nunique().to_pyarrow().as_py() == 1


def test_without_times_nobody_is_suspected(raw_log, row):
    log = raw_log(visits(row, "x", [0] * 100), has=Capabilities(has_time=False))
    prepared = prepare(log, EventsConfig(bots="drop"), KEY)
    assert "bots" not in prepared.quality
    assert prepared.quality["rows_kept"] == 100


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.sampled_from(["product_viewed", "teleported", None])),
        min_size=1,
        max_size=40,
    )
)
def test_no_row_is_lost(raw_log, row, events):
    rows = [row("page_viewed", 0, buyer_id="somebody")]
    rows += [row(event, minute, buyer_id=buyer, seq=n) for n, (buyer, minute, event) in enumerate(events)]
    config = EventsConfig(bots="drop", bot_pages_per_minute=2, max_rejected_share=1)
    quality = prepare(raw_log(rows), config, KEY).quality
    viewed = [(buyer, minute) for buyer, minute, event in events if event == "product_viewed"]
    programs = {buyer for buyer, minute in viewed if viewed.count((buyer, minute)) > 2}
    assert quality["rows_bot"] == sum(buyer in programs for buyer, _ in viewed)
    assert quality["rows_malformed"] == len(events) - len(viewed)
    assert quality["rows_kept"] + quality["rows_rejected"] == quality["rows_in"] == len(rows)
