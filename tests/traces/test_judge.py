"""The judge's truth table."""

from datetime import UTC, datetime, timedelta

import pytest

from simpersona.contracts import EVENTS, Moment
from simpersona.traces.judge import judge

VIEW, ADD, REMOVE = "product_viewed", "product_added_to_cart", "product_removed_from_cart"
START, BOUGHT, SEARCH, COLLECTION = "checkout_started", "checkout_completed", "search_submitted", "collection_viewed"


def rows(*told):
    """(event, id) in order of time; the lines of one order share its number."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    field = {SEARCH: "query", COLLECTION: "collection_id"}
    made = []
    for second, (event, *what) in enumerate(told):
        row = dict.fromkeys(EVENTS.columns) | {"event": event, "time": start + timedelta(seconds=second)}
        if what:
            row[field.get(event, "product_id")] = what[0]
        if event == BOUGHT:
            row["order_id"] = what[1] if len(what) > 1 else "o1"
        made.append(row)
    return made


WHOLE = (("page_viewed",), (SEARCH, "Red  skirt"), (VIEW, "a"), (ADD, "a"), ("cart_viewed",), (START,), (BOUGHT, "a"))


@pytest.fixture
def whole(session):
    return session(
        Moment("page_viewed"),
        Moment(SEARCH, query="red skirt"),
        Moment(VIEW, product_id="a", title="A"),
        Moment(ADD, product_id="a", title="A"),
        Moment("cart_viewed"),
        Moment(START),
        Moment(BOUGHT, product_id="a", title="A"),
    )


def without(*events):
    return [one for one in WHOLE if one[0] not in events]


@pytest.mark.parametrize(
    ("happened", "verified", "words"),
    [
        (WHOLE, True, "everything happened"),
        (((VIEW, "z"), (SEARCH, "other"), *WHOLE), True, "everything happened"),
        (without("cart_viewed", "page_viewed"), True, "everything happened"),
        ((*WHOLE, (BOUGHT, "b", "o1")), True, "everything happened"),
        (without(SEARCH), False, "missing: search for red skirt"),
        (without(VIEW), False, "missing: view A"),
        (without(ADD), False, "missing: addition of A"),
        (without(START), False, "missing: start of the checkout"),
        (without(BOUGHT), False, "missing: order"),
        (WHOLE[::-1], False, "missing"),
        ([(VIEW, "z"), *without(VIEW)], False, "missing: view A"),
        ((*WHOLE[:3], (ADD, "b"), *WHOLE[3:]), False, "too many: addition of"),
        ((*WHOLE[:4], (ADD, "a"), *WHOLE[4:]), False, "too many: addition of"),
        ((*WHOLE[:5], (REMOVE, "a"), *WHOLE[5:]), False, "too many: removal of"),
        ((*WHOLE, (START,)), False, "too many: start of the checkout"),
        ((*WHOLE, (BOUGHT, "a", "o2")), False, "too many: order"),
        ((*without(BOUGHT), (BOUGHT, "b")), False, "not in the order: a"),
        ((), False, "missing"),
    ],
)
def test_truth_table(whole, happened, verified, words):
    verdict = judge(whole, rows(*happened))
    assert verdict.verified is verified
    assert words in verdict.reason


def test_browsing_must_not_end_in_the_cart(session):
    browsing = session(Moment(COLLECTION, collection_id="c", collection="C"), Moment(VIEW, product_id="a", title="A"))
    assert judge(browsing, rows((COLLECTION, "c"), (VIEW, "b"), (VIEW, "a"))).verified
    assert not judge(browsing, rows((COLLECTION, "c"), (VIEW, "a"), (ADD, "a"))).verified
    assert not judge(browsing, rows((COLLECTION, "d"), (VIEW, "a"))).verified


def test_rows_may_come_in_any_order(whole):
    assert judge(whole, rows(*WHOLE)[::-1]).verified


def test_nothing_to_check_is_not_verified(session):
    assert judge(session(Moment("page_viewed")), rows(("page_viewed",))).reason == (
        "the session has nothing that can be checked"
    )


@pytest.mark.parametrize(
    ("happened", "verified", "words"),
    [
        (((VIEW, "b"), (ADD, "b"), (START,), (BOUGHT, "b")), True, "in order; the nearest title in place of A"),
        (((VIEW, "a"), (VIEW, "b"), (ADD, "b"), (START,), (BOUGHT, "b")), True, "in place of A"),  # seen, but sold out
        (((VIEW, "a"), (ADD, "a"), (START,), (BOUGHT, "a")), True, "everything happened, in order"),
        (((VIEW, "b"), (ADD, "c"), (START,), (BOUGHT, "c")), False, "missing: addition of A"),  # another each time
        (((VIEW, "b"), (ADD, "b"), (START,), (BOUGHT, "c")), False, "not in the order: a"),
        (((VIEW, "b"), (ADD, "b"), (ADD, "a"), (START,), (BOUGHT, "b")), False, "too many: addition of"),
    ],
)
def test_one_product_may_stand_in_for_one_that_the_store_does_not_have(session, happened, verified, words):
    told = ((VIEW, "A"), (ADD, "A"), (START, None), (BOUGHT, "A"))
    asked = session(*(Moment(event, product_id=title and "a", title=title) for event, title in told))
    verdict = judge(asked, rows(*happened), {"A"})
    assert verdict.verified is verified
    assert words in verdict.reason
    if happened[-1] != (BOUGHT, "a"):
        assert not judge(asked, rows(*happened)).verified  # nobody said that it was replaced


def test_where_nothing_was_replaced_the_verdict_says_nothing_of_it(whole):
    assert judge(whole, rows(*WHOLE), {"B"}).reason == "everything happened, in order"
