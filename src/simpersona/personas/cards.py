"""Cards: what each persona code is like, in numbers and in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int
from scipy.stats import rankdata

from simpersona.buyers.vectors import BuyerVectors
from simpersona.contracts import CARDS, HEADS, LEVELS, SCALARS, STRATA
from simpersona.personas.card_words import VISIT, Means, session_words, summary
from simpersona.personas.tastes import Tastes

if TYPE_CHECKING:
    from simpersona.personas.model import Personas

_TYPES = 3
"""Product types on a card."""


def persona_cards(
    personas: Personas,
    vectors: BuyerVectors,
    codes: Int[np.ndarray, " n"],
    tastes: Tastes | None = None,
    visits: pa.Table | None = None,
) -> pa.Table:
    """CARDS: one row per code that has a buyer, by code, with the buyers' mean raw scalars and their percentiles.

    `visits` has a row per code and kind of session: code, the counts of VISIT, sessions (how many were such), and
    seconds (how long they took, null where unknown).
    """
    levels = personas.head_levels()
    average, ranks = _means(vectors.scalars), percentiles(vectors.scalars)
    sessions = typical_sessions(visits) if visits is not None else {}
    rows: list[dict[str, Any]] = []
    for code in np.unique(codes):
        of_code = codes == code
        own = vectors.take(of_code)
        shares = {stratum: float(np.mean(own.stratum == stratum)) for stratum in STRATA}
        stratum = max(shares, key=lambda name: shares[name])
        _, per_shop = np.unique(own.shop_id, return_counts=True)
        means, places = _means(own.scalars), _means(ranks[of_code])
        rows.append(
            {
                "code": int(code),
                "buyers": len(own),
                "shops": len(per_shop),
                "shop_share": float(per_shop.max() / len(own)),
                "stratum": stratum,
                "stratum_share": shares[stratum],
                **{f"share_{name}": share for name, share in shares.items()},
                **{head: LEVELS[levels[code, column]] for column, head in enumerate(HEADS)},
                **{name: means.get(name) for name in SCALARS},
                **{f"{name}_percentile": places.get(name) for name in SCALARS},
                "product_types": tastes.most_viewed(int(code), _TYPES) if tastes else None,
                "session": sessions.get(int(code)),
                "summary": summary(stratum, shares[stratum], means, average),
            }
        )
    return pa.Table.from_pylist(rows, CARDS.schema)


def percentiles(scalars: Float[np.ndarray, "n 16"]) -> Float[np.ndarray, "n 16"]:
    """Where each value stands among the known ones of its column, 0..100: the share below it, and half of its equals.

    The mean over all buyers is 50; the mean over a code's buyers is how often, of a hundred, one of them has more
    than somebody drawn from the population.
    """
    ranks = rankdata(scalars, axis=0, nan_policy="omit")
    return 100 * (ranks - 0.5) / np.maximum((~np.isnan(scalars)).sum(axis=0), 1)


def typical_sessions(visits: pa.Table) -> dict[int, str]:
    """By code, in words, the real kind of session that is nearest to the medians of its sessions' counts.

    Near is the sum of the differences of log(1 + count); of equally near ones the more frequent is taken.
    """
    found: dict[int, str] = {}
    codes, weights = visits["code"].to_numpy(), visits["sessions"].to_numpy()
    counts = np.column_stack([visits[name].to_numpy() for name in VISIT]).astype(np.int64)
    seconds = visits["seconds"].to_pylist()
    for code in np.unique(codes):
        rows = np.flatnonzero(codes == code)
        logs = np.log1p(counts[rows])
        middle = np.array([_weighted_median(column, weights[rows]) for column in logs.T])
        distance = np.round(np.abs(logs - middle).sum(axis=1), 9)
        best = rows[np.lexsort((*counts[rows].T, -weights[rows], distance))[0]]
        found[int(code)] = session_words(dict(zip(VISIT, counts[best].tolist(), strict=True)), seconds[best])
    return found


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    """The lower one, where two are in the middle."""
    order = np.argsort(values)
    below = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(below, below[-1] / 2)])


def _means(scalars: np.ndarray) -> Means:
    known = ~np.isnan(scalars)
    sums, counts = np.where(known, scalars, 0).sum(axis=0), known.sum(axis=0)
    return {name: float(total / count) for name, total, count in zip(SCALARS, sums, counts, strict=True) if count}
