"""Positive pairs for the contrastive loss: three gates within a batch (2.2, App. D, REFERENCE 10)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from simpersona.buyers.vectors import BuyerVectors
from simpersona.contracts import CHANNELS, SCALARS

BEHAVIOUR = ("product_view_count", "search_session_count", "collection_session_count", "duration_seconds")
"""The features of the behavioural filter."""


@dataclass(frozen=True)
class Gates:
    """What the gates look at, one row per buyer.

    `signature`: 3 purchase, 2 cart or checkout start, 1 product view, 0 none. `product`: the mean of the
    buyer's channels, of length 1 (0 without a channel). `behaviour`: robust z values of BEHAVIOUR.
    """

    signature: Int[Tensor, " n"]
    product: Float[Tensor, "n c"]
    behaviour: Float[Tensor, "n 4"]

    @classmethod
    def of(cls, vectors: BuyerVectors) -> Gates:
        """The gates of all buyers in `vectors`."""
        channels = np.stack([vectors.channel(name) for name in CHANNELS])
        # a missing channel is 0, and the cosine does not ask for the divisor of a mean
        product = torch.from_numpy((channels * vectors.masks.T[:, :, None]).sum(axis=0)).float()
        return cls(
            torch.from_numpy(_signature(vectors)),
            torch.nn.functional.normalize(product, dim=1),
            torch.from_numpy(vectors.z[:, [SCALARS.index(name) for name in BEHAVIOUR]]).float(),
        )

    def take(self, rows: Int[Tensor, " m"]) -> Gates:
        """The gates of the buyers at `rows`."""
        return Gates(self.signature[rows], self.product[rows], self.behaviour[rows])


def peers(gates: Gates, product_peers: int, behaviour_peers: int) -> tuple[Int[Tensor, "n f"], Int[Tensor, " n"]]:
    """Each buyer's peers and how many of them count, at most `behaviour_peers`.

    Of the others with the same signature, the `product_peers` most similar by product; of these, the
    `behaviour_peers` nearest by behaviour, nearest first. Columns past the count mean nothing.
    """
    # one block per signature: buyers of different signatures are never compared
    n = len(gates.signature)
    found = torch.zeros(n, min(behaviour_peers, product_peers, n), dtype=torch.long)
    count = torch.zeros(n, dtype=torch.long)
    for signature in gates.signature.unique():
        rows = torch.nonzero(gates.signature == signature).flatten()
        most = min(product_peers, len(rows) - 1)
        if not most:
            continue
        own = gates.take(rows)
        similarity = (own.product @ own.product.T).fill_diagonal_(-torch.inf)
        candidates = similarity.topk(most, dim=1).indices
        distance = (own.behaviour[:, None] - own.behaviour[candidates]).square().sum(dim=2)
        order = distance.topk(min(behaviour_peers, most), dim=1, largest=False).indices
        found[rows, : order.shape[1]] = rows[candidates.gather(1, order)]
        count[rows] = order.shape[1]
    return found, count


def positives(
    gates: Gates, product_peers: int, behaviour_peers: int, generator: torch.Generator
) -> tuple[Int[Tensor, " n"], Bool[Tensor, " n"]]:
    """One peer per buyer, drawn uniformly from its peers, and whether it has one at all."""
    found, count = peers(gates, product_peers, behaviour_peers)
    drawn = (torch.rand(len(count), generator=generator) * count).long()
    return found.gather(1, drawn[:, None]).flatten(), count > 0


def _signature(vectors: BuyerVectors) -> np.ndarray:
    def has(name: str) -> np.ndarray:
        return np.nan_to_num(vectors.scalar(f"{name}_session_count"), nan=0.0) > 0

    return np.select(
        [has("purchase"), has("add_to_cart") | has("checkout_start"), has("product_view")], [3, 2, 1], default=0
    )
