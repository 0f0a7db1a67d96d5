"""A sample of buyers to a pack: what the stage `personas` and `PersonaModel` have in common."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from simpersona.buyers.vectorizer import Vectorizer
from simpersona.config import BuyersConfig, PersonasConfig
from simpersona.errors import ConfigError
from simpersona.personas.fitted import FittedPersonas, Trained
from simpersona.personas.learn import learn
from simpersona.personas.sample import split
from simpersona.personas.small_codes import without_small_codes
from simpersona.personas.training_state import Checkpoints
from simpersona.ports import Progress


@dataclass(frozen=True)
class CheckpointFile:
    """The last epoch of a training, as one safetensors file that is there whole or not at all."""

    path: Path

    def load(self, identity: str) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        """None also where the file cannot be read: the training starts anew, as without one."""
        from safetensors import SafetensorError, safe_open  # noqa: PLC0415 - heavy

        try:
            with safe_open(self.path, "numpy") as file:
                said = json.loads(file.metadata()["state"])
                if said["identity"] != identity:
                    return None
                return {name: file.get_tensor(name) for name in file.keys()}, said["values"]  # noqa: SIM118
        except (OSError, SafetensorError, TypeError, KeyError, json.JSONDecodeError):
            return None

    def save(self, identity: str, tensors: dict[str, np.ndarray], values: dict[str, Any]) -> None:
        """Written beside its place and renamed."""
        from safetensors.numpy import save_file  # noqa: PLC0415 - heavy

        partial = self.path.with_name(f"{self.path.name}.partial")
        whole = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
        save_file(whole, partial, {"state": json.dumps({"identity": identity, "values": values})})
        partial.replace(self.path)


def train_pack(
    sample: pa.Table,
    products: pa.Table,
    embeddings: Float[np.ndarray, "p dim"],
    settings: tuple[PersonasConfig, BuyersConfig],
    seed: int,
    progress: Progress,
    embedder: str,
    held_out: tuple[str, ...] = (),
    checkpoints: Checkpoints | None = None,
) -> Trained:
    """Splits `sample` (BUYERS), fits the vectors and learns the personas.

    The transforms are fitted on the training part alone, so that the validation figures are honest. Raises
    ConfigError if there are fewer training buyers than codes.
    """
    personas, buyers = settings
    train, validation = split(np.arange(sample.num_rows), personas.validation_share, seed)
    if len(train) < personas.codes:
        raise ConfigError(
            f"{len(train)} training buyers for {personas.codes} codes; at least one buyer per code is "
            "needed. Lower personas.codes or give more data."
        )
    vectorizer = Vectorizer.fit(sample.take(train), products, embeddings, buyers)
    vectors = vectorizer.transform(sample, products, embeddings)
    seen = vectors.take(train)
    model = learn(seen, vectors.take(validation), personas, seed, progress, checkpoints)
    model, merged = without_small_codes(model, seen.x, personas.min_buyers_per_code)
    return Trained(FittedPersonas(vectorizer, model, embedder, held_out), train, validation, merged)
