"""Verified episodes as training examples."""

import asyncio
import json
from dataclasses import replace

import pyarrow as pa
import pytest

from simpersona.contracts import EVENTS, TRAINING_GOALS, Moment
from simpersona.errors import ContractError
from simpersona.pages import Action, Decision
from simpersona.shopper.episode import run_episode
from simpersona.shopper.goals import intent_goal, neutral_goal, replay_goal
from simpersona.shopper.records import episode_tables
from simpersona.shopper.short_prompt import LEAVING
from simpersona.traces.examples import (
    MAX_INSTRUCTIONS_TOKENS,
    chat_example,
    read_training_steps,
    short_example,
    training_goals,
    training_steps,
)
from simpersona.traces.replay import ReplayPolicy


def episode_of(store, session):
    return asyncio.run(
        run_episode(
            store,
            ReplayPolicy(session),
            replay_goal(session),
            episode_id="e",
            seed=0,
            max_steps=30,
            time_limit_seconds=30,
        )
    )


def examples_of(episode, goal, kind="neutral"):
    return [chat_example(step) for step in training_steps(episode, goal, kind)]


def test_every_step_is_an_example_with_each_kind_of_goal(store, purchase):
    episode = episode_of(store, purchase)
    goals = training_goals(episode.goal, neutral_goal(purchase), intent_goal(purchase))
    instructions = (
        "Look at the Skirts collection, view Pleated Skirt, add it to the cart, look at the cart, go to checkout and "
        "place the order."
    )
    worded = {
        "neutral": "You are interested in skirts.",
        "intent": "You are here to buy skirts.",
        "instructions": instructions,
    }
    for kind, goal in worded.items():
        examples = examples_of(episode, goals[kind], kind)
        assert [example["step"] for example in examples] == list(range(len(episode.steps)))
        for example, step in zip(examples, episode.steps, strict=True):
            system, user, assistant = example["messages"]
            assert [system["role"], user["role"], assistant["role"]] == ["system", "user", "assistant"]
            assert f"<MainGoal>\n{goal}\n</MainGoal>" in user["content"]
            assert "<BuyerProfile>\n<|persona_3|>\n</BuyerProfile>" in user["content"]
            assert step.page.tree in user["content"]
            assert json.loads(assistant["content"])["shouldEnd"] is step.decision.ends
            assert example["episode_id"] == episode.episode_id
            assert example["loss_spans"] == [{"message": 2, "start": 0, "end": len(assistant["content"])}]
            assert (example["code"], example["shop_id"], example["session_id"], example["kind"]) == (
                3,
                "shop",
                "session",
                kind,
            )
        assert ("place the order" in json.dumps(examples[0]["messages"])) is (kind == "instructions")


def test_a_failed_action_is_no_example_but_stays_in_the_log(store, purchase):
    episode = episode_of(store, purchase)
    steps = list(episode.steps)
    steps[1] = type(steps[1])(**{**vars(steps[1]), "result": "It could not be done"})
    failed = type(episode)(**{**vars(episode), "steps": tuple(steps)})
    examples = examples_of(failed, neutral_goal(purchase))
    assert [example["step"] for example in examples] == [0, *range(2, len(steps))]
    assert "- It could not be done" in examples[1]["messages"][1]["content"]


def test_the_reason_for_a_refused_answer_is_not_learned(store, purchase):
    episode = episode_of(store, purchase)
    first, *rest = episode.steps
    refused = replace(first, decision=replace(first.decision, refused="no node 9"))
    again = replace(episode, steps=(refused, *rest))
    assert examples_of(again, neutral_goal(purchase)) == examples_of(episode, neutral_goal(purchase))


def test_tables_give_the_same_training_steps_by_kind_and_split(store, purchase):
    episode = episode_of(store, purchase)
    other = replace(episode, episode_id="other")
    neutral, intent = replace(neutral_goal(purchase), text="Skirts are on your mind."), intent_goal(purchase)
    rows = [
        {"episode_id": visit.episode_id, "kind": kind, "split": split} | wanted(goal)
        for visit, split in ((other, "train"), (episode, "train"), (replace(episode, episode_id="apart"), "validation"))
        for kind, goal in (("neutral", neutral), ("intent", intent), ("instructions", episode.goal))
        if (visit.episode_id, kind) != (other.episode_id, "instructions")  # too long, for example
    ]
    goals = TRAINING_GOALS.check(pa.Table.from_pylist(rows, TRAINING_GOALS.schema))
    unverified = replace(episode, episode_id="unverified")
    visits = [episode, unverified, other, replace(episode, episode_id="apart")]
    tables = episode_tables(visits, EVENTS.empty(), {})
    learned = read_training_steps(*tables, goals)
    for kind, goal in (("neutral", neutral), ("intent", intent)):
        assert learned[kind] == [*training_steps(other, goal, kind), *training_steps(episode, goal, kind)]
    assert learned["instructions"] == training_steps(episode, replay_goal(purchase), "instructions")
    assert learned["neutral"][0].goal.text == "Skirts are on your mind."
    assert {step.visit_id for step in read_training_steps(*tables, goals, "validation")["intent"]} == {"apart"}


def test_a_kind_of_goal_that_does_not_exist_is_refused():
    row = {"episode_id": "e", "kind": "vague", "split": "train", "goal": "Shop."}
    with pytest.raises(ContractError, match="kind is neutral, intent or instructions"):
        TRAINING_GOALS.check(pa.Table.from_pylist([row], TRAINING_GOALS.schema))


def test_instructions_that_are_too_long_are_not_learned(purchase):
    def goals_with(searches):
        moments = tuple(Moment("search_submitted", query=f"bag {'xy'[number % 2]}") for number in range(searches))
        session = replace(purchase, timeline=moments)
        return training_goals(replay_goal(session), neutral_goal(session), intent_goal(session))

    # a search is 6 estimated tokens (search | for | ' | bag | x | ',), and there is one "and": 199 tokens, 205 tokens
    assert MAX_INSTRUCTIONS_TOKENS == 200
    assert list(goals_with(33)) == ["neutral", "intent", "instructions"]
    assert list(goals_with(34)) == ["neutral", "intent"]
    assert (goals_with(33)["instructions"].intent, goals_with(33)["instructions"].wish) == (None, None)


def wanted(goal):
    return {"goal": goal.text, "intent": goal.intent, "wish": goal.wish}


def test_the_short_form_leaves_out_what_the_page_does_not_offer_but_keeps_it_in_the_history(store, purchase):
    episode = episode_of(store, purchase)
    first, second, *rest = episode.steps
    scroll = Action(second.page.nodes[-1].id, "scrollTo", "Scrolling down")
    scrolled = replace(episode, steps=(first, replace(second, decision=Decision(scroll, "")), *rest))
    short = [short_example(step) for step in training_steps(scrolled, intent_goal(purchase), "intent")]
    assert short[1] is None
    assert [example["step"] for example in short if example] == [0, *range(2, len(episode.steps))]
    assert json.loads(short[0]["messages"][2]["content"]) == {"action": first.decision.action.description}
    assert json.loads(short[-1]["messages"][2]["content"]) == {"action": LEAVING}
    assert "- scrolling down" in short[2]["messages"][1]["content"]
    assert short[2]["loss_spans"] == [{"message": 2, "start": 0, "end": len(short[2]["messages"][2]["content"])}]
