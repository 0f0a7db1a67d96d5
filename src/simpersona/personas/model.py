"""Trained personas: assigns codes to new buyers, and converts the model to and from plain state."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from threadpoolctl import ThreadpoolController
from torch import nn

from simpersona.config import PersonasConfig
from simpersona.errors import ContractError
from simpersona.personas.bins import HeadBins
from simpersona.personas.network import Network, one_thread

_CHUNK = 512  # rows per batch: the activations of a chunk fit into the processor's cache

CLOSE = 1e-5
"""Relative to the largest distance: below this difference, 32 bits cannot decide which of two codes is nearer."""


@cache
def _blas() -> ThreadpoolController:
    """The BLAS thread controller, cached: the search for the libraries takes longer than assigning 1,000 buyers."""
    return ThreadpoolController()


class PersonaNetwork:
    """A trained network, its codebook and the labels of the auxiliary heads.

    `history` has one entry per epoch with the losses, the codes used and the dead codes revived.
    """

    def __init__(
        self,
        network: Network,
        codebook: Float[torch.Tensor, "k latent"],
        bins: HeadBins,
        config: PersonasConfig,
        history: list[dict[str, Any]],
    ) -> None:
        self.network = network.eval().requires_grad_(requires_grad=False)
        self._codebook = codebook
        self.bins = bins
        self.config = config
        self.history = history

    @property
    def codebook(self) -> Float[np.ndarray, "k latent"]:
        """The K entries."""
        return self._codebook.numpy()

    def encode(self, x: Float[np.ndarray, "n dim"]) -> Float[np.ndarray, "n latent"]:
        """The encoder's outputs z_e. Raises ContractError if the width of `x` differs from the network's input."""
        self._check(x)
        with one_thread(), torch.inference_mode():
            parts = [
                self.network.encoder(torch.from_numpy(np.array(x[start : start + _CHUNK], np.float32))).numpy()
                for start in range(0, len(x), _CHUNK)
            ]
        return np.concatenate([np.empty((0, self.network.sizes[-1]), np.float32), *parts])

    def assign(self, x: Float[np.ndarray, "n dim"]) -> Int[np.ndarray, " n"]:
        """The code of each buyer, int32 (Eq. 1).

        It runs on one thread of numpy, which is faster than PyTorch on matrices of this size. Where two codes are
        almost equally near, the distances are recomputed in 64 bits, so that a buyer's code does not depend on the
        other rows of `x`.

        Raises ContractError if the width of `x` differs from the network's input.
        """
        self._check(x)
        codes = np.empty(len(x), np.int32)
        steps = self._steps(np.float32)
        with _blas().limit(limits=1, user_api="blas"):
            for start in range(0, len(x), _CHUNK):
                part = x[start : start + _CHUNK]
                distances = _through(part, steps)
                found, doubtful = _nearest(distances)
                if len(doubtful):
                    found[doubtful] = _through(part[doubtful], self._steps(np.float64)).argmin(axis=1)
                codes[start : start + _CHUNK] = found
        return codes

    def head_levels(self) -> Int[np.ndarray, "k 3"]:
        """The level that each head (in the order of HEADS) predicts for each code: 0 low, 1 medium, 2 high."""
        return self.network.levels(self._codebook).argmax(dim=2).numpy()

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """The model as tensors by name, and all other values in a form that JSON can represent."""
        tensors = {f"network.{name}": tensor.numpy() for name, tensor in self.network.state_dict().items()}
        return tensors | {"codebook": self.codebook}, {
            "sizes": list(self.network.sizes),
            "codes": len(self._codebook),
            "bins": self.bins.meta(),
            "config": self.config.model_dump(mode="json"),
            "history": self.history,
        }

    @classmethod
    def from_state(cls, tensors: dict[str, np.ndarray], meta: dict[str, Any]) -> PersonaNetwork:
        """The personas restored from `state`; they assign the same codes."""
        config = PersonasConfig.model_validate(meta["config"])
        network = Network(meta["sizes"], config.dropout)
        weights = {
            name.removeprefix("network."): torch.from_numpy(np.array(array))
            for name, array in tensors.items()
            if name.startswith("network.")
        }
        network.load_state_dict(weights)
        codebook = torch.from_numpy(np.array(tensors["codebook"]))
        return cls(network, codebook, HeadBins.from_meta(meta["bins"]), config, meta["history"])

    def _steps(self, kind: type) -> list[tuple[np.ndarray, np.ndarray]]:
        """Weights and biases of the layers, and of the last step to the distances to all codes.

        The distances omit |z|², which is the same for all codes.
        """
        layers = [layer for layer in self.network.encoder if isinstance(layer, nn.Linear)]
        steps = [(layer.weight.numpy().T.astype(kind), layer.bias.numpy().astype(kind)) for layer in layers]
        codes = self.codebook.astype(kind)
        return [*steps, (-2 * codes.T, (codes**2).sum(axis=1))]

    def _check(self, x: np.ndarray) -> None:
        if x.ndim != 2 or x.shape[1] != self.network.sizes[0]:
            raise ContractError(
                f"buyer vectors have shape {x.shape}; the personas were trained on {self.network.sizes[0]} dimensions. "
                "Use the vectorizer that was saved with these personas."
            )


def _through(x: np.ndarray, steps: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Applies the layers, with a ReLU after each hidden layer; returns distances of shape (n, k)."""
    rows = x.astype(steps[0][0].dtype, copy=False)
    for number, (weight, bias) in enumerate(steps, 2):
        rows = rows @ weight
        rows += bias
        if number < len(steps):
            np.maximum(rows, 0, out=rows)
    return rows


def _nearest(distances: Float[np.ndarray, "n k"]) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " d"]]:
    """The nearest code of each row, and the rows where rounding could change it. Overwrites `distances`."""
    codes = distances.argmin(axis=1)
    best = np.take_along_axis(distances, codes[:, None], axis=1)
    largest = np.maximum(distances.max(axis=1), -best[:, 0])
    np.put_along_axis(distances, codes[:, None], np.inf, axis=1)
    return codes, np.flatnonzero(distances.min(axis=1) - best[:, 0] < CLOSE * largest)
