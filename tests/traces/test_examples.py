"""Verified episodes as training examples."""

import asyncio
import json
from dataclasses import replace

import pyarrow as pa

from simpersona.contracts import EVENTS, TRAINING_GOALS
from simpersona.pages import Action, Decision
from simpersona.shopper.episode import run_episode
from simpersona.shopper.goals import intent_goal, neutral_goal, replay_goal
from simpersona.shopper.records import episode_tables
from simpersona.shopper.short_prompt import LEAVING
from simpersona.traces.examples import chat_example, read_training_steps, short_example, training_steps
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


def examples_of(episode, goal, phase=1):
    return [chat_example(step) for step in training_steps(episode, goal, phase)]


def test_every_step_is_an_example_with_the_goal_of_its_stage(store, purchase):
    episode = episode_of(store, purchase)
    goals = {1: neutral_goal(purchase), 2: intent_goal(purchase)}
    for stage, goal in ((1, "You are interested in skirts."), (2, "You are here to buy skirts.")):
        examples = examples_of(episode, goals[stage], stage)
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
            assert (example["code"], example["shop_id"], example["session_id"], example["stage"]) == (
                3,
                "shop",
                "session",
                stage,
            )
    assert "place the order" not in json.dumps(examples[0]["messages"])


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


def test_tables_give_the_same_training_steps_by_phase_and_split(store, purchase):
    episode = episode_of(store, purchase)
    other = replace(episode, episode_id="other")
    neutral, intent = replace(neutral_goal(purchase), text="Skirts are on your mind."), intent_goal(purchase)
    rows = [
        {"episode_id": visit.episode_id, "phase": phase, "split": split} | wanted(goal)
        for visit, split in ((other, "train"), (episode, "train"), (replace(episode, episode_id="apart"), "validation"))
        for phase, goal in ((1, neutral), (2, intent))
    ]
    goals = TRAINING_GOALS.check(pa.Table.from_pylist(rows, TRAINING_GOALS.schema))
    unverified = replace(episode, episode_id="unverified")
    visits = [episode, unverified, other, replace(episode, episode_id="apart")]
    tables = episode_tables(visits, EVENTS.empty(), {})
    learned = read_training_steps(*tables, goals)
    assert learned[1] == [*training_steps(other, neutral, 1), *training_steps(episode, neutral, 1)]
    assert learned[2] == [*training_steps(other, intent, 2), *training_steps(episode, intent, 2)]
    assert learned[1][0].goal.text == "Skirts are on your mind."
    assert {step.visit_id for step in read_training_steps(*tables, goals, "validation")[2]} == {"apart"}


def wanted(goal):
    return {"goal": goal.text, "intent": goal.intent, "wish": goal.wish}


def test_the_short_form_leaves_out_what_the_page_does_not_offer_but_keeps_it_in_the_history(store, purchase):
    episode = episode_of(store, purchase)
    first, second, *rest = episode.steps
    scroll = Action(second.page.nodes[-1].id, "scrollTo", "Scrolling down")
    scrolled = replace(episode, steps=(first, replace(second, decision=Decision(scroll, "")), *rest))
    short = [short_example(step) for step in training_steps(scrolled, intent_goal(purchase), 2)]
    assert short[1] is None
    assert [example["step"] for example in short if example] == [0, *range(2, len(episode.steps))]
    assert json.loads(short[0]["messages"][2]["content"]) == {"action": first.decision.action.description}
    assert json.loads(short[-1]["messages"][2]["content"]) == {"action": LEAVING}
    assert "- scrolling down" in short[2]["messages"][1]["content"]
    assert short[2]["loss_spans"] == [{"message": 2, "start": 0, "end": len(short[2]["messages"][2]["content"])}]
