"""Who visits: a population of goals drawn from the shops' persona mixes (Eq. 4, 3.2)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from simpersona.config.simulation import Sampling
from simpersona.contracts import RecordedSession
from simpersona.errors import ContractError
from simpersona.shopper.goals import intent_goal
from simpersona.shopper.rollout import seed_words
from simpersona.visits import Goal

Buyers = dict[str, list[RecordedSession]]
"""The sessions of each buyer, by buyer id."""


def draw_population(
    mix: pa.Table, sessions: Sequence[RecordedSession], episodes: int, seed: int, sampling: Sampling = "multinomial"
) -> list[Goal]:
    """`episodes` goals, shared evenly by the shops of `sessions` (the first shops get the remainder).

    The unit line is divided among a store's buyers, ordered by code, then by stratum. The length of a code is its share of
    the store's mix p_s(k) (Eq. 4, shape of MIX), and its buyers have equal parts of it. A point on the line selects a
    buyer; a session of this buyer, drawn uniformly, gives the goal: buy for strata A-C, browse for D (2.3). Bouncers
    (stratum E) and sessions without an event have no intent. A code with no other sessions in a store is left out there,
    and the store's other shares are scaled up.

    The n points of a store are independent ("multinomial"), one uniform point in each n-th of the line ("stratified"), or
    at equal distances ("systematic"). Each method gives a buyer the same expected number of visits. The variance of the
    count of a code with share p is np(1 - p), at most 1/2, and f(1 - f), where f is the fractional part of np.

    The order is by store, and random within a store. Goals depend on the seed and the store's id, not on the other
    stores; with "multinomial" a longer population of a store begins with the shorter one.
    Raises ContractError if a shop has no usable code.
    """
    shops = _sessions_by_shop(sessions)
    if not shops:
        raise ContractError(
            "population: no session to take an intent from; expected sessions with events of buyers in strata A-D "
            "of the shops to simulate. Hold out shops that have such buyers."
        )
    shares = _mix_by_shop(mix)
    goals: list[Goal] = []
    for index, (shop, codes) in enumerate(sorted(shops.items())):
        count = episodes // len(shops) + (index < episodes % len(shops))
        usable = [code for code in sorted(codes) if shares[shop].get(code, 0) > 0]
        if not usable:
            raise ContractError(
                f"population: shop {shop} has sessions of the codes {sorted(codes)} and a mix over "
                f"{sorted(shares[shop])}; expected a code in both. Make both from the same assignments."
            )
        line = [buyer for code in usable for buyer in _in_line(codes[code])]
        lengths = [shares[shop][code] / len(codes[code]) for code in usable for _ in codes[code]]
        edges = np.cumsum(lengths) / np.sum(lengths)
        rngs = [np.random.default_rng(seed_words(seed, shop, number)) for number in range(count)]
        for rng, point in zip(rngs, _points(rngs, sampling, seed_words(seed, shop)), strict=True):
            buyer = line[min(int(np.searchsorted(edges, point, side="right")), len(line) - 1)]
            goals.append(intent_goal(buyer[rng.integers(len(buyer))]))
    return goals


def first_of_each_shop(goals: Sequence[Goal], count: int) -> list[Goal]:
    """`count` of the goals in their order: the first ones of each store, in equal numbers."""
    of_shop: defaultdict[str, list[int]] = defaultdict(list)
    for index, goal in enumerate(goals):
        of_shop[goal.shop_id].append(index)
    by_turns = sorted((turn, index) for indices in of_shop.values() for turn, index in enumerate(indices))
    return [goals[index] for index in sorted(index for _, index in by_turns[:count])]


def without_tokens(goals: Sequence[Goal]) -> list[Goal]:
    """The same goals for agents without a persona token (App. I)."""
    return [replace(goal, code=None) for goal in goals]


def _points(rngs: Sequence[np.random.Generator], sampling: Sampling, seed: list[int]) -> Float[np.ndarray, " n"]:
    """Points of the unit line, in random order."""
    points = np.array([rng.random() for rng in rngs])
    if sampling == "multinomial":
        return points
    shop = np.random.default_rng(seed)
    within = shop.random() if sampling == "systematic" else points
    return (shop.permutation(len(points)) + within) / max(len(points), 1)


def _in_line(buyers: Buyers) -> list[list[RecordedSession]]:
    """The sessions of each buyer; buyers are ordered by stratum, then by id."""
    return [sessions for _, sessions in sorted(buyers.items(), key=lambda item: (item[1][0].stratum, item[0]))]


def _sessions_by_shop(sessions: Sequence[RecordedSession]) -> dict[str, dict[int, Buyers]]:
    shops: dict[str, dict[int, Buyers]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for session in sorted(sessions, key=lambda session: (session.shop_id, session.buyer_id, session.session_id)):
        if session.stratum != "E" and session.timeline:
            shops[session.shop_id][session.code][session.buyer_id].append(session)
    return shops


def _mix_by_shop(mix: pa.Table) -> dict[str, dict[int, float]]:
    shares: dict[str, dict[int, float]] = defaultdict(dict)
    for row in mix.to_pylist():
        shares[row["shop_id"]][row["code"]] = row["share"]
    return shares
