"""Many episodes: bounded, and the same whatever the order of work."""

import asyncio

from simpersona.adapters.models.scripted import ScriptedModel
from simpersona.adapters.storefronts.scripted import ScriptedStore, scripted_page
from simpersona.pages import Decision
from simpersona.shopper.model_policy import LanguageModelPolicy, prompt_format
from simpersona.shopper.rollout import episode_seed, rollout, visits_of
from simpersona.visits import Goal

HOME = scripted_page("http://shop.example/", "[0-1] RootWebArea: Shop\n[0-2] link: Skirts")
GOALS = [Goal(f"goal {i}", "shop", "b", "s", i) for i in range(6)]
VISITS = visits_of(GOALS, 11, "run")


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

    async def act(self, observation):
        await asyncio.sleep(self.pause)
        return Decision(None, "Done.")


def run(visits=VISITS, concurrency=2, on_episode=lambda _: None, policy=None):
    Tracked.open_now = Tracked.most = 0
    return asyncio.run(
        rollout(
            visits,
            lambda _: Tracked({"home": HOME}, {}),
            policy or (lambda goal, _: Leaver(0.01 * (6 - goal.code))),
            max_steps=3,
            time_limit_seconds=5,
            concurrency=concurrency,
            on_episode=on_episode,
        )
    )


def test_episodes_come_in_the_order_of_the_goals_and_are_told_as_they_end():
    told = []
    episodes = run(concurrency=6, on_episode=lambda episode: told.append(episode.episode_id))
    assert [episode.goal for episode in episodes] == GOALS
    assert sorted(told) == [f"run-shop-{i:05d}" for i in range(6)]
    assert told != sorted(told)


def test_no_more_than_the_bound_at_once():
    run(concurrency=2)
    assert Tracked.most == 2


def test_an_episode_is_the_same_whichever_others_are_played():
    whole, rest = run(), run([VISITS[4], VISITS[1]])
    assert [e.episode_id for e in rest] == ["run-shop-00004", "run-shop-00001"]
    assert [e.seed for e in rest] == [whole[4].seed, whole[1].seed]
    assert len({e.seed for e in whole}) == 6


def test_a_visit_has_its_seed_from_its_shop_and_number_alone():
    goals = [Goal("goal", shop, "b", "s", 0) for shop in ("b", "a", "b")]
    mixed = visits_of(goals, 5, "lm")
    assert [visit.name for visit in mixed] == ["lm-b-00000", "lm-a-00000", "lm-b-00001"]
    assert [visit.seed for visit in visits_of(goals[::2], 5, "scorer")] == [mixed[0].seed, mixed[2].seed]
    assert [visit.seed for visit in mixed] == [episode_seed(5, *key) for key in (("b", 0), ("a", 0), ("b", 1))]
    assert len({visit.seed for visit in mixed} | {visit.seed for visit in visits_of(goals, 6, "lm")}) == 6


def test_the_language_model_policy_asks_and_reads():
    model = ScriptedModel(['{"shouldEnd": true, "action": null, "reasoning": "Done."}'] * 6)
    episodes = run(policy=lambda _, seed: LanguageModelPolicy(model, seed, prompt_format("figure9", reasoning=True)))
    assert {(e.policy, e.ending, e.steps[0].decision.reasoning) for e in episodes} == {("lm", "goal_reached", "Done.")}
