"""One episode: open the store, then decide and act until the visit ends.

    open -> (decide -> act)* -> ending

Every ending is data (the four outcomes of App. F): the policy left, the steps or the time ran out, or an error
occurred. In a store that is not the lab's, a visit also ends where it would order. The episode records the error and the
last page.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field, replace

from simpersona.errors import EpisodeError, ReplyError
from simpersona.pages import Decision, Page
from simpersona.ports import Policy, Storefront
from simpersona.visits import SUCCESS, Ending, Episode, Goal, Observation, Step

CLOSE_SECONDS = 10
"""A session that takes longer to close is left to its browser."""


async def run_episode(
    store: Storefront,
    policy: Policy,
    goal: Goal,
    *,
    episode_id: str,
    seed: int,
    max_steps: int,
    time_limit_seconds: float,
) -> Episode:
    """One visit of `store` from opening to ending, at most `max_steps` actions; the session is closed.

    `seed` is recorded with the episode; the caller makes the policy with it. No EpisodeError
    leaves this function: it becomes the ending "other". Unless the policy ended the visit itself,
    the last step holds the last page, no action, and what ended the visit.
    """
    visit = _Visit(store, policy, goal)
    started = time.perf_counter()
    error: EpisodeError | None = None
    clock = asyncio.timeout(time_limit_seconds)
    try:
        async with clock:
            ending = await visit.run(max_steps, started + time_limit_seconds)
    except TimeoutError:
        if not clock.expired():
            raise
        ending = "time_limit"
    except EpisodeError as caught:
        ending, error = "other", caught
    with contextlib.suppress(EpisodeError, TimeoutError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await store.close()
    if ending != "goal_reached":
        visit.add_last_page(f"{type(error).__name__}: {error}" if error else f"The visit ended: {ending}")
    return Episode(
        episode_id=episode_id,
        goal=goal,
        policy=policy.name,
        seed=seed,
        ending=ending,
        steps=tuple(visit.steps),
        seconds=time.perf_counter() - started,
        error_kind=type(error).__name__ if error else None,
        error=str(error) if error else None,
    )


@dataclass
class _Visit:
    store: Storefront
    policy: Policy
    goal: Goal
    steps: list[Step] = field(default_factory=list)
    page: Page | None = None
    unusable: list[ReplyError] = field(default_factory=list)
    """The answers on the current page that could not be used."""

    async def run(self, max_steps: int, deadline: float) -> Ending:
        self.page = await self.store.open()
        for _ in range(max_steps):
            started = time.perf_counter()
            page, decision = self.page, await self._decide(self.page)
            if decision.action is None:
                self._add(page, decision, "The shopper left", started)
                return "goal_reached"
            try:
                self.page = await self.store.act(decision.action)
            except EpisodeError as error:
                self._add(page, decision, str(error), started)
                raise
            self._add(page, decision, SUCCESS if self.page.failure is None else self.page.failure, started)
            if self.page.ends_visit:
                return "checkout_reached"
            if time.perf_counter() > deadline:  # a policy that computes without a pause stops no clock
                return "time_limit"
        return "steps_limit"

    async def _decide(self, page: Page) -> Decision:
        observation = Observation(page, self.goal, tuple(self.steps))
        try:
            return await self.policy.act(observation)
        except ReplyError as error:
            self.unusable = [error]
        try:
            decision = await self.policy.act(replace(observation, refused=str(self.unusable[0])))
        except ReplyError as error:
            self.unusable.append(error)
            raise
        decision, self.unusable = self._with_refused(decision), []
        return decision

    def _with_refused(self, decision: Decision) -> Decision:
        """The decision with the reason and the cost of the answers before it that could not be used."""
        if not self.unusable:
            return decision
        return replace(
            decision,
            refused=str(self.unusable[0]),
            prompt_tokens=decision.prompt_tokens + sum(error.prompt_tokens for error in self.unusable),
            reply_tokens=decision.reply_tokens + sum(error.reply_tokens for error in self.unusable),
        )

    def _add(self, page: Page, decision: Decision, result: str, started: float) -> None:
        self.steps.append(Step(len(self.steps), page, decision, result, time.perf_counter() - started))

    def add_last_page(self, result: str) -> None:
        if self.page is None:
            return
        is_recorded = bool(self.steps) and self.steps[-1].page is self.page  # the action on it lost the session
        page = replace(self.page, effects=()) if is_recorded else self.page
        self._add(page, self._with_refused(Decision(None, "")), result, time.perf_counter())
