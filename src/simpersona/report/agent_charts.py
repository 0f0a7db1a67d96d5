"""Charts of the simulated buyers: how they shop beside real buyers and the paper's agents, and how they were trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from simpersona.contracts import ENDINGS, LEVELS, STRATA
from simpersona.report.acting import Acting
from simpersona.report.charts import Bar, BarChart, BarGroup, LineChart, Stack, StackChart, bar_chart, line_chart
from simpersona.report.paper_figures import PAPER
from simpersona.report.strata_words import STRATUM_NAMES
from simpersona.report.wording import between, counted, written

RATE_WORDS = {"add_to_cart": "put something in the cart", "checkout": "begin a checkout", "purchase": "order"}
ENDING_WORDS = {
    "goal_reached": "left by itself",
    "steps_limit": "out of steps",
    "time_limit": "out of time",
    "other": "broken off",
}


def conversion(policies: Sequence[Acting]) -> BarChart | None:
    """The funnel: rates of real sessions and of simulated visits, with 95 % intervals."""
    groups = []
    for rate, words in RATE_WORDS.items():
        bars = [_rate(policies[0], f"conversion.overall.real.{rate}", "real sessions", "real")] if policies else []
        bars += [
            _rate(policy, f"conversion.overall.agent.{rate}", f"simulated: {policy.words}", policy.colour)
            for policy in policies
        ]
        groups.append(BarGroup(words, tuple(bar for bar in bars if bar.value is not None)))
    return bar_chart([group for group in groups if group.bars])


def alignment(policy: Acting) -> BarChart | None:
    """Table 2: ARA of the matched token and of what stands against it, by stratum."""
    arms = {
        "correct": ("its own persona", policy.colour),
        "all_mismatch": ("other personas", "mismatch"),
        "shop_mean": ("no simulation: the shop's mean rate", "baseline"),
    }
    groups = []
    for place in (*STRATA[:4], "stratified"):
        bars = [
            _rate(policy, f"conversion.{place}.ara.{arm}", words, colour, paper=arm == "correct")
            for arm, (words, colour) in arms.items()
        ]
        pairs = policy.figures.get(f"conversion.{place}.pairs")
        name = "all four strata" if place == "stratified" else f"{place} {STRATUM_NAMES[place]}"
        groups.append(BarGroup(name, tuple(bars), "" if pairs is None else counted(pairs, "pair")))
    return bar_chart(groups, top=1, percent=False)


def purchase_funnel(policies: Sequence[Acting]) -> BarChart | None:
    """Table 3: share of visits with a cart and with a checkout by the purchase level of their token."""
    groups = []
    for rate, words in (("add_to_cart", "cart"), ("checkout", "checkout")):
        for level in LEVELS:
            key = f"separation.funnel.{level}.{rate}"
            bars = tuple(_rate(policy, key, policy.words, policy.colour, paper=True) for policy in policies)
            sizes = [policy.figures.get(f"separation.funnel.{level}.episodes") for policy in policies]
            known = " and ".join(f"{size:,}" for size in sizes if size is not None)
            groups.append(BarGroup(f"{words}, {level} purchase level", bars, f"{known} visits" if known else ""))
    return bar_chart(groups)


def endings(episodes: pa.Table, policy_words: Mapping[str, str]) -> StackChart | None:
    """How visits ended: all of each policy, each shop's, and the paper's."""
    rows: list[dict[str, Any]] = [
        dict(zip(("policy", "shop_id", "ending"), row, strict=True))
        for row in zip(*(episodes[name].to_pylist() for name in ("policy", "shop_id", "ending")), strict=True)
    ]
    if not rows:
        return None
    stacks = []
    several = len(policy_words) > 1
    for policy, words in policy_words.items():
        own = [row for row in rows if row["policy"] == policy]
        if own:
            stacks.append(_ending_stack(f"all visits{f', {words}' if several else ''}", own))
        shops = sorted({row["shop_id"] for row in own})
        if 1 < len(shops) <= _MOST_SHOPS:
            stacks += [_ending_stack(f"· {shop}", [row for row in own if row["shop_id"] == shop]) for shop in shops]
    paper = {ending: PAPER[f"outcomes.two_stage.{ending}"].value for ending in ENDINGS}
    stacks.append(Stack("the paper's agents", _ending_parts(paper), "42 shops, Table 7"))
    return StackChart(tuple(stacks), tuple((f"ending-{ending}", words) for ending, words in ENDING_WORDS.items()))


_MOST_SHOPS = 12


def depth(policy: Acting) -> LineChart | None:
    """How deep visits go that end without an order: deciles of real sessions and of simulated visits."""
    deciles = {side: policy.figures.get(f"depth.all.{side}_deciles") for side in ("real", "agent")}
    tenths = list(range(10, 100, 10))
    series = [
        (words, colour, tenths, values)
        for (side, values), words, colour in zip(
            deciles.items(), ("real sessions", f"simulated: {policy.words}"), ("real", policy.colour), strict=True
        )
        if values
    ]
    return line_chart(series, "share of visits that go no deeper, %", "events in the visit")


def model_losses(training: Mapping[str, Mapping[str, Any]]) -> LineChart | None:
    """The language model's loss by optimiser step, one line per stage."""
    names = {"stage1": "stage 1: persona rows", "stage2": "stage 2: everything"}
    series = []
    for (stage, summary), colour in zip(training.items(), ("first", "second"), strict=False):
        losses = list(summary.get("losses") or [])
        series.append((names.get(stage, stage), colour, list(range(1, len(losses) + 1)), losses))
    return line_chart([one for one in series if one[3]], "optimiser step", "nats per answer token")


def _rate(policy: Acting, key: str, label: str, colour: str, *, paper: bool = False) -> Bar:
    value, interval = policy.figures.get(key), policy.interval(key)
    beside = PAPER[key].value if paper and key in PAPER else None
    return Bar(
        label,
        value,
        written(key, value),
        colour,
        interval,
        between(key, interval),
        beside,
        "" if beside is None else written(key, beside),
    )


def _ending_stack(label: str, rows: list[dict[str, Any]]) -> Stack:
    shares = {ending: sum(row["ending"] == ending for row in rows) / len(rows) for ending in ENDINGS}
    return Stack(label, _ending_parts(shares), f"{len(rows):,} visits")


def _ending_parts(shares: Mapping[str, float]) -> tuple[tuple[str, float, str], ...]:
    return tuple(
        (f"ending-{ending}", share, f"{ENDING_WORDS[ending]}: {share:.1%}") for ending, share in shares.items() if share
    )
