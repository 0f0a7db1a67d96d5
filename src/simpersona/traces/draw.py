"""Which recorded sessions are replayed: spread over the persona codes, short enough, worth showing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from simpersona.config import TracesConfig
from simpersona.contracts import RecordedSession
from simpersona.traces.outline import outline, replayable

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
    by_code: defaultdict[int, list[RecordedSession]] = defaultdict(list)
    for session in sessions:
        if _fits(session, config.max_actions):
            by_code[session.code].append(session)
    rng = np.random.default_rng(seed)
    queues = [[own[i] for i in rng.permutation(len(own))] for _, own in sorted(by_code.items())]
    queues = [queues[i] for i in rng.permutation(len(queues))]
    rounds = max(map(len, queues), default=0)
    in_turn = [queue[turn] for turn in range(rounds) for queue in queues if turn < len(queue)]
    return in_turn[: config.sessions]


def _fits(session: RecordedSession, max_actions: int) -> bool:
    if session.stratum == "E" or not any(moment.event in _WORTH for moment in session.timeline):
        return False
    return replayable(session) and estimated_actions(session) <= max_actions
