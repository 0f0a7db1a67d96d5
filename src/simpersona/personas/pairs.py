"""Positive pairs for the contrastive loss, chosen by three gates within a batch (2.2, App. D, REFERENCE 10)."""

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
    """The inputs of the gates, one row per buyer.

    `signature` is 3 for a purchase, 2 for an addition to the cart or a checkout start, 1 for a product view, else 0.
    `product` is the mean of the buyer's channels, scaled to length 1 (0 without a channel). `behaviour` are the
    robust z values of BEHAVIOUR.
    """

    signature: Int[Tensor, " n"]
    product: Float[Tensor, "n c"]
    behaviour: Float[Tensor, "n 4"]

    @classmethod
    def of(cls, vectors: BuyerVectors) -> Gates:
        """The gates of all buyers in `vectors`."""
        channels = np.stack([vectors.channel(name) for name in CHANNELS])
        # the sum is enough: a missing channel is 0, and the cosine does not depend on the divisor of the mean
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
    """The peers of each buyer, nearest first, and the number of peers, at most `behaviour_peers`.

    The first gate takes the other buyers with the same signature, the second the `product_peers` most similar of
    these by product, the third the `behaviour_peers` nearest of those by behaviour. Columns beyond a buyer's number
    of peers are undefined.
    """
    # one block per signature, because buyers of different signatures are never compared
    n = len(gates.signature)
    result = torch.zeros(n, min(behaviour_peers, product_peers, n), dtype=torch.long)
    count = torch.zeros(n, dtype=torch.long)
    for signature in gates.signature.unique():
        rows = torch.nonzero(gates.signature == signature).flatten()
        limit = min(product_peers, len(rows) - 1)
        if not limit:
            continue
        block = gates.take(rows)
        similarity = (block.product @ block.product.T).fill_diagonal_(-torch.inf)
        candidates = similarity.topk(limit, dim=1).indices
        distance = (block.behaviour[:, None] - block.behaviour[candidates]).square().sum(dim=2)
        order = distance.topk(min(behaviour_peers, limit), dim=1, largest=False).indices
        result[rows, : order.shape[1]] = rows[candidates.gather(1, order)]
        count[rows] = order.shape[1]
    return result, count


def positives(
    gates: Gates, product_peers: int, behaviour_peers: int, generator: torch.Generator
) -> tuple[Int[Tensor, " n"], Bool[Tensor, " n"]]:
    """One positive per buyer, drawn uniformly from its peers, and a mask of the buyers that have a peer."""
    candidates, count = peers(gates, product_peers, behaviour_peers)
    drawn = (torch.rand(len(count), generator=generator) * count).long()
    return candidates.gather(1, drawn[:, None]).flatten(), count > 0


def _signature(vectors: BuyerVectors) -> np.ndarray:
    def has(name: str) -> np.ndarray:
        return np.nan_to_num(vectors.scalar(f"{name}_session_count"), nan=0.0) > 0

    return np.select(
        [has("purchase"), has("add_to_cart") | has("checkout_start"), has("product_view")], [3, 2, 1], default=0
    )
