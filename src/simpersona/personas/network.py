"""The network: encoder, mirrored decoder and three linear heads (2.2, App. C, D)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from simpersona.contracts import HEADS, LEVELS


class Network(nn.Module):
    """Encoder, mirrored decoder and heads of the VQ-VAE.

    `sizes` are the widths of input, hidden layers and latent: [403, 256, 128, 96] in the paper. Each hidden layer is
    a Linear→ReLU→Dropout block. The layers into the latent and into the reconstruction are linear, so that both can
    be negative. The decoder also outputs the three mask bits, which no loss uses (REFERENCE 9).
    """

    def __init__(self, sizes: Sequence[int], dropout: float, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.sizes = tuple(sizes)
        self.encoder = _blocks(self.sizes, dropout, generator)
        self.decoder = _blocks(self.sizes[::-1], dropout, generator)
        self.heads = nn.ModuleList(_linear(self.sizes[-1], len(LEVELS), generator) for _ in HEADS)

    def levels(self, z_q: Float[Tensor, "n latent"]) -> Float[Tensor, "n 3 3"]:
        """The heads' logits, shape (buyers, HEADS, LEVELS)."""
        return torch.stack([head(z_q) for head in self.heads], dim=1)


class Dropout(nn.Module):
    """Dropout with random numbers from a given generator, so that a training is reproducible."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self.generator: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.share == 0:
            return x
        mask = torch.rand(x.shape, generator=self.generator) >= self.share
        return x * mask / (1 - self.share)


def _blocks(sizes: Sequence[int], dropout: float, generator: torch.Generator | None) -> nn.Sequential:
    layers: list[nn.Module] = []
    for into, out in pairwise(sizes[:-1]):
        layers += [_linear(into, out, generator), nn.ReLU(), Dropout(dropout)]
    return nn.Sequential(*layers, _linear(sizes[-2], sizes[-1], generator))


def _linear(into: int, out: int, generator: torch.Generator | None) -> nn.Linear:
    # PyTorch's default initialisation, drawn from the given generator instead of the global one
    layer = nn.Linear(into, out, device="meta").to_empty(device="cpu")
    bound = into**-0.5
    with torch.no_grad():
        layer.weight.uniform_(-bound, bound, generator=generator)
        layer.bias.uniform_(-bound, bound, generator=generator)
    return layer


@contextmanager
def one_thread() -> Iterator[None]:
    """Runs PyTorch on one thread, so that the order of sums and the result do not depend on the number of cores.

    The layers are small: a second thread gains little, and on a busy machine it waits for the first.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
