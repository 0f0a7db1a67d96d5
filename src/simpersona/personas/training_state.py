"""The state of a persona training, and the checkpoints that it resumes from."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from simpersona.buyers.vectors import BuyerVectors
from simpersona.config import PersonasConfig
from simpersona.personas.codebook import Codebook
from simpersona.personas.network import Network

_PLAIN = ("step", "settled", "best_epoch", "history")


@runtime_checkable
class Checkpoints(Protocol):
    """Stores the training state after each epoch."""

    def load(self, identity: str) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        """The last saved state if it has this identity, else None."""
        ...

    def save(self, identity: str, tensors: dict[str, np.ndarray], values: dict[str, Any]) -> None:
        """Replaces the saved state atomically. `values` are plain values for JSON."""
        ...


def training_identity(train: BuyerVectors, validation: BuyerVectors, config: PersonasConfig, seed: int) -> str:
    """A hash of all inputs of a training; only a training with the same hash may resume from a checkpoint."""
    digest = hashlib.blake2b(f"{config.model_dump_json()} {seed}".encode(), digest_size=16)
    for vectors in (train, validation):
        digest.update(np.ascontiguousarray(vectors.x).data)
        digest.update(np.ascontiguousarray(vectors.scalars).data)
    return digest.hexdigest()


@dataclass
class TrainingState:
    """Weights, codebook, optimizer and random generator of a training, and the best epoch so far."""

    network: Network
    codebook: Codebook
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    step: int = 0
    settled: int = 0
    """The last epoch that ended before the first check for dead codes; patience does not start before it."""
    best_epoch: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    best_weights: dict[str, Tensor] = field(init=False)
    best_entries: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self._copy_as_best()

    @property
    def epoch(self) -> int:
        """Number of completed epochs."""
        return len(self.history)

    def record_epoch(self, trained: dict[str, Any], validated: dict[str, Any], *, codes_checked: bool) -> None:
        """Appends an epoch's means to the history, and copies the weights if its validation loss is the lowest so far."""
        best_loss = self.history[self.best_epoch - 1]["validation"]["loss"] if self.best_epoch else float("inf")
        self.history.append({"epoch": self.epoch + 1, "train": trained, "validation": validated})
        if validated["loss"] < best_loss:
            self.best_epoch = self.epoch
            self._copy_as_best()
        if not codes_checked:
            self.settled = self.epoch

    def finished(self, patience: int) -> bool:
        """True if none of the last `patience` epochs improved the validation loss."""
        return self.epoch - max(self.best_epoch, self.settled) >= patience

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """The whole state as tensors by name, and plain values."""
        tensors = {"entries": self.codebook.entries, "usage": self.codebook.usage, "best_entries": self.best_entries}
        tensors |= {"generator": self.generator.get_state()}
        tensors |= {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        tensors |= {f"best.{name}": tensor for name, tensor in self.best_weights.items()}
        for number, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{name}": tensor for name, tensor in moments.items()}
        return (
            {name: tensor.detach().numpy() for name, tensor in tensors.items()},
            {name: getattr(self, name) for name in _PLAIN},
        )

    def restore(self, tensors: dict[str, np.ndarray], values: dict[str, Any]) -> None:
        """Restores what `state` returned."""
        groups: dict[str, dict[str, Tensor]] = {"": {}}
        for name, array in tensors.items():
            group, _, rest = name.rpartition(".") if name.startswith("optimizer.") else name.partition(".")
            groups.setdefault(group, {})[rest] = torch.from_numpy(np.array(array))
        self.codebook.entries, self.codebook.usage = groups["entries"][""], groups["usage"][""]
        self.best_entries, self.best_weights = groups["best_entries"][""], groups["best"]
        self.generator.set_state(groups["generator"][""])
        self.network.load_state_dict(groups["network"])
        moments = {int(name.split(".")[1]): part for name, part in groups.items() if name.startswith("optimizer.")}
        self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": moments})
        for name in _PLAIN:
            setattr(self, name, values[name])

    def _copy_as_best(self) -> None:
        self.best_weights = copy.deepcopy(self.network.state_dict())
        self.best_entries = self.codebook.entries.clone()
