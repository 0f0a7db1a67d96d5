"""Whether there are enough buyers, codes and visits for a result, in whole sentences."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import sqrt

from simpersona.contracts import STRATA

ENOUGH_BUYERS = 400
"""Buyers with behaviour from which a share near 50 % is known to ± 5 percentage points (95 %), less than the differences
between stores that the paper reports.
"""
TOO_FEW_BUYERS = 100
"""Below this number the same share is known to no better than ± 10 points, and a code has three buyers of 32."""


def buyers_with_behaviour(strata: Mapping[str, int]) -> int:
    """The buyers of the strata A to D; those of E left without looking at a product and show no behaviour."""
    return sum(count for stratum, count in strata.items() if stratum != STRATA[-1])


def few_buyers(buyers: int) -> str | None:
    """What this number of buyers with behaviour can carry; None from ENOUGH_BUYERS."""
    if buyers >= ENOUGH_BUYERS:
        return None
    if not buyers:
        return "No buyer looked at a product, searched, filled a cart or bought. There is no behaviour to learn personas from."
    wide = 100 * 1.96 * sqrt(0.25 / buyers)
    use = (
        "too few for personas or mixes: read the counts of events and orders, and nothing else"
        if buyers < TOO_FEW_BUYERS
        else "enough for the largest personas and for shares of the whole log, not for a comparison of stores"
    )
    return (
        f"Few buyers. {buyers:,} buyer{'s'[: buyers != 1]} did more than leave (strata A to D): a share of them near 50 % is known "
        f"to ± {wide:.0f} percentage points. That is {use}. From {ENOUGH_BUYERS} buyers it is ± 5; a longer period gives more."
    )


def few_per_code(training: int, codes: int, least: int, buyers_of: Sequence[int]) -> list[str]:
    """What is too little for a codebook of `codes`: fewer `training` buyers than `least` for each code, all buyers on one code,
    codes with fewer than `least` buyers. `buyers_of` has the number of buyers of each code that is used.
    """
    sentences = []
    if training < codes * least:
        fitting = max(1, training // least)
        sentences.append(
            f"{training:,} training buyers are too few for {codes} codes of at least {least} buyers (personas.min_buyers_per_code):"
            f" they carry {fitting} at most. Set personas.codes = {fitting}, or take a longer period."
        )
    if len(buyers_of) == 1:
        sentences.append(
            f"All {sum(buyers_of):,} buyers are on one code. There are no personas to compare, and every store has the same mix."
        )
    if small := sum(buyers < least for buyers in buyers_of):
        sentences.append(
            f"{small} of {len(buyers_of)} codes have fewer than {least} buyers: their cards describe these few people and no persona."
        )
    return sentences


def strata_without_pairs(strata: Collection[str], min_sessions: int, min_visits: int) -> str | None:
    """What the alignment says nothing about, where pairs of a store and a persona exist only in `strata`."""
    missing = [stratum for stratum in STRATA[:-1] if stratum not in strata]
    if not missing:
        return None
    which = "No stratum has" if len(missing) == len(STRATA) - 1 else f"No persona of stratum {', '.join(missing)} has"
    return (
        f"{which} a pair with {min_sessions} real sessions and {min_visits} simulated visits in a held-out store (evaluation.min_sessions,"
        " evaluation.min_episodes): the alignment says nothing about it."
    )
