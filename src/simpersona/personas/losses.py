"""The terms of the training loss, Eq. 2 (2.2, App. D)."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from simpersona.buyers.vectors import MASK_DIM, SCALAR_DIM, BuyerVectors
from simpersona.config import PersonasConfig
from simpersona.contracts import CHANNELS, HEADS, SCALAR_GROUPS, SCALARS

Terms = dict[str, Tensor]
"""Scalar terms by name: reconstruction, commitment, contrastive and one term per head."""

_GROUP_OF = torch.tensor([group for group, names in enumerate(SCALAR_GROUPS.values()) for _ in names])
_MEAN_OF_GROUP = functional.one_hot(_GROUP_OF).float() / torch.bincount(_GROUP_OF)


def present_groups(vectors: BuyerVectors) -> Float[Tensor, "n 8"]:
    """1 where a buyer has the group: 5 scalar groups (at least one known scalar), then the 3 channels."""
    known = [
        ~np.isnan(vectors.scalars[:, [SCALARS.index(name) for name in names]]).all(axis=1)
        for names in SCALAR_GROUPS.values()
    ]
    return torch.from_numpy(np.column_stack([*known, vectors.masks])).float()


def reconstruction(
    x_hat: Float[Tensor, "n dim"], x: Float[Tensor, "n dim"], present: Float[Tensor, "n 8"]
) -> Float[Tensor, ""]:
    """The mean over buyers of the mean error over the groups that a buyer has (REFERENCE 9).

    The error is the squared error for a scalar group and 1 − cosine for a channel. The mask bits have no error term.
    """
    scalars = (x_hat[:, :SCALAR_DIM] - x[:, :SCALAR_DIM]).square() @ _MEAN_OF_GROUP
    predicted, real = (rows[:, SCALAR_DIM:-MASK_DIM].unflatten(1, (len(CHANNELS), -1)) for rows in (x_hat, x))
    channels = 1 - functional.cosine_similarity(predicted, real, dim=2)
    errors = torch.cat([scalars, channels], dim=1)
    return ((errors * present).sum(dim=1) / present.sum(dim=1).clamp(min=1)).mean()


def commitment(z_e: Float[Tensor, "n latent"], z_q: Float[Tensor, "n latent"], over: str = "mean") -> Float[Tensor, ""]:
    """The squared distance of the encoder's outputs to their entries; the entries get no gradient.

    It is the mean over buyers, and the mean or the sum (`over`) over the latent's dimensions (REFERENCE 9).
    """
    mean = functional.mse_loss(z_e, z_q.detach())
    return mean * z_e.shape[1] if over == "sum" else mean


def info_nce(
    z_e: Float[Tensor, "n latent"], positive: Int[Tensor, " n"], has_peer: Bool[Tensor, " n"], temperature: float
) -> Float[Tensor, ""]:
    """The InfoNCE loss of Eq. 9 without the anchor in the denominator (REFERENCE 10).

    It is the mean over the anchors that have a peer, and 0 if none has.
    """
    unit = functional.normalize(z_e, dim=1)
    similarity = (unit @ (unit / temperature).T).fill_diagonal_(-torch.inf)
    if not has_peer.any():
        return z_e.sum() * 0
    # -1 marks anchors without a peer, which the mean ignores
    return functional.cross_entropy(similarity, positive.where(has_peer, -1), ignore_index=-1)


def head_losses(
    logits: Float[Tensor, "n 3 3"], labels: Int[Tensor, "n 3"], weights: Float[Tensor, "3 3"]
) -> Float[Tensor, " 3"]:
    """Eq. 11 for each head: weighted cross-entropy, summed and divided by the batch (REFERENCE 14)."""
    return torch.stack(
        [
            functional.cross_entropy(logits[:, head], labels[:, head], weights[head], reduction="sum") / len(labels)
            for head in range(len(HEADS))
        ]
    )


def total(terms: Terms, config: PersonasConfig) -> Float[Tensor, ""]:
    """Eq. 2, with the sum over the heads of Eq. 10."""
    return (
        config.reconstruction_weight * terms["reconstruction"]
        + config.commitment_weight * terms["commitment"]
        + config.contrastive_weight * terms["contrastive"]
        + config.head_weight * torch.stack([terms[head] for head in HEADS]).sum()
    )
