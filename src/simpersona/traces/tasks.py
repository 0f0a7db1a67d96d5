"""Shopping tasks from recorded sessions: instructions to follow in a store, checked by the store's log (3.4, App. J)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from simpersona.contracts import RecordedSession
from simpersona.traces.draw import estimated_actions, in_turns, worth_replaying
from simpersona.traces.outline import outline

TaskKind = Literal["cart", "checkout", "purchase"]
KINDS: tuple[TaskKind, ...] = ("cart", "checkout", "purchase")
_LAST: tuple[tuple[str, TaskKind], ...] = (
    ("checkout_completed", "purchase"),
    ("checkout_started", "checkout"),
    ("product_added_to_cart", "cart"),
)
BANDS = (9, 17)
"""Actions from which a task is of middle length, and from which it is long."""


@dataclass(frozen=True)
class Task:
    """A session to be repeated by instruction; `actions` is about how many that takes."""

    session: RecordedSession
    kind: TaskKind
    actions: int


def task_of(session: RecordedSession) -> Task | None:
    """The session as a task of the kind of the furthest that it goes; None where nothing is put into the cart."""
    happens = {moment.event for moment in outline(session)}
    kind: TaskKind | None = next((kind for event, kind in _LAST if event in happens), None)
    return None if kind is None else Task(session, kind, estimated_actions(session))


def draw_tasks(sessions: Sequence[RecordedSession], count: int, actions: tuple[int, int], seed: int) -> list[Task]:
    """At most `count` tasks of between `actions` actions, as many of each kind as there are, and within a kind from short,
    middle and long ones of as many personas as can be, each in turn.
    """
    fewest, most = actions
    made = [task for session in sessions if worth_replaying(session) and (task := task_of(session)) is not None]
    usable = [task for task in made if fewest <= task.actions <= most]
    rng = np.random.default_rng(seed)
    ranked: list[tuple[int, int, Task]] = []
    for number, kind in enumerate(KINDS):
        of_kind = in_turns([task for task in usable if task.kind == kind], _cell, rng)
        ranked += [(rank, number, task) for rank, task in enumerate(of_kind)]
    ranked.sort(
        key=lambda entry: entry[:2]
    )  # the kinds take turns; a kind without further tasks leaves its turns to the others
    return [task for _, _, task in ranked[:count]]


def _cell(task: Task) -> tuple[int, int]:
    return int(np.searchsorted(BANDS, task.actions, side="right")), task.session.code
