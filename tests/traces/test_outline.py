"""What a new visitor has to do to repeat a session, on cases worked out by hand."""

import pytest

from simpersona.contracts import Moment
from simpersona.traces.outline import ordered, outline, replayable, shortened

VIEW, ADD, REMOVE, BOUGHT = "product_viewed", "product_added_to_cart", "product_removed_from_cart", "checkout_completed"
START, CART = "checkout_started", "cart_viewed"


def moments(*told):
    """("product_viewed", "a") -> a moment with the product a; a bare word is an event."""
    return tuple(
        Moment(one) if isinstance(one, str) else Moment(one[0], product_id=one[1], title=one[1]) for one in told
    )


@pytest.mark.parametrize(
    ("timeline", "wanted"),
    [
        (("page_viewed", (VIEW, "a"), (VIEW, "a"), (VIEW, "b")), ((VIEW, "a"), (VIEW, "b"))),
        (((ADD, "a"), (ADD, "a")), ((ADD, "a"), (ADD, "a"))),
        (((REMOVE, "a"), (ADD, "a"), (REMOVE, "a")), ((ADD, "a"), (REMOVE, "a"))),
        (((ADD, "a"), START, START, (BOUGHT, "a")), ((ADD, "a"), START, (BOUGHT, "a"))),
        (((ADD, "a"), START, CART, START, (BOUGHT, "a")), ((ADD, "a"), START, CART, (BOUGHT, "a"))),
        (((ADD, "a"), (BOUGHT, "a")), ((ADD, "a"), START, (BOUGHT, "a"))),
        (((VIEW, "a"), (BOUGHT, "a")), ((VIEW, "a"), (ADD, "a"), START, (BOUGHT, "a"))),
        (((ADD, "a"), START, (BOUGHT, "a"), (BOUGHT, "b")), ((ADD, "a"), (ADD, "b"), START, (BOUGHT, "a"))),
        (((VIEW, "a"), START), ((VIEW, "a"), (ADD, "a"), START)),
        ((START, CART), (CART,)),
        (
            ((ADD, "a"), (BOUGHT, "a"), (ADD, "b"), START, (BOUGHT, "b")),
            ((ADD, "a"), START, (BOUGHT, "a"), (ADD, "b"), START, (BOUGHT, "b")),
        ),
    ],
)
def test_outline(session, timeline, wanted):
    assert outline(session(*moments(*timeline))) == moments(*wanted)


def test_what_has_no_name_cannot_be_found(session):
    whole = session(
        Moment(VIEW, product_id="a"), Moment("search_submitted"), Moment("collection_viewed", collection_id="c")
    )
    assert outline(whole) == ()
    assert not replayable(whole)


def test_a_session_is_replayable_when_no_kind_of_event_is_lost(session):
    assert replayable(session(*moments("page_viewed", (VIEW, "a"), (ADD, "a"))))
    assert not replayable(session(*moments((VIEW, "a"), (REMOVE, "a"))))
    assert not replayable(session(*moments("page_viewed")))


def test_the_ordered_products_each_once(session):
    assert ordered(session(*moments((BOUGHT, "b"), (BOUGHT, "a"), (BOUGHT, "b")))) == ["b", "a"]


@pytest.mark.parametrize(
    ("words", "cut"),
    [("skirt", "skirt"), ("a very long search for a pleated skirt in blue", "a very long search for a pleated skirt"),
     ("x" * 50, "x" * 40)],
)  # fmt: skip
def test_a_query_is_cut_between_words(session, words, cut):
    assert shortened(words) == cut
    assert outline(session(Moment("search_submitted", query=words)))[0].query == cut
