"""Which recorded sessions are replayed: spread over the persona codes, short enough, worth showing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from simpersona.config import TracesConfig
from simpersona.contracts import RecordedSession
from simpersona.traces.outline import outline, replayable

T = TypeVar("T")
_ACTIONS = {
    "search_submitted": 2,
    "collection_viewed": 1,
    "product_viewed": 2,  # its link, and now and then the way back to its list
    "product_added_to_cart": 1,
    "product_removed_from_cart": 2,
    "cart_viewed": 1,
    "checkout_started": 2,
    "checkout_completed": 7,  # a guest's form
}
_WORTH = frozenset({"product_viewed", "collection_viewed", "search_submitted"})


def estimated_actions(session: RecordedSession) -> int:
    """About how many actions a replay of the session takes."""
    actions, has_list = 0, False
    for moment in outline(session):
        has_list = has_list or moment.event in ("search_submitted", "collection_viewed")
        is_searched = moment.event == "product_viewed" and not has_list
        actions += 3 if is_searched else _ACTIONS[moment.event]
    return actions


def draw_sessions(sessions: Sequence[RecordedSession], config: TracesConfig, seed: int) -> list[RecordedSession]:
    """At most `config.sessions` sessions, taken from the codes in turn so that each has one if it can.

    Left out: bouncers (stratum E), sessions without a search, collection or product, those that a
    new visitor cannot repeat, and those that take more than `config.max_actions` actions.
    """
    usable = [one for one in sessions if worth_replaying(one) and estimated_actions(one) <= config.max_actions]
    return in_turns(usable, lambda session: session.code, np.random.default_rng(seed))[: config.sessions]


def in_turns(items: Sequence[T], kind: Callable[[T], Any], rng: np.random.Generator) -> list[T]:
    """All items, at random but for this: the kinds take turns, so that the first few hold as many kinds as they can."""
    by_kind: defaultdict[Any, list[T]] = defaultdict(list)
    for item in items:
        by_kind[kind(item)].append(item)
    queues = [[own[i] for i in rng.permutation(len(own))] for _, own in sorted(by_kind.items())]
    queues = [queues[i] for i in rng.permutation(len(queues))]
    rounds = max(map(len, queues), default=0)
    return [queue[turn] for turn in range(rounds) for queue in queues if turn < len(queue)]


def worth_replaying(session: RecordedSession) -> bool:
    """Whether a new visitor can repeat the session, no bouncer's, and would see a search, a collection or a product."""
    if session.stratum == "E" or not any(moment.event in _WORTH for moment in session.timeline):
        return False
    return replayable(session)
