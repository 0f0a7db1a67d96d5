"""The loop's endings, on the scripted store."""

import asyncio
import time
from dataclasses import replace

import pytest

from simpersona.adapters.storefronts.scripted import ScriptedStore, scripted_page
from simpersona.errors import ModelError, ReplyError, StorefrontError
from simpersona.pages import Action, Decision
from simpersona.shopper.episode import run_episode
from simpersona.visits import Goal, Observation

GOAL = Goal("You are interested in skirts.", "shop", "buyer", "session", 1)
HOME = scripted_page(
    "http://shop.example/", "[0-1] RootWebArea: Shop\n[0-2] link: Skirts\n[0-3] link: Broken\n[0-4] StaticText: Hi"
)
SKIRTS = scripted_page("http://shop.example/skirts", "[0-1] RootWebArea: Skirts\n[0-2] link: Shop")


def store(**options):
    transitions = {("home", "0-2"): "skirts", ("skirts", "0-2"): "home", ("home", "0-3"): "nowhere"}
    return ScriptedStore({"home": HOME, "skirts": SKIRTS}, transitions, **options)


class Scripted:
    """A policy that does what its list says: an action, None to leave, an error to raise, seconds to think."""

    name = "scripted"

    def __init__(self, *script):
        self.script = list(script)
        self.observed = []

    async def act(self, observation):
        self.observed.append(observation)
        entry = self.script.pop(0)
        if isinstance(entry, Exception):
            raise entry
        if isinstance(entry, float):
            await asyncio.sleep(entry)
            entry = None
        return Decision(entry, "Because.")


def click(node="0-2"):
    return Action(node, "click", "Clicking on the link")


def run(store, policy, max_steps=5, seconds=5.0):
    return asyncio.run(
        run_episode(store, policy, GOAL, episode_id="e", seed=7, max_steps=max_steps, time_limit_seconds=seconds)
    )


def test_the_policy_leaves():
    policy = Scripted(click(), click(), None)
    episode = run(store(), policy)
    assert (episode.ending, episode.error, episode.seed, episode.policy) == ("goal_reached", None, 7, "scripted")
    assert [step.page.title for step in episode.steps] == ["Shop", "Skirts", "Shop"]
    assert [step.decision.ends for step in episode.steps] == [False, False, True]
    assert [episode.observation(number) for number in range(3)] == policy.observed
    second = policy.observed[1]
    assert (second.page, second.goal, second.steps) == (replace(SKIRTS, goes_back=True), GOAL, episode.steps[:1])
    assert (second.first_url, second.refused) == ("http://shop.example/", None)
    assert episode.steps[0].succeeded


def test_the_steps_run_out():
    episode = run(store(), Scripted(*[click()] * 9), max_steps=3)
    assert episode.ending == "steps_limit"
    assert [step.decision.ends for step in episode.steps] == [False, False, False, True]
    assert episode.steps[-1].page.title == "Skirts"
    assert "steps_limit" in episode.steps[-1].result


def test_the_time_runs_out_in_a_policy_that_waits():
    episode = run(store(), Scripted(click(), 5.0), seconds=0.1)
    assert episode.ending == "time_limit"
    assert episode.steps[-1].page.title == "Skirts"
    assert episode.seconds < 2


def test_the_time_runs_out_in_a_policy_that_computes():
    class Busy(Scripted):
        async def act(self, observation):
            time.sleep(0.06)  # noqa: ASYNC251 - a model that computes without a pause
            return Decision(click(), "")

    assert run(store(), Busy(), seconds=0.1).ending == "time_limit"


def test_the_time_runs_out_while_the_store_opens():
    episode = run(store(delay_seconds=5), Scripted(), seconds=0.1)
    assert (episode.ending, episode.steps) == ("time_limit", ())


@pytest.mark.parametrize("error", [ModelError("no answer"), StorefrontError("gone")])
def test_an_error_is_the_ending_other_with_the_last_page(error):
    episode = run(store(), Scripted(click(), error))
    assert (episode.ending, episode.error_kind, episode.error) == ("other", type(error).__name__, str(error))
    assert episode.steps[-1].page.title == "Skirts"
    assert str(error) in episode.steps[-1].result


def test_a_lost_window_keeps_the_action_that_lost_it():
    episode = run(store(), Scripted(click("0-3")))
    assert (episode.ending, episode.error_kind) == ("other", "StorefrontError")
    assert episode.steps[0].decision.action == click("0-3")
    assert "nowhere" in episode.steps[0].result


def test_a_store_that_does_not_open_gives_an_episode_without_steps():
    episode = run(store(first="nowhere"), Scripted())
    assert (episode.ending, episode.error_kind, episode.steps) == ("other", "StorefrontError", ())


def test_one_bad_reply_is_told_and_asked_again_two_end_the_visit():
    policy = Scripted(ReplyError("no node 9"), None)
    assert run(store(), policy).ending == "goal_reached"
    assert policy.observed == [Observation(HOME, GOAL), Observation(HOME, GOAL, refused="no node 9")]
    episode = run(store(), Scripted(ReplyError("no node 9"), ReplyError("no node 8")))
    assert (episode.ending, episode.error_kind, episode.error) == ("other", "ReplyError", "no node 8")


def test_what_cannot_be_done_is_the_step_s_result():
    episode = run(store(), Scripted(click("0-4"), None))
    assert episode.ending == "goal_reached"
    assert not episode.steps[0].succeeded
    assert episode.steps[0].result == "click cannot be done on the Hi StaticText"


def test_a_visit_ends_where_the_store_must_not_be_paid():
    class Guarded(ScriptedStore):
        async def act(self, action):
            page = await super().act(action)
            return replace(page, failure="It stops here", troubles=("refused", "checkout_reached"))

    policy = Scripted(click(), click())
    episode = run(Guarded({"home": HOME, "skirts": SKIRTS}, {("home", "0-2"): "skirts"}), policy)
    assert (episode.ending, episode.error) == ("checkout_reached", None)
    assert [step.result for step in episode.steps] == ["It stops here", "The visit ended: checkout_reached"]


def test_an_error_that_is_no_episode_s_error_is_a_bug_and_shows():
    with pytest.raises(ZeroDivisionError):
        run(store(), Scripted(ZeroDivisionError()))
