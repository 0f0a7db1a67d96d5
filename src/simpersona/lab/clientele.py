"""Who shops where: the sizes of the shops, their mixes over the types, their buyers and the visits planned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from simpersona.lab.catalogue import Catalogue
from simpersona.lab.shopper_types import (
    DRIVES,
    FAVOURITE_WEIGHT,
    INTENTS,
    PRICE_LEVELS,
    Drive,
    ShopperType,
)

CLIMATES: tuple[dict[Drive, float], ...] = (
    {"browser": 0.955, "buyer": 0.015, "collector": 0.015, "hesitant": 0.015},
    {"browser": 0.58, "buyer": 0.14, "collector": 0.14, "hesitant": 0.14},
    {"browser": 0.28, "buyer": 0.48, "collector": 0.12, "hesitant": 0.12},
)
"""Mean shares of the drives in a shop; shops take turns, from window shopping to buying."""
CONCENTRATION = 30.0
"""Of the Dirichlet of a shop's drives around its climate: small, so that two shops of one climate differ."""
WITHIN_DRIVE = 1.0
"""The Dirichlet's parameter for each type among those of its drive: 1 makes every split as likely."""
SIZE_SPREAD = 0.9
"""Of the log-normal shop sizes."""
SMALLEST_SHARE = 0.3
"""A shop has at least this share of the mean size."""
BETWEEN_SHARE = 0.1
"""Buyers who are at some visits one type and at others a second."""
BOUNCE_SHARE = 0.08
LOYALTY = 0.7
"""Share of visits that look for the buyer's favourite product type."""
MOST_VISITS = 40


@dataclass(frozen=True)
class Clientele:
    """The n buyers of one shop. Type number `len(types)` is the bouncer."""

    shares: Float[np.ndarray, " types"]
    """The planted mix, the bouncer last."""
    buyer_id: list[str]
    type: Int[np.ndarray, " n"]
    second: Int[np.ndarray, " n"]
    """-1 for a buyer of one type."""
    second_share: Float[np.ndarray, " n"]


@dataclass(frozen=True)
class Plan:
    """The m visits to one shop before they happen, in the order of buyers and of time."""

    buyer: Int[np.ndarray, " m"]
    rank: Int[np.ndarray, " m"]
    """0 for a buyer's first visit."""
    start: Float[np.ndarray, " m"]
    """Seconds after the world's begin."""
    type: Int[np.ndarray, " m"]
    intent: Int[np.ndarray, " m"]
    """Of INTENTS."""
    wanted: Int[np.ndarray, " m"]
    """A product type of the shop; -1 for a bouncer."""

    def __len__(self) -> int:
        return len(self.buyer)


def shop_sizes(shops: int, buyers: int, rng: np.random.Generator) -> Int[np.ndarray, " shops"]:
    """Buyers per shop: a heavy tail above a smallest size, `buyers` in all; `buyers` must be at least `shops`."""
    smallest = max(1, int(SMALLEST_SHARE * buyers / shops))
    weights = rng.lognormal(0, SIZE_SPREAD, shops)
    return smallest + rng.multinomial(buyers - smallest * shops, weights / weights.sum())


def draw_mix(shop: int, types: Sequence[ShopperType], rng: np.random.Generator) -> Float[np.ndarray, " types"]:
    """The planted shares of shop number `shop` over the types, the bouncer last."""
    climate = CLIMATES[shop % len(CLIMATES)]
    shares = np.zeros(len(types))
    drives: list[Drive] = [drive for drive in DRIVES if any(one.drive == drive for one in types)]
    mean = np.array([climate[drive] for drive in drives])
    for drive, share in zip(drives, rng.dirichlet(CONCENTRATION * mean / mean.sum()), strict=True):
        rows = [one.number for one in types if one.drive == drive]
        shares[rows] = share * rng.dirichlet(np.full(len(rows), WITHIN_DRIVE))
    bounce = BOUNCE_SHARE * rng.uniform(0.6, 1.4)
    return np.append((1 - bounce) * shares, bounce)


def draw_clientele(shop: int, size: int, types: Sequence[ShopperType], rng: np.random.Generator) -> Clientele:
    """`size` buyers of shop number `shop`."""
    shares = draw_mix(shop, types, rng)
    kind = rng.choice(len(shares), size, p=shares)
    second = rng.choice(len(types), size, p=shares[:-1] / shares[:-1].sum())
    second[(rng.random(size) >= BETWEEN_SHARE) | (second == kind) | (kind == len(types))] = -1
    return Clientele(
        shares=shares,
        buyer_id=random_ids(size, rng),
        type=kind,
        second=second,
        second_share=np.where(second >= 0, rng.uniform(0.25, 0.5, size), 0.0),
    )


def plan_visits(
    clientele: Clientele, catalogue: Catalogue, types: Sequence[ShopperType], days: int, rng: np.random.Generator
) -> Plan:
    """When each buyer comes, as which type, with what intent and for which product type."""
    means = np.array([one.visits for one in types] + [1.0])
    more = (means[clientele.type] - 1) * days / 120 * rng.gamma(2, 0.5, len(clientele.type))
    counts = np.minimum(1 + rng.poisson(more), MOST_VISITS)

    buyer = np.repeat(np.arange(len(counts)), counts)
    rank = np.arange(len(buyer)) - np.repeat(np.cumsum(counts) - counts, counts)
    start = rng.integers(0, days, len(buyer)) * 86_400.0 + _time_of_day(len(buyer), rng)
    start = start[np.lexsort((start, buyer))]

    as_second = rng.random(len(buyer)) < clientele.second_share[buyer]
    kind = np.where(as_second, clientele.second[buyer], clientele.type[buyer])
    buy_share = np.array([one.buy_share for one in types] + [0.0])
    buying = rng.random(len(buyer)) < buy_share[kind]

    taste = _taste(catalogue, types)
    favourite = _draw_rows(taste[clientele.type], rng)
    loyal = rng.random(len(buyer)) < LOYALTY
    wanted = np.where(loyal, favourite[buyer], _draw_rows(taste[kind], rng))
    return Plan(
        buyer=buyer,
        rank=rank,
        start=start,
        type=kind,
        intent=np.where(buying, INTENTS.index("buy"), INTENTS.index("browse")),
        wanted=np.where(kind == len(types), -1, wanted),
    )


def price_levels(types: Sequence[ShopperType]) -> Int[np.ndarray, " types"]:
    """The price level of each type as a number; the bouncer's is never used."""
    return np.array([PRICE_LEVELS.index(one.price_level) for one in types] + [0])


def random_ids(count: int, rng: np.random.Generator) -> list[str]:
    """Identifiers that look like UUIDs."""
    text = rng.bytes(16 * count).hex()
    return [
        f"{text[i : i + 8]}-{text[i + 8 : i + 12]}-{text[i + 12 : i + 16]}-{text[i + 16 : i + 20]}-{text[i + 20 : i + 32]}"
        for i in range(0, 32 * count, 32)
    ]


def _time_of_day(count: int, rng: np.random.Generator) -> np.ndarray:
    """Seconds after midnight, most of them in the afternoon and the evening."""
    return (6 + 17.5 * rng.beta(2.2, 1.8, count)) * 3600


def _taste(catalogue: Catalogue, types: Sequence[ShopperType]) -> Float[np.ndarray, "types kinds"]:
    """How much each type wants each product type of the shop; rows sum to 1, the bouncer's is even."""
    names = [department.name for department, _ in catalogue.kinds]
    rows = [[FAVOURITE_WEIGHT if name in one.departments else 1.0 for name in names] for one in types]
    weights = np.array([*rows, [1.0] * len(names)])
    return weights / weights.sum(1, keepdims=True)


def _draw_rows(probabilities: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One column per row, by the row's probabilities."""
    passed = rng.random((len(probabilities), 1)) >= probabilities.cumsum(1)
    return np.minimum(passed.sum(1), probabilities.shape[1] - 1)
