"""Tastes: which product types the buyers of each code view."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int


@dataclass(frozen=True)
class Tastes:
    """For each code, how many of its buyers viewed a product of each of t types, and how many viewed any."""

    types: tuple[str, ...]
    counts: Int[np.ndarray, "codes t"]
    viewers: Int[np.ndarray, " codes"]

    @classmethod
    def of(cls, parts: Iterable[tuple[pa.Table, Int[np.ndarray, " n"]]], products: pa.Table, codes: int) -> Self | None:
        """Counted over `parts`: buyers (shop_id, viewed: distinct product ids) with their codes.

        `products` is PRODUCTS; views of products without a type are left out. None if no product has a type.
        """
        known = products.filter(pc.is_valid(products["product_type"]))
        if not known.num_rows:
            return None
        encoded = known["product_type"].combine_chunks().dictionary_encode()
        keys, type_of = _keys(known["shop_id"], known["product_id"]), encoded.indices.to_numpy()
        kinds = len(encoded.dictionary)
        counts, viewers = np.zeros((codes, kinds), np.int64), np.zeros(codes, np.int64)
        for table, of_part in parts:
            viewed = table["viewed"].combine_chunks()
            buyer = pc.list_parent_indices(viewed)
            place = pc.index_in(_keys(table["shop_id"].take(buyer), pc.list_flatten(viewed)), keys)
            found = pc.is_valid(place).to_numpy(zero_copy_only=False)
            rows, kind = buyer.to_numpy()[found], type_of[place.drop_null().to_numpy()]
            pairs = np.unique(rows * kinds + kind)
            np.add.at(counts, (of_part[pairs // kinds], pairs % kinds), 1)
            viewers += np.bincount(of_part[np.unique(rows)], minlength=codes)
        return cls(tuple(encoded.dictionary.to_pylist()), counts, viewers)

    def most_viewed(self, code: int, top: int) -> list[dict[str, Any]]:
        """The `top` types that most of the code's viewers viewed: product_type, share of them, and lift.

        Lift is the share over that among the viewers of all codes. Types that nobody of the code viewed are left out.
        """
        own, all_viewers = self.counts[code], max(int(self.viewers.sum()), 1)
        order = np.lexsort((np.array(self.types), -own))[:top]
        return [
            {
                "product_type": self.types[kind],
                "share": (share := float(own[kind] / self.viewers[code])),
                "lift": share * all_viewers / float(self.counts[:, kind].sum()),
            }
            for kind in order
            if own[kind]
        ]


def _keys(shop: pa.ChunkedArray | pa.Array, product: pa.ChunkedArray | pa.Array) -> pa.Array:
    both = pc.binary_join_element_wise(shop, product, "\x1f")
    return both.combine_chunks() if isinstance(both, pa.ChunkedArray) else both
