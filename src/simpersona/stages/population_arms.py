"""The populations of one run: who visits by which policy, and what they did in figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from simpersona.config import Config
from simpersona.config_simulation import ScorerVisitsConfig, SimulationConfig, Window
from simpersona.contracts import ENDINGS, Episode, Goal, RecordedSession
from simpersona.lab.variants import Variant
from simpersona.stages.acting_policies import PolicyMaker
from simpersona.stages.context import Run
from simpersona.stages.ray_visits import ray_player
from simpersona.stages.store_visits import Limits, play_episodes


@dataclass(frozen=True)
class Arm:
    """Goals that one policy pursues. `name` begins the ids of its episodes: "lm", "lm-no-token", "scorer" …"""

    name: str
    policy: Literal["lm", "scorer"]
    goals: tuple[Goal, ...]
    limits: Limits
    window: Window | None


def arms_of(config: Config, mix: pa.Table, sessions: Sequence[RecordedSession]) -> list[Arm]:
    """The acting policies' populations, the headline's first; each one's visits without a token follow its own."""
    from simpersona.simulation.population import draw_population, first_of_each_shop, without_tokens

    arms: list[Arm] = []
    for policy in config.acting:
        settings = _settings(config, policy)
        goals = draw_population(mix, sessions, settings.episodes, config.seed, config.simulation.sampling)
        blind = without_tokens(first_of_each_shop(goals, settings.no_token_episodes))
        limits = Limits(settings.max_steps, config.simulation.time_limit_seconds, settings.concurrency)
        window = settings.window if isinstance(settings, ScorerVisitsConfig) else None
        arms += [
            Arm(name, policy, tuple(own), limits, window)
            for name, own in ((policy, goals), (f"{policy}-no-token", blind))
            if own
        ]
    return arms


def play_arm(run: Run, arm: Arm) -> tuple[list[Episode], pa.Table]:
    """The arm's episodes and the stores' EVENTS rows."""
    settings = run.config.simulation
    make_policy = PolicyMaker(run.config, run.folder.path, arm.policy)
    variant = Variant(**run.config.store.variant.model_dump())
    player = None if settings.engine == "asyncio" else ray_player(run, make_policy)
    return play_episodes(
        run, arm.goals, make_policy, arm.limits, arm.name, settings.store_url, variant, arm.window, player
    )


def told_of(config: Config, episodes: pa.Table, steps: pa.Table) -> tuple[dict[str, dict[str, Any]], str]:
    """Each policy's visits in figures (EPISODES, STEPS), and in one sentence.

    Tokens are those of prompts and replies; `cost` is what `[llm]` asks for them, where its model acts; `seconds` are summed over the visits, which run
    side by side.
    """
    from simpersona.shopper.records import trouble_counts

    told: dict[str, dict[str, Any]] = {}
    words: list[str] = []
    for policy in config.acting:
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
            **_cost(config, policy, own),
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


def _cost(config: Config, policy: str, episodes: pa.Table) -> dict[str, float]:
    prompt, reply = (pc.sum(episodes[f"{kind}_tokens"]).as_py() or 0 for kind in ("prompt", "reply"))
    prices = config.llm
    price = prompt * prices.price_per_million_prompt_tokens + reply * prices.price_per_million_reply_tokens
    is_served = policy == "lm" and config.simulation.model == "llm"
    return {"prompt_tokens": prompt, "reply_tokens": reply, "cost": round(price / 1e6, 4) if is_served else 0.0}


def _settings(config: Config, policy: str) -> SimulationConfig | ScorerVisitsConfig:
    return config.simulation if policy == config.simulation.policy else config.simulation.scorer
