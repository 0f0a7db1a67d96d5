"""Draws products from the lists that a shop shows, weighted by a buyer's price level."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float

from simpersona.lab.axes import PRICE_LEVELS
from simpersona.lab.catalogue import Catalogue

PRICE_TASTE = {"budget": 0.15, "middle": 0.5, "premium": 0.85}
"""The preferred price rank of each price level among the products of a type, from cheapest (0) to dearest (1)."""
PRICE_WIDTH = 0.25
"""Standard deviation of the preference around that rank."""


class WeightedSampler:
    """Samples from numbered sets of weighted entries with one binary search per draw.

    One array holds the entries of all sets. The key of an entry of set i is i plus the cumulative share of the set's
    weight up to and including the entry.
    """

    def __init__(self, weights: Iterable[np.ndarray]) -> None:
        cumulative = [np.cumsum(each) for each in weights]
        self.key = np.concatenate([number + sums / sums[-1] for number, sums in enumerate(cumulative)])

    def draw(self, number: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draws one entry from each of the sets `number`; returns indices into the array of all entries."""
        # float32 has 24 random bits: the sum with the set's number never rounds up to the next set
        return np.searchsorted(self.key, number + rng.random(len(number), dtype=np.float32), side="right")


class ProductLists:
    """The numbered product lists of a shop: all products, the results of each query, and each collection.

    A draw from a list prefers products near the price level.
    """

    EVERYTHING = 0

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.variants = np.array([max(1, len(names)) for names in catalogue.products["variants"].to_pylist()])
        everything = np.arange(len(catalogue.kind))
        self.queries = len(catalogue.queries)
        lists = [everything, *catalogue.query_products, *catalogue.collection_products]
        kinds = np.arange(len(catalogue.kinds))
        self.kind = np.full(len(lists), -1)
        """The product type of a list that holds exactly the products of one type, else -1."""
        self.kind[self.of_query(kinds)] = self.kind[self.of_collection(kinds)] = kinds
        fit = _price_fit(catalogue)
        self.product = np.concatenate([rows for rows in lists for _ in PRICE_LEVELS])
        self.draws = WeightedSampler([fit[level, rows] for rows in lists for level in range(len(PRICE_LEVELS))])

    def of_query(self, query: np.ndarray) -> np.ndarray:
        """The list of a query's results; the query for a product type's plural has the number of the type."""
        return 1 + query

    def of_collection(self, collection: np.ndarray) -> np.ndarray:
        """The list of a collection's products."""
        return 1 + self.queries + collection

    def draw(self, lists: np.ndarray, level: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draws one product from each of `lists`."""
        return self.product[self.draws.draw(lists * len(PRICE_LEVELS) + level, rng)]


def _price_fit(catalogue: Catalogue) -> Float[np.ndarray, "levels products"]:
    """The weight of each product for each price level, by its price rank within its type."""
    order = np.lexsort((catalogue.price, catalogue.kind))
    counts = np.bincount(catalogue.kind)
    rank = np.empty(len(order))
    rank[order] = (np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts) + 0.5) / np.repeat(
        counts, counts
    )
    centre = np.array([PRICE_TASTE[level] for level in PRICE_LEVELS])[:, None]
    return np.exp(-(((rank - centre) / PRICE_WIDTH) ** 2) / 2) + 0.03
