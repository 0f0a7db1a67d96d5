"""A language model as judge, here a scripted one, and the agreement of two judges, worked out by hand."""

import asyncio
import json
from dataclasses import replace

import pytest
from sklearn.metrics import cohen_kappa_score

from simpersona.adapters.models.scripted import ScriptedModel
from simpersona.adapters.storefronts.scripted import scripted_page
from simpersona.errors import ModelError
from simpersona.pages import Action, Decision
from simpersona.traces.llm_judge import agreement, judge_episode, judge_messages
from simpersona.visits import SUCCESS, Episode, Goal, Step

PAGE = scripted_page("http://shop.example/products/gid-771/", "[0-1] RootWebArea: Mini Bag\n[0-2] button: Add to cart")


def done(number, method, description, *arguments, result=SUCCESS):
    decision = Decision(Action("0-2", method, description, arguments), "I have a secret plan.")
    return Step(number, PAGE, decision, result, 0.1)


@pytest.fixture
def episode():
    steps = (
        done(0, "fill", "Filling in Search products", "bag"),
        done(1, "click", "Clicking on Add to cart", result="The button is gone"),
        Step(2, PAGE, Decision(None, "Enough."), "The shopper left", 0.0),
    )
    goal = Goal("Search for 'bag' and add Mini Bag to the cart.", "shop-9", "buyer-9", "session-9", 17)
    return Episode("trace-1", goal, "replay", 0, "goal_reached", steps, 1.0)


def judged(model, episode):
    return asyncio.run(judge_episode(model, episode, seed=3))


def test_the_judge_sees_goal_actions_and_results(episode):
    _, user = judge_messages(episode)
    assert user["content"].splitlines() == [
        "<Goal>",
        "Search for 'bag' and add Mini Bag to the cart.",
        "</Goal>",
        "<Steps>",
        "1. On the page 'Mini Bag': filling in Search products: bag: Action performed successfully",
        "2. On the page 'Mini Bag': clicking on Add to cart: The button is gone",
        "3. On the page 'Mini Bag': The shopper left",
        "</Steps>",
    ]


@pytest.mark.parametrize("verified", [True, False])
def test_its_word_and_reason_are_the_verdict(episode, verified):
    model = ScriptedModel([json.dumps({"reason": "The bag was\nnot added.", "verified": verified})])
    answer = judged(model, episode)
    assert (answer.verdict.verified, answer.verdict.reason) == (verified, "The bag was not added.")
    assert answer.usable
    assert answer.reply_tokens == 7  # words of the JSON


def test_the_form_asks_for_the_reason_first(episode):
    asked = []

    def answer(messages, schema, seed):
        asked.append((schema, seed))
        return '{"reason": " ", "verified": true}'

    judged(ScriptedModel(answer), episode)
    schema = {
        "type": "object",
        "properties": {"reason": {"type": "string"}, "verified": {"type": "boolean"}},
        "required": ["reason", "verified"],
        "additionalProperties": False,
    }
    assert asked == [(schema, 3), (schema, 4)]


def test_without_an_answer_that_can_be_used_nothing_is_verified(episode):
    answer = judged(ScriptedModel(['{"verified": true}', '{"reason": "fine", "verified": "yes"}']), episode)
    assert not answer.usable
    assert not answer.verdict.verified
    assert "verified: Input should be a valid boolean" in answer.verdict.reason


def test_a_judge_that_cannot_be_asked_is_an_error(episode):
    with pytest.raises(ModelError):
        judged(ScriptedModel([]), episode)


def test_agreement_by_hand():
    """Both yes 3, both no 2, one alone yes 1 and 2: p_o = 5/8, p_e = 4/8·5/8 + 4/8·3/8 = 1/2, κ = 1/4."""
    first = [True, True, True, False, False, True, False, False]
    second = [True, True, True, False, False, False, True, True]
    found = agreement(first, second)
    assert (found.episodes, found.share) == (8, 0.625)
    assert found.kappa == pytest.approx(0.25)
    assert found.kappa == pytest.approx(cohen_kappa_score(first, second))


def test_agreement_where_kappa_says_nothing():
    assert agreement([True, True], [True, True]).kappa is None
    assert agreement([True, True], [True, True]).share == 1
    assert agreement([True, True], [False, False]).kappa == 0
    assert (agreement([], []).share, agreement([], []).kappa) == (None, None)


def test_the_judge_is_told_what_stood_in_for_what(episode):
    step = episode.steps[0]
    instead = replace(step, decision=replace(step.decision, stands_for="Maxi Bag"))
    _, user = judge_messages(replace(episode, steps=(instead, *episode.steps[1:])))
    assert "successfully (the store does not have 'Maxi Bag': this is the nearest title)" in user["content"]
