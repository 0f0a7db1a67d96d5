"""Whether a store's code mix recovers its population: strata and mean behaviour (App. B, REFERENCE 16)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int, Shaped
from scipy.special import rel_entr

from simpersona.buyers.vectors import BuyerVectors
from simpersona.contracts import SCALARS, Metrics
from simpersona.evaluation.metrics_table import FUNNEL
from simpersona.evaluation.rates import BUYER
from simpersona.evaluation.resampling import mean_interval

_CLOSE = 0.10  # App. B counts the shops below this divergence


def population_metrics(
    train: BuyerVectors,
    train_codes: Int[np.ndarray, " m"],
    held_out: BuyerVectors,
    held_out_codes: Int[np.ndarray, " n"],
    codes: int,
    replicates: int = 1000,
    seed: int = 0,
) -> Metrics:
    """The figures `population.*` over the held-out stores, without stratum E.

    Code profiles come from the training stores. Under `population.in_sample.*` they come from the held-out stores themselves,
    as in the paper. The mean divergence has a bootstrap interval over stores, from `replicates` samples.
    """
    recovery = recover(train, train_codes, held_out, held_out_codes, codes)
    in_sample = recover(held_out, held_out_codes, held_out, held_out_codes, codes)
    divergence = js_divergence(recovery.strata, recovery.real_strata)
    interval = mean_interval(divergence, replicates, seed)
    key = "population.js_mean_ci95"
    spread = Metrics(
        {key: interval}, {} if interval else {key: f"needs two held-out stores or more; found {len(divergence)}"}
    )
    return _figures("population", recovery) | spread | _figures("population.in_sample", in_sample)


@dataclass(frozen=True)
class Recovery:
    """What the code mixes of n stores predict, beside the real values; bouncers are left out.

    `strata` are shares of A to D (Eq. 5), `scalars` mean raw values in the order of SCALARS (Eq. 6). `unknown` is the
    share of the buyers whose codes have no profile. They count as like the other buyers of their store, and a store
    that has no others is left out.
    """

    shops: Shaped[np.ndarray, " n"]
    strata: Float[np.ndarray, "n 4"]
    real_strata: Float[np.ndarray, "n 4"]
    scalars: Float[np.ndarray, "n 16"]
    real_scalars: Float[np.ndarray, "n 16"]
    unknown: float


def recover(
    profiled: BuyerVectors,
    profiled_codes: Int[np.ndarray, " m"],
    target: BuyerVectors,
    target_codes: Int[np.ndarray, " n"],
    codes: int,
) -> Recovery:
    """The recovery of the stores of `target` from their mixes (Eq. 4).

    The codes' profiles come from the buyers `profiled`: P(stratum | k) and the mean raw scalars.
    """
    known, kept = profiled.stratum != "E", target.stratum != "E"
    count, profile_strata, profile_scalars = _means(profiled.take(known), profiled_codes[known], codes)
    buyers, buyer_codes = target.take(kept), target_codes[kept]
    names, shop = np.unique(buyers.shop_id, return_inverse=True)
    sizes, strata, scalars = _means(buyers, shop.ravel(), len(names))
    mix = np.zeros((len(names), codes))
    np.add.at(mix, (shop.ravel(), buyer_codes), 1)
    mix *= count > 0
    reached = mix.sum(axis=1)
    usable = reached > 0
    mix = mix[usable] / reached[usable, None]
    unknown = 1 - float(reached.sum() / sizes.sum()) if len(sizes) else 0.0
    return Recovery(
        names[usable], mix @ profile_strata, strata[usable], mix @ profile_scalars, scalars[usable], unknown
    )


def predicted_strata(
    buyers: pa.Table, assignments: pa.Table, train_shops: Collection[str]
) -> dict[str, dict[str, float]]:
    """Share of each stratum A to D that a store's code mix predicts (Eq. 5), for every store of BUYERS outside `train_shops`.

    The codes' profiles are counted over the buyers of `train_shops`. See `recover`.
    """
    joined = buyers.select([*BUYER, "stratum"]).join(assignments, BUYER, join_type="inner")
    shop, stratum, code = (joined[name].to_numpy() for name in ("shop_id", "stratum", "code"))
    nothing, no_scalars = np.zeros((len(shop), 0), np.float32), np.zeros((len(shop), len(SCALARS)))
    everyone = BuyerVectors(shop, joined["buyer_id"].to_numpy(), stratum, nothing, no_scalars)
    train = np.isin(shop, list(train_shops))
    recovery = recover(
        everyone.take(train), code[train], everyone.take(~train), code[~train], int(code.max(initial=0)) + 1
    )
    return {
        str(shop): dict(zip(FUNNEL, row.tolist(), strict=True))
        for shop, row in zip(recovery.shops, recovery.strata, strict=True)
    }


def js_divergence(
    p: Float[np.ndarray, "*#shops kinds"], q: Float[np.ndarray, "*#shops kinds"]
) -> Float[np.ndarray, "*shops"]:
    """Jensen-Shannon divergence along the last axis, log base 2: 0 for equal distributions, 1 for disjoint."""
    middle = (p + q) / 2
    nats = (rel_entr(p, middle) + rel_entr(q, middle)).sum(axis=-1) / 2
    return np.asarray(np.clip(nats / np.log(2), 0, 1))


def r_squared(real: Float[np.ndarray, " shops"], predicted: Float[np.ndarray, " shops"]) -> float | None:
    """1 − SS_res / SS_tot, stores unweighted. None if the stores differ by no more than rounding errors."""
    scatter = float(((real - real.mean()) ** 2).sum())
    rounding = len(real) * (1e-12 * float(np.abs(real).max(initial=0))) ** 2  # of means over many buyers
    return None if scatter <= rounding else 1 - float(((real - predicted) ** 2).sum()) / scatter


def _means(vectors: BuyerVectors, group: np.ndarray, groups: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    count = np.bincount(group, minlength=groups)
    strata, scalars = np.zeros((groups, len(FUNNEL))), np.zeros((groups, len(SCALARS)))
    np.add.at(strata, (group, np.searchsorted(FUNNEL, vectors.stratum)), 1)
    np.add.at(scalars, group, vectors.scalars)  # an unknown value makes the mean unknown
    divisor = np.maximum(count, 1)[:, None]
    return count, strata / divisor, scalars / divisor


def _figures(prefix: str, recovery: Recovery) -> Metrics:
    values: dict[str, float | int | None] = {f"{prefix}.shops": len(recovery.shops)}
    notes: dict[str, str] = {}
    if recovery.unknown > 0:
        notes[f"{prefix}.shops"] = f"{recovery.unknown:.2%} of the buyers have codes without a profile and are left out"
    _strata_figures(prefix, js_divergence(recovery.strata, recovery.real_strata), values, notes)
    for column, name in enumerate(SCALARS):
        key = f"{prefix}.r2.{name}"
        values[key], note = _r2(recovery.real_scalars[:, column], recovery.scalars[:, column])
        if note:
            notes[key] = note
    return Metrics(values, notes)


def _strata_figures(
    prefix: str, divergence: np.ndarray, values: dict[str, float | int | None], notes: dict[str, str]
) -> None:
    if len(divergence):
        values[f"{prefix}.js_mean"] = float(divergence.mean())
        values[f"{prefix}.js_median"] = float(np.median(divergence))
        values[f"{prefix}.shops_js_below_010"] = int((divergence < _CLOSE).sum())
        return
    for key in ("js_mean", "js_median", "shops_js_below_010"):
        values[f"{prefix}.{key}"] = None
        notes[f"{prefix}.{key}"] = "there is no held-out store with buyers of strata A to D and a known code"


def _r2(real: np.ndarray, predicted: np.ndarray) -> tuple[float | None, str | None]:
    if len(real) < 2:
        return None, f"needs two held-out stores or more; found {len(real)}"
    if not (np.isfinite(real).all() and np.isfinite(predicted).all()):
        return None, "the source does not have this scalar for all buyers"
    value = r_squared(real, predicted)
    return value, "the held-out stores do not differ in this scalar" if value is None else None
