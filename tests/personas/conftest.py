"""A small population of buyers whose types are known."""

from collections.abc import Callable

import numpy as np
import pytest

from simpersona.buyers.vectors import BuyerVectors
from simpersona.contracts import CHANNELS, SCALARS

Population = tuple[BuyerVectors, np.ndarray]
CHANNEL_DIM = 32
TASTES = 6
# sessions; share of them with: product view, search, collection view, cart, checkout start, purchase; seconds; views
TYPES = np.array(
    [
        [2, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 60, 1],
        [4, 1.0, 0.9, 0.8, 0.0, 0.0, 0.0, 900, 6],
        [3, 1.0, 0.1, 0.1, 0.7, 0.0, 0.0, 240, 2],
        [6, 1.0, 0.8, 0.6, 0.9, 0.0, 0.0, 1500, 8],
        [3, 1.0, 0.2, 0.7, 0.8, 0.7, 0.0, 300, 3],
        [5, 1.0, 0.7, 0.2, 0.9, 0.8, 0.0, 1200, 5],
        [2, 1.0, 0.0, 0.1, 0.9, 0.9, 0.8, 150, 2],
        [7, 1.0, 0.6, 0.6, 0.8, 0.8, 0.8, 2000, 6],
    ]
)


def population(buyers: int, seed: int) -> Population:
    """`buyers` buyers of 8 types in 3 shops. A type fixes depth and style; taste has nothing to do with it. 115 dimensions."""
    rng = np.random.default_rng(seed)
    types = rng.integers(0, len(TYPES), buyers)
    profile = TYPES[types]
    sessions = np.maximum(1, rng.poisson(profile[:, 0]))
    viewed, searched, browsed, carted, started, bought = (
        np.where(share > 0, np.maximum(share > 0.5, rng.binomial(sessions, share)), 0) for share in profile[:, 1:7].T
    )
    bought, started = np.minimum(bought, carted), np.minimum(started, carted)
    intent = 3 * carted + 5 * started + 8 * bought
    raw = {
        "session_count": sessions,
        "active_day_count": sessions,
        "product_view_session_count": viewed,
        "add_to_cart_session_count": carted,
        "checkout_start_session_count": started,
        "purchase_session_count": bought,
        "search_session_count": searched,
        "collection_session_count": browsed,
        "duration_seconds": profile[:, 7] * rng.lognormal(0, 0.3, buyers),
        "product_view_count": viewed * np.maximum(1, rng.poisson(profile[:, 8])),
        "add_to_cart_rate": carted / sessions,
        "checkout_rate": bought / sessions,
        "browse_only_rate": np.maximum(viewed - carted, 0) / sessions,
        "intent_strength": intent / (sessions + intent),
        "mean_cart_value": np.where(carted > 0, 40, 0.0),
        "mean_order_value": np.where(bought > 0, 45, 0.0),
    }
    scalars = np.column_stack([raw[name] for name in SCALARS]).astype(float)
    logs = np.log1p(scalars)
    z = (logs - np.median(logs, axis=0)) / np.maximum(logs.std(axis=0), 1e-9)
    masks = np.column_stack([viewed, carted, bought]) > 0
    taste = np.random.default_rng(99).normal(size=(TASTES, CHANNEL_DIM))[rng.integers(0, TASTES, buyers)]
    channels = [(taste + rng.normal(0, 0.5, taste.shape)) * masks[:, [i]] for i in range(len(CHANNELS))]
    stratum = np.select([bought > 0, started > 0, carted > 0], ["A", "B", "C"], "D")
    return BuyerVectors(
        np.array([f"shop-{i}" for i in rng.integers(0, 3, buyers)]),
        np.array([f"buyer-{i}" for i in range(buyers)]),
        stratum,
        np.hstack([z, *channels, masks]).astype(np.float32),
        scalars,
    ), types


@pytest.fixture(scope="session")
def make_population() -> Callable[[int, int], Population]:
    return population
