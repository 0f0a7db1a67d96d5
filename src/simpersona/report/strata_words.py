"""The strata and levels in plain words, and their colours."""

from __future__ import annotations

from simpersona.contracts import STRATA

STRATUM_NAMES: dict[str, str] = dict(
    zip(STRATA, ("purchasers", "checkout abandoners", "cart builders", "window shoppers", "bouncers"), strict=True)
)
STRATUM_MEANING: dict[str, str] = dict(
    zip(
        STRATA,
        (
            "bought at least once",
            "began a checkout, never bought",
            "filled a cart, never began a checkout",
            "looked at products, lists or searches only",
            "left without looking at a product",
        ),
        strict=True,
    )
)
STRATA_LEGEND = tuple((f"stratum-{stratum.lower()}", f"{stratum} {STRATUM_NAMES[stratum]}") for stratum in STRATA)


def strata_parts(shares: dict[str, float]) -> tuple[tuple[str, float, str], ...]:
    """Parts of a stack: (colour, share, words) of each stratum with a share."""
    return tuple(
        (colour, shares[stratum], f"{name}: {shares[stratum]:.1%}")
        for stratum, (colour, name) in zip(STRATA, STRATA_LEGEND, strict=True)
        if shares.get(stratum)
    )
