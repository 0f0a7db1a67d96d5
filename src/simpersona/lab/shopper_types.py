"""The latent buyer types: levels on explicit axes, and the habits that follow from them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np

from simpersona.lab.departments import DEPARTMENTS
from simpersona.lab.funnel import Habits, Rates, rates

Drive = Literal["browser", "buyer", "collector", "hesitant"]
"""Looks only; buys; fills carts; starts checkouts and stops."""
Engagement = Literal["brief", "steady", "absorbed"]
Exploration = Literal["search", "collections", "direct"]
PriceLevel = Literal["budget", "middle", "premium"]
Returns = Literal["rare", "regular", "frequent"]
Intent = Literal["browse", "buy"]

DRIVES: tuple[Drive, ...] = get_args(Drive)
INTENTS: tuple[Intent, ...] = get_args(Intent)
PRICE_LEVELS: tuple[PriceLevel, ...] = get_args(PriceLevel)

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
_LEAVE: dict[Engagement, float] = {"brief": 0.4, "steady": 0.28, "absorbed": 0.17}
_DWELL: dict[Engagement, float] = {"brief": 0.6, "steady": 1.0, "absorbed": 1.7}
_LOOK: dict[Exploration, tuple[float, float, float]] = {
    "search": (0.55, 0.1, 0.35),
    "collections": (0.08, 0.52, 0.4),
    "direct": (0.07, 0.13, 0.8),
}
_HOME: dict[Exploration, float] = {"search": 0.4, "collections": 0.5, "direct": 0.1}
_FOCUS: dict[Exploration, float] = {"search": 0.9, "collections": 0.5, "direct": 0.75}
_VISITS: dict[Returns, float] = {"rare": 1.6, "regular": 3.0, "frequent": 5.0}


@dataclass(frozen=True)
class ShopperType:
    """One latent type: its level on each axis and the numbers that follow."""

    number: int
    drive: Drive
    engagement: Engagement
    exploration: Exploration
    price_level: PriceLevel
    returns: Returns
    departments: tuple[str, ...]
    """The favourite ones."""

    @property
    def name(self) -> str:
        """The type in words."""
        return f"{self.engagement} {self.drive}, by {self.exploration}, {self.price_level}, {self.returns}"

    @property
    def buy_share(self) -> float:
        """Share of visits with the intent to buy."""
        return _BUY_SHARE[self.drive]

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
        """Share of looks that stay with the product type wanted; breadth is what is left."""
        return _FOCUS[self.exploration]

    def habits(self, intent: Intent) -> Habits:
        """How a visit with this intent goes."""
        browse = Habits(
            look=_LOOK[self.exploration],
            home=_HOME[self.exploration],
            leave=_LEAVE[self.engagement],
            add=0.003,
            cart_after_view=0.1,
            remove=0.08,
            leave_cart=0.12,
            back=0.05,
            **_CART[self.drive],
        )
        return browse if intent == "browse" else replace(browse, add=0.45, leave=browse.leave * 0.5)

    def rates(self, intent: Intent | None = None) -> Rates:
        """The exact rates per visit: of one intent, or of all visits."""
        if intent:
            return rates(self.habits(intent))
        browse, buy = rates(self.habits("browse")), rates(self.habits("buy"))
        share = self.buy_share
        return Rates(
            *(share * there + (1 - share) * here for here, there in zip(_flat(browse), _flat(buy), strict=True))
        )


def _flat(values: Rates) -> tuple[float, ...]:
    return (values.add_to_cart, values.checkout_start, values.purchase, values.events)


def make_types(count: int, rng: np.random.Generator) -> tuple[ShopperType, ...]:
    """`count` types spread evenly over the axes; only the favourite departments are drawn.

    Drives take turns, and within a drive the first three types differ on every other axis, the
    first nine cover every pair of engagement and exploration.
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
                engagement=_level(Engagement, turn + drive),
                exploration=_level(Exploration, turn + cycle + 2 * drive),
                price_level=_level(PriceLevel, turn + 2 * cycle + drive // 2),
                returns=_level(Returns, 2 * turn + cycle + drive),
                departments=tuple(sorted(rng.choice(names, FAVOURITES, replace=False).tolist())),
            )
        )
    return tuple(types)


def _level(axis: object, number: int) -> Any:
    levels = get_args(axis)
    return levels[number % len(levels)]
