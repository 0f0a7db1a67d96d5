"""Charts of the personas and of the stores whose buyers they describe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from simpersona.contracts import SCALARS, STRATA
from simpersona.evaluation.metric_lookup import metric
from simpersona.report.charts import Bar, BarChart, BarGroup, LineChart, Stack, StackChart, bar_chart, line_chart
from simpersona.report.strata import STRATA_LEGEND, strata_parts

Values = Mapping[str, Any]
_TERM_COLOURS = ("first", "real", "second", "third", "mismatch", "baseline")


def persona_loss(history: Sequence[Mapping[str, Any]]) -> LineChart | None:
    """The loss of Eq. 2 by epoch, on the training and the validation buyers."""
    series = [
        (part, colour, _epochs(history), _series(history, part, "loss"))
        for part, colour in (("train", "real"), ("validation", "first"))
    ]
    return line_chart(series if history else [], "epoch", "loss")


def persona_terms(history: Sequence[Mapping[str, Any]]) -> LineChart | None:
    """The terms of Eq. 2 by epoch on the validation buyers, each before its weight."""
    not_terms = {"loss", "codes_used", "dead_resets"}
    names = [name for name in (history[0].get("validation", {}) if history else {}) if name not in not_terms]
    series = [
        (name.replace("_", " "), colour, _epochs(history), _series(history, "validation", name))
        for name, colour in zip(names, _TERM_COLOURS, strict=False)
    ]
    return line_chart(series, "epoch", "term")


def codes_in_use(history: Sequence[Mapping[str, Any]]) -> LineChart | None:
    """Codes with a training buyer, and dead codes that were reset, by epoch."""
    series = [
        (label, colour, _epochs(history), _series(history, "train", name))
        for name, label, colour in (
            ("codes_used", "codes in use", "real"),
            ("dead_resets", "dead codes reset", "first"),
        )
    ]
    return line_chart(series if history else [], "epoch", "codes")


def strata_by_shop(strata: Mapping[str, Mapping[str, int]], held_out: Sequence[str]) -> StackChart | None:
    """The share of each stratum among all buyers and among each store's; held-out stores are marked and stand last."""
    if not strata:
        return None
    everywhere = {stratum: sum(counts.get(stratum, 0) for counts in strata.values()) for stratum in STRATA}
    rows = [_strata_stack("all stores", everywhere)] if len(strata) > 1 else []
    shops = sorted(strata, key=lambda shop: (shop in held_out, shop))
    rows += [_strata_stack(shop + (" (held-out store)" if shop in held_out else ""), strata[shop]) for shop in shops]
    return StackChart(tuple(rows), STRATA_LEGEND)


def strata_recovery(
    strata: Mapping[str, Mapping[str, int]], predicted: Mapping[str, Mapping[str, float]]
) -> StackChart | None:
    """Figure 6: real and predicted strata of each held-out store, bouncers left out."""
    rows: list[Stack] = []
    for shop in (shop for shop in sorted(predicted) if shop in strata):
        total = max(sum(strata[shop].get(stratum, 0) for stratum in STRATA[:4]), 1)
        real = {stratum: strata[shop].get(stratum, 0) / total for stratum in STRATA[:4]}
        rows.append(Stack(shop, strata_parts(real), "real"))
        rows.append(Stack("", strata_parts(dict(predicted[shop])), "from its mix"))
    return StackChart(tuple(rows), STRATA_LEGEND[:4]) if rows else None


def scalar_recovery(metrics: Values) -> BarChart | None:
    """Figure 7: R² over the held-out stores of each mean scalar predicted from the mix; a bar below 0 has no length."""
    r2 = {name: metric("population", "r2", name) for name in SCALARS}
    known = [(name, value) for name in SCALARS if (value := metrics.get(r2[name].key)) is not None]
    groups = []
    for name, value in sorted(known, key=lambda pair: -pair[1]):
        paper = r2[name].paper
        bar = Bar("R²", value, f"{value:.2f}", "real")
        if paper:
            bar = Bar("R²", value, f"{value:.2f}", "real", paper=paper.value, paper_text=f"{paper.value:.2f}")
        groups.append(BarGroup(name.replace("_", " "), (bar,)))
    return bar_chart(groups, top=1, percent=False)


def _strata_stack(label: str, counts: Mapping[str, int]) -> Stack:
    total = sum(counts.values())
    shares = {stratum: counts.get(stratum, 0) / max(total, 1) for stratum in STRATA}
    return Stack(label, strata_parts(shares), f"{total:,} buyers")


def _epochs(history: Sequence[Mapping[str, Any]]) -> list[float]:
    return [float(entry.get("epoch", index + 1)) for index, entry in enumerate(history)]


def _series(history: Sequence[Mapping[str, Any]], part: str, name: str) -> list[float | None]:
    values = [entry.get(part, {}).get(name) for entry in history]
    return [None if value is None else float(value) for value in values]
