"""The arms of one run: the goals that each policy pursues, their visits, and a summary of these."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from simpersona.agent.policies import PolicyMaker
from simpersona.config import Driver, LlmConfig, ScorerVisitsConfig, SimulationConfig
from simpersona.contracts import RecordedSession
from simpersona.lab.variants import Variant
from simpersona.shopper.records import COUNTS, trouble_counts
from simpersona.simulation.population import draw_population, first_of_each_shop, without_tokens
from simpersona.simulation.ray_visits import ray_runner
from simpersona.simulation.visits import Limits, VisitSetup, visit_stores
from simpersona.visits import ENDINGS, Episode, Goal


@dataclass(frozen=True)
class Arm:
    """Goals that one policy pursues. The ids of its episodes begin with `name`: "lm", "lm-no-token", "scorer" ..."""

    name: str
    policy: Literal["lm", "scorer"]
    goals: tuple[Goal, ...]
    limits: Limits
    driver: Driver | None


def arms_of(
    simulation: SimulationConfig,
    policies: Sequence[Literal["lm", "scorer"]],
    mix: pa.Table,
    sessions: Sequence[RecordedSession],
    seed: int,
) -> list[Arm]:
    """The arms of the acting policies, in their order; after each policy's arm, its visits without a persona token."""
    arms: list[Arm] = []
    for policy in policies:
        settings = simulation if policy == simulation.policy else simulation.scorer
        goals = draw_population(mix, sessions, settings.episodes, seed, simulation.sampling)
        blind = without_tokens(first_of_each_shop(goals, settings.no_token_episodes))
        limits = Limits(settings.max_steps, simulation.time_limit_seconds, settings.concurrency)
        driver = settings.driver if isinstance(settings, ScorerVisitsConfig) else None
        arms += [
            Arm(name, policy, tuple(arm_goals), limits, driver)
            for name, arm_goals in ((policy, goals), (f"{policy}-no-token", blind))
            if arm_goals
        ]
    return arms


def run_arm(
    setup: VisitSetup, arm: Arm, make_policy: PolicyMaker, engine: str, store_url: str | None
) -> tuple[list[Episode], pa.Table]:
    """The arm's episodes and the stores' EVENTS rows. `engine` is "asyncio" (this process) or a Ray cluster's address."""
    variant = Variant(**setup.store.variant.model_dump())
    runner = None if engine == "asyncio" else ray_runner(setup, engine, make_policy)
    return visit_stores(setup, arm.goals, make_policy, arm.limits, arm.name, store_url, variant, arm.driver, runner)


_TURNED_AWAY = {"as_bots": "ChallengeError", "for_later": "BusyStoreError"}
"""Visits that a store did not let in: names of the figures, and the kinds of errors."""


def turned_away_warnings(figures: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What to do about the visits that stores did not let in, from the figures of `visit_summary`."""
    counts = {name: sum(of_policy["turned_away"][name] for of_policy in figures.values()) for name in _TURNED_AWAY}
    visits = sum(of_policy["episodes"] for of_policy in figures.values())
    advice = {
        "as_bots": "met a page that keeps bots out, and count as broken: let the store allow them (docs/episodes.md)",
        "for_later": "were asked to come back later than store.politeness.max_wait_seconds, and count as broken: lower "
        "store.politeness.requests_per_minute",
    }
    return [f"{count:,} of {visits:,} visits {advice[name]}" for name, count in counts.items() if count]


def visit_summary(
    policies: Sequence[str], served: LlmConfig | None, episodes: pa.Table, steps: pa.Table
) -> tuple[dict[str, dict[str, Any]], str]:
    """The figures of each policy's visits (EPISODES, STEPS), and a summary in one sentence.

    `prompt_tokens` and `reply_tokens` are sums over the visits. `cost` is the price of the `served` model for them, 0 without
    one. `seconds` is the sum over the visits, which run side by side. `turned_away` counts the visits that a store did not let in.
    """
    figures: dict[str, dict[str, Any]] = {}
    sentences: list[str] = []
    for policy in policies:
        visits = episodes.filter(pc.equal(episodes["policy"], policy))
        walked = steps.filter(pc.is_in(steps["episode_id"], visits["episode_id"]))
        endings = {ending: pc.sum(pc.equal(visits["ending"], ending)).as_py() or 0 for ending in ENDINGS}
        troubles = trouble_counts(walked)
        turned_away = {
            name: pc.sum(pc.equal(visits["error_kind"], kind)).as_py() or 0 for name, kind in _TURNED_AWAY.items()
        }
        shops = len(visits["shop_id"].unique())
        figures[policy] = {
            "episodes": visits.num_rows,
            "shops": shops,
            "steps": walked.num_rows,
            "endings": endings,
            "troubles": troubles,
            "turned_away": turned_away,
            "seconds": round(pc.sum(visits["seconds"]).as_py() or 0, 1),
            **_cost(served if policy == "lm" else None, visits),
            **_inferred(visits),
        }
        seen = ", ".join(f"{ending.replace('_', ' ')} {count}" for ending, count in endings.items() if count)
        sentence = f"{policy}: {visits.num_rows:,} visits in {shops} store(s), {walked.num_rows:,} steps ({seen})"
        if troubles:
            sentence += ", survived " + ", ".join(
                f"{kind.replace('_', ' ')} {count}" for kind, count in troubles.items()
            )
        if any(turned_away.values()):
            sentence += ", turned away " + ", ".join(
                f"{name.replace('_', ' ')} {count}" for name, count in turned_away.items() if count
            )
        if figures[policy]["cost"]:
            sentence += f", cost {figures[policy]['cost']:,.2f}"
        if inferred := figures[policy].get("inferred"):
            sentence += f", {inferred}"
        sentences.append(sentence)
    return figures, "; ".join(sentences)


def _inferred(episodes: pa.Table) -> dict[str, Any]:
    """What a reader must know of visits whose events no log recorded: which columns are inferred, on which evidence, and in how
    many visits a count is unknown. Empty where the stores recorded all visits.
    """
    visits = episodes.filter(pc.greater(pc.list_value_length(episodes["inferred"]), 0))
    if not visits.num_rows:
        return {}
    evidence = Counter(event["evidence"] for events in visits["inferred_events"].to_pylist() for event in events or ())
    return {
        "inferred": "events inferred from what the store did and showed, not recorded by it; orders cannot be measured there",
        "inferred_visits": visits.num_rows,
        "inferred_columns": sorted({column for columns in visits["inferred"].to_pylist() for column in columns}),
        "evidence": dict(evidence.most_common()),
        "unknown": {column: visits[column].null_count for column in COUNTS if visits[column].null_count},
    }


def _cost(served: LlmConfig | None, episodes: pa.Table) -> dict[str, float]:
    prompt, reply = (pc.sum(episodes[f"{kind}_tokens"]).as_py() or 0 for kind in ("prompt", "reply"))
    price = 0.0
    if served is not None:
        price = prompt * served.price_per_million_prompt_tokens + reply * served.price_per_million_reply_tokens
    return {"prompt_tokens": prompt, "reply_tokens": reply, "cost": round(price / 1e6, 4)}
