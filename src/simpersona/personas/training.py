"""Training from a sample of buyers to a pack, shared by the stage `personas` and `PersonaModel`."""

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
from simpersona.personas.sample import split
from simpersona.personas.small_codes import merge_small_codes
from simpersona.personas.training_state import Checkpoints
from simpersona.personas.vqvae_training import train_vqvae
from simpersona.ports import Progress


@dataclass(frozen=True)
class CheckpointFile:
    """The training state after the last epoch, in one safetensors file that is written atomically."""

    path: Path

    def load(self, identity: str) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        """The saved state; None if the file is missing, unreadable or of another training, which then restarts."""
        from safetensors import SafetensorError, safe_open  # noqa: PLC0415 - heavy

        try:
            with safe_open(self.path, "numpy") as file:
                saved = json.loads(file.metadata()["state"])
                if saved["identity"] != identity:
                    return None
                return {name: file.get_tensor(name) for name in file.keys()}, saved["values"]  # noqa: SIM118
        except (OSError, SafetensorError, TypeError, KeyError, json.JSONDecodeError):
            return None

    def save(self, identity: str, tensors: dict[str, np.ndarray], values: dict[str, Any]) -> None:
        """Writes a temporary file and renames it."""
        from safetensors.numpy import save_file  # noqa: PLC0415 - heavy

        partial = self.path.with_name(f"{self.path.name}.partial")
        contiguous = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
        save_file(contiguous, partial, {"state": json.dumps({"identity": identity, "values": values})})
        partial.replace(self.path)


def train_personas(
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
    """Splits `sample` (BUYERS), fits the vector transforms and trains the personas.

    The transforms are fitted on the training buyers only, so that no information of the validation buyers leaks into
    them. Raises ConfigError if there are fewer training buyers than codes.
    """
    personas, buyers = settings
    train, validation = split(np.arange(sample.num_rows), personas.validation_share, seed)
    if len(train) < personas.codes:
        raise ConfigError(
            f"{len(train)} training buyers for {personas.codes} codes; expected at least one buyer per code. "
            "Lower personas.codes or give more data."
        )
    vectorizer = Vectorizer.fit(sample.take(train), products, embeddings, buyers)
    vectors = vectorizer.transform(sample, products, embeddings)
    train_vectors = vectors.take(train)
    model = train_vqvae(train_vectors, vectors.take(validation), personas, seed, progress, checkpoints)
    model, merged = merge_small_codes(model, train_vectors.x, personas.min_buyers_per_code)
    return Trained(FittedPersonas(vectorizer, model, embedder, held_out), train, validation, merged)
