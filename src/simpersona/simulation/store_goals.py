"""Goals from the pages of the store that is visited, where the sessions name nothing to look for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from simpersona.shopper.goals import SOMETHING, goal_for, plain_wish
from simpersona.shopper.rollout import seed_words
from simpersona.visits import Goal

if TYPE_CHECKING:
    from simpersona.simulation.arms import Arm

MOST_OFFERS = 40
"""The largest number of names of one store that goals are drawn from."""
_LENGTHS = range(3, 61)
"""Lengths of names, in characters: a longer text is no name."""
_NO_WISH = re.compile(
    r"^(((shop|view|see|show) )?all( products| collections)?|shop|store|products?|collections?|categories|home|new( in| arrivals)?|sale|more|menu)$",
    re.IGNORECASE,
)
"""Names of links that say nothing about what is sold."""


def lacks_wishes(wishes: Sequence[str]) -> bool:
    """Whether most visits have nothing to look for: no catalogue was given with the log."""
    return 2 * sum(wish == SOMETHING for wish in wishes) > len(wishes)


def offered(collections: Iterable[str], products: Iterable[str]) -> tuple[str, ...]:
    """The names that goals are drawn from: of collections, then of products, each once."""
    names = dict.fromkeys(" ".join(name.split()) for name in (*collections, *products))
    return tuple(name for name in names if len(name) in _LENGTHS and not _NO_WISH.match(name))[:MOST_OFFERS]


def with_offers(arms: Sequence[Arm], offers: Sequence[str], seed: int) -> list[Arm]:
    """The arms, in which each goal without anything to look for asks for one of the `offers`, drawn by its session.

    Equal goals of two arms ask for the same. Without offers the arms stay as they are.
    """
    if not offers:
        return list(arms)
    return [replace(arm, goals=tuple(_named(goal, offers, seed) for goal in arm.goals)) for arm in arms]


def _named(goal: Goal, offers: Sequence[str], seed: int) -> Goal:
    if goal.wish != SOMETHING:
        return goal
    drawn = np.random.default_rng(seed_words(seed, f"{goal.shop_id}/{goal.buyer_id}/{goal.session_id}"))
    wish = plain_wish(offers[int(drawn.integers(len(offers)))])
    return replace(goal, text=goal_for(wish, goal.intent).text, wish=wish, of_store=True)
