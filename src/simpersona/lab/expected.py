"""What a shop's planted mix makes exact: who comes how often, how far buyers get, and the lift of a variant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from simpersona.lab.axes import INTENTS
from simpersona.lab.clientele import BETWEEN_SHARE, RETURN_SHAPE, SECOND_SHARES, mean_visits
from simpersona.lab.funnel import Did, Rates, reached
from simpersona.lab.shopper_types import ShopperType
from simpersona.lab.variants import PLAIN, Variant

BOUNCE = Rates(add_to_cart=0.0, checkout_start=0.0, purchase=0.0, events=1.0)
"""A bouncer's rates, in every variant."""
_DEPTHS = ((Did.SEARCH, Did.COLLECTION, Did.VIEW), (Did.ADD,), (Did.START,), (Did.COMPLETE,))
"""One of these brings a buyer at least to stratum D, C, B, A."""


def visit_shares(
    shares: Float[np.ndarray, " types"], types: Sequence[ShopperType], days: int = 120
) -> Float[np.ndarray, " types"]:
    """The share of a shop's visits that each type makes, from its planted mix (the bouncer last in both).

    A buyer between two types comes as often as the first one does.
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

    A buyer makes 1 + X visits with X negative binomial, and none of them gets as far as p(visit)
    with probability (1 - p) (1 + m p / k)^-k, m the mean of X and k RETURN_SHAPE. Over the share of
    visits made as a second type that is integrated with four Gauss-Legendre nodes.
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
    """How often each latent type is drawn as a second one."""
    return shares[:-1] / shares[:-1].sum()


@lru_cache(maxsize=16)  # all shops of a world share their types
def _rates(types: tuple[ShopperType, ...], variant: Variant) -> Float[np.ndarray, "types rates"]:
    """The rates per visit of each type, the bouncer's last."""
    return np.array([astuple(one) for one in (*(one.rates(None, variant) for one in types), BOUNCE)])


@lru_cache(maxsize=16)
def _reached(types: tuple[ShopperType, ...], variant: Variant) -> Float[np.ndarray, "types depths"]:
    """How often a visit of each type gets as far as each of _DEPTHS."""
    return np.array([[_mixed(one, variant, depth) for depth in _DEPTHS] for one in types])


def _mixed(one: ShopperType, variant: Variant, depth: tuple[Did, ...]) -> float:
    return sum(one.intent_shares[intent] * reached(one.habits(intent, variant), depth) for intent in INTENTS)


def _never(visit: np.ndarray, more: np.ndarray) -> np.ndarray:
    return (1 - visit) * (1 + more * visit / RETURN_SHAPE) ** -RETURN_SHAPE
