"""Codes per buyer and code shares per store (Eq. 4)."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float, Int
from scipy.special import betaincinv

from simpersona.buyers.vectors import BuyerVectors
from simpersona.contracts import ASSIGNMENTS, MIX


def assignments(vectors: BuyerVectors, codes: Int[np.ndarray, " n"]) -> pa.Table:
    """ASSIGNMENTS: one row per buyer, in the order of `vectors`."""
    return ASSIGNMENTS.conform(
        pa.table({"shop_id": pa.array(vectors.shop_id), "buyer_id": pa.array(vectors.buyer_id), "code": codes})
    )


def store_mix(assignments: pa.Table) -> pa.Table:
    """MIX: the share of each code among a shop's buyers (Eq. 4) with its 95 % interval, sorted by shop and code.

    Codes without a buyer have no row; the shares of a shop sum to 1.
    """
    pairs = assignments.group_by(["shop_id", "code"]).aggregate([([], "count_all")])
    shops = assignments.group_by("shop_id").aggregate([([], "count_all")])
    of_shop = shops["count_all"].take(pc.index_in(pairs["shop_id"], shops["shop_id"]))
    share = pc.divide(pc.cast(pairs["count_all"], pa.float64()), of_shop)
    low, high = share_interval(pairs["count_all"].to_numpy(), of_shop.to_numpy())
    columns = {"shop_id": pairs["shop_id"], "code": pairs["code"], "share": share, "buyers": pairs["count_all"]}
    columns |= {"low": pa.array(low), "high": pa.array(high)}
    return MIX.conform(pa.table(columns).sort_by([("shop_id", "ascending"), ("code", "ascending")]))


def share_interval(
    buyers: Int[np.ndarray, "*n"], of: Int[np.ndarray, "*n"], level: float = 0.95
) -> tuple[Float[np.ndarray, "*n"], Float[np.ndarray, "*n"]]:
    """The credible interval of a share, given `buyers` out of `of` observed buyers.

    The mix of a store has a Dirichlet posterior, in which the marginal of one share is a Beta distribution. With
    Jeffreys' prior it is Beta(buyers + ½, of − buyers + ½). The lower bound is 0 if no buyer is observed, the upper
    bound 1 if all are (Brown, Cai and DasGupta, 2001).
    """
    rest, tail = of - buyers, (1 - level) / 2
    low = np.where(buyers > 0, betaincinv(buyers + 0.5, rest + 0.5, tail), 0.0)
    high = np.where(rest > 0, betaincinv(buyers + 0.5, rest + 0.5, 1 - tail), 1.0)
    return low, high
