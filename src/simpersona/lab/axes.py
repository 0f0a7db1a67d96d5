"""The axes on which latent buyer types differ, and the levels of each."""

from __future__ import annotations

from typing import Literal, get_args

Drive = Literal["browser", "buyer", "collector", "hesitant"]
"""How far visits go: only looks; buys; fills carts; starts checkouts and abandons them."""
Engagement = Literal["brief", "steady", "absorbed"]
"""How many products a visit views, and how long it stays on each page."""
Exploration = Literal["search", "collections", "direct"]
"""How a visit reaches products."""
Breadth = Literal["narrow", "wide"]
"""Whether a visit stays with the wanted product type or also views others."""
PriceLevel = Literal["budget", "middle", "premium"]
Returns = Literal["rare", "regular", "frequent"]
"""How often a buyer visits in four months."""
Intent = Literal["browse", "buy"]
"""The intent of a visit; a property of the visit, not of the type."""

DRIVES: tuple[Drive, ...] = get_args(Drive)
ENGAGEMENTS: tuple[Engagement, ...] = get_args(Engagement)
EXPLORATIONS: tuple[Exploration, ...] = get_args(Exploration)
BREADTHS: tuple[Breadth, ...] = get_args(Breadth)
PRICE_LEVELS: tuple[PriceLevel, ...] = get_args(PriceLevel)
RETURNS: tuple[Returns, ...] = get_args(Returns)
INTENTS: tuple[Intent, ...] = get_args(Intent)
