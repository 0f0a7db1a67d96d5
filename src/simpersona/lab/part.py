"""What some buyers of a shop did: a shop is made in such parts, so that its size is not bounded by memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from jaxtyping import Int

from simpersona.lab.catalogue import Catalogue
from simpersona.lab.clientele import Clientele, Plan
from simpersona.lab.visits import Trail, pieces_of, product_of

BEGIN = np.datetime64("2026-01-05T00:00:00", "ms")
"""When the world begins (UTC)."""
ORDERS_PER_PART = 10**6
"""More than the visits of the buyers made at once."""


@dataclass(frozen=True)
class Part:
    """Some buyers of a shop, the visits they planned, and what came of them."""

    number: int
    """Of the shop's parts, from 0."""
    catalogue: Catalogue
    clientele: Clientele
    plan: Plan
    trail: Trail

    def order_ids(self, visits: Int[np.ndarray, " n"]) -> pa.StringArray:
        """The id of the order of each of these visits (rows of the plan): a number, as Shopify's."""
        shop = int(self.catalogue.products["product_id"][0].as_py())
        return pa.array((shop + self.number) * ORDERS_PER_PART + visits.astype(np.int64)).cast(pa.string())

    def subtotals(self, events: Int[np.ndarray, " n"]) -> np.ndarray:
        """What the cart after each of these events costs, to the cent."""
        cart = self.trail.cart[events]
        costs = self.catalogue.price[product_of(cart)] * pieces_of(cart)
        return np.round(np.where(cart >= 0, costs, 0).sum(1), 2)


def moments(milliseconds: Int[np.ndarray, " n"]) -> pa.TimestampArray:
    """Times, in milliseconds after the world's begin, as Arrow has them."""
    return pa.array(BEGIN + milliseconds.astype("timedelta64[ms]"))


def coded(texts: Sequence[str] | pa.Array | pa.ChunkedArray, at: Int[np.ndarray, " n"]) -> pa.DictionaryArray:
    """The text at each of these places, null where it is -1, dictionary-encoded."""
    words = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else pa.array(texts, pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(at.astype(np.int32), mask=at < 0), words)


def take(texts: Sequence[str] | pa.Array, at: Int[np.ndarray, " n"]) -> pa.StringArray:
    """The text at each of these places, null where it is -1."""
    return coded(texts, at).dictionary_decode()
