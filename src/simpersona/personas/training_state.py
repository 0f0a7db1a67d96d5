"""Everything that a training of personas goes on from, and what it is kept as between two epochs."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from simpersona.buyers.vectors import BuyerVectors
from simpersona.config import PersonasConfig
from simpersona.personas.codebook import Codebook
from simpersona.personas.network import Network

_PLAIN = ("step", "settled", "best_epoch", "history")


class Checkpoints(Protocol):
    """Where the state after each epoch is kept."""

    def load(self, identity: str) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        """What was saved last, if it belongs to the training of this identity."""
        ...

    def save(self, identity: str, tensors: dict[str, np.ndarray], values: dict[str, Any]) -> None:
        """Keeps the state whole in place of the one before. `values` are plain, for JSON."""
        ...


def training_identity(train: BuyerVectors, validation: BuyerVectors, config: PersonasConfig, seed: int) -> str:
    """A hash of all that a training depends on: only a training with the same one may go on from a checkpoint."""
    told = hashlib.blake2b(f"{config.model_dump_json()} {seed}".encode(), digest_size=16)
    for vectors in (train, validation):
        told.update(np.ascontiguousarray(vectors.x).data)
        told.update(np.ascontiguousarray(vectors.scalars).data)
    return told.hexdigest()


@dataclass
class TrainingState:
    """The weights, what moves them, and the best epoch so far."""

    network: Network
    codebook: Codebook
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    step: int = 0
    settled: int = 0
    """The last epoch whose end came before dead codes were first looked for: patience counts from there at the earliest."""
    best_epoch: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    best_weights: dict[str, Tensor] = field(init=False)
    best_entries: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self._keep_as_best()

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return len(self.history)

    def note(self, trained: dict[str, Any], checked: dict[str, Any], *, codes_checked: bool) -> None:
        """Counts an epoch with its means, and keeps it if no other was better on validation."""
        before = self.history[self.best_epoch - 1]["validation"]["loss"] if self.best_epoch else float("inf")
        self.history.append({"epoch": self.epoch + 1, "train": trained, "validation": checked})
        if checked["loss"] < before:
            self.best_epoch = self.epoch
            self._keep_as_best()
        if not codes_checked:
            self.settled = self.epoch

    def finished(self, patience: int) -> bool:
        """No epoch of the last `patience` was better."""
        return self.epoch - max(self.best_epoch, self.settled) >= patience

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """All of it as tensors by name and plain values."""
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
        """Goes back to what `state` gave."""
        found: dict[str, dict[str, Tensor]] = {"": {}}
        for name, array in tensors.items():
            kind, _, rest = name.rpartition(".") if name.startswith("optimizer.") else name.partition(".")
            found.setdefault(kind, {})[rest] = torch.from_numpy(np.array(array))
        self.codebook.entries, self.codebook.usage = found["entries"][""], found["usage"][""]
        self.best_entries, self.best_weights = found["best_entries"][""], found["best"]
        self.generator.set_state(found["generator"][""])
        self.network.load_state_dict(found["network"])
        moments = {int(kind.split(".")[1]): part for kind, part in found.items() if kind.startswith("optimizer.")}
        self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": moments})
        for name in _PLAIN:
            setattr(self, name, values[name])

    def _keep_as_best(self) -> None:
        self.best_weights = copy.deepcopy(self.network.state_dict())
        self.best_entries = self.codebook.entries.clone()
