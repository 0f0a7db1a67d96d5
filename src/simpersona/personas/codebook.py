"""The codebook: nearest entry, k-means++ start, moving averages, dead codes (2.2, App. C)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from sklearn.cluster import kmeans_plusplus
from torch import Tensor

from simpersona.errors import ConfigError


@dataclass
class Codebook:
    """K entries and, for each, a moving average of the number of buyers per batch (n̂ of Eq. 8)."""

    entries: Float[Tensor, "k latent"]
    usage: Float[Tensor, " k"]

    @classmethod
    def start(cls, z: Float[Tensor, "n latent"], codes: int, batch_size: int, seed: int) -> Codebook:
        """Initialises the entries by k-means++ over all encoder outputs.

        The usage is each entry's share of the outputs times the batch size. Raises ConfigError if there are fewer
        outputs than codes.
        """
        if len(z) < codes:
            raise ConfigError(
                f"personas.codes = {codes}, but there are only {len(z)} training buyers. "
                "Expected at least one training buyer per code: lower personas.codes or give more data."
            )
        # scikit-learn would convert float32 to float64 at every step, which takes most of the time
        centres, _ = kmeans_plusplus(z.double().numpy(), codes, random_state=seed)
        entries = torch.from_numpy(centres).to(z.dtype)
        counts = torch.bincount(nearest(z, entries), minlength=codes)
        return cls(entries, counts * (batch_size / len(z)))

    def update(self, z: Float[Tensor, "n latent"], codes: Int[Tensor, " n"], decay: float) -> None:
        """Moves each entry to γ·entry + (1 − γ)·mean of its outputs in this batch (Eq. 7).

        The step does not depend on the number of outputs, as Eq. 7 is written (REFERENCE 13). An entry without
        outputs stays; its usage falls.
        """
        counts = torch.bincount(codes, minlength=len(self.entries)).to(z.dtype)
        sums = torch.zeros_like(self.entries).index_add_(0, codes, z)
        means = sums / counts.clamp(min=1)[:, None]
        moved = decay * self.entries + (1 - decay) * means
        self.entries = torch.where(counts[:, None] > 0, moved, self.entries)
        self.usage = decay * self.usage + (1 - decay) * counts

    def dead(self, fraction: float) -> Int[Tensor, " dead"]:
        """The entries whose usage is below `fraction` of the mean usage (Eq. 8)."""
        return torch.nonzero(self.usage < fraction * self.usage.mean()).flatten()

    def revive(self, z: Float[Tensor, "n latent"], fraction: float, generator: torch.Generator) -> int:
        """Moves each dead entry to a random output of the batch plus noise (REFERENCE 13).

        The noise is N(0, (0.01·sd)²) with the sd of each dimension; the new usage is the mean usage. Returns the
        number of revived entries.
        """
        dead = self.dead(fraction)
        chosen = z[torch.randint(len(z), (len(dead),), generator=generator)]
        noise = torch.randn(chosen.shape, generator=generator) * (0.01 * z.std(dim=0, correction=0))
        mean = self.usage.mean()
        self.entries[dead] = chosen + noise
        self.usage[dead] = mean
        return len(dead)


def nearest(z: Float[Tensor, "n latent"], entries: Float[Tensor, "k latent"]) -> Int[Tensor, " n"]:
    """The index of the nearest entry by squared Euclidean distance (Eq. 1)."""
    # without |z|², which is the same for all entries
    return torch.argmin(torch.addmm((entries**2).sum(dim=1), z, entries.T, alpha=-2), dim=1)


def straight_through(z_e: Float[Tensor, "n latent"], z_q: Float[Tensor, "n latent"]) -> Float[Tensor, "n latent"]:
    """The straight-through estimator: z_q in the forward pass; the backward pass sends the gradient to z_e.

    Decoder and heads both read this value, so that their gradients reach the encoder. The codebook has no gradient
    and moves by Eq. 7 only.
    """
    return z_e + (z_q - z_e).detach()
