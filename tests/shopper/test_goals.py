"""Goals from sessions: the paper's wordings."""

import pytest

from simpersona.contracts import Moment, RecordedSession
from simpersona.shopper.goals import category, intent_goal, neutral_goal, replay_goal

SKIRT = {"product_id": "p1", "title": "Pleated Skirt", "product_type": "Skirts"}
BAG = {"product_id": "p2", "title": "Mini Bag", "product_type": "Bags"}


def session(*timeline, stratum="A"):
    return RecordedSession("shop", "buyer", "session", stratum, 5, timeline)


WHOLE = session(
    Moment("page_viewed"),
    Moment("search_submitted", query="pleated skirt"),
    Moment("product_viewed", **SKIRT),
    Moment("product_viewed", **SKIRT),
    Moment("product_added_to_cart", **SKIRT),
    Moment("checkout_started"),
    Moment("checkout_completed", **SKIRT),
    Moment("checkout_completed", **BAG),
)


def test_the_neutral_goal_is_the_paper_s():
    goal = neutral_goal(WHOLE)
    assert goal.text == "You are interested in skirts."
    assert (goal.shop_id, goal.buyer_id, goal.session_id, goal.code, goal.intent) == (
        "shop",
        "buyer",
        "session",
        5,
        None,
    )


@pytest.mark.parametrize(
    ("stratum", "text", "intent"),
    [(s, "You are here to buy skirts.", "buy") for s in "ABC"] + [("D", "You are here to browse skirts.", "browse")],
)
def test_the_intent_goal_is_the_paper_s(stratum, text, intent):
    goal = intent_goal(session(*WHOLE.timeline, stratum=stratum))
    assert (goal.text, goal.intent) == (text, intent)


def test_the_replay_goal_keeps_the_structure():
    assert replay_goal(WHOLE).text == (
        "Search for 'pleated skirt', view Pleated Skirt, add it to the cart, go to checkout and place the order."
    )
    assert replay_goal(session(Moment("page_viewed"))).text == "Look around."
    assert replay_goal(
        session(Moment("collection_viewed", collection="Bags"), Moment("product_removed_from_cart", **BAG))
    ).text == ("Look at the Bags collection and remove Mini Bag from the cart.")


@pytest.mark.parametrize(
    ("timeline", "words"),
    [
        (
            (Moment("product_viewed", **BAG), Moment("product_viewed", **SKIRT), Moment("product_viewed", **SKIRT)),
            "skirts",
        ),
        ((Moment("product_viewed", **BAG), Moment("product_viewed", **SKIRT)), "bags"),
        ((Moment("collection_viewed", collection="Summer TVs"), Moment("search_submitted", query="q")), "summer tvs"),
        ((Moment("collection_viewed", collection="USB Cables"),), "USB cables"),
        ((Moment("search_submitted", query="Pleated Skirt"),), "pleated skirt"),
        ((Moment("page_viewed"),), "something new"),
    ],
)
def test_the_category_is_the_most_common_type_then_the_collection_then_the_query(timeline, words):
    assert category(session(*timeline)) == words
