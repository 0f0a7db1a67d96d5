"""The axes on which latent buyer types differ, and the levels of each."""

from __future__ import annotations

from typing import Literal, get_args

Drive = Literal["browser", "buyer", "collector", "hesitant"]
"""Looks only; buys; fills carts; starts checkouts and stops."""
Engagement = Literal["brief", "steady", "absorbed"]
"""How many products a visit sees, and how long each is looked at."""
Exploration = Literal["search", "collections", "direct"]
"""The way to the products."""
Breadth = Literal["narrow", "wide"]
"""Stays with the product type wanted, or looks at others."""
PriceLevel = Literal["budget", "middle", "premium"]
Returns = Literal["rare", "regular", "frequent"]
"""Visits over four months."""
Intent = Literal["browse", "buy"]
"""Of a visit, not of a type."""

DRIVES: tuple[Drive, ...] = get_args(Drive)
ENGAGEMENTS: tuple[Engagement, ...] = get_args(Engagement)
EXPLORATIONS: tuple[Exploration, ...] = get_args(Exploration)
BREADTHS: tuple[Breadth, ...] = get_args(Breadth)
PRICE_LEVELS: tuple[PriceLevel, ...] = get_args(PriceLevel)
RETURNS: tuple[Returns, ...] = get_args(Returns)
INTENTS: tuple[Intent, ...] = get_args(Intent)
