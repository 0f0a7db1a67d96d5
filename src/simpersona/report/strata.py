"""The strata in plain words, and their colours."""

from __future__ import annotations

from collections.abc import Mapping

from simpersona.contracts import STRATA
from simpersona.evaluation.metrics_table import STRATUM_NAMES

STRATA_LEGEND = tuple((f"stratum-{stratum.lower()}", f"{stratum} {STRATUM_NAMES[stratum]}") for stratum in STRATA)
"""(colour, label) of each stratum."""


def strata_parts(shares: Mapping[str, float]) -> tuple[tuple[str, float, str], ...]:
    """Parts of a stacked bar: (colour, share, text) of each stratum with a share."""
    return tuple(
        (colour, shares[stratum], f"{label}: {shares[stratum]:.1%}")
        for stratum, (colour, label) in zip(STRATA, STRATA_LEGEND, strict=True)
        if shares.get(stratum)
    )
