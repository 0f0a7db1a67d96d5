"""Kinds of moves, with names from the lab's four themes and from other stores."""

import pytest

from simpersona.pages import Action, Decision, Node, Page
from simpersona.shopper.affordances import describe
from simpersona.shopper.moves import move_of, past_move
from simpersona.visits import SUCCESS, Step

KNOWN = [  # role, name, value, method: kind
    ("link", "Hawholt Ornate Stone Rake in Chalk - $25.99", "", "click", "product"),
    ("link", "$27.50 Ashbourne Hanging Zinc Birdhouse in Charcoal", "", "click", "product"),
    ("link", "Copper Drop Earrings with Oak Stand in a Very Long Tale and …", "", "click", "product"),
    ("link", "Remove Stains Quickly Soap €4.50", "", "click", "product"),
    ("link", "Under $10", "", "click", "link"),
    ("link", "Baskets", "", "click", "link"),
    ("link", "More deals", "", "click", "link"),
    ("link", "Continue shopping", "", "click", "link"),
    ("DisclosureTriangle", "Shop", "", "click", "link"),
    ("link", "More", "", "click", "page"),
    ("link", "Next deals", "", "click", "page"),
    ("RootWebArea", "Skirts = part", "", "nextChunk", "page"),
    ("RootWebArea", "Skirts", "", "goto", "back"),
    ("searchbox", "Search deals", "", "fill", "search"),
    ("textbox", "What are you looking for?", "", "fill", "search"),
    ("link", "Search", "", "click", "search"),
    ("searchbox", "Find a product", "skirts", "press", "submit"),
    ("combobox", "Choose yours", "Small", "selectOptionFromDropdown", "option"),
    ("button", "Put in basket", "", "click", "add"),
    ("button", "Buy now", "", "click", "add"),
    ("link", "My cart (2)", "", "click", "cart"),
    ("DisclosureTriangle", "Bag (0)", "", "click", "cart"),
    ("link", "Back to bag", "", "click", "cart"),
    ("button", "Take out Westdale Basket (Small)", "", "click", "remove"),
    ("link", "Proceed to checkout", "", "click", "checkout"),
    ("link", "Check out", "", "click", "checkout"),
    ("textbox", "Street and number", "", "fill", "field"),
    ("textbox", "Street and number", "1 Main Street", "fill", "refill"),
    ("textbox", "Street and number", "1 Main Street", "press", "refill"),
    ("spinbutton", "Qty", "1", "fill", "refill"),
    ("button", "Continue", "", "click", "onward"),
    ("button", "Next step", "", "click", "onward"),
    ("button", "Confirm order", "", "click", "order"),
    ("button", "Complete purchase", "", "click", "order"),
    ("button", "Pay now", "", "click", "order"),
    ("button", "Sort deals", "", "click", "button"),
]


def step(node, action):
    return Step(0, Page("", "", (node,)), Decision(action, ""), SUCCESS, 0.1)


@pytest.mark.parametrize(("role", "name", "value", "method", "kind"), KNOWN)
def test_a_candidate_has_the_kind_that_its_name_and_method_say(role, name, value, method, kind):
    assert move_of(Node("0-1", role, name, value), method) == kind


@pytest.mark.parametrize(("role", "name", "value", "method", "kind"), KNOWN)
def test_a_past_step_has_the_same_kind(role, name, value, method, kind):
    node = Node("0-1", role, name, value)
    arguments = {"fill": ("a: b link",), "press": ("Enter",), "goto": ("back",)}.get(method, ())
    move = past_move(step(node, Action(node.id, method, describe(node, method), arguments)))
    was_filled = kind == "refill" and method == "fill" and role == "textbox"  # the history counts it as a first filling
    assert move == ("field" if was_filled else kind)


def test_leaving_has_no_node_and_a_node_that_is_not_on_its_page_is_a_button():
    node = Node("0-1", "link", "Skirts")
    assert move_of(None, None) == "leave"
    assert past_move(step(node, None)) == "leave"
    assert past_move(step(node, Action("0-9", "click", "Waving at the shop"))) == "button"
