"""The latent buyer types: levels on explicit axes, and the habits that follow from them."""

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
from simpersona.lab.effects import affected
from simpersona.lab.funnel import AGAIN, Habits, Rates, rates
from simpersona.lab.variants import PLAIN, Variant

T = TypeVar("T")

FAVOURITES = 3
"""Departments a type likes."""
FAVOURITE_WEIGHT = 5.0
"""How much more a product type of a favourite department is wanted."""

_BUY_SHARE: dict[Drive, float] = {"browser": 0.01, "buyer": 0.7, "collector": 0.65, "hesitant": 0.65}
_CART: dict[Drive, dict[str, float]] = {
    "browser": {"cart_after_add": 0.3, "leave_after_add": 0.3, "start": 0.2, "complete": 0.5},
    "buyer": {"cart_after_add": 0.7, "leave_after_add": 0.05, "start": 0.75, "complete": 0.88},
    "collector": {"cart_after_add": 0.4, "leave_after_add": 0.3, "start": 0.03, "complete": 0.3},
    "hesitant": {"cart_after_add": 0.65, "leave_after_add": 0.1, "start": 0.65, "complete": 0.05},
}
_STOP: dict[Engagement, float] = {"brief": 0.58, "steady": 0.36, "absorbed": 0.16}
"""The chance that a browsing visit ends between one product and the next."""
_STOP_BUYING = 0.5
"""A factor on it in a visit with the intent to buy."""
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
    """One latent type: its level on each axis and the numbers that follow."""

    number: int
    drive: Drive
    engagement: Engagement
    exploration: Exploration
    breadth: Breadth
    price_level: PriceLevel
    returns: Returns
    departments: tuple[str, ...]
    """The favourite ones."""

    @property
    def name(self) -> str:
        """The type in words."""
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
        """Share of looks that stay with the product type wanted."""
        return _FOCUS[self.breadth]

    def habits(self, intent: Intent, variant: Variant = PLAIN) -> Habits:
        """How a visit with this intent goes in this variant of the store."""
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
        return affected(habits, variant, self.drive, self.price_level)

    def rates(self, intent: Intent | None = None, variant: Variant = PLAIN) -> Rates:
        """The exact rates per visit: of one intent, or of all visits."""
        if intent:
            return rates(self.habits(intent, variant))
        browse, buy = (self.rates(one, variant) * self.intent_shares[one] for one in INTENTS)
        return browse + buy


def _leaving(stop: float, lists: float) -> dict[str, float]:
    """The three chances to leave with which exploration does not touch how far a visit gets.

    With any share `lists` of looks that go over a list of products, a visit reaches a product with
    1 - stop/4 and, an addition apart, the next one after each with 1 - stop.
    """
    lost_on_list = stop / 4
    product = 1 - lists * lost_on_list  # a look leads to a product, over lists or at once
    stay = (1 - lost_on_list) / (1 - AGAIN * lists * lost_on_list)
    return {
        "leave_home": (1 - (1 - stop / 4) / product) / _HOME,
        "leave_list": 1 - stay,
        "leave": 1 - (1 - stop) / product,
    }


def make_types(count: int, rng: np.random.Generator) -> tuple[ShopperType, ...]:
    """`count` types spread evenly over the axes; only the favourite departments are drawn.

    Drives take turns. Within a drive the first three types differ on every other axis but breadth,
    the first six meet each pair of exploration and breadth, the first nine each pair of engagement
    and exploration.
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
