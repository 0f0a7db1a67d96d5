"""One part of a shop: some of its buyers with their visits. A shop is generated in parts to limit memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from jaxtyping import Int

from simpersona.lab.catalogue import Catalogue
from simpersona.lab.clientele import Clientele, Plan
from simpersona.lab.visits import VisitEvents, pieces_of, product_of

BEGIN = np.datetime64("2026-01-05T00:00:00", "ms")
"""Start of the generated world (UTC)."""
ORDERS_PER_PART = 10**6
"""Size of a part's block of order ids; more than the visits of one part."""


@dataclass(frozen=True)
class ShopPart:
    """Some buyers of a shop, their planned visits, and the events of these visits."""

    number: int
    """Number of the part within the shop, from 0."""
    catalogue: Catalogue
    clientele: Clientele
    plan: Plan
    visit_events: VisitEvents

    def order_ids(self, visits: Int[np.ndarray, " n"]) -> pa.StringArray:
        """The order id of each of these visits (rows of the plan); ids are numbers, as in Shopify."""
        shop = int(self.catalogue.products["product_id"][0].as_py())
        return pa.array((shop + self.number) * ORDERS_PER_PART + visits.astype(np.int64)).cast(pa.string())

    def subtotals(self, events: Int[np.ndarray, " n"]) -> np.ndarray:
        """The total price of the cart after each of these events, rounded to the cent."""
        cart = self.visit_events.cart[events]
        costs = self.catalogue.price[product_of(cart)] * pieces_of(cart)
        return np.round(np.where(cart >= 0, costs, 0).sum(1), 2)


def moments(milliseconds: Int[np.ndarray, " n"]) -> pa.TimestampArray:
    """Converts milliseconds after the world's start to Arrow timestamps."""
    return pa.array(BEGIN + milliseconds.astype("timedelta64[ms]"))


def coded(texts: Sequence[str] | pa.Array | pa.ChunkedArray, indices: Int[np.ndarray, " n"]) -> pa.DictionaryArray:
    """The texts at `indices`, dictionary-encoded; null for index -1."""
    dictionary = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else pa.array(texts, pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(indices.astype(np.int32), mask=indices < 0), dictionary)


def take(texts: Sequence[str] | pa.Array, indices: Int[np.ndarray, " n"]) -> pa.StringArray:
    """The texts at `indices`; null for index -1."""
    return coded(texts, indices).dictionary_decode()
