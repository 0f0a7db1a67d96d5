"""Merges codes with few training buyers into their nearest codes, so that no published code stands for a few people."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.distance import cdist

from simpersona.personas.model import PersonaNetwork


def merge_small_codes(
    personas: PersonaNetwork, train_x: Float[np.ndarray, "n dim"], min_buyers: int
) -> tuple[PersonaNetwork, int]:
    """Merges codes until each has at least `min_buyers` training buyers; returns the personas and the number merged.

    The smallest code is removed first. Its buyers move to the nearest remaining code, which may raise that code
    above `min_buyers`. The remaining codes keep their order and are renumbered from 0. At least one code remains.
    """
    remaining = remaining_codes(personas.encode(train_x), personas.codebook, min_buyers)
    merged = len(personas.codebook) - len(remaining)
    if not merged:
        return personas, 0
    tensors, meta = personas.state()
    tensors["codebook"] = np.ascontiguousarray(tensors["codebook"][remaining])
    return PersonaNetwork.from_state(tensors, meta | {"codes": len(remaining)}), merged


def remaining_codes(
    z: Float[np.ndarray, "n latent"], codebook: Float[np.ndarray, "k latent"], min_buyers: int
) -> Int[np.ndarray, " remaining"]:
    """The codes that remain, ascending, given the encoder's outputs `z` of the training buyers."""
    distance = cdist(z, codebook)
    remains = np.ones(len(codebook), bool)
    code = distance.argmin(axis=1) if len(z) else np.empty(0, np.int64)
    while remains.sum() > 1:
        size = np.where(remains, np.bincount(code, minlength=len(remains)), np.iinfo(np.int64).max)
        smallest = int(size.argmin())
        if size[smallest] >= min_buyers:
            break
        remains[smallest] = False
        distance[:, smallest] = np.inf
        moves = code == smallest
        code[moves] = distance[moves].argmin(axis=1)
    return np.flatnonzero(remains)
