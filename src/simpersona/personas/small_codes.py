"""No code that stands for a few buyers: such codes leave the codebook before it is published."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.distance import cdist

from simpersona.personas.model import Personas


def without_small_codes(personas: Personas, train_x: Float[np.ndarray, "n dim"], least: int) -> tuple[Personas, int]:
    """`personas` in which every code has `least` of the training buyers or more, and how many codes were merged.

    The smallest code goes first; its buyers go to the nearest of the codes that are left, which may lift those
    above `least`. The codes that are left keep their order and are numbered anew from 0. One code always stays.
    """
    kept = kept_codes(personas.encode(train_x), personas.codebook, least)
    merged = len(personas.codebook) - len(kept)
    if not merged:
        return personas, 0
    tensors, meta = personas.state()
    tensors["codebook"] = np.ascontiguousarray(tensors["codebook"][kept])
    return Personas.from_state(tensors, meta | {"codes": len(kept)}), merged


def kept_codes(
    z: Float[np.ndarray, "n latent"], codebook: Float[np.ndarray, "k latent"], least: int
) -> Int[np.ndarray, " kept"]:
    """The numbers of the codes that stay, ascending, for the encoder's outputs `z` of the training buyers."""
    distance = cdist(z, codebook)
    kept = np.ones(len(codebook), bool)
    code = distance.argmin(axis=1) if len(z) else np.empty(0, np.int64)
    while kept.sum() > 1:
        size = np.where(kept, np.bincount(code, minlength=len(kept)), np.iinfo(np.int64).max)
        smallest = int(size.argmin())
        if size[smallest] >= least:
            break
        kept[smallest] = False
        distance[:, smallest] = np.inf
        homeless = code == smallest
        code[homeless] = distance[homeless].argmin(axis=1)
    return np.flatnonzero(kept)
