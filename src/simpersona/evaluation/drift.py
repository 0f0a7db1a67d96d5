"""Whether a store's mix of codes changed between two periods, by how much, and in which codes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int

from simpersona.evaluation.recovery import js_divergence
from simpersona.evaluation.resampling import SIGNIFICANCE
from simpersona.tables import Contract

_text, _number, _count = pa.string(), pa.float64(), pa.int64()
DRIFT = Contract(
    "drift",
    pa.schema(
        [
            pa.field("shop_id", _text, nullable=False),
            pa.field("buyers_before", _count, nullable=False),
            pa.field("buyers_after", _count, nullable=False),
            ("js", _number),  # in 0..1, less its mean by chance
            ("low", _number),  # of its 95 % interval
            ("high", _number),
            ("js_plain", _number),  # as App. B has it
            ("p_value", _number),  # of the plain divergence, if nothing had changed
            ("codes_moved", _count),
        ]
    ),
    key=("shop_id",),
)
"""One row per store. The figures are null where a period has no buyer."""

MOVES = Contract(
    "moves",
    pa.schema(
        [
            pa.field("shop_id", _text, nullable=False),
            pa.field("code", pa.int32(), nullable=False),
            pa.field("before", _number, nullable=False),  # shares of the shop's buyers
            pa.field("after", _number, nullable=False),
            pa.field("change", _number, nullable=False),
            pa.field("low", _number, nullable=False),  # of the change's 95 % interval
            pa.field("high", _number, nullable=False),
            pa.field("p_value", _number, nullable=False),  # adjusted for the number of the shop's codes
            pa.field("moved", pa.bool_(), nullable=False),
        ]
    ),
    key=("shop_id", "code"),
)
"""One row per store with buyers in both periods, and per code that it has in either. A code has moved where its adjusted p
value is below the significance level."""

_Z = 1.959964
_FIGURES = tuple(MOVES.columns[2:])


def drift(before: pa.Table, after: pa.Table, seed: int = 0, repeats: int = 2000) -> tuple[pa.Table, pa.Table]:
    """DRIFT and MOVES between two tables of ASSIGNMENTS with codes of one pack.

    The plain divergence of two samples is above 0 even where nothing changed. Its mean over random exchanges of the
    buyers' periods is subtracted, and the same exchanges give the p values. The interval has the spread of bootstrap
    samples. The codes' p values use the largest change of each exchange, so that at most 5 % of the unchanged stores
    show any code as moved. The buyers of the two periods count as independent.
    """
    shops = sorted({*before["shop_id"].unique().to_pylist(), *after["shop_id"].unique().to_pylist()})
    rows, moves = [], []
    for index, shop in enumerate(shops):
        sides = [_codes_of(table, shop) for table in (before, after)]
        row = {"shop_id": shop, "buyers_before": len(sides[0]), "buyers_after": len(sides[1])}
        if min(map(len, sides)):
            codes = np.unique(np.concatenate(sides))
            counts = [np.bincount(np.searchsorted(codes, side), minlength=len(codes)) for side in sides]
            rng = np.random.default_rng([seed, index])
            figures, shifts = _compare(counts[0], counts[1], rng, repeats)
            row |= figures
            moves += [{"shop_id": shop, "code": int(code), **shift} for code, shift in zip(codes, shifts, strict=True)]
        rows.append(row)
    return DRIFT.check(pa.Table.from_pylist(rows, DRIFT.schema)), MOVES.check(pa.Table.from_pylist(moves, MOVES.schema))


def drift_lines(shops: pa.Table, moves: pa.Table, most: int = 3) -> Iterator[str]:
    """One line per shop of DRIFT in plain English, with the codes (MOVES) whose share changed most."""
    for row in shops.to_pylist():
        sizes = f"{row['shop_id']}: {row['buyers_before']:,} and {row['buyers_after']:,} buyers"
        if row["js"] is None:
            yield f"{sizes}; nothing to compare"
            continue
        own = [move for move in moves.to_pylist() if move["shop_id"] == row["shop_id"] and move["moved"]]
        own.sort(key=lambda move: -abs(move["change"]))
        named = ", ".join(f"{move['code']} ({move['before']:.1%} to {move['after']:.1%})" for move in own[:most])
        yield (
            f"{sizes}; JS {row['js']:.4f} [{row['low']:.4f}, {row['high']:.4f}], p = {row['p_value']:.4f}; "
            f"{row['codes_moved']} code(s) moved{f': {named}' if named else ''}{', …' if len(own) > most else ''}"
        )


def _codes_of(assignments: pa.Table, shop: str) -> Int[np.ndarray, " n"]:
    return assignments["code"].to_numpy()[assignments["shop_id"].to_numpy() == shop]


def _compare(
    first: Int[np.ndarray, " k"], second: Int[np.ndarray, " k"], rng: np.random.Generator, repeats: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The figures of a store and of each of its k codes, from the buyers per code."""
    n, m = int(first.sum()), int(second.sum())
    before, after = first / n, second / m
    plain = float(js_divergence(before, after))

    exchanged = rng.multivariate_hypergeometric(first + second, n, repeats, method="marginals")
    others = first + second - exchanged
    by_chance = js_divergence(exchanged / n, others / m)
    drawn = js_divergence(rng.multinomial(n, before, repeats) / n, rng.multinomial(m, after, repeats) / m)
    js = plain - float(by_chance.mean())
    low, high = js - (np.quantile(drawn, (0.975, 0.025)) - drawn.mean())

    largest = np.abs(_scores(exchanged, others, n, m)).max(axis=1)
    hits = (largest[:, None] >= np.abs(_scores(first, second, n, m))[None] - 1e-12).sum(axis=0)
    p_values = (1 + hits) / (1 + repeats)
    bounds = _change_interval(first, second, n, m)
    columns = (before, after, after - before, *bounds, p_values, p_values < SIGNIFICANCE)
    shifts = [dict(zip(_FIGURES, row, strict=True)) for row in zip(*(c.tolist() for c in columns), strict=True)]
    js, low, high = (float(np.clip(value, 0, 1)) for value in (js, low, high))
    p_value = (1 + int((by_chance >= plain - 1e-12).sum())) / (1 + repeats)
    moved = int((p_values < SIGNIFICANCE).sum())
    return {"js": js, "low": low, "high": high, "js_plain": plain, "p_value": p_value, "codes_moved": moved}, shifts


def _scores(first: np.ndarray, second: np.ndarray, n: int, m: int) -> Float[np.ndarray, "*r k"]:
    """The change of each share in units of its standard error if nothing changed."""
    pooled = (first + second) / (n + m)
    error = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    return np.divide(second / m - first / n, error, out=np.zeros(error.shape), where=error > 0)


def _change_interval(first: np.ndarray, second: np.ndarray, n: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    """The 95 % interval of a difference of two shares after Agresti and Caffo (2000)."""
    before, after = (first + 1) / (n + 2), (second + 1) / (m + 2)
    error = _Z * np.sqrt(before * (1 - before) / (n + 2) + after * (1 - after) / (m + 2))
    return np.maximum(after - before - error, -1), np.minimum(after - before + error, 1)
