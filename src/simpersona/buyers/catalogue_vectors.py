"""One vector per product of a catalogue: embedded from its text, or read from the catalogue."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from simpersona.adapters.embedders.given import given_embeddings
from simpersona.adapters.embedders.open import open_embedder
from simpersona.adapters.sources.catalogue import catalogue_file
from simpersona.config import BuyersConfig
from simpersona.ports import Embedder, Progress


def embedder_name(config: BuyersConfig) -> str:
    """The name of the embedder, which a pack records with its vectors."""
    return "given" if config.embedder == "given" else open_embedder(config.embedder).name


def catalogue_vectors(
    config: BuyersConfig, products: pa.Table, log: Path, progress: Progress | None = None
) -> np.ndarray:
    """The vectors of PRODUCTS, float32, one row per product. With embedder = "given" they come from the `products.parquet`
    beside `log` (a file, folder or pattern), and the row of a product without a vector is NaN.

    Raises SourceError if that file does not hold such vectors.
    """
    if config.embedder != "given":
        return embed_texts(open_embedder(config.embedder), products["text"], progress)

    return given_embeddings(catalogue_file(log), products)


def with_vectors(products: pa.Table, embeddings: np.ndarray) -> tuple[pa.Table, np.ndarray]:
    """The products that have a vector, and the vectors. The other products are unknown to the buyers' vectors."""
    has_vector = ~np.isnan(embeddings[:, 0])
    if has_vector.all():
        return products, embeddings
    return products.filter(pa.array(has_vector)), embeddings[has_vector]


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
