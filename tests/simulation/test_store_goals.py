"""Visits whose sessions name nothing look for what the store's pages name, and say so."""

from dataclasses import replace

from simpersona.shopper.goals import SOMETHING, goal_for
from simpersona.simulation.arms import Arm
from simpersona.simulation.store_goals import MOST_OFFERS, offered, with_offers
from simpersona.simulation.visits import Limits


def arm(*goals, name="scorer"):
    return Arm(name, "scorer", goals, Limits(5, 10.0, 1), None)


def goal(number, wish=SOMETHING, intent="buy"):
    return goal_for(wish, intent, shop_id="s", buyer_id=f"b{number}", session_id=f"n{number}", code=1)


def test_names_of_collections_come_before_products_and_what_says_nothing_is_left_out():
    assert offered(["Skirts", "Shop all", " Linen  trousers ", "New in"], ["Skirts", "Denim Skirt", "x", "y" * 99]) == (
        "Skirts",
        "Linen trousers",
        "Denim Skirt",
    )
    assert len(offered([], [f"Mug {number}" for number in range(99)])) == MOST_OFFERS


def test_goals_without_a_wish_ask_for_an_offer_and_equal_goals_for_the_same_one():
    goals = [goal(number) for number in range(40)]
    kept = goal(99, "belts")
    first, blind = with_offers(
        [arm(*goals, kept), arm(*(replace(one, code=None) for one in goals))], ("Skirts", "USB cable"), 7
    )
    assert first.goals[-1] == kept
    assert {one.wish for one in first.goals[:-1]} == {"skirts", "USB cable"}
    assert all(one.of_store and one.text == f"You are here to buy {one.wish}." for one in first.goals[:-1])
    assert [one.wish for one in first.goals[:-1]] == [one.wish for one in blind.goals]
    assert (first.goals[0].buyer_id, blind.goals[0].code) == ("b0", None)
    assert with_offers([arm(*goals)], (), 7) == [arm(*goals)]
