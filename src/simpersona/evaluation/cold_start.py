"""How close the predicted mix of a store without a history is to its real mix, beside predictions that need no catalogue."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from simpersona.contracts import Metrics
from simpersona.evaluation.metrics_file import MetricsBuilder
from simpersona.evaluation.recovery import js_divergence
from simpersona.evaluation.resampling import mean_interval


@dataclass(frozen=True)
class Predictions:
    """Mixes over K codes of the m held-out stores, and of the n training stores that the predictions rest on."""

    real: Float[np.ndarray, "m codes"]
    predicted: Float[np.ndarray, "m codes"]
    known: Float[np.ndarray, "n codes"]
    """The real mixes of the training stores."""
    left_out: Float[np.ndarray, "n codes"]
    """The mix of each training store, predicted from the others."""
    inside: Bool[np.ndarray, "m codes"]
    """Whether the real share lies in its predicted range."""
    strata: Float[np.ndarray, "codes 4"]
    """P(stratum | code), A to D, over the training stores' buyers; zeros where a code has bouncers only."""


def cold_start_metrics(predictions: Predictions, replicates: int, seed: int) -> Metrics:
    """The keys cold_start.*; without a held-out store, those over held-out stores are None with the reason.

    Divergences are Jensen-Shannon, base 2. "global" is the mean mix of the training stores (with one left out: of the
    others). "random shop" is the mean over the training stores of the divergence from their mix.
    """
    builder, key = MetricsBuilder(), "cold_start"
    real, known = predictions.real, predictions.known
    count, others = len(real), len(known)
    mean_mix = known.mean(axis=0)
    mean_of_others = (mean_mix * others - known) / (others - 1)
    builder.put(f"{key}.shops", count)
    builder.put(f"{key}.training_shops", others)
    builder.put(f"{key}.js_loo_mean", js_divergence(predictions.left_out, known).mean())
    builder.put(f"{key}.js_loo_global_mean", js_divergence(mean_of_others, known).mean())
    missing = "" if count else "there is no held-out store"
    js = js_divergence(predictions.predicted, real)
    js_global = js_divergence(np.broadcast_to(mean_mix, real.shape), real)
    figures = {
        "js_mean": js,
        "js_global_mean": js_global,
        "js_random_shop_mean": js_divergence(known[None], real[:, None]).mean(axis=1),
        "gain": js_global - js,
        "strata_js_mean": _over_strata(predictions, predictions.predicted),
        "strata_js_global_mean": _over_strata(predictions, np.broadcast_to(mean_mix, real.shape)),
        "coverage": predictions.inside.mean(axis=1),
    }
    for name, values in figures.items():
        builder.put(f"{key}.{name}", values.mean() if count else None, missing)
    for name, values in (("js", js), ("gain", figures["gain"])):
        interval = mean_interval(values, replicates, seed)
        builder.put(f"{key}.{name}_ci95", interval, "" if interval else missing or "needs two held-out stores or more")
    return builder.metrics()


def _over_strata(predictions: Predictions, mixes: np.ndarray) -> Float[np.ndarray, " m"]:
    """The divergence of the strata that the mixes stand for."""
    shares = [mix @ predictions.strata for mix in (mixes, predictions.real)]
    predicted, real = (share / share.sum(axis=1, keepdims=True) for share in shares)
    return js_divergence(predicted, real)
