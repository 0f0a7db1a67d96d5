"""Conversion rates of real sessions and of simulated visits, per (store, token).

A rate is a share of sessions (REFERENCE 17): ATC, the share with an add to cart, and PUR, the share with an order
placed, or with a checkout reached where nothing may be ordered. Sessions of bouncers (stratum E) are left out, because no agent simulates them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float

from simpersona.contracts import STRATA
from simpersona.evaluation.measurable import PurchaseIs, bought, happened, purchase_is

BUYER = ["shop_id", "buyer_id"]
Cell = tuple[str, int]
"""A store and a persona code."""


@dataclass(frozen=True)
class Rates:
    """The numbers of sessions or episodes, of those with an add to cart, and of those with a purchase."""

    trials: int
    carts: int
    purchases: int

    def __add__(self, other: Rates) -> Rates:
        return Rates(self.trials + other.trials, self.carts + other.carts, self.purchases + other.purchases)

    @property
    def shares(self) -> Float[np.ndarray, " 2"]:
        """(ATC, PUR)."""
        return np.array([self.carts, self.purchases]) / self.trials


NONE = Rates(0, 0, 0)


def shopper_sessions(sessions: pa.Table, buyers: pa.Table, shops: Collection[str] | None = None) -> pa.Table:
    """The sessions (shape of SESSIONS, without the timeline) of all buyers but bouncers, in `shops` if given."""
    plain = sessions.drop_columns([name for name in ("timeline",) if name in sessions.column_names])
    if shops is not None:
        plain = plain.filter(pc.is_in(plain["shop_id"], pa.array(sorted(shops), pa.string())))
    active = buyers.filter(pc.not_equal(buyers["stratum"], "E")).select(BUYER)
    return plain.join(active, BUYER, join_type="inner")


def real_rates(
    sessions: pa.Table, buyers: pa.Table, assignments: pa.Table, purchase: PurchaseIs = "order"
) -> dict[Cell, Rates]:
    """Rates of the real sessions of each store's buyers of each code."""
    return _by_cell(shopper_sessions(sessions, buyers).join(assignments, BUYER, join_type="inner"), purchase)


def agent_rates(episodes: pa.Table) -> dict[Cell, Rates]:
    """Rates of the episodes (shape of EPISODES) that carried a persona token and whose additions are known."""
    return _by_cell(episodes.filter(pc.is_valid(episodes["code"])), purchase_is(episodes))


def blind_rates(episodes: pa.Table, assignments: pa.Table) -> dict[Cell, Rates]:
    """Rates of the episodes without a token, by the code of the buyer whose session gave the goal."""
    blind = episodes.filter(pc.is_null(episodes["code"]))
    blind = blind.select([*BUYER, "add_to_cart_count", "checkout_start_count", "purchase_count"])
    return _by_cell(blind.join(assignments, BUYER, join_type="inner"), purchase_is(episodes))


def token_strata(buyers: pa.Table, assignments: pa.Table, shops: Collection[str]) -> dict[int, str]:
    """The most common stratum (A-D) of each code among the buyers of `shops`; ties go to the deeper one."""
    here = buyers.filter(
        pc.and_(pc.is_in(buyers["shop_id"], pa.array(sorted(shops), pa.string())), pc.not_equal(buyers["stratum"], "E"))
    )
    joined = here.select([*BUYER, "stratum"]).join(assignments, BUYER, join_type="inner")
    counts = joined.group_by(["code", "stratum"]).aggregate([([], "count_all")])
    ordered = counts.sort_by([("code", "ascending"), ("count_all", "ascending"), ("stratum", "descending")])
    return {row["code"]: row["stratum"] for row in ordered.to_pylist() if row["stratum"] in STRATA}


def pooled(rates: dict[Cell, Rates], by: int) -> dict[str | int, Rates]:
    """The rates added up by shop (`by` 0) or by code (`by` 1): session-weighted means."""
    sums: dict[str | int, Rates] = {}
    for cell, rate in rates.items():
        sums[cell[by]] = sums.get(cell[by], NONE) + rate
    return sums


def _by_cell(table: pa.Table, purchase: PurchaseIs) -> dict[Cell, Rates]:
    table = table.filter(pc.is_valid(table["add_to_cart_count"]))
    flags = pa.table(
        {
            "shop_id": table["shop_id"],
            "code": table["code"],
            "cart": happened(table, "add_to_cart").cast(pa.int64()),
            "purchase": bought(table, purchase).cast(pa.int64()),
        }
    )
    sums = flags.group_by(["shop_id", "code"]).aggregate([([], "count_all"), ("cart", "sum"), ("purchase", "sum")])
    cells = {
        (row["shop_id"], row["code"]): Rates(row["count_all"], row["cart_sum"], row["purchase_sum"])
        for row in sums.to_pylist()
    }
    return dict(sorted(cells.items()))
