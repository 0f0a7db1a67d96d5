"""Hand-written logs through cleaning, hashing, sessions and the quality report."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import ibis
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simpersona.config import EventsConfig
from simpersona.contracts import EVENT_NAMES, EVENTS, REJECTED, SESSIONS, Capabilities
from simpersona.errors import SourceError
from simpersona.events.cleaning import hashed_id
from simpersona.events.prepare import prepare

KEY = b"secret"
NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
KEEP = EventsConfig(keep_ids=True, max_rejected_share=1)


def sessions_of(log, config=KEEP):
    return SESSIONS.check(prepare(log, config, KEY).sessions.to_pyarrow()).to_pylist()


def test_a_whole_funnel_becomes_one_session(raw_log, row):
    rows = [
        row("page_viewed", 0),
        row("search_submitted", 1, query="red shirt"),
        row("collection_viewed", 2, collection_id="c1"),
        row("product_viewed", 3, product_id="p1", price=10.0),
        row("product_added_to_cart", 4, product_id="p1", price=10.0, quantity=3),
        row("product_removed_from_cart", 5, product_id="p1", price=10.0, quantity=1),
        row("cart_viewed", 6),
        row("checkout_started", 7),
        row("checkout_completed", 8, product_id="p1", price=10.0, quantity=2, order_id="o1", value=18.0),
    ]
    (session,) = sessions_of(raw_log(rows, products=[{"product_id": "p1", "title": "Red shirt"}]))
    assert session["duration_seconds"] == 8 * 60
    counts = {name: session[f"{name}_count"] for name in ("event", "product_view", "collection_view", "search")}
    assert counts == {"event": 9, "product_view": 1, "collection_view": 1, "search": 1}
    assert (session["add_to_cart_count"], session["remove_from_cart_count"]) == (1, 1)
    assert (session["checkout_start_count"], session["purchase_count"]) == (1, 1)
    assert session["cart_value"] == 20.0  # 3 × 10 − 1 × 10
    assert session["order_value"] == 18.0  # the source's total, not the sum of lines
    assert [moment["event"] for moment in session["timeline"]] == [line["event"] for line in rows]
    assert session["timeline"][1]["query"] == "red shirt"
    assert session["timeline"][2]["collection"] == "Shirts"
    assert session["timeline"][3]["title"] == "Red shirt"


@pytest.mark.parametrize(("minutes", "sessions"), [(30, 1), (30 + 1 / 60e6, 2), (31, 2)])
def test_a_gap_of_more_than_thirty_minutes_starts_a_session(raw_log, row, minutes, sessions):
    assert len(sessions_of(raw_log([row(minutes=0), row(minutes=minutes)]))) == sessions


def test_sessions_are_numbered_in_order_of_time(raw_log, row):
    log = raw_log([row(minutes=200), row(minutes=0), row(minutes=100), row(minutes=100, query="x")])
    found = sessions_of(log)
    assert [(session["session_id"], session["event_count"]) for session in found] == [
        ("gap-1", 1),
        ("gap-2", 2),
        ("gap-3", 1),
    ]


def test_source_ids_are_trusted_per_buyer_and_shop(raw_log, row):
    log = raw_log(
        [
            row(minutes=0, session_id="s"),
            row(minutes=300, session_id="s"),
            row(minutes=0, session_id="s", buyer_id="bob"),
            row(minutes=0, session_id="s", shop_id="other"),
        ]
    )
    found = sessions_of(log)
    assert [(s["shop_id"], s["buyer_id"], s["event_count"]) for s in found] == [
        ("other", "ann", 1),
        ("shop", "ann", 2),
        ("shop", "bob", 1),
    ]


def test_orders(raw_log, row):
    def line(minutes, price, **columns):
        return row("checkout_completed", minutes, product_id="p", price=price, **columns)

    log = raw_log(
        [
            # two orders with their totals, the first with two lines in one input row
            line(0, 5.0, order_id="o1", value=9.0, row=1),
            line(0, 6.0, order_id="o1", value=9.0, row=1, part=1),
            line(1, 7.0, order_id="o2", value=7.0),
            # without ids the rows of a session are one order, worth the sum of its lines
            line(0, 5.0, buyer_id="bob", quantity=2),
            line(1, 6.0, buyer_id="bob"),
        ]
    )
    ann, bob = sessions_of(log)
    assert (ann["purchase_count"], ann["order_value"], ann["event_count"]) == (2, 16.0, 2)
    assert len(ann["timeline"]) == 3
    assert (bob["purchase_count"], bob["order_value"]) == (1, 16.0)


def test_an_order_told_again_in_another_session_is_one_order(raw_log, row):
    order = {"product_id": "p", "price": 5.0, "order_id": "o1", "value": 5.0}
    rows = [row("checkout_completed", minutes, **order) for minutes in (0, 500)]
    rows += [row("checkout_completed", minutes, product_id="p", price=2.0, buyer_id="bob") for minutes in (0, 500)]
    found = [(s["buyer_id"], s["purchase_count"], s["order_value"]) for s in sessions_of(raw_log(rows))]
    assert found == [("ann", 1, 5.0), ("ann", 0, 0.0), ("bob", 1, 2.0), ("bob", 1, 2.0)]


def test_a_cart_is_never_worth_less_than_nothing(raw_log, row):
    log = raw_log([row("product_removed_from_cart", product_id="p", price=4.0)])
    assert sessions_of(log)[0]["cart_value"] == 0


def test_money_is_unknown_without_prices(raw_log, row):
    log = raw_log([row("checkout_completed", product_id="p")], has=Capabilities())
    (session,) = sessions_of(log)
    assert (session["cart_value"], session["order_value"], session["purchase_count"]) == (None, None, 1)


def test_events_at_one_time_follow_the_source_else_the_funnel(raw_log, row):
    numbered = raw_log([row("product_viewed", seq=2), row("checkout_completed", seq=1)])
    assert [m["event"] for m in sessions_of(numbered)[0]["timeline"]] == ["checkout_completed", "product_viewed"]
    bare = raw_log([row("checkout_completed"), row("product_added_to_cart"), row("product_viewed")])
    assert [m["event"] for m in sessions_of(bare)[0]["timeline"]] == [
        "product_viewed",
        "product_added_to_cart",
        "checkout_completed",
    ]


def test_rows_that_cannot_be_used_are_set_aside_with_their_reason(raw_log, row):
    log = raw_log(
        [
            row(),
            row(shop_id=None),
            row(buyer_id=" "),
            row(time=None),
            row(event=None),
            row(event="teleported"),
            row(),
        ]
    )
    prepared = prepare(log, KEEP, KEY)
    rejected = REJECTED.check(prepared.rejected.to_pyarrow()).to_pylist()
    assert [(line["row"], line["reason"]) for line in rejected] == [
        (2, "shop_id is missing"),
        (3, "buyer_id is missing"),
        (4, "time is missing or unreadable"),
        (5, "event is missing"),
        (6, "unknown event name: teleported"),
        (7, "exact duplicate"),
    ]
    quality = prepared.quality
    assert (quality["rows_in"], quality["rows_kept"], quality["rows_rejected"]) == (7, 1, 6)
    assert (quality["rows_malformed"], quality["rows_duplicate"], quality["rows_ignored"]) == (5, 1, 0)
    assert quality["rejected_share"] == 5 / 7


def test_duplicates_can_be_kept(raw_log, row):
    prepared = prepare(raw_log([row(), row()]), EventsConfig(keep_duplicates=True), KEY)
    assert prepared.quality["rows_kept"] == prepared.events.count().to_pyarrow().as_py() == 2


def test_too_many_malformed_rows_stop_the_stage(raw_log, row):
    log = raw_log([row(minutes=minute) for minute in range(9)] + [row(event="teleported")])
    assert prepare(log, EventsConfig(max_rejected_share=0.1), KEY).quality["rows_kept"] == 9
    with pytest.raises(SourceError, match=r"1 of 10 input rows are malformed \(10\.0%; at most 5\.0%") as error:
        prepare(log, EventsConfig(), KEY)
    assert "log row 10: unknown event name: teleported" in str(error.value)


def test_examples_of_an_error_are_rows_that_it_speaks_of(raw_log, row):
    """Malformed rows, of different reasons, and not the duplicates and unused events before them."""
    twice = [row("page_viewed", 0, row=number) for number in (1, 2, 3)]
    nameless = [row("teleported", number, row=number + 3) for number in (1, 2, 3)]
    log = raw_log([*twice, *nameless, row("page_viewed", 9, buyer_id=None, row=7)])
    with pytest.raises(SourceError) as error:
        prepare(log, EventsConfig(max_rejected_share=0.5), KEY)
    shown = [line.strip() for line in str(error.value).splitlines() if line.startswith("  ")]
    assert shown == [
        "log row 4: unknown event name: teleported",
        "log row 5: unknown event name: teleported",
        "log row 7: buyer_id is missing",
    ]


def test_examples_show_rows_set_aside_where_there_are_no_others(raw_log, row):
    log = raw_log([row("page_viewed", 0)])
    aside = {"file": "log", "row": 1, "reason": "ignored: banner", "raw": "x"}
    rejected = log.events.get_backend().create_table(
        ibis.util.gen_name("aside"), ibis.memtable(pa.Table.from_pylist([aside], REJECTED.schema))
    )
    log = replace(log, events=log.events.filter(False), rejected=rejected)
    with pytest.raises(SourceError, match=r"none of 1 input rows can be used(.|\n)*log row 1: ignored: banner"):
        prepare(log, KEEP, KEY)


def test_duplicates_do_not_count_as_malformed(raw_log, row):
    assert prepare(raw_log([row()] * 10), EventsConfig(), KEY).quality["rows_duplicate"] == 9


def test_a_log_without_a_usable_row_is_an_error(raw_log, row):
    with pytest.raises(SourceError, match="none of 1 input rows"):
        prepare(raw_log([row(time=None)]), KEEP, KEY)


def test_buyers_are_known_by_a_keyed_hash(raw_log, row):
    expected = hashlib.sha256(b"736563726574" + b"ann").hexdigest()[:32]  # the key in hex, then the id
    events = prepare(raw_log([row()]), EventsConfig(), KEY).events.to_pyarrow()
    assert events["buyer_id"].to_pylist() == [expected] == [hashed_id("ann", KEY)]
    assert hashed_id("ann", b"other") != expected
    assert prepare(raw_log([row()]), KEEP, KEY).events.to_pyarrow()["buyer_id"].to_pylist() == ["ann"]


def test_no_id_of_a_person_is_left_in_clear(raw_log, row):
    private = {"buyer_id": "ann@example.org", "session_id": "visit-7", "order_id": "order-8"}
    rows = [row("checkout_completed", **private), row("ann@example.org", 1, **private), row(None, 2, **private)]
    prepared = prepare(raw_log(rows), EventsConfig(max_rejected_share=1), KEY)
    tables = (prepared.events, prepared.sessions, prepared.rejected)
    seen = str([table.to_pyarrow().to_pylist() for table in tables]) + str(prepared.quality)
    assert not [word for word in private.values() if word in seen]
    (event,) = prepared.events.to_pyarrow().to_pylist()
    for name, word in private.items():
        assert event[name] == hashlib.sha256(KEY.hex().encode() + word.encode()).hexdigest()[:32]
    assert [line["raw"] for line in prepared.rejected.to_pyarrow().to_pylist()] == [None, None]
    with pytest.raises(SourceError) as error:
        prepare(raw_log(rows), EventsConfig(), KEY)
    assert "ann@" not in str(error.value)

    kept = prepare(raw_log(rows), KEEP, KEY)
    assert "ann@example.org" in kept.rejected.to_pyarrow()["raw"][0].as_py()
    (event,) = kept.events.to_pyarrow().to_pylist()
    assert {name: event[name] for name in private} == private


def test_impossible_amounts_are_taken_as_not_given(raw_log, row):
    rows = [
        row("product_added_to_cart", 0, product_id="p", price=-5.0, quantity=1),
        row("product_added_to_cart", 1, product_id="p", price=float("nan"), quantity=1),
        row("product_added_to_cart", 2, product_id="p", price=float("inf"), quantity=1),
        row("product_added_to_cart", 3, product_id="p", price=4.0, quantity=-2),
        row("product_added_to_cart", 4, product_id="p", price=4.0, quantity=0),
        row("checkout_completed", 5, product_id="p", price=0.0, value=float("inf"), order_id="o"),
    ]
    log = raw_log(rows)
    quality = prepare(log, KEEP, KEY).quality
    assert quality["impossible"] == {"price": 3, "value": 1, "quantity": 2}
    said = [warning for warning in quality["warnings"] if warning.endswith("and count as missing.")]
    assert [warning[:12] for warning in said] == ["1 order valu", "3 prices are", "2 quantities"]
    assert quality["coverage"]["price"] == 3 / 6
    (session,) = sessions_of(log)
    # the order's only amounts are a price of 0 for one unit, and a value that cannot be
    assert (session["cart_value"], session["order_value"], session["add_to_cart_count"]) == (8.0, 0.0, 5)


@pytest.mark.parametrize(("rows", "cart", "spent"), [
    ([("checkout_completed", {"order_id": "o"})], 0.0, None),
    ([("checkout_completed", {})], 0.0, None),
    ([("checkout_completed", {"order_id": "o", "quantity": 3})], 0.0, None),
    ([("checkout_completed", {"order_id": "o", "value": float("inf")})], 0.0, None),
    ([("checkout_completed", {"order_id": "o", "value": 0.0})], 0.0, 0.0),
    ([("checkout_completed", {"order_id": "o"}), ("checkout_completed", {"order_id": "o2", "value": 5.0})], 0.0, None),
    ([("product_added_to_cart", {"product_id": "p"})], None, 0.0),
    ([("product_added_to_cart", {"product_id": "p"}), ("product_added_to_cart", {"price": 2.0})], 2.0, 0.0),
    ([("product_viewed", {"product_id": "p"})], 0.0, 0.0),
])  # fmt: skip
def test_an_order_or_a_cart_without_any_amount_is_unknown_and_not_0(raw_log, row, rows, cart, spent):
    (session,) = sessions_of(raw_log([row(name, minutes, **columns) for minutes, (name, columns) in enumerate(rows)]))
    assert (session["cart_value"], session["order_value"]) == (cart, spent)


@pytest.mark.parametrize("year", [1969, 2200, 9999])
def test_times_that_cannot_be_are_malformed(raw_log, row, year):
    prepared = prepare(raw_log([row(), row(time=NOON.replace(year=year))]), KEEP, KEY)
    assert prepared.quality["reasons"] == {"time is not between 1970 and 2200": 1}


def test_the_quality_report_says_what_is_known(raw_log, row):
    log = raw_log(
        [
            row("product_viewed", 0, product_id="p1", price=1.0),
            row("product_viewed", 60, product_id="gone"),
            row("page_viewed", 61, buyer_id="bob"),
            row("page_viewed", 62, shop_id="other", session_id="s"),
        ],
        has=Capabilities(has_price=True, has_text=True),
        products=[{"product_id": "p1", "title": "Shirt"}],
    )
    quality = prepare(log, KEEP, KEY).quality
    assert (quality["shops"], quality["buyers"], quality["sessions"]) == (2, 3, 4)
    assert quality["events"] == {"page_viewed": 2, "product_viewed": 2}
    assert (quality["first_event"], quality["last_event"]) == ("2024-03-01T12:00:00+00:00", "2024-03-01T13:02:00+00:00")
    assert quality["coverage"]["product_id"] == 0.5
    assert quality["coverage"]["price"] == quality["coverage"]["session_id"] == 0.25
    assert (quality["products"], quality["products_unknown"]) == (1, 1)
    assert quality["unknown"] == ["search", "collection", "checkout_start", "session"]


rough_rows = st.fixed_dictionaries(
    {
        "shop_id": st.sampled_from(["shop", "shop", "other", None, ""]),
        "buyer_id": st.sampled_from(["ann", "bob", "ann", None]),
        "session_id": st.sampled_from([None, None, "s"]),
        "event": st.sampled_from([*EVENT_NAMES, *EVENT_NAMES, "teleported", None]),
        "minutes": st.sampled_from([0, 0, 1, 29, 30, 31, 61, 1000]),
        "product_id": st.sampled_from([None, "p1", "p2"]),
        "price": st.sampled_from([None, 0.1, 0.2, 10.0]),
        "no_time": st.sampled_from([False, False, False, True]),
    }
)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rough=st.lists(rough_rows, min_size=1, max_size=30), seed=st.integers(0, 99))
def test_no_row_is_lost_and_their_order_does_not_matter(raw_log, row, rough, seed):
    good = row("page_viewed", minutes=5000)
    rows = [row(**{k: v for k, v in line.items() if k != "no_time"}) for line in rough]
    rows = [line | {"time": None} if given["no_time"] else line for line, given in zip(rows, rough, strict=True)]
    rows.append(good)
    one = prepare(raw_log(rows), KEEP, KEY)
    quality = one.quality
    assert quality["rows_in"] == len(rows) == quality["rows_kept"] + quality["rows_rejected"]
    assert quality["rows_rejected"] == sum(quality[f"rows_{k}"] for k in ("malformed", "duplicate", "ignored"))
    assert quality["rows_rejected"] == one.rejected.count().to_pyarrow().as_py()
    events, sessions = EVENTS.check(one.events.to_pyarrow()), SESSIONS.check(one.sessions.to_pyarrow())
    assert events.num_rows == quality["rows_kept"] == sum(sessions["event_count"].to_pylist())
    assert all(
        later["start"] - earlier["end"] > timedelta(minutes=30)
        for earlier, later in zip(sessions.to_pylist(), sessions.to_pylist()[1:], strict=False)
        if earlier["session_id"].startswith("gap") and later["session_id"].startswith("gap")
        and (earlier["shop_id"], earlier["buyer_id"]) == (later["shop_id"], later["buyer_id"])
    )  # fmt: skip

    random.Random(seed).shuffle(rows)
    other = prepare(raw_log(rows), KEEP, KEY)
    assert other.events.to_pyarrow().equals(one.events.to_pyarrow())
    assert other.sessions.to_pyarrow().equals(one.sessions.to_pyarrow())
    assert other.quality == quality


@pytest.mark.parametrize("rows", [1, 4, 1000])
def test_parts_of_the_sessions_are_the_sessions(raw_log, row, rows):
    shops = [("b", "bob"), ("a", "zoe"), ("a", "ann"), ("b", "ann"), ("c", "kim")]
    log = raw_log(
        [
            row("checkout_completed", minute, shop_id=shop, buyer_id=buyer, order_id="o", product_id=f"p{minute}")
            for shop, buyer in shops
            for minute in (0, 1, 60)
        ]
    )
    prepared = prepare(log, KEEP, KEY)
    whole = SESSIONS.conform(prepared.sessions.to_pyarrow()).to_pylist()
    parts = [SESSIONS.conform(part.to_pyarrow()).to_pylist() for part in prepared.parts(rows)]
    assert [session for part in parts for session in part] == whole
    # the last of each three events of a buyer is number 2, 5, 8, 11, 14 of all
    assert [len(part) for part in parts] == {1: [2] * 5, 4: [2, 2, 4, 2], 1000: [10]}[rows]
    assert [session["purchase_count"] for session in whole] == [1, 0] * 5  # the order told again is the same one
