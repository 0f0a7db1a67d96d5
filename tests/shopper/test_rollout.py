"""Many episodes: bounded, resumable, and the same whatever the order of work."""

import asyncio

from simpersona.adapters.llm_scripted import ScriptedModel
from simpersona.adapters.store_scripted import ScriptedStore, scripted_page
from simpersona.contracts import Goal
from simpersona.pages import Decision
from simpersona.shopper.model_policy import LanguageModelPolicy, wording
from simpersona.shopper.rollout import episode_name, episode_seed, rollout

HOME = scripted_page("http://shop.example/", "[0-1] RootWebArea: Shop\n[0-2] link: Skirts")
GOALS = [Goal(f"goal {i}", "shop", "b", "s", i) for i in range(6)]


class Tracked(ScriptedStore):
    open_now, most = 0, 0

    async def open(self):
        Tracked.open_now += 1
        Tracked.most = max(Tracked.most, Tracked.open_now)
        return await super().open()

    async def close(self):
        if self._page is not None:
            Tracked.open_now -= 1
        await super().close()


class Leaver:
    name = "leaver"

    def __init__(self, pause):
        self.pause = pause

    async def act(self, page, goal, log):
        await asyncio.sleep(self.pause)
        return Decision(None, "Done.")


def run(concurrency=2, skip=(), on_episode=lambda _: None, policy=None):
    Tracked.open_now = Tracked.most = 0
    return asyncio.run(
        rollout(
            GOALS,
            lambda _: Tracked({"home": HOME}, {}),
            policy or (lambda goal, _: Leaver(0.01 * (6 - goal.code))),
            max_steps=3,
            time_limit_seconds=5,
            concurrency=concurrency,
            seed=11,
            prefix="run",
            on_episode=on_episode,
            skip=skip,
        )
    )


def test_episodes_come_in_the_order_of_the_goals_and_are_told_as_they_end():
    told = []
    episodes = run(concurrency=6, on_episode=lambda episode: told.append(episode.episode_id))
    assert [episode.goal for episode in episodes] == GOALS
    assert sorted(told) == [episode_name("run", i) for i in range(6)]
    assert told != sorted(told)


def test_no_more_than_the_bound_at_once():
    run(concurrency=2)
    assert Tracked.most == 2


def test_finished_episodes_are_skipped_and_the_others_keep_their_seed():
    whole = run()
    rest = run(skip={whole[0].episode_id, whole[3].episode_id})
    assert [e.episode_id for e in rest] == [e.episode_id for i, e in enumerate(whole) if i not in (0, 3)]
    assert [e.seed for e in rest] == [e.seed for i, e in enumerate(whole) if i not in (0, 3)]
    assert [e.seed for e in whole] == [episode_seed(11, i) for i in range(6)]
    assert len({e.seed for e in whole}) == 6


def test_the_language_model_policy_asks_and_reads():
    model = ScriptedModel(['{"shouldEnd": true, "action": null, "reasoning": "Done."}'] * 6)
    episodes = run(policy=lambda _, seed: LanguageModelPolicy(model, seed, wording("figure9", reasoning=True)))
    assert {(e.policy, e.ending, e.steps[0].decision.reasoning) for e in episodes} == {("lm", "goal_reached", "Done.")}
