"""Predicts the persona mix of a store without a history from its catalogue (cold start).

The store's catalogue is approximated by a convex combination of the training shops' catalogues, which are the donors
of a synthetic control (Abadie, Diamond and Hainmueller 2010). The predicted mix is the same combination of their
mixes. A ridge penalty shrinks the weights towards equal weights, which give the mean mix of all shops. Leave-one-out
cross-validation over the training shops chooses the penalty, so that uninformative catalogues are ignored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import nnls
from scipy.special import rel_entr

PENALTIES = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, np.inf)
"""Ridge penalties to choose from, in units of the shops' mean squared distance from their mean; infinite: equal weights."""
_SUM_WEIGHT = 1e4
"""Weight of the least-squares equation that makes the weights sum to 1."""


@dataclass(frozen=True)
class TrainingStores:
    """The n training shops: the vector of each shop's catalogue, and its mix over the K codes."""

    catalogues: Float[np.ndarray, "n dim"]
    mixes: Float[np.ndarray, "n codes"]

    def without(self, index: int) -> TrainingStores:
        """All training shops but the one at `index`."""
        return TrainingStores(np.delete(self.catalogues, index, axis=0), np.delete(self.mixes, index, axis=0))

    def weights(self, catalogue: Float[np.ndarray, " dim"], penalty: float) -> Float[np.ndarray, " n"]:
        """The weight of each shop in the combination nearest to a catalogue; non-negative, sums to 1.

        argmin ‖v − Σ wᵢ vᵢ‖² / s² + penalty · ‖w − 1/n‖², where s² is the shops' mean squared distance from their
        mean.
        """
        count = len(self.catalogues)
        equal = np.full(count, 1 / count)
        spread = np.sqrt(((self.catalogues - self.catalogues.mean(axis=0)) ** 2).sum(axis=1).mean())
        if not np.isfinite(penalty) or spread == 0:
            return equal
        ridge = np.sqrt(penalty) * np.eye(count)
        design = np.concatenate([self.catalogues.T / spread, ridge, np.full((1, count), _SUM_WEIGHT)])
        weights, _ = nnls(design, np.concatenate([catalogue / spread, ridge @ equal, [_SUM_WEIGHT]]))
        return weights / weights.sum()


@dataclass(frozen=True)
class MixPredictor:
    """Predicts mixes from the training shops with the penalty that cross-validation chose."""

    known: TrainingStores
    penalty: float
    errors: Float[np.ndarray, "n codes"]
    """Leave-one-out errors: real minus predicted shares of each training shop."""

    @classmethod
    def fit(cls, known: TrainingStores) -> MixPredictor:
        """Chooses the penalty with the smallest mean Jensen-Shannon divergence in leave-one-out cross-validation.

        Of equally good penalties the largest counts. Raises ValueError for fewer than two shops.
        """
        if len(known.mixes) < 2:
            raise ValueError(f"leave-one-out needs at least two shops; found {len(known.mixes)}")
        shops = range(len(known.mixes))
        predicted = {
            penalty: np.stack([_mix(known.without(i), known.catalogues[i], penalty) for i in shops])
            for penalty in PENALTIES[::-1]
        }
        best = min(predicted, key=lambda penalty: round(float(_divergence(predicted[penalty], known.mixes).mean()), 9))
        return cls(known, best, known.mixes - predicted[best])

    @property
    def left_out(self) -> Float[np.ndarray, "n codes"]:
        """The mix of each training shop as predicted from the others."""
        return self.known.mixes - self.errors

    def donors(self, catalogue: Float[np.ndarray, " dim"]) -> Float[np.ndarray, " n"]:
        """The weight of each training shop in the mix of a new shop."""
        return self.known.weights(catalogue, self.penalty)

    def mix(self, catalogue: Float[np.ndarray, " dim"]) -> Float[np.ndarray, " codes"]:
        """The predicted shares of the codes; they sum to 1."""
        return _mix(self.known, catalogue, self.penalty)

    def bounds(
        self, mix: Float[np.ndarray, " codes"]
    ) -> tuple[Float[np.ndarray, " codes"], Float[np.ndarray, " codes"]]:
        """Bounds of each share, from the 2.5 % and 97.5 % quantiles of the leave-one-out errors."""
        low, high = np.quantile(self.errors, [0.025, 0.975], axis=0)
        return np.clip(mix + np.minimum(low, 0), 0, 1), np.clip(mix + np.maximum(high, 0), 0, 1)


def catalogue_vectors_by_shop(
    shop: Int[np.ndarray, " products"], vectors: Float[np.ndarray, "products dim"], shops: int
) -> Float[np.ndarray, "shops dim"]:
    """The mean of each shop's product vectors, scaled to length 1; `shop` is the index of each product's shop."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    sums = np.zeros((shops, vectors.shape[1]))
    np.add.at(sums, shop, vectors / np.where(length > 0, length, 1))
    return sums / np.bincount(shop, minlength=shops)[:, None]


def _mix(known: TrainingStores, catalogue: np.ndarray, penalty: float) -> Float[np.ndarray, " codes"]:
    return known.weights(catalogue, penalty) @ known.mixes


def _divergence(p: np.ndarray, q: np.ndarray) -> Float[np.ndarray, " n"]:
    """The Jensen-Shannon divergence in nats.

    scipy's `jensenshannon` takes a square root, which fails where rounding makes the divergence negative.
    """
    middle = (p + q) / 2
    return (rel_entr(p, middle) + rel_entr(q, middle)).sum(axis=-1) / 2
