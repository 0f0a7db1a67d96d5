"""Cards: what each persona code is like, in numbers and in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from jaxtyping import Int

from simpersona.contracts import CARDS, HEADS, LEVELS, SCALARS
from simpersona.vectors import BuyerVectors

if TYPE_CHECKING:
    from simpersona.personas.model import Personas

_NOUNS: dict[str, str] = {
    "A": "purchasers",
    "B": "checkout abandoners",
    "C": "cart builders",
    "D": "window shoppers",
    "E": "bouncers",
}
_MOSTLY = 0.9  # from this share on a code is called after its stratum without "mostly"
_RARE = 0.1  # of the sessions
_MORE = 1.25  # times the average buyer

Means = dict[str, float]
"""Mean raw scalars by name; unknown ones are missing."""


def persona_cards(personas: Personas, vectors: BuyerVectors, codes: Int[np.ndarray, " n"]) -> pa.Table:
    """CARDS: one row per code that has a buyer, by code, with the buyers' mean raw scalars."""
    levels = personas.head_levels()
    average = _means(vectors.scalars)
    rows = []
    for code in np.unique(codes):
        own = vectors.take(codes == code)
        names, counts = np.unique(own.stratum, return_counts=True)
        stratum, share = str(names[counts.argmax()]), float(counts.max() / len(own))
        means = _means(own.scalars)
        rows.append(
            {
                "code": int(code),
                "buyers": len(own),
                "shops": len(np.unique(own.shop_id)),
                "stratum": stratum,
                "stratum_share": share,
                **{head: LEVELS[levels[code, column]] for column, head in enumerate(HEADS)},
                **{name: means.get(name) for name in SCALARS},
                "summary": summary(stratum, share, means, average),
            }
        )
    return pa.Table.from_pylist(rows, CARDS.schema)


def summary(stratum: str, share: float, means: Means, average: Means) -> str:
    """One or two sentences: who they are, what they do more than the average buyer, how often they cart and buy.

    >>> summary("D", 1.0, {"session_count": 2, "product_view_count": 9, "add_to_cart_rate": 0.02},
    ...         {"session_count": 2, "product_view_count": 4, "add_to_cart_rate": 0.3})
    'Window shoppers who view many products; rarely cart. Per buyer: 2.0 sessions, 9.0 product views.'
    """
    who = _NOUNS[stratum].capitalize() if share >= _MOSTLY else f"Mostly {_NOUNS[stratum]} ({share:.0%})"
    habits = _habits(means, average)
    deeds = _deeds(means)
    sentence = f"{who} who {_listed(habits)}" if habits else who
    numbers = [
        f"{means[name]:,.1f} {words}"
        for name, words in (
            ("session_count", "sessions"),
            ("product_view_count", "product views"),
            ("mean_order_value", "mean order value"),
        )
        if means.get(name) and (name != "mean_order_value" or means.get("checkout_rate", 0) >= _RARE)
    ]
    return ". ".join(
        part for part in ("; ".join([sentence, *deeds]), f"Per buyer: {', '.join(numbers)}" if numbers else "") if part
    ) + "."  # fmt: skip


def _habits(means: Means, average: Means) -> list[str]:
    """What they do clearly more or less than the average buyer."""
    comparisons = (
        ("session_count", None, "come back often", "rarely return"),
        ("search_session_count", "session_count", "search often", "rarely search"),
        ("collection_session_count", "session_count", "browse collections", ""),
        ("product_view_count", "session_count", "view many products", "view few products"),
        ("duration_seconds", "session_count", "take their time", "leave quickly"),
    )
    found = []
    for name, per, more, less in comparisons:
        here, usual = _value(means, name, per), _value(average, name, per)
        if here is None or not usual:
            continue
        words = more if here >= _MORE * usual else less if here <= usual / _MORE else ""
        if words:
            found.append(words)
    return found


def _value(means: Means, name: str, per: str | None) -> float | None:
    if name not in means or (per and not means.get(per)):
        return None
    return means[name] / means[per] if per else means[name]


def _deeds(means: Means) -> list[str]:
    """How often they cart and buy, from rates over sessions."""
    rates = [
        (verb, means[name]) for name, verb in (("add_to_cart_rate", "cart"), ("checkout_rate", "buy")) if name in means
    ]
    if len(rates) == 2 and not any(rate for _, rate in rates):
        return ["never cart or buy"]
    return [
        f"never {verb}"
        if rate == 0
        else f"rarely {verb}"
        if rate < _RARE
        else f"{verb} in {rate:.0%} of their sessions"
        for verb, rate in rates
    ]


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]


def _means(scalars: np.ndarray) -> Means:
    known = ~np.isnan(scalars)
    sums, counts = np.where(known, scalars, 0).sum(axis=0), known.sum(axis=0)
    return {name: float(total / count) for name, total, count in zip(SCALARS, sums, counts, strict=True) if count}
