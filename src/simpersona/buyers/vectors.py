"""Buyers as vectors: the 403 numbers of Figure 4."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Bool, Float

from simpersona.contracts import CHANNELS, SCALARS

SCALAR_DIM, MASK_DIM = len(SCALARS), len(CHANNELS)


@dataclass(frozen=True)
class BuyerVectors:
    """n buyers as vectors: 16 scalars | 3 channels of c dimensions | 3 masks (Figure 4).

    With c = 128 a vector has 403 dimensions. `scalars` are the raw values (nan where unknown).
    """

    shop_id: np.ndarray
    buyer_id: np.ndarray
    stratum: np.ndarray
    x: Float[np.ndarray, "n dim"]
    scalars: Float[np.ndarray, "n 16"]

    def __len__(self) -> int:
        return len(self.x)

    @property
    def channel_dim(self) -> int:
        """Dimensions of one product channel (128 in the paper)."""
        return (self.x.shape[1] - SCALAR_DIM - MASK_DIM) // len(CHANNELS)

    @property
    def z(self) -> Float[np.ndarray, "n 16"]:
        """The normalised scalars."""
        return self.x[:, :SCALAR_DIM]

    def channel(self, name: str) -> Float[np.ndarray, "n c"]:
        """The dimensions of one channel: "viewed", "carted" or "purchased"."""
        start = SCALAR_DIM + CHANNELS.index(name) * self.channel_dim
        return self.x[:, start : start + self.channel_dim]

    @property
    def masks(self) -> Bool[np.ndarray, "n 3"]:
        """True where a buyer has at least one product in a channel."""
        return self.x[:, -MASK_DIM:] > 0.5

    def scalar(self, name: str) -> Float[np.ndarray, " n"]:
        """One raw scalar by name."""
        return self.scalars[:, SCALARS.index(name)]

    def without_x(self) -> BuyerVectors:
        """Only shops, strata and raw scalars, to save memory: `x` has shape (n, 0) and the buyer ids are empty."""
        empty_ids = np.zeros(len(self), "U1")
        return BuyerVectors(self.shop_id, empty_ids, self.stratum, self.x[:, :0].copy(), self.scalars)

    @classmethod
    def joined(cls, parts: Sequence[BuyerVectors]) -> BuyerVectors:
        """The buyers of all `parts`; expects at least one part."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    def take(self, rows: np.ndarray) -> BuyerVectors:
        """The buyers at `rows` (indices or a boolean mask)."""
        return BuyerVectors(
            self.shop_id[rows], self.buyer_id[rows], self.stratum[rows], self.x[rows], self.scalars[rows]
        )
