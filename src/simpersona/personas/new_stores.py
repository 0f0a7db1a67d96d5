"""The mix of a store without a history, from its catalogue: the training shops that together sell the most alike.

Of a new store nothing is known but what it sells. Its catalogue is written as a convex combination of the training
shops' catalogues (the donors of a synthetic control, Abadie, Diamond and Hainmueller 2010), and its mix is the same
combination of their mixes. A ridge pulls the weights towards equal ones, which give the mean mix of all shops; how
hard it pulls is chosen by leaving out one training shop at a time, so that catalogues that tell nothing are ignored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import nnls
from scipy.special import rel_entr

PULLS = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, np.inf)
"""Of the ridge, in units of the shops' mean squared distance from their mean; infinite: equal weights."""
_SUM = 1e4
"""How heavily a sum other than 1 counts."""


@dataclass(frozen=True)
class KnownStores:
    """The n training shops: the vector of each one's catalogue, and its mix over the K codes."""

    catalogues: Float[np.ndarray, "n dim"]
    mixes: Float[np.ndarray, "n codes"]

    def without(self, place: int) -> KnownStores:
        """All but one."""
        return KnownStores(np.delete(self.catalogues, place, axis=0), np.delete(self.mixes, place, axis=0))

    def weights(self, catalogue: Float[np.ndarray, " dim"], pull: float) -> Float[np.ndarray, " n"]:
        """How much of each shop a catalogue is: not below 0, 1 in all.

        argmin ‖v − Σ wᵢ vᵢ‖² / s² + pull · ‖w − 1/n‖², s² the shops' mean squared distance from their mean.
        """
        count = len(self.catalogues)
        equal = np.full(count, 1 / count)
        spread = np.sqrt(((self.catalogues - self.catalogues.mean(axis=0)) ** 2).sum(axis=1).mean())
        if not np.isfinite(pull) or spread == 0:
            return equal
        held = np.sqrt(pull) * np.eye(count)
        left = np.concatenate([self.catalogues.T / spread, held, np.full((1, count), _SUM)])
        found, _ = nnls(left, np.concatenate([catalogue / spread, held @ equal, [_SUM]]))
        return found / found.sum()


@dataclass(frozen=True)
class NewStores:
    """What predicts mixes: the known shops, the pull that served them best, and how far off they were predicted."""

    known: KnownStores
    pull: float
    errors: Float[np.ndarray, "n codes"]
    """Real minus predicted shares of each known shop from the others."""

    @classmethod
    def fit(cls, known: KnownStores) -> NewStores:
        """Chooses the pull with the smallest mean Jensen-Shannon divergence over the shops left out, the strongest of equals.

        Raises ValueError for fewer than two shops.
        """
        if len(known.mixes) < 2:
            raise ValueError(f"needs two shops to leave one out; found {len(known.mixes)}")
        places = range(len(known.mixes))
        predicted = {
            pull: np.stack([_mix(known.without(i), known.catalogues[i], pull) for i in places]) for pull in PULLS[::-1]
        }
        best = min(predicted, key=lambda pull: round(float(_divergence(predicted[pull], known.mixes).mean()), 9))
        return cls(known, best, known.mixes - predicted[best])

    @property
    def left_out(self) -> Float[np.ndarray, "n codes"]:
        """The mixes that the other known shops predict of each."""
        return self.known.mixes - self.errors

    def donors(self, catalogue: Float[np.ndarray, " dim"]) -> Float[np.ndarray, " n"]:
        """The weight of each known shop in the mix of a new one."""
        return self.known.weights(catalogue, self.pull)

    def mix(self, catalogue: Float[np.ndarray, " dim"]) -> Float[np.ndarray, " codes"]:
        """The predicted shares of the codes; they sum to 1."""
        return _mix(self.known, catalogue, self.pull)

    def bounds(
        self, mix: Float[np.ndarray, " codes"]
    ) -> tuple[Float[np.ndarray, " codes"], Float[np.ndarray, " codes"]]:
        """The range that 95 % of the known shops' errors put around each share; of few shops, the range of all."""
        low, high = np.quantile(self.errors, [0.025, 0.975], axis=0)
        return np.clip(mix + np.minimum(low, 0), 0, 1), np.clip(mix + np.maximum(high, 0), 0, 1)


def catalogue_vectors_by_shop(
    shop: Int[np.ndarray, " products"], vectors: Float[np.ndarray, "products dim"], shops: int
) -> Float[np.ndarray, "shops dim"]:
    """Of each shop the mean of its products' vectors, each of length 1; `shop` numbers the products' shops from 0."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    sums = np.zeros((shops, vectors.shape[1]))
    np.add.at(sums, shop, vectors / np.where(length > 0, length, 1))
    return sums / np.bincount(shop, minlength=shops)[:, None]


def _mix(known: KnownStores, catalogue: np.ndarray, pull: float) -> Float[np.ndarray, " codes"]:
    return known.weights(catalogue, pull) @ known.mixes


def _divergence(p: np.ndarray, q: np.ndarray) -> Float[np.ndarray, " n"]:
    """Jensen-Shannon's, in nats (scipy's `jensenshannon` takes a root, which fails where rounding brings it below 0)."""
    middle = (p + q) / 2
    return (rel_entr(p, middle) + rel_entr(q, middle)).sum(axis=-1) / 2
