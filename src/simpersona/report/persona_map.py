"""The persona map: the codes in a plane where similar codes are near; and each store's shares of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from simpersona.contracts import HEADS, LEVELS, SCALARS

WIDTH, HEIGHT, MARGIN = 640, 400, 34
_LARGEST, _SMALLEST = 24, 5
_CLEAR = 0.5
"""The least correlation with a scalar that gives a direction of the map its name."""
_MOST_CELLS = 6_000


@dataclass(frozen=True)
class Circle:
    """A code on the map, in the map's units: its centre, its radius (area by buyers) and its card."""

    x: float
    y: float
    radius: float
    card: dict[str, Any]


@dataclass(frozen=True)
class PersonaMap:
    """Circles, and the scalars that name the two directions. Large circles come first, so that small ones lie on top."""

    circles: tuple[Circle, ...]
    to_the_right: str
    upwards: str
    spread: float
    """Share of the codes' variance that the plane shows."""
    width = WIDTH
    height = HEIGHT


@dataclass(frozen=True)
class MixGrid:
    """Shares of codes (columns) in stores (rows): `cells` has (column, row, share, text) of the shares above 0."""

    shops: tuple[str, ...]
    codes: tuple[int, ...]
    cells: tuple[tuple[int, int, float, str], ...]
    largest: float
    is_cut: bool


def persona_map(codebook: Float[np.ndarray, "codes latent"] | None, cards: pa.Table) -> PersonaMap | None:
    """The codes with buyers on their first two principal components; None for a codebook of one code, which has no plane.

    Each direction is named after the scalar of the cards that correlates with it most, and turned so that the scalar grows to
    the right or upwards: the same codebook gives the same map on every machine.
    """
    if codebook is None or min(codebook.shape) < 2 or not cards.num_rows:
        return None
    rows = cards.sort_by([("buyers", "descending"), ("code", "ascending")]).to_pylist()
    centred = codebook - codebook.mean(axis=0)
    _, spread, axes = np.linalg.svd(centred, full_matrices=False)
    axes = axes[:2] * np.sign(np.take_along_axis(axes[:2], np.abs(axes[:2]).argmax(axis=1)[:, None], axis=1))
    positions = (centred @ axes.T)[[row["code"] for row in rows]]
    names = []
    for axis in range(positions.shape[1]):
        name, sign = _most_correlated(positions[:, axis], rows)
        positions[:, axis] *= sign
        names.append(name)
    most = max(row["buyers"] for row in rows)
    low, high = positions.min(axis=0), positions.max(axis=0)
    scale = min((side - 2 * MARGIN) / max(reach, 1e-9) for side, reach in zip((WIDTH, HEIGHT), high - low, strict=True))
    middle = (low + high) / 2
    circles = tuple(
        Circle(
            round(WIDTH / 2 + scale * (x - middle[0]), 1),
            round(HEIGHT / 2 - scale * (y - middle[1]), 1),
            round(_SMALLEST + (_LARGEST - _SMALLEST) * (row["buyers"] / most) ** 0.5, 1),
            row,
        )
        for (x, y), row in zip(positions, rows, strict=True)
    )
    share = float((spread[:2] ** 2).sum() / max(float((spread**2).sum()), 1e-12))
    return PersonaMap(circles, names[0], names[1], share)


def _most_correlated(positions: np.ndarray, rows: list[dict[str, Any]]) -> tuple[str, float]:
    """The name of the scalar whose ranks correlate most with the positions, empty if none does, and the sign of the correlation."""
    best, sign, strongest = "", 1.0, _CLEAR
    for name in SCALARS:
        values = np.array([np.nan if row[name] is None else row[name] for row in rows], dtype=float)
        if np.isnan(values).any() or np.ptp(values) == 0 or np.ptp(positions) == 0:
            continue
        correlation = float(np.corrcoef(_ranks(values), _ranks(positions))[0, 1])
        if abs(correlation) > strongest:
            best, sign, strongest = name.replace("_", " "), float(np.sign(correlation)), abs(correlation)
    return best, sign


def _ranks(values: np.ndarray) -> np.ndarray:
    return np.argsort(np.argsort(values, kind="stable"), kind="stable").astype(float)


def mix_grid(mix: pa.Table, cards: pa.Table) -> MixGrid | None:
    """Eq. 4: the share of each code in each store. Codes are ordered by purchase level, then by size.

    Of very many codes, those with the largest shares are shown.
    """
    if not mix.num_rows:
        return None
    known = {row["code"]: row for row in cards.select(["code", "buyers", *HEADS]).to_pylist()}
    rows = mix.to_pylist()
    shops = sorted({row["shop_id"] for row in rows})
    weight: dict[int, float] = {}
    for row in rows:
        weight[row["code"]] = weight.get(row["code"], 0) + row["share"]
    most = max(_MOST_CELLS // len(shops), 1)
    kept = sorted(weight, key=lambda code: (-weight[code], code))[:most]

    def order(code: int) -> tuple[int, float, int]:
        card = known.get(code)
        return (LEVELS.index(card["purchase"]) if card else 0, -weight[code], code)

    codes = sorted(kept, key=order)
    column = {code: number for number, code in enumerate(codes)}
    row_of = {shop: number for number, shop in enumerate(shops)}
    cells = tuple(
        (column[row["code"]], row_of[row["shop_id"]], round(row["share"], 4), _share_text(row))
        for row in rows
        if row["code"] in column and row["share"] > 0
    )
    return MixGrid(tuple(shops), tuple(codes), cells, max(cell[2] for cell in cells), len(kept) < len(weight))


def _share_text(row: dict[str, Any]) -> str:
    text = f"{row['shop_id']}, persona {row['code']}: {row['share']:.1%} of its buyers"
    return text if row.get("low") is None else f"{text} ({row['low']:.1%} to {row['high']:.1%})"
