"""One vector per product of a catalogue: from its text, or as the catalogue gives it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from simpersona.adapters.embedders.given import given_embeddings
from simpersona.adapters.embedders.open import open_embedder
from simpersona.adapters.sources.named_products import catalogue_file
from simpersona.config import BuyersConfig
from simpersona.ports import Embedder, Progress


def embedder_name(config: BuyersConfig) -> str:
    """What a pack notes of where its vectors came from."""
    return "given" if config.embedder == "given" else open_embedder(config.embedder).name


def catalogue_vectors(
    config: BuyersConfig, products: pa.Table, log: Path, progress: Progress | None = None
) -> np.ndarray:
    """One float32 row per row of PRODUCTS; a row of NaN where a catalogue that gives its vectors (`products.parquet`
    beside `log`, a file, folder or pattern) has none for the product.

    Raises SourceError if such a catalogue does not give what is expected.
    """
    if config.embedder != "given":
        return embed_texts(open_embedder(config.embedder), products["text"], progress)

    return given_embeddings(catalogue_file(log), products)


def with_vectors(products: pa.Table, embeddings: np.ndarray) -> tuple[pa.Table, np.ndarray]:
    """The products that have a vector, and these; to the buyers' vectors the others are unknown."""
    there = ~np.isnan(embeddings[:, 0])
    return (products, embeddings) if there.all() else (products.filter(pa.array(there)), embeddings[there])


def embed_texts(
    embedder: Embedder, texts: pa.ChunkedArray, progress: Progress | None = None, chunk: int = 512
) -> np.ndarray:
    """One float32 row per text; each distinct text is embedded once."""
    encoded = texts.combine_chunks().dictionary_encode()
    distinct = encoded.dictionary.to_pylist()
    if not distinct:
        return embedder.embed([])
    parts: list[np.ndarray] = []
    for start in range(0, len(distinct), chunk):
        parts.append(embedder.embed(distinct[start : start + chunk]))
        if progress is not None:
            progress(min(start + chunk, len(distinct)), len(distinct), "catalogue texts embedded")
    return np.concatenate(parts)[encoded.indices.to_numpy()]
