"""The report's section of each store: its buyers, its largest personas, and its funnel, real beside simulated."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simpersona.contracts import STRATA
from simpersona.evaluation.metrics_table import RATE
from simpersona.report.charts import CANNOT_BE_MEASURED, Bar, BarChart, BarGroup, bar_chart
from simpersona.report.formatting import formatted, formatted_interval
from simpersona.report.inputs import ReportInputs
from simpersona.report.policies import COLOURS, policy_label
from simpersona.report.strata import strata_parts

LARGEST = 6
"""Personas of a store that are listed."""


@dataclass(frozen=True)
class Store:
    """One store. `personas` are (code, share, interval as text, summary); `funnel` is None without simulated visits."""

    shop: str
    held_out: bool
    buyers: int
    strata: tuple[tuple[str, float, str], ...]
    personas: tuple[tuple[int, float, str, str], ...]
    others: int
    funnel: BarChart | None
    visits: str


def stores(inputs: ReportInputs) -> list[Store]:
    """Every store with buyers or a mix: first those with simulated visits, then by name."""
    mixes: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in inputs.mix.to_pylist():
        mixes[row["shop_id"]].append(row)
    simulated: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for figures in inputs.shop_figures:
        simulated[figures["shop_id"]].append(figures)
    summaries = {row["code"]: row["summary"] for row in inputs.cards.select(["code", "summary"]).to_pylist()}
    shops = sorted({*inputs.strata_by_shop, *mixes}, key=lambda shop: (shop not in simulated, shop))
    return [
        _store(shop, inputs, sorted(mixes[shop], key=lambda row: -row["share"]), simulated[shop], summaries)
        for shop in shops
    ]


def _store(
    shop: str,
    inputs: ReportInputs,
    mix: list[dict[str, Any]],
    simulated: list[Mapping[str, Any]],
    summaries: Mapping[int, str],
) -> Store:
    counts = inputs.strata_by_shop.get(shop, {})
    total = sum(counts.values())
    return Store(
        shop,
        shop in inputs.held_out_shops,
        total,
        strata_parts({stratum: counts.get(stratum, 0) / max(total, 1) for stratum in STRATA}),
        tuple((row["code"], row["share"], _range(row), summaries.get(row["code"], "")) for row in mix[:LARGEST]),
        max(len(mix) - LARGEST, 0),
        _funnel(simulated),
        ", ".join(f"{row['episodes']:,} visits ({policy_label(row['policy'])})" for row in simulated),
    )


def _range(row: Mapping[str, Any]) -> str:
    if row["low"] is None:
        return ""
    return formatted_interval((row["low"], row["high"]), "share")


def _funnel(simulated: list[Mapping[str, Any]]) -> BarChart | None:
    groups = []
    for rate, label in RATE.labels.items():
        sides = [("real sessions", "real", row[f"real_{rate}"]) for row in simulated[:1]]
        sides += [
            (f"simulated: {policy_label(row['policy'])}", colour, row[f"agent_{rate}"])
            for row, colour in zip(simulated, COLOURS, strict=False)
        ]
        bars = tuple(
            Bar(side, value, formatted(value, "share"), colour) for side, colour, value in sides if value is not None
        )
        groups.append(BarGroup(label, bars, "" if len(bars) == len(sides) else CANNOT_BE_MEASURED))
    return bar_chart(groups)
