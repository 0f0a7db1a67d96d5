"""Paired comparison of two arms: the lift, its intervals, an exact test, Holm's correction, and sample sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from simpersona.evaluation import resampling

GRID = 32
"""The test's weights are rounded to this many steps of the largest one."""
FEWEST_SHOPS = 3
"""For an interval over shops."""


@dataclass(frozen=True)
class Lift:
    """What B changes against A in one outcome, over n pairs of visits. Rates and differences are fractions of visits."""

    rate_a: float
    rate_b: float
    difference: float
    """Rate of B minus rate of A, weighted."""
    low: float
    """Lower bound of the difference's interval over buyers."""
    high: float
    shops_low: float | None
    """Lower bound of its interval over shops, for another shop like these. None with fewer than FEWEST_SHOPS."""
    shops_high: float | None
    relative: float | None
    """The difference over the rate of A; None where an arm has none."""
    relative_low: float | None
    relative_high: float | None
    only_a: int
    """Pairs with the outcome in A alone."""
    only_b: int
    discordance: float
    """The variance of one pair's weighted difference if there is no lift; with equal weights the share of pairs that differ."""
    p_value: float
    """Two-sided: the probability of a difference as large if A and B are interchangeable for every buyer."""


def paired_lift(
    a: Bool[np.ndarray, " n"],
    b: Bool[np.ndarray, " n"],
    weight: Float[np.ndarray, " n"],
    level: float,
    shop: Sequence[str] | np.ndarray = (),
) -> Lift:
    """The lift of one outcome with intervals at 1 − `level`; n is at least 1, weights are positive.

    Over buyers the interval is Wald's with half a pair added to each of the four cells (Agresti and Min 2005), so
    that it does not collapse where few pairs differ; over shops it is Student's on the shops' own differences, for a
    bootstrap of a few shops is too narrow. The relative one is by the delta method on the ratio's logarithm.
    """
    z = stats.norm.isf(level / 2)
    weight = weight / weight.mean()
    count, step = len(a), weight * (b.astype(float) - a)
    rate_a, rate_b = float(np.mean(weight * a)), float(np.mean(weight * b))
    centre = step.sum() / (count + 2)
    error = np.sqrt((step @ step + 1 - step.sum() ** 2 / (count + 2)) / (count + 2) ** 2)
    relative = low = high = None
    if rate_a and rate_b:
        part = weight * (b / rate_b - a / rate_a)
        spread = z * np.sqrt(part @ part) / count
        relative, low, high = (float(rate_b / rate_a * np.exp(side) - 1) for side in (0, -spread, spread))
    shops = _over_shops(step, weight, np.asarray(shop), level)
    return Lift(
        rate_a=rate_a,
        rate_b=rate_b,
        difference=rate_b - rate_a,
        low=float(max(centre - z * error, -1)),
        high=float(min(centre + z * error, 1)),
        shops_low=shops[0] if shops else None,
        shops_high=shops[1] if shops else None,
        relative=relative,
        relative_low=low,
        relative_high=high,
        only_a=int((a & ~b).sum()),
        only_b=int((b & ~a).sum()),
        discordance=float(np.mean(step**2)),
        p_value=sign_flip_p(step),
    )


def sign_flip_p(steps: Float[np.ndarray, " n"]) -> float:
    """The share of all ways to exchange A and B within pairs that give a sum at least as far from 0 as that of `steps`.

    Exact, with no draws: the distribution of the sum comes from its characteristic function. With equal weights it
    is McNemar's exact test. Weights are rounded to a grid first, which leaves the test exact, for they do not
    depend on which arm is which.
    """
    units = np.rint(np.abs(steps) / max(np.abs(steps).max(initial=0), np.finfo(float).tiny) * GRID).astype(np.int64)
    steps, units = steps[units > 0], units[units > 0]
    if not len(units):
        return 1.0
    units //= np.gcd.reduce(units)
    observed, reach = abs(int(np.sign(steps) @ units)), int(units.sum())
    if not observed:
        return 1.0
    points = 1 << (2 * reach + 1).bit_length()
    angle = 2 * np.pi / points * np.arange(points // 2 + 1)
    spectrum = np.ones(len(angle))
    for size, times in zip(*np.unique(units, return_counts=True), strict=True):
        spectrum *= np.cos(size * angle) ** times
    mass = np.fft.irfft(spectrum, points)
    return float(np.clip(2 * mass[observed : reach + 1].sum(), 0, 1))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """The p values by name, adjusted after Holm: the probability of one or more wrong rejections is at most the level."""
    adjusted = resampling.holm(np.array([*p_values.values()], np.float64))
    return dict(zip(p_values, adjusted.tolist(), strict=True))


def pairs_needed(rate_a: float, discordance: float, relative: float, level: float, power: float) -> int | None:
    """Pairs with which a relative lift is detected with probability `power` by McNemar's test at `level` (Connor 1987).

    None where it is unknown: no pair differed, or A never had the outcome.
    """
    effect = abs(relative * rate_a)
    if not (effect and discordance):
        return None
    discordance = max(discordance, effect)
    z_level, z_power = stats.norm.isf(level / 2), stats.norm.isf(1 - power)
    return ceil((z_level * discordance**0.5 + z_power * (discordance - effect**2) ** 0.5) ** 2 / effect**2)


def relative_detectable(lift: Lift, pairs: int, level: float, power: float) -> float | None:
    """The smallest relative lift that so many pairs find with probability `power`; None as in `pairs_needed`."""
    if not (lift.rate_a and lift.discordance):
        return None
    z = stats.norm.isf(level / 2) + stats.norm.isf(1 - power)
    return float(z * (lift.discordance / pairs) ** 0.5 / lift.rate_a)


def visitors_needed(rate_a: float, relative: float, level: float, power: float) -> int | None:
    """Visitors of each arm of a live test, whose arms have different people, for the same lift (two proportions).

    None where A never has the outcome, or B's rate would be above 1.
    """
    rate_b = rate_a * (1 + relative)
    if not (rate_a and relative and 0 <= rate_b <= 1):
        return None
    mean = (rate_a + rate_b) / 2
    by_chance = stats.norm.isf(level / 2) * (2 * mean * (1 - mean)) ** 0.5
    by_lift = stats.norm.isf(1 - power) * (rate_a * (1 - rate_a) + rate_b * (1 - rate_b)) ** 0.5
    return ceil((by_chance + by_lift) ** 2 / (rate_b - rate_a) ** 2)


def _over_shops(step: np.ndarray, weight: np.ndarray, shop: np.ndarray, level: float) -> tuple[float, float] | None:
    names = np.unique(shop)
    if len(names) < FEWEST_SHOPS:
        return None
    differences = np.array([step[shop == name].sum() / weight[shop == name].sum() for name in names])
    reach = stats.t.isf(level / 2, len(differences) - 1) * differences.std(ddof=1) / len(differences) ** 0.5
    return float(max(differences.mean() - reach, -1)), float(min(differences.mean() + reach, 1))
