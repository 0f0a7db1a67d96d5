"""The input of a stage, and its result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from simpersona.buyers.catalogue_vectors import with_vectors
from simpersona.config import Config
from simpersona.contracts import PRODUCTS
from simpersona.errors import ConfigError
from simpersona.files import read_table
from simpersona.pipeline.run_folder import RunFolder
from simpersona.ports import Progress
from simpersona.simulation.journal import Shard
from simpersona.tables import Contract


@dataclass(frozen=True)
class StageResult:
    """A finished stage: its rows in, out and rejected, a summary in one plain sentence, and named figures.

    `details` are further lines that a reader can check. `warnings` are sentences about what may be wrong with the result.
    """

    rows_in: int
    rows_out: int
    summary: str
    rejected: int = 0
    figures: dict[str, Any] = field(default_factory=dict)
    details: Sequence[str] = ()
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class StageContext:
    """The input of every stage: the settings, the run folder, and a callback for progress."""

    config: Config
    folder: RunFolder
    progress: Progress
    stage: str = ""
    cache_key: str = ""
    """Hash of everything that the stage's files depend on."""
    shard: Shard | None = None
    """The part of the visits that this process plays; None: all."""

    def table(self, path: str, contract: Contract) -> pa.Table:
        """A finished stage's table, for example `context.table("buyers/buyers.parquet", BUYERS)`."""
        return read_table(self.folder / path, contract)

    def products(self) -> tuple[pa.Table, np.ndarray]:
        """The products that have an embedding, and their embeddings (float32, one row per product)."""
        products = self.table("events/products.parquet", PRODUCTS)
        return with_vectors(products, np.load(self.folder / "buyers/embeddings.npy"))


def source_path(context: StageContext) -> Path:
    """Path of the raw log: the generated world's, or `source.path`. Raises ConfigError if that is not set."""
    source = context.config.source
    if source.format == "lab":
        return context.folder / "world/events"
    if source.path is None:
        raise ConfigError(f'source.format = "{source.format}" needs source.path (or --input FILE)')
    return source.path
