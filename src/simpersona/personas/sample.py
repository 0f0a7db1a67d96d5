"""Which buyers train the personas: a balanced sample, split in two (3.1)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int, Shaped

from simpersona.config import PersonasConfig, SplitConfig
from simpersona.errors import ConfigError


def balanced_sample(
    shop_id: Shaped[np.ndarray, " n"], stratum: Shaped[np.ndarray, " n"], config: PersonasConfig, seed: int
) -> Int[np.ndarray, " m"]:
    """Row numbers, ascending: of each shop at most `buyers_per_stratum` buyers of each stratum and at most
    `buyers_per_shop` in all, drawn without replacement.

    Stratum E (bouncers) is left out before the caps; with the paper's 300 × 5 = 1,500 that is the same
    as leaving it out afterwards.
    """
    rng = np.random.default_rng(seed)
    taken: list[np.ndarray] = []
    for shop in np.unique(shop_id):
        here = np.flatnonzero((shop_id == shop) & (stratum != "E"))
        capped = [
            _draw(here[stratum[here] == name], config.buyers_per_stratum, rng) for name in np.unique(stratum[here])
        ]
        taken.append(_draw(np.concatenate([here[:0], *capped]), config.buyers_per_shop, rng))
    return np.sort(np.concatenate([np.zeros(0, np.int64), *taken]))


def split(
    rows: Int[np.ndarray, " m"], share: float, seed: int
) -> tuple[Int[np.ndarray, " train"], Int[np.ndarray, " validation"]]:
    """`rows` cut at random into a training and a validation part, both ascending.

    The validation part holds `share` of the rows, and at least one where there are two rows or more
    and `share` is not 0.
    """
    shuffled = np.random.default_rng(seed).permutation(rows)
    size = round(share * len(rows))
    if share > 0 and len(rows) > 1:
        size = min(max(size, 1), len(rows) - 1)
    return np.sort(shuffled[size:]), np.sort(shuffled[:size])


def _draw(rows: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    return rows if len(rows) <= most else rng.choice(rows, most, replace=False)


def held_out_shops(settings: SplitConfig, shops: list[str], seed: int) -> list[str]:
    """The shops that nothing is trained on: named in the settings, else a seeded draw (3.2).

    Raises ConfigError if a named shop does not exist or no shop is left to train on.
    """
    named = settings.held_out
    if unknown := [shop for shop in named if shop not in shops]:
        raise ConfigError(f"split.held_out names {', '.join(unknown)}; the shops are {', '.join(sorted(shops))}")
    if named and len(set(named)) == len(shops):
        raise ConfigError("split.held_out names every shop; at least one must be left to train on")
    if named or len(shops) < 2:
        return sorted(named)
    count = min(max(1, round(settings.held_out_share * len(shops))), len(shops) - 1)
    drawn = np.random.default_rng(seed).choice(sorted(shops), count, replace=False)
    return sorted(str(shop) for shop in drawn)
