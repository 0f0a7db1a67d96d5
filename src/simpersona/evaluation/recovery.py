"""Whether a store's code mix recovers its population: strata and mean behaviour (App. B, REFERENCE 16)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import rel_entr

from simpersona.contracts import SCALARS, STRATA, Metrics
from simpersona.vectors import BuyerVectors

_FUNNEL = STRATA[:4]
_CLOSE = 0.10  # App. B counts the shops below this divergence


def population_metrics(
    train: BuyerVectors,
    train_codes: Int[np.ndarray, " m"],
    held_out: BuyerVectors,
    held_out_codes: Int[np.ndarray, " n"],
    codes: int,
) -> Metrics:
    """The figures `population.*` over the held-out shops, stratum E left out.

    Code profiles come from the training shops; under `population.in_sample.*` they come from the
    held-out shops themselves, as in the paper.
    """
    kept_train, kept = train.stratum != "E", held_out.stratum != "E"
    profiles = _Profiles.of(train.take(kept_train), train_codes[kept_train], codes)
    own = _Profiles.of(held_out.take(kept), held_out_codes[kept], codes)
    shops = _Shops.of(held_out.take(kept), held_out_codes[kept], codes)
    return _figures("population", profiles, shops) | _figures("population.in_sample", own, shops)


def js_divergence(
    p: Float[np.ndarray, "*shops kinds"], q: Float[np.ndarray, "*shops kinds"]
) -> Float[np.ndarray, "*shops"]:
    """Jensen-Shannon divergence along the last axis, log base 2: 0 for equal distributions, 1 for disjoint."""
    middle = (p + q) / 2
    nats = (rel_entr(p, middle) + rel_entr(q, middle)).sum(axis=-1) / 2
    return np.clip(nats / np.log(2), 0, 1)


def r_squared(real: Float[np.ndarray, " shops"], predicted: Float[np.ndarray, " shops"]) -> float | None:
    """1 − SS_res / SS_tot, shops unweighted. None if the shops do not differ."""
    scatter = float(((real - real.mean()) ** 2).sum())
    return None if scatter == 0 else 1 - float(((real - predicted) ** 2).sum()) / scatter


@dataclass(frozen=True)
class _Profiles:
    """What is known of each code: its strata P(stratum | k) and its mean raw scalars."""

    seen: Bool[np.ndarray, " k"]
    strata: Float[np.ndarray, "k 4"]
    scalars: Float[np.ndarray, "k 16"]

    @classmethod
    def of(cls, vectors: BuyerVectors, buyer_codes: np.ndarray, codes: int) -> _Profiles:
        count, strata, scalars = _means(vectors, buyer_codes, codes)
        return cls(count > 0, strata, scalars)


@dataclass(frozen=True)
class _Shops:
    """Each shop's code mix p̂_s(k) (Eq. 4), its real strata and its real mean scalars."""

    mix: Float[np.ndarray, "shops k"]
    strata: Float[np.ndarray, "shops 4"]
    scalars: Float[np.ndarray, "shops 16"]
    buyers: Int[np.ndarray, " shops"]

    @classmethod
    def of(cls, vectors: BuyerVectors, buyer_codes: np.ndarray, codes: int) -> _Shops:
        names, shop = np.unique(vectors.shop_id, return_inverse=True)
        count, strata, scalars = _means(vectors, shop.ravel(), len(names))
        mix = np.zeros((len(names), codes))
        np.add.at(mix, (shop.ravel(), buyer_codes), 1)
        return cls(mix / count[:, None], strata, scalars, count)


def _means(vectors: BuyerVectors, group: np.ndarray, groups: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    count = np.bincount(group, minlength=groups)
    strata, scalars = np.zeros((groups, len(_FUNNEL))), np.zeros((groups, len(SCALARS)))
    np.add.at(strata, (group, np.searchsorted(_FUNNEL, vectors.stratum)), 1)
    np.add.at(scalars, group, vectors.scalars)  # an unknown value makes the mean unknown
    divisor = np.maximum(count, 1)[:, None]
    return count, strata / divisor, scalars / divisor


def _figures(prefix: str, profiles: _Profiles, shops: _Shops) -> Metrics:
    mix = shops.mix * profiles.seen
    reached = mix.sum(axis=1)
    usable = reached > 0
    # a shop's buyers with a code that no profile knows are taken to be like its other buyers
    mix = mix[usable] / reached[usable, None]
    values: dict[str, float | int | None] = {f"{prefix}.shops": int(usable.sum())}
    notes: dict[str, str] = {}
    unknown = 1 - float(np.average(reached, weights=shops.buyers)) if len(reached) else 0.0
    if unknown > 0:
        notes[f"{prefix}.shops"] = f"{unknown:.2%} of the buyers have codes without a profile and are left out"
    _strata_figures(prefix, js_divergence(mix @ profiles.strata, shops.strata[usable]), values, notes)  # Eq. 5
    centres = np.where(profiles.seen[:, None], profiles.scalars, 0)
    predicted, real = mix @ centres, shops.scalars[usable]  # Eq. 6
    for column, name in enumerate(SCALARS):
        key = f"{prefix}.r2.{name}"
        values[key], note = _r2(real[:, column], predicted[:, column])
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
        notes[f"{prefix}.{key}"] = "there is no held-out shop with buyers of strata A-D and a known code"


def _r2(real: np.ndarray, predicted: np.ndarray) -> tuple[float | None, str | None]:
    if len(real) < 2:
        return None, f"needs two held-out shops or more to vary over; found {len(real)}"
    if not (np.isfinite(real).all() and np.isfinite(predicted).all()):
        return None, "the source cannot tell this scalar for all buyers"
    value = r_squared(real, predicted)
    return value, "the held-out shops do not differ in this scalar" if value is None else None
