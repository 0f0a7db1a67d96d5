"""The latent buyer types, which are the planted truth: levels on explicit axes, and the habits that follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from simpersona.lab.axes import (
    BREADTHS,
    DRIVES,
    ENGAGEMENTS,
    EXPLORATIONS,
    INTENTS,
    PRICE_LEVELS,
    RETURNS,
    Breadth,
    Drive,
    Engagement,
    Exploration,
    Intent,
    PriceLevel,
    Returns,
)
from simpersona.lab.departments import DEPARTMENTS
from simpersona.lab.effects import apply_variant
from simpersona.lab.funnel import AGAIN, Habits, Rates, rates
from simpersona.lab.variants import PLAIN, Variant

T = TypeVar("T")

FAVOURITES = 3
"""Number of favourite departments of a type."""
FAVOURITE_WEIGHT = 5.0
"""Weight of a product type of a favourite department relative to others."""

_BUY_SHARE: dict[Drive, float] = {"browser": 0.01, "buyer": 0.7, "collector": 0.65, "hesitant": 0.65}
_CART: dict[Drive, dict[str, float]] = {
    "browser": {"cart_after_add": 0.3, "leave_after_add": 0.3, "start": 0.2, "complete": 0.5},
    "buyer": {"cart_after_add": 0.7, "leave_after_add": 0.05, "start": 0.75, "complete": 0.88},
    "collector": {"cart_after_add": 0.4, "leave_after_add": 0.3, "start": 0.03, "complete": 0.3},
    "hesitant": {"cart_after_add": 0.65, "leave_after_add": 0.1, "start": 0.65, "complete": 0.05},
}
_STOP: dict[Engagement, float] = {"brief": 0.58, "steady": 0.36, "absorbed": 0.16}
"""Probability that a browsing visit ends between two product views."""
_STOP_BUYING = 0.5
"""Factor on that probability in visits with the intent to buy."""
_DWELL: dict[Engagement, float] = {"brief": 0.6, "steady": 1.0, "absorbed": 1.7}
_LOOK: dict[Exploration, tuple[float, float, float]] = {
    "search": (0.55, 0.1, 0.35),
    "collections": (0.08, 0.52, 0.4),
    "direct": (0.07, 0.13, 0.8),
}
_HOME = 0.4
_FOCUS: dict[Breadth, float] = {"narrow": 0.9, "wide": 0.5}
_VISITS: dict[Returns, float] = {"rare": 1.6, "regular": 3.0, "frequent": 5.0}


@dataclass(frozen=True)
class ShopperType:
    """One latent type: its level on each axis, and the parameters that follow from them."""

    number: int
    drive: Drive
    engagement: Engagement
    exploration: Exploration
    breadth: Breadth
    price_level: PriceLevel
    returns: Returns
    departments: tuple[str, ...]
    """The favourite departments."""

    @property
    def name(self) -> str:
        """A readable name of the type."""
        return (
            f"{self.engagement} {self.drive}, {self.breadth} by {self.exploration}, {self.price_level}, {self.returns}"
        )

    @property
    def buy_share(self) -> float:
        """Share of visits with the intent to buy."""
        return _BUY_SHARE[self.drive]

    @property
    def intent_shares(self) -> dict[Intent, float]:
        """Shares of visits by their intent."""
        return {"browse": 1 - self.buy_share, "buy": self.buy_share}

    @property
    def visits(self) -> float:
        """Mean number of visits in 120 days."""
        return _VISITS[self.returns]

    @property
    def dwell(self) -> float:
        """Factor on the time spent on a page."""
        return _DWELL[self.engagement]

    @property
    def focus(self) -> float:
        """Share of looks that stay with the wanted product type."""
        return _FOCUS[self.breadth]

    def habits(self, intent: Intent, variant: Variant = PLAIN) -> Habits:
        """The transition probabilities of a visit with this intent in a variant of the store."""
        buying = intent == "buy"
        stop = _STOP[self.engagement] * (_STOP_BUYING if buying else 1)
        habits = Habits(
            look=_LOOK[self.exploration],
            home=_HOME,
            **_leaving(stop, lists=sum(_LOOK[self.exploration][:2])),
            add=0.2 if buying else 0.003,
            cart_after_view=0.1,
            remove=0.08,
            leave_cart=0.12,
            back=0.05,
            **_CART[self.drive],
        )
        return apply_variant(habits, variant, self.drive, self.price_level)

    def rates(self, intent: Intent | None = None, variant: Variant = PLAIN) -> Rates:
        """The exact rates per visit, for one intent or for all visits."""
        if intent:
            return rates(self.habits(intent, variant))
        browse, buy = (self.rates(each, variant) * self.intent_shares[each] for each in INTENTS)
        return browse + buy


def _leaving(stop: float, lists: float) -> dict[str, float]:
    """The three leave probabilities, chosen so that the depth of a visit does not depend on exploration.

    For any share `lists` of looks that pass through a list of products, a visit reaches a first product with
    probability 1 - stop/4 and, without an addition, each further product with probability 1 - stop.
    """
    lost_on_list = stop / 4
    product = 1 - lists * lost_on_list  # probability that a look leads to a product, through lists or directly
    stay = (1 - lost_on_list) / (1 - AGAIN * lists * lost_on_list)
    return {
        "leave_home": (1 - (1 - stop / 4) / product) / _HOME,
        "leave_list": 1 - stay,
        "leave": 1 - (1 - stop) / product,
    }


def make_types(count: int, rng: np.random.Generator) -> tuple[ShopperType, ...]:
    """`count` types, spread evenly over the axes; only the favourite departments are drawn at random.

    The types cycle through the drives. Within a drive, the first three types differ on every other axis except
    breadth, the first six cover each pair of exploration and breadth, and the first nine each pair of engagement and
    exploration.
    """
    names = [department.name for department in DEPARTMENTS]
    types = []
    for number in range(count):
        turn, drive = divmod(number, len(DRIVES))
        cycle = turn // 3
        types.append(
            ShopperType(
                number=number,
                drive=DRIVES[drive],
                engagement=_level(ENGAGEMENTS, turn + drive),
                exploration=_level(EXPLORATIONS, turn + cycle + 2 * drive),
                breadth=_level(BREADTHS, cycle + drive),
                price_level=_level(PRICE_LEVELS, turn + 2 * cycle + drive // 2),
                returns=_level(RETURNS, 2 * turn + cycle + drive),
                departments=tuple(sorted(rng.choice(names, FAVOURITES, replace=False).tolist())),
            )
        )
    return tuple(types)


def _level(levels: Sequence[T], number: int) -> T:
    return levels[number % len(levels)]
