"""Fast code assignment for many buyers: an optimised equivalent of `PersonaNetwork.assign` (Eq. 1).

A channel of a buyer's vector is a mean of projected products, and the first layer is linear in it. Therefore each
product passes through the first layer once, and a buyer's contribution is the mean of these rows. In the same way
the distances to the codes are linear in the last hidden layer, so that the codebook is folded into it. The codes are
the same with less than half the operations.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int
from numba import njit
from torch import nn

from simpersona.contracts import CHANNELS, SCALARS
from simpersona.personas.model import CLOSE, PersonaNetwork

_CHUNK = 512  # rows per batch: they fit into the processor's cache


class FoldedPersonas:
    """`personas` with the products of one catalogue folded in, given as projected vectors of shape (m, c)."""

    def __init__(self, personas: PersonaNetwork, products: Float[np.ndarray, "m c"]) -> None:
        self._personas, self._products = personas, np.ascontiguousarray(products, np.float32)
        layers = [layer for layer in personas.network.encoder if isinstance(layer, nn.Linear)]
        weights = [layer.weight.detach().numpy() for layer in layers]
        biases = [layer.bias.detach().numpy() for layer in layers]
        first, width = weights[0], products.shape[1]
        self._starts = [len(SCALARS) + width * channel for channel in range(len(CHANNELS))]
        blocks = [self._products @ first[:, start : start + width].T for start in self._starts]
        self._folded = np.ascontiguousarray(np.stack(blocks))  # (3, m, hidden)
        dense = np.concatenate([first[:, : len(SCALARS)], first[:, self._starts[-1] + width :]], axis=1)
        self._first = np.ascontiguousarray(dense.T), biases[0]
        self._hidden = [(np.ascontiguousarray(w.T), b) for w, b in zip(weights[1:-1], biases[1:-1], strict=True)]
        codes = personas.codebook
        # |e|² − 2 e·(W h + b), without |z|², which is the same for all codes
        self._last = np.ascontiguousarray(-2 * (codes @ weights[-1]).T), (codes**2).sum(1) - 2 * codes @ biases[-1]

    def assign(
        self,
        z: Float[np.ndarray, "n 16"],
        starts: tuple[Int[np.ndarray, " n+1"], ...],
        rows: tuple[Int[np.ndarray, " _"], ...],
        whole: Callable[[Int[np.ndarray, " d"]], Float[np.ndarray, "d dim"]] | None = None,
    ) -> Int[np.ndarray, " n"]:
        """The code of each buyer, int32; the same codes as those of `PersonaNetwork.assign`.

        `z` are the normalised scalars. Buyer i has the products `rows[c][starts[c][i]:starts[c][i + 1]]` of the
        catalogue in channel c. `whole` returns the complete vectors of the buyers at given rows; it is called for
        buyers that are almost equally near to two codes. Without `whole` the vectors are built here, where rounding
        may differ.
        """
        codes = np.empty(len(z), np.int32)
        for low in range(0, len(z), _CHUNK):
            part = slice(low, min(low + _CHUNK, len(z)))
            bounds = [start[part.start : part.stop + 1] for start in starts]
            masks = np.stack([np.diff(bound) > 0 for bound in bounds], axis=1)
            dense = np.concatenate([z[part], masks], axis=1, dtype=np.float32)
            hidden = dense @ self._first[0] + self._first[1]
            for bound, row, folded in zip(bounds, rows, self._folded, strict=True):
                _add_means(hidden, bound, row, folded)
            np.maximum(hidden, 0, out=hidden)
            for weight, bias in self._hidden:
                hidden = hidden @ weight + bias
                np.maximum(hidden, 0, out=hidden)
            distances = hidden @ self._last[0] + self._last[1]
            if len(doubtful := np.flatnonzero(_nearest(distances, codes[part]))):
                if whole is None:
                    x = self._vectors(dense[doubtful], [b[[doubtful, doubtful + 1]] for b in bounds], rows)
                else:
                    x = whole(part.start + doubtful)
                codes[part.start + doubtful] = self._personas.assign(x)
        return codes

    def _vectors(
        self, dense: Float[np.ndarray, "n 19"], bounds: list[np.ndarray], rows: tuple[np.ndarray, ...]
    ) -> Float[np.ndarray, "n dim"]:
        """The complete vectors of some buyers; `bounds` are their first and last entries per channel, shape (2, n)."""
        width = self._products.shape[1]
        x = np.zeros((len(dense), dense.shape[1] + len(CHANNELS) * width), np.float32)
        x[:, : len(SCALARS)], x[:, -len(CHANNELS) :] = dense[:, : len(SCALARS)], dense[:, len(SCALARS) :]
        for start, bound, row in zip(self._starts, bounds, rows, strict=True):
            for buyer, (low, high) in enumerate(bound.T):
                if high > low:
                    x[buyer, start : start + width] = self._products[row[low:high]].mean(axis=0)
        return x


@njit(nogil=True, cache=True)
def _nearest(distances, codes):  # noqa: ANN001, ANN202
    """Writes the nearest code of each row (the first of ties) into `codes`.

    Returns a mask of the rows where rounding after folding could change the code.
    """
    doubtful = np.zeros(len(distances), np.bool_)
    for row in range(len(distances)):
        best, second, largest, code = np.float32(np.inf), np.float32(np.inf), np.float32(0), 0
        for column in range(distances.shape[1]):
            distance = distances[row, column]
            largest = max(largest, abs(distance))
            if distance < best:
                best, second, code = distance, best, column
            elif distance < second:
                second = distance
        codes[row] = code
        doubtful[row] = second - best < CLOSE * largest
    return doubtful


@njit(nogil=True, cache=True)
def _add_means(into, starts, rows, products):  # noqa: ANN001, ANN202
    """Adds the mean of each buyer's products to the buyer's row of `into`."""
    width = into.shape[1]
    for buyer in range(len(into)):
        low, high = starts[buyer], starts[buyer + 1]
        if high > low:
            share = np.float32(1.0 / (high - low))
            for entry in range(low, high):
                row = rows[entry]
                for column in range(width):
                    into[buyer, column] += share * products[row, column]
