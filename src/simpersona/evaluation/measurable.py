"""What can be measured of visits: figures that are inferred, events that nothing tells, and purchases where nothing is ordered.

In a store that is not the lab's, no visitor orders. There a purchase is a checkout that was reached, on both sides of a
comparison (REFERENCE 17). A figure that cannot occur is None with its reason, never zero.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simpersona.contracts import Metrics

PurchaseIs = Literal["order", "checkout"]
"""What counts as a purchase: an order placed, or a checkout reached where nothing may be ordered."""
NO_ORDERS = "cannot be measured: nothing is ordered in a store that is not the lab's; compare the checkouts"
AS_CHECKOUT = "purchase = checkout reached, on both sides: nothing is ordered in a store that is not the lab's"
NO_CHECKOUTS = "cannot be measured: nothing is ordered in a store that is not the lab's, and the log has no checkout starts to compare with"
INFERRED = "inferred from what the store did and showed, not recorded by it"
_SIZES = ("episodes", "sessions", "pairs", "shops", "visits", "left_out")
_NOT_COUNTED = ("engagement", "crash", "crash_storefront", "crash_model", "crash_reply", "actions_mean", "pages_mean",
                "goal_reached", "shops_crash_more", "real", "tests")  # fmt: skip


def purchase_is(episodes: pa.Table) -> PurchaseIs:
    """What a purchase is in the stores of these visits (EPISODES)."""
    return "checkout" if episodes["purchase_count"].null_count else "order"


def has_checkouts(sessions: pa.Table) -> bool:
    """Whether a log (SESSIONS) has checkout starts: one with orders and without any cannot report them."""
    starts, orders = (pc.sum(sessions[f"{what}_count"]).as_py() or 0 for what in ("checkout_start", "purchase"))
    return starts > 0 or orders == 0


def happened(table: pa.Table, outcome: str) -> pa.ChunkedArray:
    """Whether each session or visit had an add to cart, reached the checkout, or placed an order; null where it is unknown."""
    if outcome == "add_to_cart":
        return pc.greater(table["add_to_cart_count"], 0)
    bought = pc.greater(table["purchase_count"], 0)
    if outcome == "purchase":
        return bought
    started = pc.greater(table["checkout_start_count"], 0)
    return pc.or_(pc.fill_null(bought, False), started)  # a source may lack checkout starts


def bought(table: pa.Table, purchase: PurchaseIs) -> pa.ChunkedArray:
    """Whether each session or visit made a purchase, in the meaning given."""
    return happened(table, "purchase" if purchase == "order" else "checkout")


def share(flags: pa.ChunkedArray | pa.Array) -> float | None:
    """The share of true values among the known ones; None without any."""
    return pc.mean(flags.cast(pa.int8())).as_py()


def with_known(episodes: pa.Table, *columns: str) -> tuple[pa.Table, str]:
    """The visits whose counts are all known, and a remark on those left out; empty without any."""
    known = episodes
    for column in columns:
        known = known.filter(pc.is_valid(known[column]))
    return known, left_out(episodes.num_rows - known.num_rows, episodes.num_rows)


def left_out(unknown: int, visits: int) -> str:
    """A remark on visits with unknown events; empty without any."""
    if not unknown:
        return ""
    return f"{unknown:,} of {visits:,} visits are left out: neither the address, the content nor an effect of a page tells what happened"


def untold(episodes: pa.Table, column: str) -> str:
    """Why a count of EPISODES is unknown in every visit; empty where it is known in one."""
    if not episodes.num_rows or episodes[column].null_count < episodes.num_rows:
        return ""
    return NO_ORDERS if column == "purchase_count" else f"cannot be measured: {left_out(*2 * (episodes.num_rows,))}"


def joined(*remarks: str) -> str:
    """Remarks as one note; empty ones are left out."""
    return "; ".join(dict.fromkeys(filter(None, remarks)))


def is_inferred(episodes: pa.Table) -> bool:
    """Whether the events of one of the visits (EPISODES) are inferred."""
    return bool(pc.any(pc.greater(pc.list_value_length(episodes["inferred"]), 0)).as_py())


def with_inferred_notes(metrics: Metrics, episodes: pa.Table) -> Metrics:
    """The figures of these visits, each that rests on inferred events with a note that says so."""
    if not is_inferred(episodes):
        return metrics
    notes = {
        key: joined(metrics.notes.get(key, ""), INFERRED)
        for key, value in metrics.values.items()
        if value is not None and _rests_on_events(key.split("."))
    }
    return Metrics(metrics.values, metrics.notes | notes)


def _rests_on_events(parts: list[str]) -> bool:
    if parts[0] not in ("conversion", "separation", "depth", "goal_following", "ablation"):
        return False
    if parts[-1] in _SIZES or parts[-1].endswith("_tokens") or parts[-1].startswith("real_"):
        return False
    return not any(part in _NOT_COUNTED for part in parts[1:])


def floats(column: pa.ChunkedArray) -> np.ndarray:
    """A column of counts as float64, nan where a count is unknown."""
    return column.cast(pa.float64()).fill_null(float("nan")).to_numpy()
