"""What there is to choose from in a shop, and how one is drawn."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float

from simpersona.lab.axes import PRICE_LEVELS
from simpersona.lab.catalogue import Catalogue

PRICE_TASTE = {"budget": 0.15, "middle": 0.5, "premium": 0.85}
"""Where a price level looks among the prices of a product type, from cheapest (0) to dearest (1)."""
PRICE_WIDTH = 0.25


class Draws:
    """Draws from numbered sets of weighted entries: one binary search per draw, whatever the number of sets.

    The entries of all sets stand in one array; the key of an entry of set i is i + the share of the
    set's weight up to and with it.
    """

    def __init__(self, weights: Iterable[np.ndarray]) -> None:
        shares = [np.cumsum(one) for one in weights]
        self.key = np.concatenate([number + share / share[-1] for number, share in enumerate(shares)])

    def draw(self, number: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """For each of the sets `number`, the place of an entry in the array of all entries."""
        # 24 random bits: the sum with the set's number never rounds up to the next set
        return np.searchsorted(self.key, number + rng.random(len(number), dtype=np.float32), side="right")


class Shelves:
    """The lists of products that a shop shows, numbered; one is drawn nearer to a price level more often."""

    EVERYTHING = 0

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.variants = np.array([max(1, len(names)) for names in catalogue.products["variants"].to_pylist()])
        everything = np.arange(len(catalogue.kind))
        self.queries = len(catalogue.queries)
        lists = [everything, *catalogue.found, *catalogue.members]
        kinds = np.arange(len(catalogue.kinds))
        self.kind = np.full(len(lists), -1)
        """The product type whose products a list holds, all of them and no others; else -1."""
        self.kind[self.of_query(kinds)] = self.kind[self.of_collection(kinds)] = kinds
        fit = _price_fit(catalogue)
        self.product = np.concatenate([rows for rows in lists for _ in PRICE_LEVELS])
        self.draws = Draws([fit[level, rows] for rows in lists for level in range(len(PRICE_LEVELS))])

    def of_query(self, query: np.ndarray) -> np.ndarray:
        """The list of what a query finds; a product type's plural has the type's own number."""
        return 1 + query

    def of_collection(self, collection: np.ndarray) -> np.ndarray:
        """The list of a collection's products."""
        return 1 + self.queries + collection

    def draw(self, lists: np.ndarray, level: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One product of each of `lists`."""
        return self.product[self.draws.draw(lists * len(PRICE_LEVELS) + level, rng)]


def _price_fit(catalogue: Catalogue) -> Float[np.ndarray, "levels products"]:
    """How well each product suits each price level, by its rank among the prices of its type."""
    order = np.lexsort((catalogue.price, catalogue.kind))
    counts = np.bincount(catalogue.kind)
    rank = np.empty(len(order))
    rank[order] = (np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts) + 0.5) / np.repeat(
        counts, counts
    )
    centre = np.array([PRICE_TASTE[level] for level in PRICE_LEVELS])[:, None]
    return np.exp(-(((rank - centre) / PRICE_WIDTH) ** 2) / 2) + 0.03
