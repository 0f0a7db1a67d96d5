"""Draws the shops' sizes, their planted mixes over the buyer types, their buyers, and the planned visits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int

from simpersona.lab.axes import DRIVES, INTENTS, PRICE_LEVELS, Drive
from simpersona.lab.catalogue import Catalogue
from simpersona.lab.product_choice import WeightedSampler
from simpersona.lab.shopper_types import FAVOURITE_WEIGHT, ShopperType

_WINDOW: dict[Drive, float] = {"browser": 0.96, "buyer": 0.019, "collector": 0.008, "hesitant": 0.013}
_MIXED: dict[Drive, float] = {"browser": 0.83, "buyer": 0.09, "collector": 0.03, "hesitant": 0.05}
_BUYING: dict[Drive, float] = {"browser": 0.3, "buyer": 0.58, "collector": 0.05, "hesitant": 0.07}
CLIMATES = (_WINDOW, _BUYING, _MIXED, _WINDOW, _MIXED, _WINDOW)
"""Mean shares of the drives in a shop; the shops cycle through them."""
CONCENTRATION = 30.0
"""Concentration of the Dirichlet of a shop's drives around its climate; small, so that shops of one climate differ."""
WITHIN_DRIVE = 1.0
"""Dirichlet parameter of each type within its drive; 1 makes every split equally likely."""
SIZE_SPREAD = 1.5
"""Sigma of the log-normal shop sizes."""
SMALLEST = 1000
"""Minimum number of buyers of a shop."""
SMALLEST_SHARE = 0.4
"""Minimum share of the mean size, in worlds that are too small for SMALLEST."""
BETWEEN_SHARE = 0.1
"""Share of buyers between two types, who make some of their visits as a second type."""
SECOND_SHARES = (0.25, 0.5)
"""Minimum and maximum share of the visits that such a buyer makes as the second type."""
BOUNCE_SHARE = 0.07
LOYALTY = 0.7
"""Share of visits that look for the buyer's favourite product type."""
MOST_VISITS = 40
RETURN_SHAPE = 2
"""Shape of the gamma distribution of the visit rates of buyers of one type."""


@dataclass(frozen=True)
class Clientele:
    """The n buyers of one shop. Type number `len(types)` is the bouncer."""

    buyer_id: pa.StringArray
    type: Int[np.ndarray, " n"]
    second: Int[np.ndarray, " n"]
    """The second type of a buyer between two types, else -1."""
    second_share: Float[np.ndarray, " n"]


@dataclass(frozen=True)
class Plan:
    """The m planned visits to one shop, in the order of buyers and of time."""

    buyer: Int[np.ndarray, " m"]
    rank: Int[np.ndarray, " m"]
    """Number of the visit among those of its buyer, from 0."""
    start: Float[np.ndarray, " m"]
    """Seconds after the world's start."""
    type: Int[np.ndarray, " m"]
    intent: Int[np.ndarray, " m"]
    """Index into INTENTS."""
    wanted: Int[np.ndarray, " m"]
    """The wanted product type of the shop; -1 for a bouncer."""

    def __len__(self) -> int:
        return len(self.buyer)


def shop_sizes(shops: int, buyers: int, rng: np.random.Generator) -> Int[np.ndarray, " shops"]:
    """Draws the number of buyers per shop: heavy-tailed above a minimum, `buyers` in all.

    `buyers` must be at least `shops`.
    """
    smallest = max(1, min(SMALLEST, int(SMALLEST_SHARE * buyers / shops)))
    weights = rng.lognormal(0, SIZE_SPREAD, shops)
    return smallest + rng.multinomial(buyers - smallest * shops, weights / weights.sum())


def draw_mix(shop: int, types: Sequence[ShopperType], rng: np.random.Generator) -> Float[np.ndarray, " types"]:
    """Draws the planted mix of shop number `shop` over the types, the bouncer last."""
    climate = CLIMATES[shop % len(CLIMATES)]
    shares = np.zeros(len(types))
    drives: list[Drive] = [drive for drive in DRIVES if any(each.drive == drive for each in types)]
    mean = np.array([climate[drive] for drive in drives])
    for drive, share in zip(drives, rng.dirichlet(CONCENTRATION * mean / mean.sum()), strict=True):
        rows = [each.number for each in types if each.drive == drive]
        shares[rows] = share * rng.dirichlet(np.full(len(rows), WITHIN_DRIVE))
    bounce = BOUNCE_SHARE * rng.uniform(0.6, 1.4)
    return np.append((1 - bounce) * shares, bounce)


def draw_clientele(shares: Float[np.ndarray, " types"], size: int, rng: np.random.Generator) -> Clientele:
    """Draws `size` buyers of a shop with the mix `shares` of `draw_mix`; a large shop may be drawn in parts."""
    types = len(shares) - 1
    kind = rng.choice(len(shares), size, p=shares)
    second = rng.choice(types, size, p=shares[:-1] / shares[:-1].sum())
    second[(rng.random(size) >= BETWEEN_SHARE) | (second == kind) | (kind == types)] = -1
    return Clientele(
        buyer_id=random_ids(size, rng),
        type=kind,
        second=second,
        second_share=np.where(second >= 0, rng.uniform(*SECOND_SHARES, size), 0.0),
    )


def plan_visits(
    clientele: Clientele, catalogue: Catalogue, types: Sequence[ShopperType], days: int, rng: np.random.Generator
) -> Plan:
    """Draws the planned visits of each buyer: their times, types, intents and wanted product types."""
    more = mean_visits(types, days)[clientele.type] - 1
    more *= rng.gamma(RETURN_SHAPE, 1 / RETURN_SHAPE, len(more))
    counts = np.minimum(1 + rng.poisson(more), MOST_VISITS)

    buyer = np.repeat(np.arange(len(counts)), counts)
    rank = np.arange(len(buyer)) - np.repeat(np.cumsum(counts) - counts, counts)
    start = rng.integers(0, days, len(buyer)) * 86_400.0 + _time_of_day(len(buyer), rng)
    start = start[np.lexsort((start, buyer))]

    as_second = rng.random(len(buyer)) < clientele.second_share[buyer]
    kind = np.where(as_second, clientele.second[buyer], clientele.type[buyer])
    buy_share = np.array([each.buy_share for each in types] + [0.0])
    buying = rng.random(len(buyer)) < buy_share[kind]

    preferences, kinds = WeightedSampler(_preferences(catalogue, types)), len(catalogue.kinds)
    favourite = preferences.draw(clientele.type, rng) % kinds
    loyal = rng.random(len(buyer)) < LOYALTY
    wanted = np.where(loyal, favourite[buyer], preferences.draw(kind, rng) % kinds)
    return Plan(
        buyer=buyer,
        rank=rank,
        start=start,
        type=kind,
        intent=np.where(buying, INTENTS.index("buy"), INTENTS.index("browse")),
        wanted=np.where(kind == len(types), -1, wanted),
    )


def mean_visits(types: Sequence[ShopperType], days: int) -> Float[np.ndarray, " types"]:
    """The mean number of visits of a buyer of each type in `days` days; 1 for the bouncer."""
    return 1 + (np.array([each.visits for each in types] + [1.0]) - 1) * days / 120


def price_levels(types: Sequence[ShopperType]) -> Int[np.ndarray, " types"]:
    """The index of each type's price level in PRICE_LEVELS; the bouncer's is not used."""
    return np.array([PRICE_LEVELS.index(each.price_level) for each in types] + [0])


def random_ids(count: int, rng: np.random.Generator) -> pa.StringArray:
    """Draws identifiers in the format of UUIDs."""
    digits = np.frombuffer(rng.bytes(16 * count).hex().encode(), np.uint8).reshape(count, 32)
    text = np.insert(digits, [8, 12, 16, 20], ord("-"), axis=1)
    offsets = np.arange(0, text.size + 1, 36, dtype=np.int32)
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(text))


def _time_of_day(count: int, rng: np.random.Generator) -> np.ndarray:
    """Draws seconds after midnight, mostly in the afternoon and evening."""
    return (6 + 17.5 * rng.beta(2.2, 1.8, count)) * 3600


def _preferences(catalogue: Catalogue, types: Sequence[ShopperType]) -> Float[np.ndarray, "types kinds"]:
    """The weight of each product type of the shop for each buyer type; equal weights for the bouncer."""
    names = [department.name for department, _ in catalogue.kinds]
    rows = [[FAVOURITE_WEIGHT if name in each.departments else 1.0 for name in names] for each in types]
    return np.array([*rows, [1.0] * len(names)])
