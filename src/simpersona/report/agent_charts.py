"""Charts of the agents: how they were trained, and how they shop beside real buyers and the paper's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from simpersona.contracts import LEVELS, STRATA
from simpersona.report.charts import PAPER_MARK, PERCENT, Figure, Values, figure, height_for, label, line, rounded
from simpersona.report.paper_figures import PAPER

_ENDING_COLOURS = {
    "goal_reached": "var(--aqua)",
    "steps_limit": "var(--yellow)",
    "time_limit": "var(--orange)",
    "other": "var(--red)",
}


def model_losses(training: Mapping[str, Mapping[str, Any]]) -> Figure | None:
    """The language model's loss by optimiser step, one line per stage."""
    lines = []
    for (stage, summary), colour in zip(training.items(), ("var(--blue)", "var(--orange)"), strict=False):
        losses = summary.get("losses") or []
        if losses:
            steps = list(range(1, len(losses) + 1))
            lines.append(line(steps, rounded(np.array(losses)), _stage_name(stage), colour))
    if not lines:
        return None
    yaxis = {"title": "nats per answer token", "rangemode": "tozero"}
    return figure(lines, xaxis={"title": "optimiser step"}, yaxis=yaxis)


def conversion(metrics: Values) -> Figure | None:
    """Rates of real sessions and of simulated episodes, with 95 % intervals."""
    rates = ("add_to_cart", "checkout", "purchase")
    traces = []
    for side, name, colour in (("real", "real sessions", "var(--blue)"), ("agent", "simulated", "var(--orange)")):
        known = [rate for rate in rates if metrics.get(f"conversion.overall.{side}.{rate}") is not None]
        if not known:
            continue
        values = [metrics[f"conversion.overall.{side}.{rate}"] for rate in known]
        spans = [metrics.get(f"conversion.overall.{side}.{rate}_ci95") or [value, value]
                 for rate, value in zip(known, values, strict=True)]  # fmt: skip
        traces.append(
            {
                "type": "bar",
                "name": name,
                "x": [rate.replace("_", " ") for rate in known],
                "y": values,
                "customdata": [f"{low:.1%} to {high:.1%}" for low, high in spans],
                "hovertemplate": "%{y:.1%}, 95 % interval %{customdata}",
                "error_y": {
                    "type": "data",
                    "symmetric": False,
                    "array": [high - value for (_, high), value in zip(spans, values, strict=True)],
                    "arrayminus": [value - low for (low, _), value in zip(spans, values, strict=True)],
                    "color": "var(--ink)",
                    "thickness": 1.2,
                    "width": 4,
                },
                "marker": {"color": colour},
            }
        )
    yaxis = {"title": "share of sessions", **PERCENT}
    return figure(traces, barmode="group", yaxis=yaxis, xaxis={"showgrid": False}) if traces else None


def alignment(metrics: Values) -> Figure | None:
    """Table 2: ARA of the matched token and of what stands against it, by stratum; diamonds are the paper's."""
    arms = {
        "correct": ("matched token", "var(--blue)"),
        "all_mismatch": ("other tokens", "var(--orange)"),
        "shop_mean": ("shop's mean, no simulation", "var(--line-strong)"),
    }
    places = (*STRATA[:4], "stratified")
    traces = []
    for arm, (name, colour) in arms.items():
        values = [metrics.get(f"conversion.{place}.ara.{arm}") for place in places]
        if any(value is not None for value in values):
            traces.append(
                {"type": "bar", "name": name, "x": list(places), "y": values, "marker": {"color": colour}}
                | {"offsetgroup": arm, "hovertemplate": "%{x}: %{y:.3f}"}
            )
    if not traces:
        return None
    marks = {
        "type": "scatter",
        "mode": "markers",
        "name": "paper, matched",
        "x": list(places),
        "y": [PAPER[f"conversion.{place}.ara.correct"].value for place in places],
        "marker": PAPER_MARK,
        "offsetgroup": "correct",
        "hovertemplate": "%{x}: %{y:.3f} (paper)<extra></extra>",
    }
    return figure([*traces, marks], barmode="group", scattermode="group", yaxis={"title": "ARA", "range": [0, 1]})


def endings(shares: Mapping[str, Mapping[str, float]]) -> Figure | None:
    """How episodes ended, one bar for each entry of `shares` (name -> ending -> share)."""
    if not shares:
        return None
    labels = list(shares)[::-1]
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": ending.replace("_", " "),
            "y": [label(name) for name in labels],
            "x": [round(shares[name].get(ending, 0), 4) for name in labels],
            "hovertemplate": "%{y}: %{x:.1%}",
            "marker": {"color": colour, "line": {"width": 1, "color": "var(--card)"}},
        }
        for ending, colour in _ENDING_COLOURS.items()
    ]
    return figure(traces, height=height_for(len(labels)), barmode="stack", xaxis={"tickformat": ".0%", "range": [0, 1]})


def purchase_funnel(metrics: Values) -> Figure | None:
    """Table 3: share of episodes with a cart and a checkout by the purchase bin of their token."""
    traces = []
    for rate, colour, symbol in (
        ("add_to_cart", "var(--blue)", "diamond-open"),
        ("checkout", "var(--orange)", "circle-open"),
    ):
        values = [metrics.get(f"separation.funnel.{level}.{rate}") for level in LEVELS]
        if all(value is None for value in values):
            continue
        name = rate.replace("_", " ")
        place = {"hovertemplate": "%{x}: %{y:.1%}", "offsetgroup": rate}
        bars = {"type": "bar", "name": name, "x": list(LEVELS), "y": values, "marker": {"color": colour}}
        paper = {
            "type": "scatter",
            "mode": "markers",
            "name": f"{name}, paper",
            "x": list(LEVELS),
            "y": [PAPER[f"separation.funnel.{level}.{rate}"].value for level in LEVELS],
            "marker": PAPER_MARK | {"symbol": symbol},
        }
        traces += [bars | place, paper | place]
    if not traces:
        return None
    xaxis = {"title": "predicted purchase level of the token"}
    return figure(
        traces, barmode="group", scattermode="group", xaxis=xaxis, yaxis={"title": "share of episodes", **PERCENT}
    )


def _stage_name(stage: str) -> str:
    known = {"stage1": "stage 1: persona rows", "stage2": "stage 2: everything"}
    return known.get(stage, stage)
