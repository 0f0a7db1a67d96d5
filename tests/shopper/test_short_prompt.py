"""The short form of a step: the prompt, the valid answers, and their parsing."""

import json
from dataclasses import replace

import llguidance
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simpersona.adapters.storefronts.scripted import scripted_page
from simpersona.errors import ReplyError
from simpersona.pages import Action, Decision, Node, Page
from simpersona.shopper.short_prompt import (
    LEAVING,
    TYPED_END,
    ShortAnswer,
    answer_of,
    short_answer,
    short_answers,
    short_decision,
    short_messages,
    short_parse,
    short_schema,
    typed_text,
)
from simpersona.visits import SUCCESS, Goal, Observation, Step

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


def step(action, result=SUCCESS, reasoning=""):
    return Step(0, PAGE, Decision(action, reasoning), result, 0.1)


STEPS = (
    step(CLICK, reasoning="skirts are nice"),
    step(Action("0-9", "click", "Clicking on the Add button"), "There is no node 0-9 on the page"),
)


def test_the_page_comes_first_and_the_persona_last():
    assert (
        short_messages(Observation(PAGE, GOAL, STEPS))[1]["content"]
        == """<accessibility_tree>
RootWebArea: Shop
searchbox: Search
link: Skirts
link: Skirts
combobox: Size = S (S | M)
button: Sold out = (disabled)
StaticText: Free shipping
</accessibility_tree>
Goal: You are here to buy skirts.
Done:
- clicking on the Skirts link
- clicking on the Add button
- There is no node 0-9 on the page
Buyer: <|persona_42|>"""
    )
    nobody = short_messages(Observation(PAGE, replace(GOAL, code=None), STEPS))[1]["content"]
    assert nobody.endswith("the page\nBuyer:")


def test_the_prompt_shows_the_last_six_lines_of_the_history():
    steps = tuple(step(Action("0-3", "click", f"Step {number}")) for number in range(20))
    done = short_messages(Observation(PAGE, GOAL, steps))[1]["content"].partition("Done:\n")[2].split("\n")
    assert done == [*(f"- step {number}" for number in range(14, 20)), "Buyer: <|persona_42|>"]


def test_a_page_without_nodes_is_an_empty_line():
    user = short_messages(Observation(Page("", "", ()), GOAL))[1]["content"]
    assert user.startswith("<accessibility_tree>\n\n</accessibility_tree>\nGoal:")


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


def test_only_what_the_page_offers_becomes_an_answer_in_its_own_description():
    scroll = Action("0-7", "scrollTo", "Scrolling to the Free shipping StaticText")
    free = Decision(replace(CLICK, description="I click on skirts"), "why")
    assert short_decision(free, PAGE) == Decision(CLICK, "why")
    assert short_decision(Decision(scroll, ""), PAGE) is None
    assert short_decision(Decision(replace(CLICK, node="0-99"), ""), PAGE) is None
    assert short_decision(Decision(None, "why"), PAGE) == Decision(None, "why")


NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NODES = st.builds(
    Node,
    st.just(""),
    st.sampled_from(["RootWebArea", "link", "button", "searchbox", "textbox", "combobox", "StaticText"]),
    NAMES,
    st.sampled_from(["", "S", "part 2 of 3", "(disabled)"]),
    st.lists(NAMES, max_size=3).map(tuple),
)
PAGES = st.builds(
    lambda nodes, back: Page(
        "", "", tuple(replace(node, id=f"0-{number}") for number, node in enumerate(nodes)), goes_back=back
    ),
    st.lists(NODES, max_size=6),
    st.booleans(),
)


def stated(schema):
    """The answers of a schema: pairs of an action and the texts that may stand with it; None without a text."""
    for form in schema["anyOf"]:
        action, text = (form["properties"].get(name, {}) for name in ("action", "text"))
        for name in action.get("enum", [action.get("const")]):
            yield from ((name, chosen) for chosen in text.get("enum", [text.get("type")]))


@given(PAGES)
def test_answers_schema_and_parsing_agree(page):
    answers = short_answers(page)
    read = [json.loads(answer.text + ("x" + TYPED_END if answer.typed else "")) for answer in answers]
    expected = [("x" if text == "string" else text, action) for action, text in stated(short_schema(page))]
    assert sorted((one.get("text") or "", one["action"]) for one in read) == sorted((t or "", a) for t, a in expected)
    assert answers[0] == ShortAnswer('{"action": "Leaving the store"}', None, None)
    for index, answer in enumerate(answers):
        decision = answer.decision("x" if answer.typed else "")
        whole = answer.text + ("x" + TYPED_END if answer.typed else "")
        assert short_answer(decision) == whole
        assert answer_of(decision, answers) == (index, "x" if answer.typed else "")
        assert short_parse(whole, page) == decision


def test_a_decision_that_no_answer_states_has_none():
    scroll = Decision(Action("0-7", "scrollTo", "Scrolling to the Free shipping StaticText"), "")
    assert answer_of(scroll, short_answers(PAGE)) is None


def test_what_is_typed_has_no_quotes_and_no_end():
    assert typed_text('a "b" \\ c\n' + "d" * 50) == "a b  c" + "d" * 34
