"""Verified episodes as training examples."""

import asyncio
import json
from dataclasses import replace

from simpersona.shopper.episode import run_episode
from simpersona.shopper.goals import neutral_goal, replay_goal
from simpersona.traces.examples import episode_examples
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


def test_every_step_is_an_example_with_the_goal_of_its_stage(store, purchase):
    episode = episode_of(store, purchase)
    for stage, goal in ((1, "You are interested in skirts."), (2, "You are here to buy skirts.")):
        examples = episode_examples(episode, purchase, stage)
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


def test_a_neutral_goal_in_other_words_is_stage_1_s_alone(store, purchase):
    episode = episode_of(store, purchase)
    worded = replace(neutral_goal(purchase), text="Skirts are on your mind.")
    for stage, goal in ((1, "Skirts are on your mind."), (2, "You are here to buy skirts.")):
        for example in episode_examples(episode, purchase, stage, worded):
            assert f"<MainGoal>\n{goal}\n</MainGoal>" in example["messages"][1]["content"]


def test_a_failed_action_is_no_example_but_stays_in_the_log(store, purchase):
    episode = episode_of(store, purchase)
    steps = list(episode.steps)
    steps[1] = type(steps[1])(**{**vars(steps[1]), "result": "It could not be done"})
    failed = type(episode)(**{**vars(episode), "steps": tuple(steps)})
    examples = episode_examples(failed, purchase, 1)
    assert [example["step"] for example in examples] == [0, *range(2, len(steps))]
    assert "- It could not be done" in examples[1]["messages"][1]["content"]
