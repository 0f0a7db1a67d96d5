"""The chat of one step against Figure 9, and what may be answered."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simpersona.errors import ReplyError
from simpersona.pages import Action, Decision, Node, Page
from simpersona.shopper.affordances import describe, offered, part_words
from simpersona.shopper.prompt import answer, messages, parse_reply, progress_log, reply_schema
from simpersona.visits import Goal, Observation, Step

PAGE = Page(
    "https://www.XXX.com/",
    "XXX",
    (
        Node("0-2", "RootWebArea", "XXX"),
        Node("0-15", "searchbox", "Search"),
        Node("0-64", "link", "Shop all Skirts"),
        Node("0-87", "link", "Pleated Skirt - $48"),
        Node("0-90", "combobox", "Size", "S", ("S", "M")),
        Node("0-91", "button", "Add to Cart"),
        Node("0-92", "StaticText", "Free shipping"),
        Node("0-93", "button", "Sold out", "(disabled)"),
    ),
)
GOAL = Goal("You are interested in skirts.", "shop", "buyer", "session", 42)


def step(action, reasoning, result="Action performed successfully", page=PAGE):
    return Step(0, page, Decision(action, reasoning), result, 0.1)


LOG_STEPS = (
    step(Action("0-14", "click", "Clicking on the search icon"), "I'll look for skirts"),
    step(Action("0-15", "fill", "Typing into the Search searchbox", ("skirt",)), "", "The page did not load"),
)


def test_the_user_turn_is_that_of_figure_9():
    first = replace(LOG_STEPS[0], page=replace(PAGE, url="https://www.XXX.com"))
    system, user = messages(Observation(PAGE, GOAL, (first, *LOG_STEPS[1:])))
    assert system == {
        "role": "system",
        "content": "You are simulating the behavior of a potential human buyer in an e-commerce website.\n"
        "You must answer with a JSON object that {shouldEnd, action: {nodeSelector, method, description, arguments}, "
        "reasoning}",
    }
    assert user["role"] == "user"
    assert (
        user["content"]
        == """<BuyerProfile>
<|persona_42|>
</BuyerProfile>
<MainGoal>
You are interested in skirts.
</MainGoal>
<ProgressLog>
- Navigated to https://www.xxx.com
- I thought: I'll look for skirts
- Action: clicking on the search icon
- Action performed successfully
- Action: typing into the Search searchbox: skirt
- The page did not load
</ProgressLog>
<current_page_info>
<accessibility_tree>
[0-2] RootWebArea: XXX
[0-15] searchbox: Search
[0-64] link: Shop all Skirts
[0-87] link: Pleated Skirt - $48
[0-90] combobox: Size = S (S | M)
[0-91] button: Add to Cart
[0-92] StaticText: Free shipping
[0-93] button: Sold out = (disabled)
</accessibility_tree>
</current_page_info>"""
    )


def test_the_assistant_turn_is_that_of_figure_9():
    decision = Decision(
        Action("0-64", "click", "Clicking on the Shop all Skirts link"),
        "I want to browse the skirts collection to see what is available.",
    )
    figure = {
        "shouldEnd": False,
        "action": {
            "nodeSelector": "0-64",
            "method": "click",
            "description": "Clicking on the Shop all Skirts link",
        },
        "reasoning": "I want to browse the skirts collection to see what is available.",
    }
    assert answer(decision) == json.dumps(figure)
    assert describe(PAGE.nodes[2], "click") == figure["action"]["description"]
    assert answer(Decision(None, "Done.")) == '{"shouldEnd": true, "action": null, "reasoning": "Done."}'


def test_an_agent_without_a_token_has_an_empty_profile():
    goal = Goal(GOAL.text, "shop", "buyer", "session", None)
    assert messages(Observation(PAGE, goal))[1]["content"].startswith("<BuyerProfile>\n</BuyerProfile>\n<MainGoal>")


def test_a_long_log_keeps_its_first_line_and_its_last_three_steps():
    steps = tuple(
        step(Action("0-64", "click", f"Click {number}"), f"Thought {number}", f"Result {number}")
        for number in range(10)
    )
    seen = Observation(PAGE, GOAL, steps)
    shown, whole = (
        messages(seen, **more)[1]["content"].split("<ProgressLog>\n")[1].split("\n</ProgressLog>")[0].split("\n")
        for more in ({}, {"last": None})
    )
    lines = [
        line
        for number in range(10)
        for line in (f"- I thought: Thought {number}", f"- Action: click {number}", f"- Result {number}")
    ]
    assert shown == ["- Navigated to https://www.xxx.com/", *lines[-9:]]
    assert whole == ["- Navigated to https://www.xxx.com/", *lines]


def test_a_refused_answer_is_the_last_line_of_the_log():
    assert progress_log(Observation(PAGE, GOAL, LOG_STEPS[:1], refused="no node 9"))[-2:] == [
        "- Action performed successfully",
        "- Your answer could not be used: no node 9",
    ]


def test_the_log_leaves_out_the_port():
    page = replace(PAGE, url="http://127.0.0.1:40123/a?b=1")
    assert progress_log(Observation(page, GOAL)) == ["- Navigated to http://127.0.0.1/a"]


def every_answer(page):
    """One answer for each alternative of the page, written by hand from the node's role."""
    arguments = {"fill": ("skirt",), "press": ("Enter",), "selectOptionFromDropdown": ("M",)}
    yield Decision(None, "Done.")
    for node in page.nodes:
        for method in offered(node):
            yield Decision(Action(node.id, method, describe(node, method), arguments.get(method, ())), "Because.")


def test_the_schema_offers_the_page_s_controls_and_the_end():
    schema = reply_schema(PAGE)
    act, end = schema["anyOf"]
    assert list(act["properties"]) == list(end["properties"]) == ["shouldEnd", "action", "reasoning"]
    offers = {
        (one["properties"]["nodeSelector"]["const"], one["properties"]["method"]["const"])
        for one in act["properties"]["action"]["anyOf"]
    }
    assert offers == {
        ("0-15", "fill"),
        ("0-64", "click"),
        ("0-87", "click"),
        ("0-90", "selectOptionFromDropdown"),
        ("0-91", "click"),
    }
    assert end["properties"]["action"] == {"type": "null"}
    for one in (act, end, *act["properties"]["action"]["anyOf"]):
        assert one["required"] == list(one["properties"])
        assert one["additionalProperties"] is False


def test_enter_is_offered_only_in_a_field_that_holds_something():
    empty, filled = Node("0-1", "searchbox", "Search"), Node("0-1", "searchbox", "Search", "skirt")
    assert (offered(empty), offered(filled)) == (("fill",), ("fill", "press"))


def test_what_the_page_allows_besides_is_offered_after_what_the_role_allows():
    assert offered(Node("0-2", "link", "Mugs", methods=("hover",))) == ("click", "hover")
    assert offered(Node("0-2", "combobox", "Sort by", "Newest", methods=("click",))) == ("click",)
    assert offered(Node("0-2", "combobox", "City")) == ("fill",)
    assert offered(Node("0-2", "textbox", "When", methods=("click",))) == ("click",)
    assert offered(Node("0-2", "slider", "Up to", "5", ("1", "5"))) == ("selectOptionFromDropdown",)
    assert offered(Node("0-2", "link", "Mugs", "(disabled)", methods=("hover",))) == ()
    assert offered(Node("0-2", "StaticText", "Mugs")) == ()


def test_a_page_without_controls_can_only_be_left():
    page = Page("u", "t", (Node("0-1", "RootWebArea", "Empty"),))
    assert reply_schema(page)["properties"]["shouldEnd"] == {"const": True}


def test_parts_of_a_page_are_offered_where_there_are_some():
    def methods(part, parts):
        return offered(Node("0-1", "RootWebArea", "Long", part_words(part, parts)))

    assert methods(1, 3) == ("nextChunk",)
    assert methods(2, 3) == ("nextChunk", "prevChunk")
    assert methods(3, 3) == ("prevChunk",)


def test_llguidance_and_parse_reply_accept_the_same_answers():
    llguidance = pytest.importorskip("llguidance")
    tokenizer = llguidance.LLTokenizer("byte")
    grammar = llguidance.LLMatcher.grammar_from_json_schema(json.dumps(reply_schema(PAGE)))

    def accepted(text):
        matcher = llguidance.LLMatcher(tokenizer, grammar)
        tokens = list(text.encode())
        return matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting()

    for decision in every_answer(PAGE):
        assert accepted(answer(decision))
        assert parse_reply(answer(decision), PAGE) == decision
    invented = answer(Decision(Action("0-999", "click", "Clicking on the Shop all Skirts link"), ""))
    assert not accepted(invented)
    with pytest.raises(ReplyError, match="no node '0-999'"):
        parse_reply(invented, PAGE)


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (None, "an action is needed"),
        ({"nodeSelector": "0-64", "method": "fill", "arguments": ["x"]}, "cannot be done"),
        ({"nodeSelector": "0-15", "method": "fill"}, "takes 1 argument"),
        ({"nodeSelector": "0-90", "method": "selectOptionFromDropdown", "arguments": ["XL"]}, "not an option"),
        ({"nodeSelector": "0-93", "method": "click"}, "cannot be done"),
        ({"nodeSelector": "0-92", "method": "click"}, "cannot be done"),
        ({"nodeSelector": "0-91", "method": "buy"}, "not a valid answer"),
        ({"nodeSelector": "0-91", "method": "click", "tip": 1}, "not a valid answer"),
        ({"nodeSelector": "0-91", "method": "dragAndDrop", "arguments": ["0-1"]}, "to drop on"),
    ],
)
def test_a_reply_that_cannot_be_done_is_told_in_words(action, words):
    with pytest.raises(ReplyError, match=words):
        parse_reply(json.dumps({"shouldEnd": False, "action": action, "reasoning": ""}), PAGE)


def test_an_ending_has_no_action():
    both = {"shouldEnd": True, "action": {"nodeSelector": "0-64", "method": "click"}, "reasoning": ""}
    with pytest.raises(ReplyError, match="must be null"):
        parse_reply(json.dumps(both), PAGE)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_almost = st.fixed_dictionaries(
    {},
    optional={
        "shouldEnd": st.booleans() | _json,
        "action": _json
        | st.fixed_dictionaries(
            {},
            optional={
                "nodeSelector": st.sampled_from([node.id for node in PAGE.nodes]) | _json,
                "method": st.sampled_from(["click", "fill", "press", "hover", "nextChunk"]) | _json,
                "description": st.text() | _json,
                "arguments": st.lists(st.text(), max_size=3) | _json,
            },
        ),
        "reasoning": st.text() | _json,
    },
)


@given(st.text() | _json.map(json.dumps) | _almost.map(json.dumps) | st.just("[" * 100_000) | st.just('"\\ud800"'))
def test_garbage_gives_a_decision_or_a_reply_error(text):
    try:
        decision = parse_reply(text, PAGE)
    except ReplyError:
        return
    assert decision.action is None or PAGE.node(decision.action.node) is not None
    answer(decision).encode()
