"""Exact expected values of a shop with a planted mix: visit shares, funnel rates, strata, and lifts of variants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from simpersona.lab.axes import INTENTS
from simpersona.lab.clientele import BETWEEN_SHARE, RETURN_SHAPE, SECOND_SHARES, mean_visits
from simpersona.lab.funnel import Action, Rates, reached
from simpersona.lab.shopper_types import ShopperType
from simpersona.lab.variants import PLAIN, Variant

BOUNCE = Rates(add_to_cart=0.0, checkout_start=0.0, purchase=0.0, events=1.0)
"""A bouncer's rates, in every variant."""
_DEPTHS = ((Action.SEARCH, Action.COLLECTION, Action.VIEW), (Action.ADD,), (Action.START,), (Action.COMPLETE,))
"""The actions that bring a buyer at least to stratum D, C, B and A."""


def visit_shares(
    shares: Float[np.ndarray, " types"], types: Sequence[ShopperType], days: int = 120
) -> Float[np.ndarray, " types"]:
    """The share of each type in a shop's visits, from the planted mix `shares`; the bouncer is last in both.

    A buyer between two types visits as often as a buyer of the first type.
    """
    visits = shares * mean_visits(types, days)
    as_second = BETWEEN_SHARE * np.mean(SECOND_SHARES) * visits[:-1]
    second = _seconds(shares)
    visits[:-1] += second * (as_second.sum() - as_second) - as_second * (1 - second)
    return visits / visits.sum()


def shop_rates(
    shares: Float[np.ndarray, " types"], types: Sequence[ShopperType], variant: Variant = PLAIN, days: int = 120
) -> Rates:
    """The exact rates per visit to a shop with this mix."""
    return Rates(*(visit_shares(shares, types, days) @ _rates(tuple(types), variant)).tolist())


def true_lift(
    shares: Float[np.ndarray, " types"], types: Sequence[ShopperType], a: Variant, b: Variant, days: int = 120
) -> Rates:
    """What b changes in a shop with this mix: its rates per visit minus those of a. Exactly 0 if both are the same."""
    return shop_rates(shares, types, b, days) - shop_rates(shares, types, a, days)


def strata_shares(
    shares: Float[np.ndarray, " types"], types: Sequence[ShopperType], variant: Variant = PLAIN, days: int = 120
) -> Float[np.ndarray, " strata"]:
    """The expected shares of buyers in the strata A, B, C, D, E (2.1.1) of a shop with this mix.

    A buyer makes 1 + X visits, where X is negative binomial with mean m and shape k = RETURN_SHAPE. If a visit reaches
    a depth with probability p, no visit of the buyer does with probability (1 - p) (1 + m p / k)^-k. For buyers between
    two types this is integrated over the share of visits as the second type, with four Gauss-Legendre nodes.
    """
    visit = _reached(tuple(types), variant)
    more = mean_visits(types, days)[:-1] - 1
    second, between = _seconds(shares), BETWEEN_SHARE
    never = (1 - between * (1 - second))[:, None] * _never(visit, more[:, None])
    nodes, weights = np.polynomial.legendre.leggauss(4)
    low, high = SECOND_SHARES
    for part, weight in zip((low + high) / 2 + (high - low) / 2 * nodes, weights / 2, strict=True):
        pairs = (1 - part) * visit[:, None] + part * visit[None, :]
        apart = (second * (1 - np.eye(len(types))))[..., None]
        never += between * weight * (apart * _never(pairs, more[:, None, None])).sum(1)
    latent = shares[:-1] @ never
    looked, added, started, bought = shares[:-1].sum() - latent
    return np.array([bought, started - bought, added - started, looked - added, 1 - looked])


def _seconds(shares: np.ndarray) -> np.ndarray:
    """The probability of each latent type as a second type."""
    return shares[:-1] / shares[:-1].sum()


@lru_cache(maxsize=16)  # all shops of a world share their types
def _rates(types: tuple[ShopperType, ...], variant: Variant) -> Float[np.ndarray, "types rates"]:
    """The rates per visit of each type; the bouncer is last."""
    return np.array([astuple(rates) for rates in (*(each.rates(None, variant) for each in types), BOUNCE)])


@lru_cache(maxsize=16)
def _reached(types: tuple[ShopperType, ...], variant: Variant) -> Float[np.ndarray, "types depths"]:
    """The probability that a visit of each type reaches each of _DEPTHS."""
    return np.array([[_reached_by(each, variant, depth) for depth in _DEPTHS] for each in types])


def _reached_by(shopper: ShopperType, variant: Variant, depth: tuple[Action, ...]) -> float:
    return sum(shopper.intent_shares[intent] * reached(shopper.habits(intent, variant), depth) for intent in INTENTS)


def _never(visit: np.ndarray, more: np.ndarray) -> np.ndarray:
    return (1 - visit) * (1 + more * visit / RETURN_SHAPE) ** -RETURN_SHAPE
