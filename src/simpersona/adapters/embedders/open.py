"""The embedder of texts that the settings name."""

from __future__ import annotations

from simpersona.adapters.named import Shipped, build
from simpersona.ports import Embedder

_HERE = "simpersona.adapters.embedders"
EMBEDDERS = {
    "minilm": Shipped(f"{_HERE}.minilm:MiniLmEmbedder"),
    "hashing": Shipped(f"{_HERE}.hashing:HashingEmbedder"),
    # a catalogue with vectors has none for the texts of pages
    "given": Shipped(f"{_HERE}.minilm:MiniLmEmbedder"),
}
"""The embedders that come with the package, by `buyers.embedder`."""


def open_embedder(name: str) -> Embedder:
    """The embedder of a name. For "given", the vectors of a catalogue, it is MiniLM, which embeds any text.

    Raises ConfigError if an import path leads to no embedder, or a package is missing.
    """
    return build(Embedder, name, EMBEDDERS, "buyers.embedder")
