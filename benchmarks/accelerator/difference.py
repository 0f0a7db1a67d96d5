"""What training changed in a model, as low-rank factors that fit a given size.

A matrix that changed by D is stored as two factors of its largest singular values, in half precision. The ranks are shared
out over all matrices so that the whole error is as small as the room allows. Vectors are stored whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

LEFT, RIGHT, WHOLE = ".left", ".right", ".whole"


@dataclass(frozen=True)
class Difference:
    """The stored tensors, and the size of the error relative to the size of the whole change."""

    tensors: dict[str, Tensor]
    error: float


def difference(base: Mapping[str, Tensor], trained: Mapping[str, Tensor], room: int) -> Difference:
    """The change from `base` to `trained`, parameters of the same names and shapes, in at most about `room` bytes."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tensors: dict[str, Tensor] = {}
    spectra: dict[str, tuple[Float[Tensor, " n"], Float[Tensor, "n n"]]] = {}
    for name, before in base.items():
        change = (trained[name] - before).to(device)
        if change.ndim == 2:
            spectra[name] = _spectrum(change)
        else:
            tensors[name + WHOLE] = change.half()
    room -= 2 * sum(tensor.numel() for tensor in tensors.values())
    names = list(spectra)
    costs = [2 * sum(base[name].shape) for name in names]
    ranks = _ranks([spectra[name][0] for name in names], costs, room)
    missed = total = 0.0
    for name, rank in zip(names, ranks, strict=True):
        change = (trained[name] - base[name]).to(device)
        left, right = _factors(change, *spectra[name], rank)
        tensors[name + LEFT], tensors[name + RIGHT] = left.half(), right.half()
        missed += (change - left.half().float() @ right.half().float()).square().sum().item()
        total += change.square().sum().item()
    stored = {name: tensor.cpu().contiguous() for name, tensor in tensors.items() if tensor.numel()}
    return Difference(stored, (missed / max(total, 1e-30)) ** 0.5)


def add_difference(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Adds a change to the parameters of the base model."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name + WHOLE in tensors:
                parameter.add_(tensors[name + WHOLE].float())
            elif name + LEFT in tensors:
                parameter.add_(tensors[name + LEFT].float() @ tensors[name + RIGHT].float())


def _spectrum(change: Float[Tensor, "m n"]) -> tuple[Float[Tensor, " k"], Float[Tensor, "k k"]]:
    """The squared singular values, largest first, and the singular vectors of the shorter side as columns."""
    tall = change.double() if len(change) >= change.shape[1] else change.double().T
    values, vectors = torch.linalg.eigh(tall.T @ tall)
    return values.flip(0).clamp(min=0), vectors.flip(1)


def _ranks(squares: Sequence[Float[Tensor, " _"]], costs: Sequence[int], room: int) -> list[int]:
    """The rank of each matrix: the singular values with the largest square per byte are kept while there is room."""
    worth = torch.cat([values / cost for values, cost in zip(squares, costs, strict=True)])
    owner = torch.cat([torch.full((len(values),), place) for place, values in enumerate(squares)])
    price = torch.tensor(costs)[owner]
    order = worth.cpu().argsort(descending=True, stable=True)
    kept = order[(price[order].cumsum(0) <= room) & (worth.cpu()[order] > 0)]
    return torch.bincount(owner[kept], minlength=len(squares)).tolist()


def _factors(
    change: Float[Tensor, "m n"], squares: Float[Tensor, " k"], vectors: Float[Tensor, "k k"], rank: int
) -> tuple[Float[Tensor, "m r"], Float[Tensor, "r n"]]:
    """The two factors, about equally large, so that half precision holds both."""
    scale = squares[:rank].clamp(min=1e-30) ** 0.25
    short = vectors[:, :rank] * scale
    if len(change) >= change.shape[1]:
        return (change.double() @ vectors[:, :rank] / scale).float(), short.T.float()
    return short.float(), ((change.double().T @ vectors[:, :rank]) / scale).T.float()
