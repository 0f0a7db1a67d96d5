"""An embedder that hashes words and needs no model, for tests. Texts that share words have similar vectors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from sklearn.feature_extraction.text import HashingVectorizer


class HashingEmbedder:
    """Counts of hashed words, scaled to length 1 (a text without words gives zeros); an Embedder."""

    def __init__(self, dim: int = 64) -> None:
        self.dim = dim
        self._vectorizer = HashingVectorizer(n_features=dim)

    @property
    def name(self) -> str:
        """Method and dimensions."""
        return f"hashing-{self.dim}"

    def embed(self, texts: Sequence[str]) -> Float[np.ndarray, "n dim"]:
        """One float32 vector per text."""
        if not texts:
            return np.zeros((0, self.dim), np.float32)
        return self._vectorizer.transform(texts).toarray().astype(np.float32)
