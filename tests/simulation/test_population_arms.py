"""Which policy visits with which goals, and the summary of the visits."""

import pyarrow as pa
import pytest

from simpersona.config import LlmConfig
from simpersona.config.file import parse_config
from simpersona.contracts import EPISODES, MIX, STEPS, Moment, RecordedSession
from simpersona.simulation import arms
from simpersona.simulation.arms import visit_summary

SKIRT = (Moment("product_viewed", "p1", "Pleated Skirt", "Skirts"),)
SESSIONS = [RecordedSession(shop, f"{shop}{n}", f"s{n}", "D", n % 2, SKIRT) for shop in "ab" for n in range(6)]
MIXED = pa.Table.from_pylist(
    [{"shop_id": shop, "code": code, "share": 0.5, "buyers": 3} for shop in "ab" for code in (0, 1)], MIX.schema
)
SERVED = {
    "url": "http://127.0.0.1:1/v1",
    "model": "m",
    "price_per_million_prompt_tokens": 2,
    "price_per_million_reply_tokens": 10,
}


def arms_of(**simulation):
    config = parse_config({"simulation": simulation})
    return arms.arms_of(config.simulation, config.acting, MIXED, SESSIONS, config.seed)


def test_both_policies_have_buyers_of_their_own_and_windows_of_their_own():
    scorer = {"episodes": 9, "no_token_episodes": 2, "max_steps": 25, "concurrency": 6}
    arms = arms_of(episodes=4, max_steps=7, scorer=scorer)
    told = [
        (arm.name, arm.policy, len(arm.goals), arm.limits.max_steps, arm.limits.concurrency, arm.driver) for arm in arms
    ]
    assert told == [
        ("lm", "lm", 4, 7, 2, None),
        ("scorer", "scorer", 9, 25, 6, "http"),
        ("scorer-no-token", "scorer", 2, 25, 6, "http"),
    ]
    assert {goal.code for goal in arms[2].goals} == {None}
    assert [goal.shop_id for goal in arms[2].goals] == ["a", "b"]


@pytest.mark.parametrize(
    "settings", [{"policy": "scorer"}, {"scorer": {"episodes": 0}}], ids=["the headline's already", "not asked for"]
)
def test_the_scorer_is_not_added_where(settings):
    assert [arm.name for arm in arms_of(episodes=4, **settings)] == [settings.get("policy", "lm")]


def test_a_visit_is_the_same_buyer_in_both_arms_where_draws_are_independent():
    lm, scorer = arms_of(episodes=6, sampling="multinomial", scorer={"episodes": 10})
    for shop in "ab":
        long, short = ([goal for goal in arm.goals if goal.shop_id == shop] for arm in (scorer, lm))
        assert long[: len(short)] == short


def episode(number, policy, ending, prompt, reply):
    row = dict.fromkeys(EPISODES.columns) | {
        name: 0 for name in EPISODES.columns if name.endswith("_count") or name in ("steps", "pages", "seed")
    }
    return row | {
        "episode_id": f"{policy}-{number}", "shop_id": "ab"[number % 2], "buyer_id": "b", "session_id": "s", "goal": "g",
        "policy": policy, "ending": ending, "prompt_tokens": prompt, "reply_tokens": reply, "seconds": 1.5,
    }  # fmt: skip


def step(episode_id, number, troubles=()):
    texts = dict.fromkeys(("url", "title", "tree", "reasoning", "result"), "")
    row = dict.fromkeys(STEPS.columns) | texts
    return row | {
        "episode_id": episode_id,
        "step": number,
        "should_end": False,
        "troubles": list(troubles),
        "seconds": 0.1,
    }


def test_the_visits_of_each_policy_are_summed_up_and_priced():
    rows = [
        episode(0, "lm", "goal_reached", 300_000, 20_000),
        episode(1, "lm", "other", 200_000, 30_000),
        episode(0, "scorer", "steps_limit", 0, 0),
    ]
    walked = [step("lm-0", 0, ["dialog"]), step("lm-0", 1), step("lm-1", 0, ["dialog"]), step("scorer-0", 0)]
    tables = pa.Table.from_pylist(rows, EPISODES.schema), pa.Table.from_pylist(walked, STEPS.schema)
    figures, summary = visit_summary(("lm", "scorer"), LlmConfig(**SERVED), *tables)
    assert figures["lm"] == {
        "episodes": 2, "shops": 2, "steps": 3, "troubles": {"dialog": 2}, "seconds": 3.0,
            "turned_away": {"as_bots": 0, "for_later": 0},
        "endings": {"goal_reached": 1, "steps_limit": 0, "time_limit": 0, "other": 1, "checkout_reached": 0},
        "prompt_tokens": 500_000, "reply_tokens": 50_000, "cost": 1.5,
    }  # fmt: skip
    assert figures["scorer"]["cost"] == 0
    assert summary == (
        "lm: 2 visits in 2 store(s), 3 steps (goal reached 1, other 1), survived dialog 2, cost 1.50; "
        "scorer: 1 visits in 1 store(s), 1 steps (steps limit 1)"
    )
    assert (
        visit_summary(("lm", "scorer"), None, *tables)[0]["lm"]["cost"] == 0
    )  # the model of this machine asks for nothing
