"""How well the mix of a store without a history is met: against its real mix, and against what needs no catalogue."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from simpersona.contracts import Metrics
from simpersona.evaluation.metrics import Findings
from simpersona.evaluation.recovery import js_divergence
from simpersona.evaluation.resampling import mean_interval


@dataclass(frozen=True)
class Predictions:
    """Mixes over K codes: of m shops that nothing was known of, and of the n shops that the prediction rests on."""

    real: Float[np.ndarray, "m codes"]
    predicted: Float[np.ndarray, "m codes"]
    known: Float[np.ndarray, "n codes"]
    left_out: Float[np.ndarray, "n codes"]
    """Of each known shop, what the others predict."""
    inside: Bool[np.ndarray, "m codes"]
    """Whether the real share is in its predicted range."""
    strata: Float[np.ndarray, "codes 4"]
    """P(stratum | code), A to D, over the known shops' buyers; zeros where a code has none but bouncers."""


def cold_start_metrics(found: Predictions, replicates: int, seed: int) -> Metrics:
    """The keys cold_start.*; without a shop to ask, those over the held-out shops are None with the reason.

    Divergences are Jensen-Shannon, base 2. "global" is the mean mix of the known shops (leaving one out: of the
    others), "random shop" the mean over the known shops of what it costs to take one of them.
    """
    told, key = Findings(), "cold_start"
    count, others = len(found.real), len(found.known)
    everybody = found.known.mean(axis=0)
    rest = (everybody * others - found.known) / (others - 1)
    told.put(f"{key}.shops", count)
    told.put(f"{key}.training_shops", others)
    told.put(f"{key}.js_loo_mean", js_divergence(found.left_out, found.known).mean())
    told.put(f"{key}.js_loo_global_mean", js_divergence(rest, found.known).mean())
    none = "" if count else "there is no held-out shop"
    plain = js_divergence(found.predicted, found.real)
    as_all = js_divergence(np.broadcast_to(everybody, found.real.shape), found.real)
    figures = {
        "js_mean": plain,
        "js_global_mean": as_all,
        "js_random_shop_mean": js_divergence(found.known[None], found.real[:, None]).mean(axis=1),
        "gain": as_all - plain,
        "strata_js_mean": _over_strata(found, found.predicted),
        "strata_js_global_mean": _over_strata(found, np.broadcast_to(everybody, found.real.shape)),
        "coverage": found.inside.mean(axis=1),
    }
    for name, values in figures.items():
        told.put(f"{key}.{name}", values.mean() if count else None, none)
    for name in ("js", "gain"):
        interval = mean_interval(figures["js_mean" if name == "js" else name], replicates, seed)
        told.put(f"{key}.{name}_ci95", interval, "" if interval else none or "needs two held-out shops or more")
    return told.metrics()


def _over_strata(found: Predictions, mixes: np.ndarray) -> Float[np.ndarray, " m"]:
    shares = [mix @ found.strata for mix in (mixes, found.real)]
    predicted, real = (share / share.sum(axis=1, keepdims=True) for share in shares)
    return js_divergence(predicted, real)
