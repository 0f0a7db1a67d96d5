"""The 16 scalars of a buyer's vector: Table 5's transforms and the robust z (App. A)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from simpersona.contracts import SCALAR_GROUPS, SCALARS

SMOOTHING = 1.0
"""α = β of Table 5's rates."""
INTENT_MARGIN = 1e-4
"""ε of the logit of intent strength (REFERENCE 4)."""

_LOGGED = [SCALARS.index(name) for group in ("exposure", "engagement", "dollars") for name in SCALAR_GROUPS[group]]
_RATES = [SCALARS.index(name) for name in SCALAR_GROUPS["funnel"]]
_INTENT = SCALARS.index("intent_strength")
_SESSIONS = SCALARS.index("session_count")


def transform_scalars(raw: Float[np.ndarray, "n 16"]) -> Float[np.ndarray, "n 16"]:
    """Applies the transforms of Table 5 that precede the robust z; nan stays nan.

    `raw` has the columns of SCALARS. Counts, seconds and money become log(1 + x). A rate n/N becomes the logit of
    (n + 1)/(N + 2) (REFERENCE 3). Intent strength becomes the logit of the value clipped to [1e-4, 1 − 1e-4]
    (REFERENCE 4).
    """
    out = np.empty_like(raw, dtype=np.float64)
    out[:, _LOGGED] = np.log1p(raw[:, _LOGGED])
    sessions = raw[:, [_SESSIONS]]
    out[:, _RATES] = _logit((raw[:, _RATES] * sessions + SMOOTHING) / (sessions + 2 * SMOOTHING))
    out[:, _INTENT] = _logit(np.clip(raw[:, _INTENT], INTENT_MARGIN, 1 - INTENT_MARGIN))
    return out


@dataclass(frozen=True)
class RobustZ:
    """(x − median)/scale for each column, clipped to ± `clip` (REFERENCE 7)."""

    median: Float[np.ndarray, " d"]
    scale: Float[np.ndarray, " d"]
    clip: float

    @classmethod
    def fit(cls, values: Float[np.ndarray, "n d"], clip: float) -> RobustZ:
        """Fits median and scale of each column over its known (not nan) values.

        The scale is the IQR. If that is 0, the scale is the standard deviation of the values that differ from the
        median; the paper's MAD × 1.4826 is practically always 0 when the IQR is 0. If those values are all equal,
        the scale is their distance from the median. A column that is constant or all nan has an infinite scale,
        so that its z is 0.
        """
        columns = [_location_scale(column[~np.isnan(column)]) for column in values.T]
        median, scale = np.array(columns, dtype=np.float64).reshape(-1, 2).T
        return cls(median, scale, clip)

    def __call__(self, values: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        """The z values; unknown (nan) becomes 0."""
        z = np.clip((values - self.median) / self.scale, -self.clip, self.clip)
        return np.nan_to_num(z, nan=0.0)


def _location_scale(values: Float[np.ndarray, " n"]) -> tuple[float, float]:
    if not len(values):
        return 0.0, np.inf
    low, median, high = np.percentile(values, (25, 50, 75))
    if not np.isclose(low, high, rtol=1e-12, atol=1e-12):
        return median, high - low
    differing = values[~np.isclose(values, median, rtol=1e-12, atol=1e-12)]
    if not len(differing):
        return median, np.inf
    spread = float(np.std(differing))
    return median, spread if spread > 1e-9 else float(np.abs(differing - median).mean())


def _logit(share: np.ndarray) -> np.ndarray:
    return np.log(share) - np.log1p(-share)
