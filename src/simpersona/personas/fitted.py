"""Fitted personas: vector transforms and VQ-VAE, saved as safetensors and JSON, and used to assign new buyers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Int

from simpersona.buyers.vectorizer import Vectorizer
from simpersona.buyers.vectors import BuyerVectors
from simpersona.contracts import ASSIGNMENTS, BUYERS
from simpersona.errors import ConfigError
from simpersona.files import read_json, write_json
from simpersona.personas.mix import assignments

if TYPE_CHECKING:
    from simpersona.buyers.vectorizer import Vectorizer
    from simpersona.personas.model import PersonaNetwork

CHUNK = 8192
"""Maximum number of buyers whose vectors are in memory: 13 MB at 403 dimensions."""
FOLD_FROM = 200_000
"""Number of buyers from which the folded first layer is faster than the general path, including numba's start."""
MODEL, META = "model.safetensors", "personas.json"


@dataclass(frozen=True)
class FittedPersonas:
    """A trained persona model with the transforms that turn buyers into codes."""

    vectorizer: Vectorizer
    network: PersonaNetwork
    embedder: str
    """Name of the embedder that the catalogue must use."""
    held_out: tuple[str, ...] = ()

    def save(self, folder: Path) -> None:
        """Writes model.safetensors and personas.json."""
        from safetensors.numpy import save_file  # noqa: PLC0415 - heavy

        tensors, meta = self.network.state()
        parts = {f"personas.{name}": value for name, value in tensors.items()}
        parts |= {f"vectorizer.{name}": value for name, value in self.vectorizer.state().items()}
        save_file({name: np.ascontiguousarray(value) for name, value in parts.items()}, folder / MODEL)
        write_json(folder / META, {"embedder": self.embedder, "held_out": list(self.held_out), "personas": meta})

    def require_embedder(self, name: str) -> None:
        """Raises ConfigError if the personas were trained on vectors of another embedder than `name`."""
        if name != self.embedder:
            raise ConfigError(
                f"the personas were trained on vectors of {self.embedder}; this run uses {name}. Set buyers.embedder "
                "accordingly (--set buyers.embedder=...)"
            )

    @classmethod
    def load(cls, folder: Path) -> FittedPersonas:
        """Reads what `save` wrote, from a pack or from a run's personas folder.

        Raises ConfigError if the folder holds no trained personas.
        """
        from safetensors.numpy import load_file  # noqa: PLC0415 - heavy

        from simpersona.personas.model import PersonaNetwork  # noqa: PLC0415 - heavy

        if (folder / "personas" / MODEL).is_file():
            folder /= "personas"
        missing = [name for name in (MODEL, META) if not (folder / name).is_file()]
        if missing:
            raise ConfigError(
                f"{folder}: this folder holds no trained personas ({', '.join(missing)} missing). "
                "Give a run folder, or its personas folder, of a finished `simpersona personas`."
            )
        tensors, meta = load_file(folder / MODEL), read_json(folder / META)

        def part(prefix: str) -> dict[str, np.ndarray]:
            return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}

        return cls(
            Vectorizer.from_state(part("vectorizer.")),
            PersonaNetwork.from_state(part("personas."), meta["personas"]),
            meta["embedder"],
            tuple(meta["held_out"]),
        )


def buyer_chunks(path: Path, rows: int = CHUNK) -> Iterator[pa.Table]:
    """Yields BUYERS from a parquet file, at most `rows` rows at a time."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(rows):
            yield BUYERS.conform(pa.Table.from_batches([batch]))


def assign_chunks(
    fitted: FittedPersonas, tables: Iterable[pa.Table], products: pa.Table, embeddings: np.ndarray, buyers: int = 0
) -> Iterator[tuple[BuyerVectors, np.ndarray]]:
    """Yields the buyers and their codes, shape (n,), for each of `tables` (BUYERS).

    The buyers have an empty `x` of shape (n, 0). One table's vectors are in memory at a time. `buyers` is the total
    number of buyers: from FOLD_FROM on, an optimised path assigns codes without dense vectors.
    """
    if buyers < FOLD_FROM or find_spec("numba") is None:
        for vectors in fitted.vectorizer.chunks(tables, products, embeddings):
            yield replace(vectors, x=vectors.x[:, :0].copy()), fitted.network.assign(vectors.x)
        return
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - heavy

    from simpersona.personas.folded import FoldedPersonas  # noqa: PLC0415 - heavy

    projected = fitted.vectorizer.projection(embeddings)
    folded = FoldedPersonas(fitted.network, projected)
    for table in tables:
        known, z, bags = fitted.vectorizer.sparse(table, products)
        starts, rows = zip(*((matrix.indptr, matrix.indices) for matrix in bags.matrices), strict=True)
        with threadpool_limits(1, "blas"):
            codes = folded.assign(z, starts, rows, lambda at, z=z, bags=bags: bags.take(at).vectors(z[at], projected))
        yield known, codes


def assign_buyers(
    fitted: FittedPersonas, buyers: pa.Table, products: pa.Table, embeddings: np.ndarray
) -> tuple[pa.Table, np.ndarray, BuyerVectors]:
    """ASSIGNMENTS of all buyers, their codes, shape (n,), and their vectors."""
    vectors = fitted.vectorizer.transform(buyers, products, embeddings)
    codes = fitted.network.assign(vectors.x)
    return ASSIGNMENTS.check(assignments(vectors, codes)), codes, vectors


@dataclass(frozen=True)
class Trained:
    """Fitted personas with the training and validation rows of its sample.

    `merged` is the number of codes that were merged because they had too few training buyers.
    """

    fitted: FittedPersonas
    train: Int[np.ndarray, " m"]
    validation: Int[np.ndarray, " v"]
    merged: int
