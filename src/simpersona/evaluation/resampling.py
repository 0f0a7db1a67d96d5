"""Bootstrap intervals over stores or tasks, and the correction for several tests."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from simpersona.contracts import Metrics
from simpersona.evaluation.metric_lookup import adjusted_metrics
from simpersona.evaluation.metrics_file import MetricsBuilder

SIGNIFICANCE = 0.05
"""Significance level (α): an adjusted p value below it counts as significant."""


def times_drawn(units: int, replicates: int, seed: int) -> Int[np.ndarray, "replicates units"]:
    """How often each of the units is drawn when as many are drawn with replacement."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(units, np.full(units, 1 / units), size=replicates)


def interval95(drawn: Float[np.ndarray, " replicates"]) -> list[float] | None:
    """The middle 95 % of the finite replicates; None if there is none."""
    known = drawn[np.isfinite(drawn)]
    return [float(edge) for edge in np.quantile(known, [0.025, 0.975])] if len(known) else None


def mean_interval(values: Float[np.ndarray, " units"], replicates: int, seed: int) -> list[float] | None:
    """The bootstrap 95 % interval of the mean over units; None for fewer than two."""
    if len(values) < 2:
        return None
    return interval95(times_drawn(len(values), replicates, seed) @ values / len(values))


def holm(p_values: Float[np.ndarray, " tests"]) -> Float[np.ndarray, " tests"]:
    """The p values adjusted after Holm (1979), which controls the chance of any false positive among them."""
    order = np.argsort(p_values)
    steps = (len(p_values) - np.arange(len(p_values))) * p_values[order]
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def adjusted_tests(metrics: Metrics) -> Metrics:
    """KEY_adjusted for every p value KEY of `metrics`, corrected for their number, and the keys tests.*: the method, the size of
    the family, and how many p values stay significant.
    """
    adjusted = {test.key: test.adjusted_key for test in adjusted_metrics() if test.key in metrics.values}
    known = [key for key in adjusted if metrics.values[key] is not None]
    builder = MetricsBuilder()
    corrected = dict(zip(known, holm(np.array([metrics.values[key] for key in known], float)), strict=True))
    for key, name in adjusted.items():
        builder.put(name, corrected.get(key), "" if key in corrected else metrics.notes.get(key, ""))
    builder.put("tests.family", len(known))
    builder.put("tests.significant", sum(value < SIGNIFICANCE for value in corrected.values()))
    return builder.metrics() | Metrics({"tests.method": "holm"}, {})
