"""Do simulated visitors who buy nothing leave as real ones do? The length of sessions without an order.

    depth = product views + collection views + searches + cart additions + checkout starts

The paper has no such figure. Real sessions are weighted so that each store and stratum has the same share among the
sessions and among the episodes. What differs is then how long the same kinds of buyers stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float, Int, Num
from scipy.stats import wasserstein_distance

from simpersona.contracts import Metrics
from simpersona.evaluation.measurable import (
    NO_CHECKOUTS,
    PurchaseIs,
    bought,
    has_checkouts,
    joined,
    left_out,
    purchase_is,
    untold,
    with_known,
)
from simpersona.evaluation.metrics_file import MetricsBuilder
from simpersona.evaluation.metrics_table import DEPTH, DEPTH_ROW, FUNNEL
from simpersona.evaluation.rates import BUYER

COUNTED = ("product_view", "collection_view", "search", "add_to_cart", "checkout_start")
DECILES = tuple(tenth / 10 for tenth in range(1, 10))


@dataclass(frozen=True)
class Lengths:
    """The depth of n real sessions with their weights, and of m episodes."""

    real: Int[np.ndarray, " n"]
    weights: Num[np.ndarray, " n"]
    agent: Int[np.ndarray, " m"]


def depth_metrics(episodes: pa.Table, sessions: pa.Table, buyers: pa.Table, replicates: int, seed: int) -> Metrics:
    """The keys depth.*, for each stratum of the buyer whose session gave the goal, and over all of them.

    The tables are EPISODES, SESSIONS and BUYERS. Episodes with a purchase or without a token are left out, and so are stores
    and strata that only one of the two sides has. A purchase is an order, on both sides a checkout that was reached where
    nothing may be ordered: a visit there ends at the checkout.
    """
    builder, purchase = MetricsBuilder(), purchase_is(episodes)
    known, remark = with_known(episodes, *(f"{what}_count" for what in COUNTED))
    if purchase == "checkout":
        remark = joined(
            "visits that reached the checkout are left out, on both sides: nothing is ordered there", remark
        )
    missing = NO_CHECKOUTS if purchase == "checkout" and not has_checkouts(sessions) else ""
    if episodes.num_rows and not known.num_rows:
        missing = joined(*(untold(episodes, f"{what}_count") for what in COUNTED)) or left_out(
            episodes.num_rows, episodes.num_rows
        )
    for stratum in DEPTH_ROW.labels:
        kept = buyers.filter(pc.is_in(buyers["stratum"], pa.array(FUNNEL if stratum == "all" else [stratum])))
        lengths = matched_lengths(known, sessions, kept)
        figures = {"real_sessions": len(lengths.real), "agent_episodes": len(lengths.agent)}
        if len(lengths.agent) and not missing:
            figures |= _compared(lengths, replicates, seed)
        for name in DEPTH.names:
            why = remark if name in figures else missing or joined(DEPTH.missing, remark)
            builder.put(f"depth.{stratum}.{name}", figures.get(name), why)
    return builder.metrics()


def matched_lengths(episodes: pa.Table, sessions: pa.Table, buyers: pa.Table) -> Lengths:
    """The depths of both sides over the cells (store, stratum) that both have, for the buyers given."""
    played = episodes.filter(pc.is_valid(episodes["code"]))
    strata, purchase = buyers.select([*BUYER, "stratum"]), purchase_is(episodes)
    sides = [dict(_cells(side, strata, purchase)) for side in (sessions, played)]
    cells = sorted(sides[0].keys() & sides[1].keys())
    real, agent = ([side[cell] for cell in cells] for side in sides)
    weights = [
        np.full(len(sessions), len(visits) / len(sessions)) for sessions, visits in zip(real, agent, strict=True)
    ]
    nothing = np.zeros(0, int)
    return Lengths(*(np.concatenate([nothing, *part]) for part in (real, weights, agent)))


def distances_by_chance(lengths: Lengths, replicates: int, seed: int) -> Float[np.ndarray, " replicates"]:
    """The Wasserstein distances between the real sessions and samples of them, each as large as the set of episodes."""
    shares = np.bincount(lengths.real, lengths.weights) / lengths.weights.sum()
    drawn = np.random.default_rng(seed).multinomial(len(lengths.agent), shares, size=replicates) / len(lengths.agent)
    return np.abs(np.cumsum(drawn - shares, axis=1)).sum(axis=1)  # the area between two step functions


def _compared(lengths: Lengths, replicates: int, seed: int) -> dict[str, float | list[float]]:
    real, weights, agent = lengths.real, lengths.weights, lengths.agent
    distance = float(wasserstein_distance(real, agent, weights))
    by_chance = distances_by_chance(lengths, replicates, seed)
    return {
        "real_mean": float(np.average(real, weights=weights)),
        "agent_mean": float(agent.mean()),
        "real_deciles": np.quantile(real, DECILES, weights=weights, method="inverted_cdf").astype(float).tolist(),
        "agent_deciles": np.quantile(agent, DECILES, method="inverted_cdf").astype(float).tolist(),
        "wasserstein": distance,
        "wasserstein_floor": float(by_chance.mean()),
        "p": float((1 + (by_chance >= distance - 1e-9).sum()) / (1 + replicates)),
    }


def _cells(
    visits: pa.Table, strata: pa.Table, purchase: PurchaseIs
) -> Iterator[tuple[tuple[str, str], Int[np.ndarray, " n"]]]:
    """The depths of the visits without a purchase, by store and stratum."""
    counts = [f"{what}_count" for what in COUNTED]
    left = visits.filter(pc.invert(bought(visits, purchase))).select([*BUYER, *counts])
    joined = left.join(strata, BUYER, join_type="inner")
    depth = np.sum([joined[name].to_numpy() for name in counts], axis=0, dtype=int)
    cell = [joined[name].to_numpy(zero_copy_only=False).astype(str) for name in ("shop_id", "stratum")]
    names, index = np.unique(np.stack(cell, axis=1), axis=0, return_inverse=True)
    for number, (shop, stratum) in enumerate(names.tolist()):
        yield (shop, stratum), depth[index.ravel() == number]
