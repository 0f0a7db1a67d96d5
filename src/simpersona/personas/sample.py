"""The training sample: balanced over stores and strata, and split into training and validation buyers (3.1)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int, Shaped

from simpersona.config import PersonasConfig, SplitConfig
from simpersona.errors import ConfigError


def balanced_sample(
    shop_id: Shaped[np.ndarray, " n"], stratum: Shaped[np.ndarray, " n"], config: PersonasConfig, seed: int
) -> Int[np.ndarray, " m"]:
    """Indices of the sampled buyers, ascending, drawn without replacement.

    Each shop contributes at most `buyers_per_stratum` buyers per stratum and at most `buyers_per_shop` in all.
    Stratum E (bouncers) is removed before the caps apply; with the paper's 300 × 5 = 1,500 the order makes no
    difference.
    """
    rng = np.random.default_rng(seed)
    sampled: list[np.ndarray] = []
    for shop in np.unique(shop_id):
        rows = np.flatnonzero((shop_id == shop) & (stratum != "E"))
        capped = [
            _draw(rows[stratum[rows] == name], config.buyers_per_stratum, rng) for name in np.unique(stratum[rows])
        ]
        sampled.append(_draw(np.concatenate([rows[:0], *capped]), config.buyers_per_shop, rng))
    return np.sort(np.concatenate([np.zeros(0, np.int64), *sampled]))


def split(
    rows: Int[np.ndarray, " m"], share: float, seed: int
) -> tuple[Int[np.ndarray, " train"], Int[np.ndarray, " validation"]]:
    """Splits `rows` at random into a training and a validation part, both ascending.

    The validation part has `share` of the rows. If `share` is above 0 and there are at least two rows, both parts
    have at least one row.
    """
    shuffled = np.random.default_rng(seed).permutation(rows)
    size = round(share * len(rows))
    if share > 0 and len(rows) > 1:
        size = min(max(size, 1), len(rows) - 1)
    return np.sort(shuffled[size:]), np.sort(shuffled[:size])


def _draw(rows: np.ndarray, limit: int, rng: np.random.Generator) -> np.ndarray:
    return rows if len(rows) <= limit else rng.choice(rows, limit, replace=False)


def held_out_shops(settings: SplitConfig, shops: list[str], seed: int) -> list[str]:
    """The held-out stores, which no model is trained on: those named in the settings, else a seeded draw (3.2).

    Raises ConfigError if a named shop does not exist or no shop is left to train on.
    """
    named = settings.held_out
    if unknown := [shop for shop in named if shop not in shops]:
        raise ConfigError(f"split.held_out names {', '.join(unknown)}; the shops are {', '.join(sorted(shops))}")
    if named and len(set(named)) == len(shops):
        raise ConfigError("split.held_out names every shop; at least one shop must remain for training")
    if named or len(shops) < 2:
        return sorted(named)
    count = min(max(1, round(settings.held_out_share * len(shops))), len(shops) - 1)
    drawn = np.random.default_rng(seed).choice(sorted(shops), count, replace=False)
    return sorted(str(shop) for shop in drawn)
