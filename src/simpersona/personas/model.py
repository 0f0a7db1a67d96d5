"""Learned personas: new buyers to codes, and the files they are kept in."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from simpersona.config import PersonasConfig
from simpersona.errors import ContractError
from simpersona.personas.bins import HeadBins
from simpersona.personas.codebook import nearest
from simpersona.personas.network import Network, one_thread

_CHUNK = 1024  # rows at once: the activations of a chunk stay in the processor's cache


class Personas:
    """A trained network, its codebook and what the codes were trained to tell apart.

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
        """z_e: the encoder's outputs. Raises ContractError if `x` has another width than the network."""
        return self._over_chunks(x, lambda z: z, np.empty((0, self.network.sizes[-1]), np.float32))

    def assign(self, x: Float[np.ndarray, "n dim"]) -> Int[np.ndarray, " n"]:
        """The code of each buyer, int32 (Eq. 1). Raises ContractError if `x` has another width."""
        return self._over_chunks(x, lambda z: nearest(z, self._codebook).int(), np.empty(0, np.int32))

    def head_levels(self) -> Int[np.ndarray, "k 3"]:
        """The level that each head predicts for each code: 0 low, 1 medium, 2 high, in the order of HEADS."""
        return self.network.levels(self._codebook).argmax(dim=2).numpy()

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """The tensors by name, and everything else as plain values for JSON."""
        tensors = {f"network.{name}": tensor.numpy() for name, tensor in self.network.state_dict().items()}
        return tensors | {"codebook": self.codebook}, {
            "sizes": list(self.network.sizes),
            "codes": len(self._codebook),
            "bins": self.bins.meta(),
            "config": self.config.model_dump(mode="json"),
            "history": self.history,
        }

    @classmethod
    def from_state(cls, tensors: dict[str, np.ndarray], meta: dict[str, Any]) -> Personas:
        """The personas that `state` was taken from; they give the same codes."""
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

    def _over_chunks(self, x: np.ndarray, result: Any, empty: np.ndarray) -> np.ndarray:
        if x.ndim != 2 or x.shape[1] != self.network.sizes[0]:
            raise ContractError(
                f"buyer vectors of shape {x.shape} for personas trained on {self.network.sizes[0]} dimensions. "
                "Make the vectors with the vectorizer that was saved with these personas."
            )
        with one_thread(), torch.inference_mode():
            parts = [
                result(self.network.encoder(torch.from_numpy(np.array(x[start : start + _CHUNK], np.float32)))).numpy()
                for start in range(0, len(x), _CHUNK)
            ]
        return np.concatenate([empty, *parts])
