"""The populations of one run: who visits by which policy, and what they did in figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from simpersona.agent.policies import PolicyMaker
from simpersona.config import Driver, LlmConfig, ScorerVisitsConfig, SimulationConfig
from simpersona.contracts import RecordedSession
from simpersona.lab.variants import Variant
from simpersona.shopper.records import trouble_counts
from simpersona.simulation.population import draw_population, first_of_each_shop, without_tokens
from simpersona.simulation.ray_visits import ray_player
from simpersona.simulation.visits import Limits, VisitPlace, play_episodes
from simpersona.visits import ENDINGS, Episode, Goal


@dataclass(frozen=True)
class Arm:
    """Goals that one policy pursues. `name` begins the ids of its episodes: "lm", "lm-no-token", "scorer" …"""

    name: str
    policy: Literal["lm", "scorer"]
    goals: tuple[Goal, ...]
    limits: Limits
    window: Driver | None


def arms_of(
    simulation: SimulationConfig,
    policies: Sequence[Literal["lm", "scorer"]],
    mix: pa.Table,
    sessions: Sequence[RecordedSession],
    seed: int,
) -> list[Arm]:
    """The populations of the acting policies, in their order; each one's visits without a token follow its own."""
    arms: list[Arm] = []
    for policy in policies:
        settings = simulation if policy == simulation.policy else simulation.scorer
        goals = draw_population(mix, sessions, settings.episodes, seed, simulation.sampling)
        blind = without_tokens(first_of_each_shop(goals, settings.no_token_episodes))
        limits = Limits(settings.max_steps, simulation.time_limit_seconds, settings.concurrency)
        window = settings.driver if isinstance(settings, ScorerVisitsConfig) else None
        arms += [
            Arm(name, policy, tuple(own), limits, window)
            for name, own in ((policy, goals), (f"{policy}-no-token", blind))
            if own
        ]
    return arms


def play_arm(
    place: VisitPlace, arm: Arm, make_policy: PolicyMaker, engine: str, store_url: str | None
) -> tuple[list[Episode], pa.Table]:
    """The arm's episodes and the stores' EVENTS rows. `engine` is "asyncio" (this process) or a Ray cluster's address."""
    variant = Variant(**place.store.variant.model_dump())
    player = None if engine == "asyncio" else ray_player(place, engine, make_policy)
    return play_episodes(place, arm.goals, make_policy, arm.limits, arm.name, store_url, variant, arm.window, player)


def told_of(
    policies: Sequence[str], served: LlmConfig | None, episodes: pa.Table, steps: pa.Table
) -> tuple[dict[str, dict[str, Any]], str]:
    """Each policy's visits in figures (EPISODES, STEPS), and in one sentence.

    Tokens are those of prompts and replies; `cost` is what the `served` model asks for them, None where no such model acts; `seconds` are summed over the visits, which run
    side by side.
    """
    told: dict[str, dict[str, Any]] = {}
    words: list[str] = []
    for policy in policies:
        own = episodes.filter(pc.equal(episodes["policy"], policy))
        walked = steps.filter(pc.is_in(steps["episode_id"], own["episode_id"]))
        endings = {ending: pc.sum(pc.equal(own["ending"], ending)).as_py() or 0 for ending in ENDINGS}
        troubles = trouble_counts(walked)
        shops = len(own["shop_id"].unique())
        told[policy] = {
            "episodes": own.num_rows,
            "shops": shops,
            "steps": walked.num_rows,
            "endings": endings,
            "troubles": troubles,
            "seconds": round(pc.sum(own["seconds"]).as_py() or 0, 1),
            **_cost(served if policy == "lm" else None, own),
        }
        seen = ", ".join(f"{ending.replace('_', ' ')} {times}" for ending, times in endings.items() if times)
        sentence = f"{policy}: {own.num_rows:,} visits in {shops} store(s), {walked.num_rows:,} steps ({seen})"
        if troubles:
            sentence += ", survived " + ", ".join(
                f"{kind.replace('_', ' ')} {times}" for kind, times in troubles.items()
            )
        if told[policy]["cost"]:
            sentence += f", cost {told[policy]['cost']:,.2f}"
        words.append(sentence)
    return told, "; ".join(words)


def _cost(served: LlmConfig | None, episodes: pa.Table) -> dict[str, float]:
    prompt, reply = (pc.sum(episodes[f"{kind}_tokens"]).as_py() or 0 for kind in ("prompt", "reply"))
    price = 0.0
    if served is not None:
        price = prompt * served.price_per_million_prompt_tokens + reply * served.price_per_million_reply_tokens
    return {"prompt_tokens": prompt, "reply_tokens": reply, "cost": round(price / 1e6, 4)}
