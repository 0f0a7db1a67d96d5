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

    The tables are EPISODES, SESSIONS and BUYERS. Episodes with an order or without a token are left out, and so are stores and
    strata that only one of the two sides has.
    """
    builder = MetricsBuilder()
    for stratum in DEPTH_ROW.labels:
        kept = buyers.filter(pc.is_in(buyers["stratum"], pa.array(FUNNEL if stratum == "all" else [stratum])))
        lengths = matched_lengths(episodes, sessions, kept)
        figures = {"real_sessions": len(lengths.real), "agent_episodes": len(lengths.agent)}
        if len(lengths.agent):
            figures |= _compared(lengths, replicates, seed)
        for name in DEPTH.names:
            builder.put(f"depth.{stratum}.{name}", figures.get(name), "" if name in figures else DEPTH.missing)
    return builder.metrics()


def matched_lengths(episodes: pa.Table, sessions: pa.Table, buyers: pa.Table) -> Lengths:
    """The depths of both sides over the cells (store, stratum) that both have, for the buyers given."""
    played = episodes.filter(pc.is_valid(episodes["code"]))
    strata = buyers.select([*BUYER, "stratum"])
    sides = [dict(_cells(side, strata)) for side in (sessions, played)]
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


def _cells(visits: pa.Table, strata: pa.Table) -> Iterator[tuple[tuple[str, str], Int[np.ndarray, " n"]]]:
    """The depths of the visits without an order, by store and stratum."""
    counts = [f"{what}_count" for what in COUNTED]
    left = visits.filter(pc.equal(visits["purchase_count"], 0)).select([*BUYER, *counts])
    joined = left.join(strata, BUYER, join_type="inner")
    depth = np.sum([joined[name].to_numpy() for name in counts], axis=0, dtype=int)
    cell = [joined[name].to_numpy(zero_copy_only=False).astype(str) for name in ("shop_id", "stratum")]
    names, index = np.unique(np.stack(cell, axis=1), axis=0, return_inverse=True)
    for number, (shop, stratum) in enumerate(names.tolist()):
        yield (shop, stratum), depth[index.ravel() == number]
