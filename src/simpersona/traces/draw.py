"""The choice of recorded sessions to replay: spread over the persona codes, short enough, informative, split by shop."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from operator import attrgetter
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
CANDIDATES = 100_000
"""The number of sessions to draw from if few shops and codes have them."""
_WORTH = frozenset({"product_viewed", "collection_viewed", "search_submitted"})


def estimated_actions(session: RecordedSession) -> int:
    """About how many actions a replay of the session takes."""
    actions, has_list = 0, False
    for moment in outline(session):
        has_list = has_list or moment.event in ("search_submitted", "collection_viewed")
        is_searched = moment.event == "product_viewed" and not has_list
        actions += 3 if is_searched else _ACTIONS[moment.event]
    return actions


@dataclass(frozen=True)
class Drawn:
    """The sessions to replay, by the split that their shop is in."""

    train: list[RecordedSession]
    validation: list[RecordedSession]


def candidates_per_cell(sessions: int, codes: int, cells: int) -> int:
    """How many sessions of each (shop, code) to draw `sessions` from: twice what a code needs, as some cannot be replayed,
    or what makes CANDIDATES in all, so that memory does not grow with the log.
    """
    return max(2 * -(-sessions // max(codes, 1)), CANDIDATES // max(cells, 1))


def draw_sessions(sessions: Sequence[RecordedSession], config: TracesConfig, seed: int) -> Drawn:
    """At most `config.sessions` sessions, in each split taken from the codes in turn so that each has one if it can (3.2).

    `config.validation_share` of the shops, drawn among those without which no code loses all its sessions, are the
    validation split, with as large a share of the sessions. Left out: bouncers (stratum E), sessions without a search,
    collection or product, those that a new visitor cannot repeat, and those that take more than `config.max_actions` actions.
    """
    usable = [
        session for session in sessions if worth_replaying(session) and estimated_actions(session) <= config.max_actions
    ]
    shops = {session.shop_id for session in usable}
    rng = np.random.default_rng(seed)
    validation_shops = _validation_shops(usable, round(config.validation_share * len(shops)), rng)
    wanted = round(config.sessions * len(validation_shops) / max(len(shops), 1))
    validation = in_turns(
        [session for session in usable if session.shop_id in validation_shops], attrgetter("code"), rng
    )[:wanted]
    train = [session for session in usable if session.shop_id not in validation_shops]
    return Drawn(in_turns(train, attrgetter("code"), rng)[: config.sessions - len(validation)], validation)


def _validation_shops(sessions: Sequence[RecordedSession], wanted: int, rng: np.random.Generator) -> Collection[str]:
    codes_of: defaultdict[str, set[int]] = defaultdict(set)
    for session in sessions:
        codes_of[session.shop_id].add(session.code)
    left = Counter(code for codes in codes_of.values() for code in codes)
    validation_shops: set[str] = set()
    shops = sorted(codes_of)
    for shop in (shops[i] for i in rng.permutation(len(shops))):
        if len(validation_shops) < wanted and all(left[code] > 1 for code in codes_of[shop]):
            validation_shops.add(shop)
            left.subtract(codes_of[shop])
    return validation_shops


def in_turns(items: Sequence[T], kind: Callable[[T], Any], rng: np.random.Generator) -> list[T]:
    """All items in random order, except that the kinds take turns: the first few items have as many kinds as possible."""
    by_kind: defaultdict[Any, list[T]] = defaultdict(list)
    for item in items:
        by_kind[kind(item)].append(item)
    queues = [[of_kind[i] for i in rng.permutation(len(of_kind))] for _, of_kind in sorted(by_kind.items())]
    queues = [queues[i] for i in rng.permutation(len(queues))]
    rounds = max(map(len, queues), default=0)
    return [queue[turn] for turn in range(rounds) for queue in queues if turn < len(queue)]


def worth_replaying(session: RecordedSession) -> bool:
    """Whether a new visitor can repeat the session, no bouncer's, and would see a search, a collection or a product."""
    if session.stratum == "E" or not any(moment.event in _WORTH for moment in session.timeline):
        return False
    return replayable(session)
