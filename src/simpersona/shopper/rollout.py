"""Many episodes, several at a time; each is handed over as soon as it ends."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from simpersona.ports import Policy, Storefront
from simpersona.shopper.episode import run_episode
from simpersona.visits import Episode, Goal


@dataclass(frozen=True)
class Visit:
    """A visit to be made. `name` is its episode id, and the visitor's name in the store's log."""

    name: str
    goal: Goal
    seed: int


def visits_of(goals: Sequence[Goal], seed: int, prefix: str) -> list[Visit]:
    """One visit per goal. Visit n of shop s is called `prefix-s-n`; its seed depends on the run's seed, s and n alone."""
    numbers: Counter[str] = Counter()
    visits: list[Visit] = []
    for goal in goals:
        number, shop = numbers[goal.shop_id], goal.shop_id
        visits.append(Visit(f"{prefix}-{shop}-{number:05d}", goal, episode_seed(seed, shop, number)))
        numbers[shop] += 1
    return visits


def episode_seed(seed: int, *what: int | str) -> int:
    """The seed of one episode, from the run's seed and the episode's identity, so that the order of work does not matter."""
    return int(np.random.SeedSequence(seed_words(seed, *what)).generate_state(1)[0])


def seed_words(*what: int | str) -> list[int]:
    """Numbers and names as the integers from which numpy's generators are seeded."""
    return [
        part if isinstance(part, int) else int.from_bytes(hashlib.sha256(part.encode()).digest()[:8]) for part in what
    ]


async def rollout(
    visits: Sequence[Visit],
    window: Callable[[Visit], Storefront],
    make_policy: Callable[[Goal, int], Policy],
    *,
    max_steps: int,
    time_limit_seconds: float,
    concurrency: int,
    on_episode: Callable[[Episode], None] = lambda _: None,
) -> list[Episode]:
    """One episode per visit, in the order of the visits.

    `window` opens a visit's session, `make_policy` makes a policy for a goal and a seed.
    At most `concurrency` episodes run at once; `on_episode` is called with each as it ends.
    """
    episodes: dict[str, Episode] = {}
    waiting = iter(visits)

    async def play() -> None:
        for visit in waiting:
            episode = await run_episode(
                window(visit),
                make_policy(visit.goal, visit.seed),
                visit.goal,
                episode_id=visit.name,
                seed=visit.seed,
                max_steps=max_steps,
                time_limit_seconds=time_limit_seconds,
            )
            episodes[visit.name] = episode
            on_episode(episode)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(concurrency, len(visits))):
            group.create_task(play())
    return [episodes[visit.name] for visit in visits]
