"""Charts of the personas and of the shops they make up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from simpersona.contracts import LEVELS, SCALARS, STRATA
from simpersona.report.charts import PAPER_MARK, Figure, Values, figure, height_for, label, line, rounded, wrapped
from simpersona.report.paper_figures import PAPER

_STRATUM_NAMES: dict[str, str] = dict(
    zip(STRATA, ("purchasers", "checkout abandoners", "cart builders", "window shoppers", "bouncers"), strict=True)
)
_STRATUM_COLOURS: dict[str, str] = {stratum: f"var(--stratum-{stratum.lower()})" for stratum in STRATA}
_LEVEL_COLOURS: dict[str, str] = {level: f"var(--level-{level})" for level in LEVELS}


def persona_loss(history: Sequence[Mapping[str, Any]]) -> Figure | None:
    """The whole loss of Eq. 2 by epoch, on the training and the validation buyers."""
    lines = [
        line(_epochs(history), _series(history, part, "loss"), part, colour)
        for part, colour in (("train", "var(--blue)"), ("validation", "var(--orange)"))
        if any("loss" in entry.get(part, {}) for entry in history)
    ]
    return figure(lines, xaxis={"title": "epoch"}, yaxis={"title": "loss"}) if lines else None


def persona_terms(history: Sequence[Mapping[str, Any]]) -> Figure | None:
    """The terms of Eq. 2 by epoch on the validation buyers, each before its weight."""
    aside = {"loss", "codes_used", "dead_resets"}
    names = [name for name in (history[0].get("validation", {}) if history else {}) if name not in aside]
    colours = ("var(--blue)", "var(--orange)", "var(--aqua)", "var(--violet)", "var(--yellow)", "var(--red)")
    lines = [
        line(_epochs(history), _series(history, "validation", name), name.replace("_", " "), colour)
        for name, colour in zip(names, colours, strict=False)
    ]
    if not lines:
        return None
    chart = figure(lines, xaxis={"title": "epoch"}, yaxis={"title": "term"})
    chart["layout"]["legend"] |= {"entrywidth": 0.48, "entrywidthmode": "fraction"}  # two columns
    return chart


def codes_in_use(history: Sequence[Mapping[str, Any]]) -> Figure | None:
    """Codes that got a training buyer, and dead codes revived, by epoch."""
    if not any("codes_used" in entry.get("train", {}) for entry in history):
        return None
    revived = {
        "type": "bar",
        "x": _epochs(history),
        "y": _series(history, "train", "dead_resets"),
        "name": "dead codes revived",
        "marker": {"color": "var(--orange)"},
    }
    used = line(_epochs(history), _series(history, "train", "codes_used"), "codes in use", "var(--blue)")
    return figure([revived, used], xaxis={"title": "epoch"}, yaxis={"title": "codes", "rangemode": "tozero"})


def codebook_map(codebook: Float[np.ndarray, "codes latent"] | None, cards: pa.Table, by: str) -> Figure | None:
    """The codes with buyers on their first two principal components: size by buyers, colour by what their cards say.

    `by` is "stratum" (the most common one) or a head, whose predicted level is shown. The largest number of a
    component is made positive, so that the same codebook is drawn the same way on every machine.
    """
    if codebook is None or not cards.num_rows:
        return None
    centred = codebook - codebook.mean(axis=0)
    _, spread, axes = np.linalg.svd(centred, full_matrices=False)
    axes = axes[:2] * np.sign(np.take_along_axis(axes[:2], np.abs(axes[:2]).argmax(axis=1)[:, None], axis=1))
    places = centred @ axes.T
    explained = spread[:2] ** 2 / max(float((spread**2).sum()), 1e-12)
    rows = cards.to_pylist()
    most = max(row["buyers"] for row in rows)
    kinds = _STRATUM_COLOURS if by == "stratum" else _LEVEL_COLOURS
    traces = []
    for kind, colour in kinds.items():
        chosen = [row for row in rows if row[by] == kind]
        codes = [row["code"] for row in chosen]
        if not chosen:
            continue
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": f"{kind} {_STRATUM_NAMES[kind]}" if by == "stratum" else f"{kind} {by}",
                "x": rounded(places[codes, 0]),
                "y": rounded(places[codes, 1]),
                "text": [
                    f"code {row['code']}: {row['buyers']:,} buyers<br>{wrapped(row['summary'])}" for row in chosen
                ],
                "hovertemplate": "%{text}<extra></extra>",
                "marker": {
                    "size": [round(7 + 23 * (row["buyers"] / most) ** 0.5, 1) for row in chosen],
                    "color": colour,
                    "opacity": 0.85,
                    "line": {"width": 1.5, "color": "var(--card)"},
                },
            }
        )
    titles = [f"component {place + 1} ({share:.0%} of the spread)" for place, share in enumerate(explained)]
    return figure(
        traces,
        height=340,
        showlegend=True,
        xaxis={"title": titles[0], "zeroline": False, "showgrid": True},
        yaxis={"title": titles[1], "zeroline": False},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "itemsizing": "constant"},
    )


def strata_by_shop(strata: Mapping[str, Mapping[str, int]], held_out: Sequence[str]) -> Figure | None:
    """The share of each stratum among a shop's buyers; held-out shops are marked."""
    if not strata:
        return None
    shops = sorted(strata, key=lambda shop: (shop in held_out, shop), reverse=True)
    totals = {shop: max(sum(strata[shop].values()), 1) for shop in shops}
    names = [label(shop) + (" · held out" if shop in held_out else "") for shop in shops]
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": f"{stratum} {_STRATUM_NAMES[stratum]}",
            "y": names,
            "x": [round(strata[shop].get(stratum, 0) / totals[shop], 4) for shop in shops],
            "customdata": [strata[shop].get(stratum, 0) for shop in shops],
            "hovertemplate": "%{y}: %{x:.1%} (%{customdata:,} buyers)",
            "marker": {"color": _STRATUM_COLOURS[stratum], "line": {"width": 1, "color": "var(--card)"}},
        }
        for stratum in STRATA
    ]
    xaxis = {"tickformat": ".0%", "range": [0, 1], "title": "share of buyers"}
    return figure(traces, height=height_for(len(shops)), barmode="stack", xaxis=xaxis)


def mix_heatmap(mix: pa.Table, cards: pa.Table) -> Figure | None:
    """Eq. 4: the share of each code in each shop; codes in the order of their cards' purchase level."""
    if not mix.num_rows:
        return None
    rank = {row["code"]: LEVELS.index(row["purchase"]) for row in cards.select(["code", "purchase"]).to_pylist()}
    rows = mix.to_pylist()
    shops = sorted({row["shop_id"] for row in rows}, reverse=True)
    codes = sorted({row["code"] for row in rows}, key=lambda code: (rank.get(code, 0), code))
    shares = {(row["shop_id"], row["code"]): row["share"] for row in rows}
    trace = {
        "type": "heatmap",
        "x": [str(code) for code in codes],
        "y": [label(shop) for shop in shops],
        "z": [[round(shares.get((shop, code), 0), 4) for code in codes] for shop in shops],
        "colorscale": [[0, "var(--ramp-0)"], [0.35, "var(--ramp-1)"], [1, "var(--ramp-2)"]],
        "hovertemplate": "%{y}, code %{x}: %{z:.1%}<extra></extra>",
        "xgap": 1,
        "ygap": 1,
        "colorbar": {"tickformat": ".0%", "thickness": 10, "outlinewidth": 0},
    }
    xaxis = {"title": "code, by purchase level", "type": "category", "showgrid": False}
    return figure([trace], height=height_for(len(shops)), xaxis=xaxis, yaxis={"showgrid": False})


def strata_recovery(
    strata: Mapping[str, Mapping[str, int]], predicted: Mapping[str, Mapping[str, float]]
) -> Figure | None:
    """Figure 6: real and predicted strata of each held-out shop, drawn as log(1 + 100 x)."""
    shops = [shop for shop in sorted(predicted) if shop in strata]
    if not shops:
        return None
    funnel = STRATA[:4]
    totals = {shop: max(sum(strata[shop].get(stratum, 0) for stratum in funnel), 1) for shop in shops}
    sides = {
        "real": [strata[shop].get(stratum, 0) / totals[shop] for shop in shops for stratum in funnel],
        "predicted from the mix (Eq. 5)": [predicted[shop].get(stratum, 0) for shop in shops for stratum in funnel],
    }
    places = [[label(shop) for shop in shops for _ in funnel], [stratum for _ in shops for stratum in funnel]]
    marks = ({"color": "var(--blue)"}, {"color": "var(--orange)", "pattern": {"shape": "/", "size": 5}})
    traces = [
        {
            "type": "bar",
            "name": side,
            "x": places,
            "y": rounded(np.log1p(100 * np.array(shares))),
            "customdata": rounded(np.array(shares)),
            "hovertemplate": "%{x}: %{customdata:.1%}",
            "marker": mark,
        }
        for (side, shares), mark in zip(sides.items(), marks, strict=True)
    ]
    ticks = np.array([0, 0.01, 0.05, 0.2, 0.5, 1])
    yaxis = {"tickvals": rounded(np.log1p(100 * ticks)), "ticktext": [f"{tick:.0%}" for tick in ticks]}
    return figure(traces, height=340, barmode="group", bargap=0.2, yaxis=yaxis | {"title": "share of buyers"})


def scalar_recovery(metrics: Values) -> Figure | None:
    """Figure 7: R² over the held-out shops of each mean scalar predicted from the mix; values below 0 are cut."""
    known = [(name, value) for name in SCALARS if (value := metrics.get(f"population.r2.{name}")) is not None]
    if not known:
        return None
    known.sort(key=lambda pair: pair[1])
    names = [name.replace("_", " ") for name, _ in known]
    bars = {
        "type": "bar",
        "orientation": "h",
        "name": "this run",
        "y": names,
        "x": [max(round(value, 4), 0) for _, value in known],
        "customdata": [round(value, 3) for _, value in known],
        "hovertemplate": "%{y}: R² %{customdata}<extra></extra>",
        "marker": {"color": "var(--blue)"},
    }
    paper = [
        (name, PAPER[f"population.r2.{full}"].value)
        for name, (full, _) in zip(names, known, strict=True)
        if f"population.r2.{full}" in PAPER
    ]
    marks = {
        "type": "scatter",
        "mode": "markers",
        "name": "paper",
        "y": [name for name, _ in paper],
        "x": [value for _, value in paper],
        "hovertemplate": "%{y}: R² %{x} (paper)<extra></extra>",
        "marker": PAPER_MARK,
    }
    return figure([bars, marks], height=height_for(len(known), each=19), xaxis={"title": "R²", "range": [0, 1.03]})


def _epochs(history: Sequence[Mapping[str, Any]]) -> list[int]:
    return [entry.get("epoch", place + 1) for place, entry in enumerate(history)]


def _series(history: Sequence[Mapping[str, Any]], part: str, name: str) -> list[float | None]:
    values = [entry.get(part, {}).get(name) for entry in history]
    return [None if value is None else round(float(value), 5) for value in values]
