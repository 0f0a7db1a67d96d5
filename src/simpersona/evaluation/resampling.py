"""Intervals and tests by drawing anew: bootstrap over shops or tasks, and several tests at once."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from simpersona.contracts import Metrics
from simpersona.evaluation.metrics import Findings

SURE = 0.05
"""A test below this, adjusted for the number of tests, is counted as significant."""


def times_drawn(units: int, replicates: int, seed: int) -> Int[np.ndarray, "replicates units"]:
    """How often each of the units is drawn when as many are drawn with replacement."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(units, np.full(units, 1 / units), size=replicates)


def interval95(drawn: Float[np.ndarray, " replicates"]) -> list[float] | None:
    """The middle 95 % of the replicates that are known; None if none is."""
    known = drawn[np.isfinite(drawn)]
    return [float(edge) for edge in np.quantile(known, [0.025, 0.975])] if len(known) else None


def mean_interval(values: Float[np.ndarray, " units"], replicates: int, seed: int) -> list[float] | None:
    """The bootstrap 95 % interval of the mean over units; None for fewer than two."""
    if len(values) < 2:
        return None
    return interval95(times_drawn(len(values), replicates, seed) @ values / len(values))


def holm(p_values: Float[np.ndarray, " tests"]) -> Float[np.ndarray, " tests"]:
    """The p values adjusted after Holm (1979): the chance of any false call over all of them stays below the level."""
    order = np.argsort(p_values)
    steps = (len(p_values) - np.arange(len(p_values))) * p_values[order]
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def adjusted_tests(metrics: Metrics) -> Metrics:
    """For every p value of the metrics (a key that ends with "p") the one adjusted for their number, as KEY_adjusted; and
    tests.*: the method, how many there are in the family, and how many stay significant.
    """
    keys = [key for key in metrics.values if key.endswith((".p", "_p"))]
    known = [key for key in keys if metrics.values[key] is not None]
    found = Findings()
    of_all = dict(zip(known, holm(np.array([metrics.values[key] for key in known], float)), strict=True))
    for key in keys:
        found.put(f"{key}_adjusted", of_all.get(key), "" if key in of_all else metrics.notes.get(key, ""))
    found.put("tests.family", len(known))
    found.put("tests.significant", sum(value < SURE for value in of_all.values()))
    return found.metrics() | Metrics({"tests.method": "holm"}, {})
