"""Charts of the simulated buyers beside real buyers and the paper's agents, and of their training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from simpersona.contracts import LEVELS
from simpersona.evaluation.metric import Metric
from simpersona.evaluation.metric_lookup import metric
from simpersona.evaluation.metrics_table import ENDING_LABELS, FUNNEL, RATE, ROW
from simpersona.report.charts import (
    CANNOT_BE_MEASURED,
    Bar,
    BarChart,
    BarGroup,
    LineChart,
    Stack,
    StackChart,
    bar_chart,
    line_chart,
)
from simpersona.report.formatting import counted, formatted, formatted_interval
from simpersona.report.policies import PolicyFigures
from simpersona.visits import ENDINGS


def conversion(policies: Sequence[PolicyFigures]) -> BarChart | None:
    """The funnel: rates of real sessions and of simulated visits, with 95 % intervals."""
    groups = []
    for rate, label in RATE.labels.items():
        real, agent = (metric("conversion", "overall", side, rate) for side in ("real", "agent"))
        bars = [_bar(policies[0], real, "real sessions", "real")] if policies else []
        bars += [_bar(policy, agent, f"simulated: {policy.label}", policy.colour) for policy in policies]
        shown = tuple(bar for bar in bars if bar.value is not None)
        groups.append(BarGroup(label, shown, "" if len(shown) in (0, len(bars)) else CANNOT_BE_MEASURED))
    return bar_chart([group for group in groups if group.bars])


def alignment(policy: PolicyFigures) -> BarChart | None:
    """Table 2: ARA of the matched persona and of its baselines, by stratum."""
    arms = {
        "correct": ("matched persona", policy.colour),
        "all_mismatch": ("other personas", "mismatch"),
        "shop_mean": ("no simulation: the store's mean rate", "baseline"),
    }
    groups = []
    for row in (*FUNNEL, "stratified"):
        bars = [
            _bar(policy, metric("conversion", row, "ara", arm), label, colour, paper=arm == "correct")
            for arm, (label, colour) in arms.items()
        ]
        pairs = policy.value(metric("conversion", row, "pairs"))
        groups.append(BarGroup(ROW.labels[row], tuple(bars), "" if pairs is None else counted(pairs, "pair")))
    return bar_chart(groups, top=1, percent=False)


def purchase_funnel(policies: Sequence[PolicyFigures]) -> BarChart | None:
    """Table 3: share of visits with an add to cart and with a checkout, by the purchase level of their persona."""
    groups = []
    for rate, label in (("add_to_cart", "add to cart"), ("checkout", "checkout")):
        for level in LEVELS:
            share = metric("separation", "funnel", level, rate)
            bars = tuple(_bar(policy, share, policy.label, policy.colour, paper=True) for policy in policies)
            sizes = [policy.value(metric("separation", "funnel", level, "episodes")) for policy in policies]
            known = " and ".join(f"{size:,}" for size in sizes if size is not None)
            groups.append(BarGroup(f"{label}, {level} purchase level", bars, f"{known} visits" if known else ""))
    return bar_chart(groups)


def endings(episodes: pa.Table, policy_labels: Mapping[str, str], training: str = "two_stage") -> StackChart | None:
    """How visits ended: all of each policy, those of each store, and the paper's with the same `training`."""
    rows: list[dict[str, Any]] = [
        dict(zip(("policy", "shop_id", "ending"), row, strict=True))
        for row in zip(*(episodes[name].to_pylist() for name in ("policy", "shop_id", "ending")), strict=True)
    ]
    if not rows:
        return None
    stacks = []
    several = len(policy_labels) > 1
    for policy, label in policy_labels.items():
        visits = [row for row in rows if row["policy"] == policy]
        if visits:
            stacks.append(_ending_stack(f"all visits{f', {label}' if several else ''}", visits))
        shops = sorted({row["shop_id"] for row in visits})
        if 1 < len(shops) <= _MOST_SHOPS:
            stacks += [_ending_stack(f"· {shop}", [row for row in visits if row["shop_id"] == shop]) for shop in shops]
    in_paper = {ending: metric("outcomes", training, ending).paper for ending in ENDINGS}
    shares = {ending: figure.value for ending, figure in in_paper.items() if figure is not None}
    stacks.append(Stack("the paper's agents", _ending_parts(shares), "42 stores, Table 7"))
    return StackChart(tuple(stacks), tuple((f"ending-{ending}", label) for ending, label in ENDING_LABELS.items()))


_MOST_SHOPS = 12


def depth(policy: PolicyFigures) -> LineChart | None:
    """The depth of visits that end without an order: deciles of real sessions and of simulated visits."""
    deciles = {side: policy.value(metric("depth", "all", f"{side}_deciles")) for side in ("real", "agent")}
    tenths = list(range(10, 100, 10))
    series = [
        (label, colour, tenths, values)
        for values, label, colour in zip(
            deciles.values(), ("real sessions", f"simulated: {policy.label}"), ("real", policy.colour), strict=True
        )
        if values
    ]
    return line_chart(series, "share of visits that are no longer, %", "events in the visit")


def model_losses(training: Mapping[str, Mapping[str, Any]]) -> LineChart | None:
    """The language model's loss by optimiser step, one line per phase."""
    names = {"stage1": "phase 1: persona rows", "stage2": "phase 2"}
    series = []
    for (stage, summary), colour in zip(training.items(), ("first", "second"), strict=False):
        losses = list(summary.get("losses") or [])
        series.append((names.get(stage, stage), colour, list(range(1, len(losses) + 1)), losses))
    by_decisions = any("curve" in summary for summary in training.values())
    unit = "loss per decision, rare steps weighted, nats" if by_decisions else "nats per answer token"
    return line_chart([line for line in series if line[3]], "optimiser step", unit)


def _bar(policy: PolicyFigures, shown: Metric, label: str, colour: str, *, paper: bool = False) -> Bar:
    value, interval = policy.value(shown), policy.interval(shown)
    in_paper = shown.paper.value if paper and shown.paper else None
    return Bar(
        label,
        value,
        formatted(value, shown.unit),
        colour,
        interval,
        formatted_interval(interval, shown.unit),
        in_paper,
        "" if in_paper is None else formatted(in_paper, shown.unit),
    )


def _ending_stack(label: str, rows: list[dict[str, Any]]) -> Stack:
    shares = {ending: sum(row["ending"] == ending for row in rows) / len(rows) for ending in ENDINGS}
    return Stack(label, _ending_parts(shares), f"{len(rows):,} visits")


def _ending_parts(shares: Mapping[str, float]) -> tuple[tuple[str, float, str], ...]:
    return tuple(
        (f"ending-{ending}", share, f"{ENDING_LABELS[ending]}: {share:.1%}")
        for ending, share in shares.items()
        if share
    )
