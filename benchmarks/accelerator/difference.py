"""What training changed in a model, in as few bits for each weight as a given size allows.

Each row of a matrix has its own step between 2^bits levels, the one with the smallest error. A whole training changes all
directions of a matrix, so low-rank factors of the same size miss more of it. Vectors are stored whole, in half precision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

CODES, STEP, WHOLE = ".codes", ".step", ".whole"
MOST_BITS = 8
RANGES = (0.8, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0)
"""The outermost level of a row is at one of these multiples of the root mean square of its changes."""


@dataclass(frozen=True)
class Difference:
    """The stored tensors, the bits for each weight of a matrix, and the size of the error relative to the whole change."""

    tensors: dict[str, Tensor]
    bits: int
    error: float


def difference(base: Mapping[str, Tensor], trained: Mapping[str, Tensor], room: int) -> Difference:
    """The change from `base` to `trained`, parameters of the same names and shapes, in at most `room` bytes.

    One bit for each weight is the least, even if it takes more.
    """
    bits = _bits(base, room)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tensors: dict[str, Tensor] = {}
    missed = total = 0.0
    for name, before in base.items():
        change = (trained[name] - before).detach().to(device)
        if change.ndim == 2:
            codes, step = _rounded(change, bits)
            tensors[name + CODES], tensors[name + STEP] = _packed(codes, bits), step.cpu()
            missed += (change - _levels(codes, step, bits)).square().sum().item()
            total += change.square().sum().item()
        else:
            tensors[name + WHOLE] = change.half().cpu()
    return Difference(tensors, bits, (missed / max(total, 1e-30)) ** 0.5)


def add_difference(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Adds a change to the parameters of the base model."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name + WHOLE in tensors:
                parameter.add_(tensors[name + WHOLE].float())
            elif name + CODES in tensors:
                packed = tensors[name + CODES]
                codes = _unpacked(packed, parameter.shape)
                parameter.add_(_levels(codes, tensors[name + STEP], len(packed)))


def _bits(base: Mapping[str, Tensor], room: int) -> int:
    """The bits for each weight that fit, at least one."""
    matrices = [tensor for tensor in base.values() if tensor.ndim == 2]
    vectors = sum(2 * tensor.numel() for tensor in base.values() if tensor.ndim != 2)
    left = room - vectors - sum(4 * len(matrix) for matrix in matrices)
    bytes_a_bit = sum(-(-matrix.numel() // 8) for matrix in matrices)
    return max(min(left // max(bytes_a_bit, 1), MOST_BITS), 1)


def _rounded(change: Float[Tensor, "m n"], bits: int) -> tuple[Int[Tensor, "m n"], Float[Tensor, " m"]]:
    """The level of each change, from 0 on, and the step of each row."""
    size = change.square().mean(1).sqrt()
    best, least = torch.zeros_like(size), torch.full_like(size, torch.inf)
    for reach in RANGES:
        step = reach * size / (2 ** (bits - 1) - 0.5)
        error = (change - _levels(_codes(change, step, bits), step, bits)).square().sum(1)
        best, least = torch.where(error < least, step, best), torch.minimum(error, least)
    codes = _codes(change, best, bits)
    levels = _levels(codes, torch.ones_like(best), bits)
    return codes, (change * levels).sum(1) / levels.square().sum(1)  # no row is longer or shorter as a whole


def _codes(change: Float[Tensor, "m n"], step: Float[Tensor, " m"], bits: int) -> Int[Tensor, "m n"]:
    half = 2 ** (bits - 1)
    return ((change / step.clamp(min=1e-30)[:, None]).floor().clamp(-half, half - 1) + half).to(torch.int16)


def _levels(codes: Int[Tensor, "m n"], step: Float[Tensor, " m"], bits: int) -> Float[Tensor, "m n"]:
    return (codes.float() - 2 ** (bits - 1) + 0.5) * step[:, None]


def _packed(codes: Int[Tensor, "m n"], bits: int) -> UInt8[Tensor, "bits packed"]:
    """One row for each bit of the codes, eight codes in a byte."""
    flat = codes.cpu().numpy().ravel()
    return torch.from_numpy(np.stack([np.packbits(((flat >> bit) & 1).astype(np.uint8)) for bit in range(bits)]))


def _unpacked(packed: UInt8[Tensor, "bits packed"], shape: Any) -> Int[Tensor, "m n"]:
    count = int(np.prod(shape))
    flat = np.zeros(count, np.int16)
    for bit, row in enumerate(packed.numpy()):
        flat |= np.unpackbits(row, count=count).astype(np.int16) << bit
    return torch.from_numpy(flat.reshape(tuple(shape)))
