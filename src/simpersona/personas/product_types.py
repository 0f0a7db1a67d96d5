"""The product types that the buyers of each code view."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int


@dataclass(frozen=True)
class ProductTypeViews:
    """Per code, the number of buyers who viewed a product of each of t types, and of buyers who viewed any."""

    types: tuple[str, ...]
    counts: Int[np.ndarray, "codes t"]
    viewers: Int[np.ndarray, " codes"]

    @classmethod
    def of(cls, parts: Iterable[tuple[pa.Table, Int[np.ndarray, " _"]]], products: pa.Table, codes: int) -> Self | None:
        """Counts viewers over `parts`: tables of buyers (shop_id, viewed: distinct product ids) with their codes.

        `products` is PRODUCTS; views of products without a type are ignored. Returns None if no product has a type.
        """
        known = products.filter(pc.is_valid(products["product_type"]))
        if not known.num_rows:
            return None
        encoded = known["product_type"].combine_chunks().dictionary_encode()
        keys, type_of = _keys(known["shop_id"], known["product_id"]), encoded.indices.to_numpy()
        kinds = len(encoded.dictionary)
        counts, viewers = np.zeros((codes, kinds), np.int64), np.zeros(codes, np.int64)
        for table, part_codes in parts:
            viewed = table["viewed"].combine_chunks()
            buyer = pc.list_parent_indices(viewed)
            product = pc.index_in(_keys(table["shop_id"].take(buyer), pc.list_flatten(viewed)), keys)
            has_type = pc.is_valid(product).to_numpy(zero_copy_only=False)
            rows, kind = buyer.to_numpy()[has_type], type_of[product.drop_null().to_numpy()]
            pairs = np.unique(rows * kinds + kind)  # one number per distinct (buyer, type) pair
            np.add.at(counts, (part_codes[pairs // kinds], pairs % kinds), 1)
            viewers += np.bincount(part_codes[np.unique(rows)], minlength=codes)
        return cls(tuple(encoded.dictionary.to_pylist()), counts, viewers)

    def most_viewed(self, code: int, top: int) -> list[dict[str, Any]]:
        """The `top` types by number of viewers of the code: product_type, share of the viewers, and lift.

        The lift is the share divided by the share among the viewers of all codes. Types without a viewer of the code
        are omitted.
        """
        counts, all_viewers = self.counts[code], max(int(self.viewers.sum()), 1)
        order = np.lexsort((np.array(self.types), -counts))[:top]
        return [
            {
                "product_type": self.types[kind],
                "share": (share := float(counts[kind] / self.viewers[code])),
                "lift": share * all_viewers / float(self.counts[:, kind].sum()),
            }
            for kind in order
            if counts[kind]
        ]


def _keys(shop: pa.ChunkedArray | pa.Array, product: pa.ChunkedArray | pa.Array) -> pa.Array:
    both = pc.binary_join_element_wise(shop, product, "\x1f")
    return both.combine_chunks() if isinstance(both, pa.ChunkedArray) else both
