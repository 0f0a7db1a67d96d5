"""The labels of the three auxiliary heads: low, medium or high on each behavioural axis (2.2, App. E)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Num

from simpersona.buyers.vectors import BuyerVectors
from simpersona.config import PersonasConfig
from simpersona.contracts import HEADS, LEVELS

Edges = tuple[float, float]
"""A score below the first is low, from the first on medium, from the second on high."""

WEIGHT_PAIRS = tuple((checkout, cart) for checkout in range(2, 16) for cart in range(1, checkout))
"""The 105 pairs (w_co, w_atc) of App. E with 15 ≥ w_co > w_atc ≥ 1."""

_SEMANTIC_EDGES: Edges = (0.5, 1.5)


@dataclass(frozen=True)
class HeadBins:
    """The bin edges of each head's three levels, fitted on the training buyers.

    `edges` follow HEADS: engagement in log(1 + seconds), exploration in log(1 + sessions), purchase in the
    composite score. `weights` are the class weights N / (3·n) of Eq. 11, one row per head, 0 for a level without
    training buyers. `notes` are remarks for the reader of the report.
    """

    edges: tuple[Edges, Edges, Edges]
    purchase_weights: tuple[int, int] | None
    """None: the semantic bins, none / cart only / any purchase."""
    counts: Int[np.ndarray, "3 3"]
    notes: tuple[str, ...] = ()

    @classmethod
    def fit(cls, vectors: BuyerVectors, config: PersonasConfig) -> HeadBins:
        """Fits terciles of engagement and exploration (REFERENCE 12), and purchase bins as configured (REFERENCE 11)."""
        semantic = config.purchase_bins == "semantic"
        weights = None if semantic else config.purchase_weights
        engagement, exploration, purchase = _scores(vectors, weights)
        edges = (
            tercile_edges(engagement),
            tercile_edges(exploration),
            _SEMANTIC_EDGES if semantic else merged_edges(purchase),
        )
        levels = _levels((engagement, exploration, purchase), edges)
        counts = np.stack([np.bincount(head, minlength=len(LEVELS)) for head in levels.T])
        notes = _empty_notes(counts)
        if not semantic:
            notes += _sweep_notes(vectors, config.purchase_weights)
        return cls(edges, weights, counts, notes)

    @property
    def weights(self) -> Float[np.ndarray, "3 3"]:
        """The class weights N / (3·n) of Eq. 11, heads × levels; 0 where n = 0."""
        total = self.counts.sum(axis=1, keepdims=True)
        return np.where(self.counts > 0, total / (len(LEVELS) * np.maximum(self.counts, 1)), 0.0)

    def labels(self, vectors: BuyerVectors) -> Int[np.ndarray, "n 3"]:
        """The level of each buyer on each head, in the order of HEADS: 0 low, 1 medium, 2 high."""
        return _levels(_scores(vectors, self.purchase_weights), self.edges)

    def meta(self) -> dict[str, Any]:
        """The bins as plain values for JSON; `from_meta` restores them."""
        return {
            "edges": dict(zip(HEADS, map(list, self.edges), strict=True)),
            "purchase_weights": list(self.purchase_weights) if self.purchase_weights else None,
            "counts": dict(zip(HEADS, self.counts.tolist(), strict=True)),
            "notes": list(self.notes),
        }

    @classmethod
    def from_meta(cls, meta: dict[str, Any]) -> HeadBins:
        """The bins restored from `meta`."""
        engagement, exploration, purchase = ((low, high) for low, high in (meta["edges"][head] for head in HEADS))
        weights = meta["purchase_weights"]
        return cls(
            (engagement, exploration, purchase),
            (weights[0], weights[1]) if weights else None,
            np.array([meta["counts"][head] for head in HEADS]),
            tuple(meta["notes"]),
        )


class WeightPair(NamedTuple):
    """The purchase bins under one pair of weights.

    `moved` is the share of the buyers whose level differs from that under the reference weights.
    """

    checkout: int
    cart: int
    edges: Edges
    counts: tuple[int, int, int]
    moved: float


def weight_sweep(
    purchase_sessions: Num[np.ndarray, " n"],
    cart_sessions: Num[np.ndarray, " n"],
    compared_with: tuple[int, int] = (8, 3),
) -> list[WeightPair]:
    """The purchase bins under each of the 105 weight pairs of App. E.

    `compared_with` are the reference weights (checkout, cart). On the paper's buyers `moved` is 0 for all pairs; on
    other data it may not be (REFERENCE 11).
    """
    pairs, buyers = np.unique(np.stack([purchase_sessions, cart_sessions]), axis=1, return_counts=True)
    buyers = buyers.ravel()
    reference_levels = _merged_levels(pairs, buyers, compared_with)[1]
    swept: list[WeightPair] = []
    for checkout, cart in WEIGHT_PAIRS:
        edges, levels = _merged_levels(pairs, buyers, (checkout, cart))
        low, medium, high = (int(buyers[levels == level].sum()) for level in range(len(LEVELS)))
        moved = float(buyers[levels != reference_levels].sum() / max(buyers.sum(), 1))
        swept.append(WeightPair(checkout, cart, edges, (low, medium, high), moved))
    return swept


def merged_edges(scores: Num[np.ndarray, " n"], counts: Int[np.ndarray, " n"] | None = None) -> Edges:
    """The edges between three groups of scores, midway between neighbouring groups (App. E, REFERENCE 11).

    Each distinct score starts as a group. The adjacent pair of groups with the smallest joint count (the leftmost
    of ties) is merged until three groups are left. `counts` is the number of buyers per score, 1 by default. With
    fewer than three distinct scores the missing edges lie above the highest score.
    """
    low, inverse = np.unique(scores, return_inverse=True)
    size = np.bincount(inverse.ravel(), weights=counts, minlength=len(low))
    high = low
    while len(size) > len(LEVELS):
        left = int(np.argmin(size[:-1] + size[1:]))
        size = np.delete(np.concatenate([size[:left], [size[left] + size[left + 1]], size[left + 1 :]]), left + 1)
        low, high = np.delete(low, left + 1), np.delete(high, left)
    middles = [float(edge) for edge in (high[:-1] + low[1:]) / 2]
    top = float(high[-1]) if len(high) else 0.0
    above = [top + 0.5, top + 1.5][: 2 - len(middles)]
    first, second = middles + above
    return first, second


def tercile_edges(scores: Float[np.ndarray, " n"]) -> Edges:
    """The tercile edges of the scores; a score on an edge belongs to the upper level (REFERENCE 12)."""
    if not len(scores):
        return _SEMANTIC_EDGES
    low, high = np.quantile(scores, [1 / 3, 2 / 3])
    return float(low), float(high)


def _scores(vectors: BuyerVectors, weights: tuple[int, int] | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    # an unknown count is 0, so that it cannot raise a buyer to a higher level
    known = {
        name: np.nan_to_num(vectors.scalar(name), nan=0.0)
        for name in ("duration_seconds", *_EXPLORATION, "purchase_session_count", "add_to_cart_session_count")
    }
    exploration = sum((known[name] for name in _EXPLORATION), start=np.zeros(len(vectors)))
    purchases, carts = known["purchase_session_count"], known["add_to_cart_session_count"]
    purchase = np.where(purchases > 0, 2, carts > 0) if weights is None else weights[0] * purchases + weights[1] * carts
    return np.log1p(known["duration_seconds"]), np.log1p(exploration), purchase


_EXPLORATION = ("search_session_count", "collection_session_count", "product_view_session_count")


def _levels(scores: tuple[np.ndarray, ...], edges: tuple[Edges, ...]) -> np.ndarray:
    return np.stack(
        [np.searchsorted(edge, score, side="right") for score, edge in zip(scores, edges, strict=True)], axis=1
    )


def _merged_levels(pairs: np.ndarray, buyers: np.ndarray, weights: tuple[int, int]) -> tuple[Edges, np.ndarray]:
    score = np.asarray(weights) @ pairs
    edges = merged_edges(score, buyers)
    return edges, np.searchsorted(edges, score, side="right")


def _empty_notes(counts: np.ndarray) -> tuple[str, ...]:
    return tuple(
        f"{head}: no training buyer is {LEVELS[level]}; the level has class weight 0 and is not learned"
        for row, head in enumerate(HEADS)
        for level in np.flatnonzero(counts[row] == 0)
    )


def _sweep_notes(vectors: BuyerVectors, weights: tuple[int, int]) -> tuple[str, ...]:
    purchases, carts = (
        np.nan_to_num(vectors.scalar(name), nan=0.0) for name in ("purchase_session_count", "add_to_cart_session_count")
    )
    swept = weight_sweep(purchases, carts, weights)
    moved = [pair for pair in swept if pair.moved > 0]
    if not moved:
        return ()
    worst = max(moved, key=lambda pair: pair.moved)
    note = (
        f"purchase: the bins depend on the weights: {len(moved)} of the {len(swept)} weight pairs give other levels than "
        f"{weights}; ({worst.checkout}, {worst.cart}) changes the level of {worst.moved:.1%} of the buyers; "
        'purchase_bins = "semantic" does not depend on weights'
    )
    return (note,)
