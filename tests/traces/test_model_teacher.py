"""A language model as teacher: a scripted one, and one behind an address, on the scripted store."""

import asyncio
import json

import pytest

from simpersona.adapters.models.openai import OpenAiModel
from simpersona.adapters.models.scripted import ScriptedModel
from simpersona.adapters.storefronts.scripted import ScriptedStore
from simpersona.config import LlmConfig
from simpersona.errors import ConfigError, ModelError
from simpersona.shopper.episode import run_episode
from simpersona.shopper.goals import neutral_goal, replay_goal
from simpersona.shopper.prompt import answer
from simpersona.traces.examples import chat_example, training_steps
from simpersona.traces.model_teacher import TEACHER, ModelTeacher, teacher_messages
from simpersona.traces.replay import ReplayPolicy
from simpersona.visits import Goal, Observation

from .conftest import PAGES, TRANSITIONS


def taught(policy, session):
    return asyncio.run(
        run_episode(
            ScriptedStore(PAGES, TRANSITIONS),
            policy,
            replay_goal(session),
            episode_id="e",
            seed=0,
            max_steps=40,
            time_limit_seconds=30,
        )
    )


def actions(episode):
    return [step.decision.action for step in episode.steps]


@pytest.fixture
def replayed(purchase):
    return taught(ReplayPolicy(purchase), purchase)


def test_a_model_that_does_what_is_asked_makes_the_same_examples(replayed, purchase, chat_server):
    answers = [answer(step.decision) for step in replayed.steps]
    chat_server.answers = list(answers)
    served = OpenAiModel(LlmConfig(url=chat_server.url, model="m"))
    for model in (ScriptedModel(answers), served):
        episode = taught(ModelTeacher(model, 3), purchase)
        assert (episode.policy, episode.ending) == ("model", "goal_reached")
        assert actions(episode) == actions(replayed)
        goal = neutral_goal(purchase)
        made, expected = (
            [chat_example(step) for step in training_steps(one, goal, "neutral")] for one in (episode, replayed)
        )
        assert made == expected
        assert episode.steps[0].decision.prompt_tokens > 0
    assert len({question["seed"] for _, _, question in chat_server.asked}) == len(answers)


def test_it_is_told_the_whole_visit_and_nobody_s_persona(replayed, purchase):
    asked = []

    def next_answer(messages, schema, seed):
        asked.append(messages)
        return answer(replayed.steps[len(asked) - 1].decision)

    taught(ModelTeacher(ScriptedModel(next_answer), 3), purchase)
    system, user = asked[-1]
    assert system["content"] == TEACHER
    assert replay_goal(purchase).text in user["content"]
    assert user["content"].count("- Action:") == len(replayed.steps) - 1  # where a shopper is shown the last three
    everything = json.dumps(asked)
    assert "persona" not in everything
    assert "stratum" not in everything


@pytest.mark.parametrize(
    "said", ["As persona 7 I want this.", "The goal says to view it.", "<|persona_3|>", "Stratum A buys.", " "]
)
def test_reasoning_that_a_shopper_would_not_have_is_not_kept(replayed, purchase, said):
    decision = json.loads(answer(replayed.steps[0].decision)) | {"reasoning": said}
    ends = json.dumps({"shouldEnd": True, "action": None, "reasoning": said})
    episode = taught(ModelTeacher(ScriptedModel([json.dumps(decision), ends]), 3), purchase)
    assert actions(episode) == [replayed.steps[0].decision.action, None]
    told = [step.decision.reasoning for step in episode.steps]
    assert "clicking on the Skirts link" in told[0]
    assert all(said.strip() == "" or said not in words for words in told)


def test_an_answer_that_cannot_be_used_twice_ends_the_visit_as_data(purchase):
    episode = taught(ModelTeacher(ScriptedModel(["{}"] * 2), 3), purchase)
    assert (episode.ending, episode.error_kind) == ("other", "ReplyError")


def test_a_model_that_cannot_be_asked_ends_the_stage(purchase):
    def silent(messages, schema, seed):
        raise ModelError("nobody answers")

    with pytest.raises(ConfigError, match="the teacher of traces cannot be asked: nobody answers"):
        taught(ModelTeacher(ScriptedModel(silent), 3), purchase)


def test_the_goal_s_text_is_the_replay_goal(purchase):
    page = PAGES["home"]
    _, user = teacher_messages(Observation(page, Goal("View it.", "s", "b", "x", 5)))
    assert "<BuyerProfile>\n</BuyerProfile>" in user["content"]
    assert "<MainGoal>\nView it.\n</MainGoal>" in user["content"]
