"""The short form of a step: what is told, what may be answered, and that the two forms mean the same."""

import json

import llguidance
import pytest

from simpersona.adapters.storefronts.scripted import scripted_page
from simpersona.agent.short_examples import short_examples
from simpersona.contracts import Goal
from simpersona.errors import ReplyError
from simpersona.pages import Action, Decision
from simpersona.shopper.prompt import answer, messages
from simpersona.shopper.short_prompt import (
    LEAVING,
    short_answer,
    short_messages,
    short_parse,
    short_schema,
)

PAGE = scripted_page(
    "http://shop.example/",
    """[0-1] RootWebArea: Shop
    [0-2] searchbox: Search
    [0-3] link: Skirts
    [0-4] link: Skirts
    [0-5] combobox: Size = S (S | M)
    [0-6] button: Sold out = (disabled)
    [0-7] StaticText: Free shipping""",
)
GOAL = Goal("You are here to buy skirts.", "shop", "buyer", "visit", 42)
CLICK = Action("0-3", "click", "Clicking on the Skirts link")
FILL = Action("0-2", "fill", "Typing into the Search searchbox", ("skirt",))
CHOOSE = Action("0-5", "selectOptionFromDropdown", "Choosing in the Size combobox", ("M",))
LOG = [
    "- Navigated to http://shop.example/",
    "- I thought: skirts are nice",
    "- Action: clicking on the Skirts link",
    "- Action performed successfully",
    "- Action: clicking on the Add button",
    "- There is no node 0-9 on the page",
]


def test_the_page_comes_first_and_what_differs_from_buyer_to_buyer_last():
    assert (
        short_messages(GOAL, LOG, PAGE)[1]["content"]
        == """<accessibility_tree>
RootWebArea: Shop
searchbox: Search
link: Skirts
link: Skirts
combobox: Size = S (S | M)
button: Sold out = (disabled)
StaticText: Free shipping
</accessibility_tree>
Buyer: <|persona_42|>
Goal: You are here to buy skirts.
Done:
- clicking on the Skirts link
- clicking on the Add button
- There is no node 0-9 on the page"""
    )


def test_what_was_done_long_ago_is_not_told():
    log = ["- Navigated to x", *(f"- Action: step {number}" for number in range(20))]
    told = short_messages(GOAL, log, PAGE)[1]["content"].partition("Done:\n")[2].split("\n")
    assert told == [f"- step {number}" for number in range(14, 20)]


@pytest.mark.parametrize("action", [CLICK, FILL, CHOOSE, None])
def test_an_answer_is_read_as_it_was_meant(action):
    assert short_parse(short_answer(Decision(action, "")), PAGE) == Decision(action, "")


def test_of_nodes_called_alike_the_first_is_meant():
    action = short_parse('{"action": "Clicking on the Skirts link"}', PAGE).action
    assert action is not None
    assert action.node == "0-3"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hello", "not a valid answer"),
        ('{"action": "Clicking on the Sold out button"}', "does not offer"),
        ('{"action": "Typing into the Search searchbox"}', "needs a text"),
        ('{"action": "Choosing in the Size combobox", "text": "L"}', "not an option of Size; options: S, M"),
    ],
)
def test_what_cannot_be_done_is_said_in_words(text, said):
    with pytest.raises(ReplyError, match=said):
        short_parse(text, PAGE)


def test_the_schema_has_each_offer_once_and_the_way_out():
    offers = [
        action
        for answer_ in short_schema(PAGE)["anyOf"]
        for action in answer_["properties"]["action"].get("enum", [answer_["properties"]["action"].get("const")])
    ]
    assert sorted(offers) == sorted([LEAVING, CLICK.description, FILL.description, CHOOSE.description])
    assert llguidance.LLMatcher.grammar_from_json_schema(json.dumps(short_schema(PAGE)))
    nothing = scripted_page("", "[0-1] StaticText: Nothing here")
    assert [one["properties"]["action"] for one in short_schema(nothing)["anyOf"]] == [{"enum": [LEAVING]}]


def figure9(decision, step, page=PAGE):
    turns = [*messages(GOAL, LOG[:1], page), {"role": "assistant", "content": answer(decision)}]
    return {"messages": turns, "code": 42, "shop_id": "shop", "session_id": "visit", "step": step, "stage": 2}


def test_examples_are_put_in_the_short_form():
    scroll = Action("0-7", "scrollTo", "Scrolling to the Free shipping StaticText")
    whole = [figure9(Decision(one, "why"), step) for step, one in enumerate([FILL, scroll, CLICK, None])]
    short = short_examples(whole)
    assert [one["step"] for one in short] == [0, 2, 3]  # the page offers no scrolling
    assert [json.loads(one["messages"][2]["content"]) for one in short] == [
        {"action": "Typing into the Search searchbox", "text": "skirt"},
        {"action": "Clicking on the Skirts link"},
        {"action": LEAVING},
    ]
    assert short[2]["messages"][1]["content"].endswith(
        "Done:\n- typing into the Search searchbox: skirt\n- scrolling to the Free shipping StaticText\n"
        "- clicking on the Skirts link"
    )
    assert {one["code"] for one in short} == {42}
