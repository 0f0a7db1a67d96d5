"""Codes per buyer and code shares per store (Eq. 4)."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int

from simpersona.contracts import ASSIGNMENTS, MIX
from simpersona.vectors import BuyerVectors


def assignments(vectors: BuyerVectors, codes: Int[np.ndarray, " n"]) -> pa.Table:
    """ASSIGNMENTS: one row per buyer, in the order of `vectors`."""
    return ASSIGNMENTS.conform(
        pa.table({"shop_id": pa.array(vectors.shop_id), "buyer_id": pa.array(vectors.buyer_id), "code": codes})
    )


def store_mix(assignments: pa.Table) -> pa.Table:
    """MIX: of each shop, the share of its buyers that each code has (Eq. 4), by shop and code.

    Codes without a buyer have no row; the shares of a shop sum to 1.
    """
    pairs = assignments.group_by(["shop_id", "code"]).aggregate([([], "count_all")])
    shops = assignments.group_by("shop_id").aggregate([([], "count_all")])
    of_shop = shops["count_all"].take(pc.index_in(pairs["shop_id"], shops["shop_id"]))
    share = pc.divide(pc.cast(pairs["count_all"], pa.float64()), of_shop)
    columns = {"shop_id": pairs["shop_id"], "code": pairs["code"], "share": share, "buyers": pairs["count_all"]}
    return MIX.conform(pa.table(columns).sort_by([("shop_id", "ascending"), ("code", "ascending")]))
