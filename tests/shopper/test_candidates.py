"""The scorer's view of a recorded visit: texts and numbers, against values computed by hand from the documented features."""

from dataclasses import replace

import numpy as np
import pytest

from simpersona.adapters.storefronts.scripted import scripted_page
from simpersona.pages import Action, Decision
from simpersona.shopper.affordances import describe
from simpersona.shopper.asides import CONSENT_SHARE, COVERED_SHARE
from simpersona.shopper.candidates import MOST_LINES, NUMBERS, STATE, situation, wish
from simpersona.shopper.goals import goal_for
from simpersona.shopper.moves import MOVES
from simpersona.visits import SUCCESS, Goal, Observation, Step

HOME = "[0-1] RootWebArea: Shop\n[0-2] link: Linen Skirts\n[0-3] searchbox: Search"
FOUND = "[0-1] RootWebArea: Results\n[0-2] searchbox: Search = skirts\n[0-3] link: Linen Skirt - $20.00"
PRODUCT = "[0-1] RootWebArea: Linen Skirt = part 1 of 2\n[0-2] link: Cart (0)\n[0-3] button: Add to cart"
NOW = (
    "[0-1] RootWebArea: Linen Skirt = part 1 of 2\n[0-2] link: Cart (2)\n[0-3] button: Add to cart\n"
    "[0-4] link: Skirts\n[0-5] link: Linen Skirt - $20.00\n[0-6] link: Pleated Skirt - $31.00\n[0-7] textbox: Email = a@b.example"
)
BUY = goal_for("linen skirts", "buy", shop_id="shop", buyer_id="b", session_id="s", code=3)


def page(tree, goes_back=False):
    seen = scripted_page("http://shop.example/", tree)
    return type(seen)(**{**vars(seen), "goes_back": goes_back})


def step(number, tree, node_id, method, *arguments, result=SUCCESS):
    seen = page(tree)
    action = Action(node_id, method, describe(seen.node(node_id), method), arguments)
    return Step(number, seen, Decision(action, ""), result, 0.1)


VISIT = (
    step(0, HOME, "0-3", "fill", "skirts"),
    step(1, FOUND, "0-2", "press", "Enter"),
    step(2, FOUND, "0-3", "click"),
    step(3, PRODUCT, "0-3", "click", result="The add button did not answer"),
)


def counts(**kinds):
    return [np.log1p(kinds.get(move, 0)) / 2 for move in MOVES]


def one_hot(kind):
    return [float(move == kind) for move in MOVES]


def test_the_state_of_a_visit_is_that_of_its_goal_its_page_and_its_past_steps():
    one = situation(Observation(page(NOW, goes_back=True), BUY, VISIT))
    expected = [
        1.0,  # to buy
        1.0,  # as the goal says
        0.0,  # not the first step
        np.log(5) / 3,  # four actions
        1 / 2,  # part 1 of 2
        1.0,  # there is a page before
        np.log(2) / 3,  # one action since the product was chosen
        *[1.0, 1.0, 0.0, 0.0],  # two things in the cart
        *counts(leave=1, back=1, page=1, cart=1, add=1, link=1, product=2, refill=2),  # the page's offers
        *counts(search=1, submit=1, product=1, add=1),  # the past steps, the failed one included
        *one_hot("add"),
        *one_hot("product"),
        1.0,  # the title names linen and skirts
        *[1.0, 3 / 4],  # of two products one names both, one half: the best and the mean
        1 / 2,  # the best link names skirts
        1.0,  # the product opened named both
        1 / 2,  # the search named skirts
    ]
    assert len(expected) == STATE == 7 + MOST_LINES + 4 * len(MOVES) + 6
    assert one.state == pytest.approx(np.array(expected, np.float32))
    assert one.context == ("linen skirts", "Linen Skirt", "clicking on the Add to cart button")


def test_the_numbers_of_a_candidate_are_those_of_its_control_its_goal_and_the_actions_before():
    one = situation(Observation(page(NOW, goes_back=True), BUY, VISIT))
    rows = dict(zip([candidate.key for candidate in one.candidates], one.numbers, strict=True))
    method = {
        "click": 0,
        "fill": 1,
        "press": 2,
        "selectOptionFromDropdown": 3,
        "nextChunk": 4,
        "prevChunk": 5,
        "goto": 6,
    }

    def row(does, role, wanted=0.0, filled=0.0, times=0.0, last=0.0, rank=0.0, number=0.0):
        methods = [float(method[does] == place) for place in range(7)]
        roles = [float(role == kind) for kind in ("link", "typed", "chosen", "disclosure")]
        return pytest.approx([*methods, *roles, wanted, filled, times / 3, last, rank, number / 3])

    assert all(len(numbers) == NUMBERS for numbers in one.numbers)
    assert rows[None, None] == pytest.approx(np.zeros(NUMBERS))
    assert rows["0-1", "goto"] == row("goto", "", wanted=1.0, filled=1.0, times=1)  # in "Linen Skirt - $20.00"
    assert rows["0-2", "click"] == row("click", "link", number=2)
    assert rows["0-3", "click"] == row("click", "", times=1, last=1.0)
    assert rows["0-4", "click"] == row("click", "link", wanted=0.5)  # skirts, of linen skirts
    assert rows["0-5", "click"] == row("click", "link", wanted=1.0, times=1)
    assert rows["0-6", "click"] == row("click", "link", wanted=0.5, rank=0.5)  # the second of two products
    assert rows["0-7", "fill"] == row("fill", "typed", filled=1.0)


def test_without_steps_a_visitor_has_just_arrived():
    one = situation(Observation(page(HOME), goal_for("toys", "browse", code=3)))
    assert one.context == ("toys", "Shop", "arrived")
    assert one.state[:7] == pytest.approx([0, 1, 1, 0, 1, 0, 0])
    assert not one.state[7 + MOST_LINES + len(MOVES) : -6].any()


def test_a_goal_without_a_wish_is_searched_for_as_a_whole():
    assert wish(Goal("View Mini Bag.", "shop", "b", "s", 3)) == "View Mini Bag."
    assert wish(BUY) == "linen skirts"


KEPT = "[0-1] RootWebArea: Linen Skirt\n[0-2] searchbox: Search = skirts\n[0-3] button: Add to cart"


@pytest.mark.parametrize(
    ("path", "steps", "offered"),
    [
        ("p/linen-skirt", VISIT[:3], []),  # the field keeps the text of the search that led here
        ("search?q=skirts&page=2", VISIT[:3], ["fill", "press"]),  # its results
        ("results", VISIT[:2], ["fill", "press"]),
        ("p/linen-skirt", (*VISIT[:3], step(3, KEPT, "0-2", "fill", "skirts")), ["fill", "press"]),  # typed here
        ("p/linen-skirt", (), ["fill", "press"]),  # the text is the store's
    ],
)
def test_a_search_is_not_repeated_from_a_page_that_keeps_its_text(path, steps, offered):
    seen = scripted_page(f"http://shop.example/{path}", KEPT)
    one = situation(Observation(seen, BUY, steps))
    assert [each.method for each in one.candidates if each.node and each.node.role == "searchbox"] == offered


@pytest.mark.parametrize("close", ["Alle akzeptieren", "No thanks", "Schließen", "×"])
def test_what_has_covered_a_control_is_closed_before_anything_else(close):
    """Else a shopper goes on clicking on what the banner covers."""
    tree = f"[0-1] RootWebArea: Shop\n[0-2] link: Skirts\n[0-3] searchbox: Search\n[0-4] button: {close}"
    seen = scripted_page("http://shop.example/", tree)
    covered = replace(seen, troubles=("covered",))
    for shown, share in ((seen, CONSENT_SHARE if close == "Alle akzeptieren" else 0), (covered, COVERED_SHARE)):
        one = situation(Observation(shown, BUY))
        assert dict(zip(one.texts, one.fixed, strict=True))[close] == pytest.approx(share)


def test_an_answer_to_cookies_is_given_before_anything_under_them_is_tried():
    """What else may be closed, such as the cart that has slid over the page, is not closed at once."""
    tree = "[0-1] RootWebArea: Shop\n[0-2] link: Skirts\n[0-3] button: Alle akzeptieren\n[0-4] button: Schließen"
    seen = replace(scripted_page("http://shop.example/", tree), troubles=("overlay",))
    one = situation(Observation(seen, BUY))
    assert dict(zip(one.texts, one.fixed, strict=True)) == pytest.approx(
        {"leave the store": 0, "Skirts": 0, "Alle akzeptieren": COVERED_SHARE, "Schließen": 0}
    )
