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

    A shop's buyers stand in a line, by code, then by stratum; each code's part of the line is its share of the
    shop's mix p_s(k) (Eq. 4, shape of MIX), and its buyers share it evenly. A point of the line is a buyer, one of
    whose sessions, each as likely as the other, gives the goal: buy for strata A-C, browse for D (2.3). Bouncers
    (stratum E) and sessions without an event have no intent to give; a code that only they have in a shop is left
    out there and the shop's other shares are scaled up.

    The n points of a shop are independent ("multinomial"), one anywhere in each n-th of the line ("stratified"), or
    equally far apart ("systematic"). Each way gives every buyer the same expected number of visits; the count of a
    code of share p varies by np(1 - p), by at most 1/2, and by f(1 - f) where f is the fraction of np.

    The order is by shop, and within a shop random. Goals depend on the seed and the shop's id, not on what other
    shops there are; with "multinomial" a longer population of a shop begins with the shorter one.
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
    for place, (shop, codes) in enumerate(sorted(shops.items())):
        count = episodes // len(shops) + (place < episodes % len(shops))
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
    """`count` of the goals, evenly the first ones of each shop, in their order."""
    places: defaultdict[str, list[int]] = defaultdict(list)
    for place, goal in enumerate(goals):
        places[goal.shop_id].append(place)
    by_turns = sorted((turn, place) for own in places.values() for turn, place in enumerate(own))
    return [goals[place] for place in sorted(place for _, place in by_turns[:count])]


def without_tokens(goals: Sequence[Goal]) -> list[Goal]:
    """The same goals for agents without a persona token (App. I)."""
    return [replace(goal, code=None) for goal in goals]


def _points(rngs: Sequence[np.random.Generator], sampling: Sampling, words: list[int]) -> Float[np.ndarray, " n"]:
    """Points of the unit line, in random order."""
    own = np.array([rng.random() for rng in rngs])
    if sampling == "multinomial":
        return own
    shop = np.random.default_rng(words)
    within = shop.random() if sampling == "systematic" else own
    return (shop.permutation(len(own)) + within) / max(len(own), 1)


def _in_line(buyers: Buyers) -> list[list[RecordedSession]]:
    """The buyers' sessions, buyers of one stratum beside each other."""
    return [own for _, own in sorted(buyers.items(), key=lambda item: (item[1][0].stratum, item[0]))]


def _sessions_by_shop(sessions: Sequence[RecordedSession]) -> dict[str, dict[int, Buyers]]:
    shops: dict[str, dict[int, Buyers]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for session in sorted(sessions, key=lambda one: (one.shop_id, one.buyer_id, one.session_id)):
        if session.stratum != "E" and session.timeline:
            shops[session.shop_id][session.code][session.buyer_id].append(session)
    return shops


def _mix_by_shop(mix: pa.Table) -> dict[str, dict[int, float]]:
    shares: dict[str, dict[int, float]] = defaultdict(dict)
    for row in mix.to_pylist():
        shares[row["shop_id"]][row["code"]] = row["share"]
    return shares
