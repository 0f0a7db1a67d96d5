"""Who visits: a population of goals drawn from the shops' persona mixes (Eq. 4, 3.2)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from simpersona.contracts import Goal, RecordedSession
from simpersona.errors import ContractError
from simpersona.shopper.goals import intent_goal

Buyers = dict[str, list[RecordedSession]]
"""The sessions of each buyer, by buyer id."""


def draw_population(mix: pa.Table, sessions: Sequence[RecordedSession], episodes: int, seed: int) -> list[Goal]:
    """`episodes` goals, shared evenly by the shops of `sessions` (the first shops get the remainder).

    A persona code is drawn from its shop's mix p_s(k) (Eq. 4, shape of MIX), then a buyer of that shop with
    that code, each as likely as the other, then one of the buyer's sessions, which gives the goal: buy for
    strata A-C, browse for D (2.3). Bouncers (stratum E) and sessions without an event have no intent to give;
    a code that only they have in a shop is left out there and the shop's other shares are scaled up.

    The order is by shop. Goal i of a shop depends on the seed, the shop's place and i alone, so that a longer
    population begins with the shorter one of the same shop. Raises ContractError if a shop has no usable code.
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
        weights = np.array([shares[shop][code] for code in usable])
        edges = np.cumsum(weights / weights.sum())
        goals += [
            _one_goal(codes, usable, edges, np.random.default_rng([seed, place, number])) for number in range(count)
        ]
    return goals


def without_tokens(goals: Sequence[Goal]) -> list[Goal]:
    """The same goals for agents without a persona token (App. I)."""
    return [replace(goal, code=None) for goal in goals]


def _one_goal(codes: dict[int, Buyers], usable: list[int], edges: np.ndarray, rng: np.random.Generator) -> Goal:
    at = min(int(np.searchsorted(edges, rng.random(), side="right")), len(usable) - 1)
    buyers = codes[usable[at]]
    buyer = sorted(buyers)[rng.integers(len(buyers))]
    return intent_goal(buyers[buyer][rng.integers(len(buyers[buyer]))])


def _sessions_by_shop(sessions: Sequence[RecordedSession]) -> dict[str, dict[int, Buyers]]:
    shops: dict[str, dict[int, Buyers]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for session in sessions:
        if session.stratum != "E" and session.timeline:
            shops[session.shop_id][session.code][session.buyer_id].append(session)
    return shops


def _mix_by_shop(mix: pa.Table) -> dict[str, dict[int, float]]:
    shares: dict[str, dict[int, float]] = defaultdict(dict)
    for row in mix.to_pylist():
        shares[row["shop_id"]][row["code"]] = row["share"]
    return shares
