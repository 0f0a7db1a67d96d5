"""The records of a visit: its goal, its steps, what a policy observes, and how it ended. Their tables are in `contracts`.

Records are frozen dataclasses. Text is rendered from them last: in prompts, in tables and in reports.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from simpersona.pages import Action, Decision, Page

Ending = Literal["goal_reached", "steps_limit", "time_limit", "other", "checkout_reached"]
ENDINGS: tuple[Ending, ...] = ("goal_reached", "steps_limit", "time_limit", "other", "checkout_reached")
"""The four outcomes of App. F, and the checkout of a store that is not the lab's, where every visit stops."""
AS_MEANT: tuple[Ending, ...] = ("goal_reached", "checkout_reached")
"""The endings that no fault and no limit has caused."""
Intent = Literal["buy", "browse"]
GoalKind = Literal["neutral", "intent", "instructions"]
"""How much a goal says: what the buyer is interested in, also whether to buy or to browse, or every act of the visit."""
GOAL_KINDS: tuple[GoalKind, ...] = ("neutral", "intent", "instructions")


@dataclass(frozen=True)
class Goal:
    """The goal of one visit: its text, and the session that it comes from.

    `code` is None for an agent without a persona token; `intent` is None for a neutral goal. `wish` is the kind of product
    that the text asks for, such as "skirts"; None where the text alone says what is wanted. `of_store` says that the store's
    own pages name the wish, because the session names none.
    """

    text: str
    shop_id: str
    buyer_id: str
    session_id: str
    code: int | None
    intent: Intent | None = None
    wish: str | None = None
    of_store: bool = False


SUCCESS = "Action performed successfully"
"""The result of a step whose action was performed. Any other result says why it was not, or how the visit ended."""


@dataclass(frozen=True)
class Step:
    """One step of a visit: the page, the decision taken on it and its result."""

    number: int
    page: Page
    decision: Decision
    result: str
    seconds: float

    @property
    def succeeded(self) -> bool:
        """Whether the step's action was performed."""
        return self.result == SUCCESS


@dataclass(frozen=True)
class Observation:
    """What a policy knows when it decides: the page, the goal with its persona, and the steps of the visit so far.

    `refused` says why the policy's first answer on this page could not be used; None when it is asked for the first time.
    """

    page: Page
    goal: Goal
    steps: tuple[Step, ...] = ()
    refused: str | None = None

    @property
    def first_url(self) -> str:
        """The address at which the visit began."""
        return self.steps[0].page.url if self.steps else self.page.url

    @property
    def actions(self) -> list[tuple[Step, Action]]:
        """The steps so far that tried an action, each with the action."""
        return [(step, step.decision.action) for step in self.steps if step.decision.action is not None]


@dataclass(frozen=True)
class Episode:
    """One visit of one store, from `open` to its ending. `error` says which part failed and how."""

    episode_id: str
    goal: Goal
    policy: str
    seed: int
    ending: Ending
    steps: tuple[Step, ...]
    seconds: float
    error_kind: str | None = None
    error: str | None = None
    recorded: bool = True
    """Whether the store's event log recorded the visit. Otherwise its events are inferred (`shopper.observed`)."""

    def observation(self, number: int) -> Observation:
        """What the policy knew when it took step `number`, the reason for a refused first answer included."""
        step = self.steps[number]
        return Observation(step.page, self.goal, self.steps[:number], step.decision.refused)


@dataclass(frozen=True)
class Verdict:
    """A judge's verdict on one episode."""

    verified: bool
    reason: str
