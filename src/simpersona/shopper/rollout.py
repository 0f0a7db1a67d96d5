"""Many episodes, several at a time; each is handed over as soon as it is done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence

import numpy as np

from simpersona.contracts import Episode, Goal
from simpersona.ports import Policy, Storefront
from simpersona.shopper.episode import run_episode


def episode_name(prefix: str, index: int) -> str:
    """The id of the episode of goal `index`; also the visitor's name in the store's log."""
    return f"{prefix}-{index:05d}"


def episode_seed(seed: int, index: int) -> int:
    """The seed of one episode, from the run's seed and the goal's place: the order of work does not matter."""
    return int(np.random.SeedSequence([seed, index]).generate_state(1)[0])


async def rollout(
    goals: Sequence[Goal],
    visit: Callable[[str], Storefront],
    make_policy: Callable[[Goal, int], Policy],
    *,
    max_steps: int,
    time_limit_seconds: float,
    concurrency: int,
    seed: int,
    prefix: str,
    on_episode: Callable[[Episode], None] = lambda _: None,
    skip: Collection[str] = (),
) -> list[Episode]:
    """One episode per goal, in the order of the goals; those whose id is in `skip` are left out.

    `visit` opens a window for an episode id, `make_policy` makes a policy for a goal and a seed.
    At most `concurrency` episodes run at once; `on_episode` is told each as it ends.
    """
    free = asyncio.Semaphore(concurrency)

    async def one(index: int, goal: Goal) -> Episode:
        async with free:
            own_seed = episode_seed(seed, index)
            name = episode_name(prefix, index)
            episode = await run_episode(
                visit(name),
                make_policy(goal, own_seed),
                goal,
                episode_id=name,
                seed=own_seed,
                max_steps=max_steps,
                time_limit_seconds=time_limit_seconds,
            )
        on_episode(episode)
        return episode

    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(one(index, goal))
            for index, goal in enumerate(goals)
            if episode_name(prefix, index) not in skip
        ]
    return [task.result() for task in tasks]
