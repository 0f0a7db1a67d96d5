"""Persona cards: statistics and a summary text of each code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int
from scipy.stats import rankdata

from simpersona.buyers.vectors import BuyerVectors
from simpersona.contracts import CARDS, HEADS, LEVELS, SCALARS, STRATA
from simpersona.personas.card_text import VISIT, Means, card_summary, describe_session
from simpersona.personas.product_types import ProductTypeViews

if TYPE_CHECKING:
    from simpersona.personas.model import PersonaNetwork

_TYPES = 3
"""Number of product types on a card."""


def persona_cards(
    personas: PersonaNetwork,
    vectors: BuyerVectors,
    codes: Int[np.ndarray, " n"],
    tastes: ProductTypeViews | None = None,
    visits: pa.Table | None = None,
) -> pa.Table:
    """CARDS: one row per code with buyers, sorted by code, with the mean raw scalars and mean percentiles.

    `visits` has one row per code and combination of session counts, with the columns code, the counts of VISIT,
    sessions (number of such sessions) and seconds (their duration, null if unknown).
    """
    levels = personas.head_levels()
    average, ranks = _means(vectors.scalars), percentiles(vectors.scalars)
    sessions = typical_sessions(visits) if visits is not None else {}
    rows: list[dict[str, Any]] = []
    for code in np.unique(codes):
        has_code = codes == code
        buyers = vectors.take(has_code)
        shares = {stratum: float(np.mean(buyers.stratum == stratum)) for stratum in STRATA}
        stratum = max(shares, key=lambda name: shares[name])
        _, per_shop = np.unique(buyers.shop_id, return_counts=True)
        means, mean_percentiles = _means(buyers.scalars), _means(ranks[has_code])
        rows.append(
            {
                "code": int(code),
                "buyers": len(buyers),
                "shops": len(per_shop),
                "shop_share": float(per_shop.max() / len(buyers)),
                "stratum": stratum,
                "stratum_share": shares[stratum],
                **{f"share_{name}": share for name, share in shares.items()},
                **{head: LEVELS[levels[code, column]] for column, head in enumerate(HEADS)},
                **{name: means.get(name) for name in SCALARS},
                **{f"{name}_percentile": mean_percentiles.get(name) for name in SCALARS},
                "product_types": tastes.most_viewed(int(code), _TYPES) if tastes else None,
                "session": sessions.get(int(code)),
                "summary": card_summary(stratum, shares[stratum], means, average),
            }
        )
    return pa.Table.from_pylist(rows, CARDS.schema)


def percentiles(scalars: Float[np.ndarray, "n 16"]) -> Float[np.ndarray, "n 16"]:
    """The percentile of each value among the known values of its column, 0..100; ties get the mid-rank.

    The mean over all buyers is 50. The mean over a code's buyers is the probability, in per cent, that one of them
    has a higher value than a buyer drawn from the population.
    """
    ranks = rankdata(scalars, axis=0, nan_policy="omit")
    return 100 * (ranks - 0.5) / np.maximum((~np.isnan(scalars)).sum(axis=0), 1)


def typical_sessions(visits: pa.Table) -> dict[int, str]:
    """A description of each code's typical session: the observed session nearest to the medians of the counts.

    The distance is the sum of absolute differences of log(1 + count); of equally near sessions the more frequent
    one counts.
    """
    descriptions: dict[int, str] = {}
    codes, weights = visits["code"].to_numpy(), visits["sessions"].to_numpy()
    counts = np.column_stack([visits[name].to_numpy() for name in VISIT]).astype(np.int64)
    seconds = visits["seconds"].to_pylist()
    for code in np.unique(codes):
        rows = np.flatnonzero(codes == code)
        logs = np.log1p(counts[rows])
        middle = np.array([_weighted_median(column, weights[rows]) for column in logs.T])
        distance = np.round(np.abs(logs - middle).sum(axis=1), 9)
        best = rows[np.lexsort((*counts[rows].T, -weights[rows], distance))[0]]
        visit: dict[str, int] = dict(zip(VISIT, counts[best].tolist(), strict=True))
        descriptions[int(code)] = describe_session(visit, seconds[best])
    return descriptions


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    """The weighted median; the lower one of two middle values."""
    order = np.argsort(values)
    below = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(below, below[-1] / 2)])


def _means(scalars: np.ndarray) -> Means:
    known = ~np.isnan(scalars)
    sums, counts = np.where(known, scalars, 0).sum(axis=0), known.sum(axis=0)
    return {name: float(total / count) for name, total, count in zip(SCALARS, sums, counts, strict=True) if count}
