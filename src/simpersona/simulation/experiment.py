"""An experiment: the same simulated buyers in two variants of a store, and the verdict on the difference.

Only pairs of which neither visit failed count. The verdict has a significance level (α) over the three outcomes together
(Holm): if the variants do not differ, the probability of naming a winner is at most α.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import stats

from simpersona.contracts import HEADS
from simpersona.errors import ContractError
from simpersona.evaluation.tables import OUTCOMES, PAIRS
from simpersona.simulation.paired_lift import (
    Lift,
    holm,
    paired_lift,
    pairs_needed,
    relative_detectable,
    visitors_needed,
)

Winner = Literal["A wins", "B wins", "cannot tell"]
BROKEN = "other"
"""The ending of a visit that failed."""
RATIO_LEVEL = 0.01
"""No verdict is given if chance would lose visits this unequally with a smaller probability than this."""
GROUPS = ("stratum", *HEADS)
"""Groups of buyers whose lifts are reported separately, for exploration: they have no verdict."""
LABELS = {"add_to_cart": "carts filled", "checkout_start": "checkouts started", "purchase": "purchases"}


@dataclass(frozen=True)
class Question:
    """The statistical settings of an experiment."""

    level: float = 0.05
    """Significance level (α) of the verdict; intervals are at 1 − level."""
    lift: float = 0.02
    """Minimum detectable effect: the relative lift whose cost in buyers is computed."""
    power: float = 0.8
    """Statistical power: the probability that this lift is detected."""


@dataclass(frozen=True)
class Comparison:
    """The comparison of the two arms over one set of pairs."""

    pairs: int
    outcomes: dict[str, Lift]
    """By outcome that can be observed in the stores."""
    adjusted: dict[str, float]
    """The p values by outcome, adjusted after Holm."""
    level: float

    @property
    def winners(self) -> dict[str, Winner]:
        """The winner of each outcome."""
        return {
            outcome: "cannot tell" if self.adjusted[outcome] > self.level else _side(lift)
            for outcome, lift in self.outcomes.items()
        }

    @property
    def verdict(self) -> Winner:
        """The arm that wins at least one outcome and loses none."""
        called: set[Winner] = set(self.winners.values()) - {"cannot tell"}
        return called.pop() if len(called) == 1 else "cannot tell"

    @property
    def reason(self) -> str:
        """The reason of the verdict, in one sentence."""
        won = {arm: [LABELS[name] for name, winner in self.winners.items() if winner == f"{arm} wins"] for arm in "AB"}
        more = [f"{arm} has more {' and '.join(labels)}" for arm, labels in won.items() if labels]
        if not more:
            return f"no outcome differs by more than chance may bring about (level {self.level:g}, Holm)"
        return ", but ".join(more)


def visit_pairs(
    a: pa.Table,
    b: pa.Table,
    mix: pa.Table,
    strata: Mapping[tuple[str, str], str],
    levels: Mapping[int, Mapping[str, str]],
) -> pa.Table:
    """PAIRS of two tables of EPISODES with the same goals in the same order.

    `mix` (shape of MIX) gives the weights: among a shop's whole pairs each code weighs as its share of the
    shop's buyers, codes that were not drawn left out. `strata` is by shop and buyer, `levels` by code and head.
    """
    keys = ["shop_id", "buyer_id", "session_id", "code"]
    if a.select(keys) != b.select(keys):
        raise ContractError(f"experiment: arms of {a.num_rows} and {b.num_rows} visits that are not of the same buyers")
    shops, codes = a["shop_id"].to_pylist(), a["code"].to_pylist()
    whole = np.array(
        [BROKEN not in both for both in zip(a["ending"].to_pylist(), b["ending"].to_pylist(), strict=True)]
    )
    columns: dict[str, Any] = {name: a[name] for name in keys}
    columns["stratum"] = [strata.get(key) for key in zip(shops, a["buyer_id"].to_pylist(), strict=True)]
    columns |= {head: [levels.get(code, {}).get(head) for code in codes] for head in HEADS}
    columns["weight"] = _weights(shops, codes, whole.astype(bool), mix)
    for arm, table in (("a", a), ("b", b)):
        columns[f"ending_{arm}"] = table["ending"]
        columns |= {f"{outcome}_{arm}": pc.greater(table[f"{outcome}_count"], 0) for outcome in OUTCOMES}
    return PAIRS.check(PAIRS.conform(pa.table(columns)))


def compare(pairs: pa.Table, level: float) -> Comparison:
    """Compares the whole pairs (PAIRS) in each outcome that is known. Raises ContractError if no pair is whole."""
    whole = pairs.filter(pc.greater(pairs["weight"], 0))
    if not whole.num_rows:
        raise ContractError(
            f"experiment: none of {pairs.num_rows} pairs of visits is whole; see their endings and errors"
        )
    known = {outcome: _known(whole, outcome) for outcome in OUTCOMES}
    outcomes = {
        outcome: paired_lift(
            _flags(pairs, outcome, "a"),
            _flags(pairs, outcome, "b"),
            pairs["weight"].to_numpy(),
            level,
            pairs["shop_id"].to_pylist(),
        )
        for outcome, pairs in known.items()
        if pairs.num_rows
    }
    adjusted = holm({outcome: lift.p_value for outcome, lift in outcomes.items()})
    return Comparison(whole.num_rows, outcomes, adjusted, level)


def sample_ratio(pairs: pa.Table) -> dict[str, Any]:
    """The visits that failed in one arm alone, and the exact probability that chance divides them as unequally."""
    lost = Counter(
        "a" if row["ending_a"] == BROKEN else "b"
        for row in pairs.select(["ending_a", "ending_b"]).to_pylist()
        if (row["ending_a"] == BROKEN) != (row["ending_b"] == BROKEN)
    )
    p = float(stats.binomtest(lost["a"], lost.total()).pvalue) if lost else 1.0
    return {"lost_a": lost["a"], "lost_b": lost["b"], "p_value": p, "fair": p >= RATIO_LEVEL}


def experiment_figures(pairs: pa.Table, question: Question) -> dict[str, Any]:
    """All figures of an experiment (PAIRS) as plain values for JSON; docs/experiments.md explains the keys.

    If the arms lost visits unequally, every verdict is "cannot tell".
    """
    ratio = sample_ratio(pairs)
    shops = pairs["shop_id"].unique().to_pylist()
    all_pairs = _figures(pairs, question, ratio)
    return {
        "level": question.level,
        "buyers": pairs.num_rows,
        "sample_ratio": ratio,
        **all_pairs,
        "shops": {
            shop: _figures(of_shop, question, ratio)
            for shop in (shops if len(shops) > 1 else ())
            if (of_shop := _whole_of(pairs, "shop_id", shop)).num_rows
        },
        "groups": {
            group: {
                name: {"pairs": members.num_rows, "outcomes": _lifts(compare(members, question.level))}
                for name in sorted(set(pairs[group].drop_null().to_pylist()))
                if (members := _whole_of(pairs, group, name)).num_rows
            }
            for group in GROUPS
        },
        "cost": cost_of_lifts(all_pairs, question),
    }


def cost_of_lifts(figures: Mapping[str, Any], question: Question) -> dict[str, Any]:
    """By outcome, how many buyers it takes to detect the question's lift, from the rates and the discordance of `figures`.

    The level is that of Holm's first step: an outcome is detected even if it is the only one that differs.
    """
    outcomes: Mapping[str, Mapping[str, Any]] = figures["outcomes"]
    level = question.level / len(outcomes)
    cost: dict[str, Any] = {"lift": question.lift, "power": question.power, "outcomes": {}}
    for outcome, values in outcomes.items():
        lift = Lift(**{name: values[name] for name in Lift.__dataclass_fields__})
        cost["outcomes"][outcome] = {
            "buyers": pairs_needed(lift.rate_a, lift.discordance, question.lift, level, question.power),
            "visitors_per_arm": visitors_needed(lift.rate_a, question.lift, level, question.power),
            "detectable": relative_detectable(lift, figures["pairs"], level, question.power),
        }
    return cost


def _figures(pairs: pa.Table, question: Question, ratio: Mapping[str, Any]) -> dict[str, Any]:
    comparison = compare(pairs, question.level)
    verdict, reason, winners = comparison.verdict, comparison.reason, comparison.winners
    if not ratio["fair"]:
        verdict, winners = "cannot tell", dict.fromkeys(winners, "cannot tell")
        reason = (
            f"the arms lost visits unequally ({ratio['lost_a']} in A alone, {ratio['lost_b']} in B alone, "
            f"p = {ratio['p_value']:.2g}), so the remaining pairs may differ because of the missing buyers"
        )
    outcomes = _lifts(comparison)
    for outcome, values in outcomes.items():
        values |= {"p_adjusted": comparison.adjusted[outcome], "verdict": winners[outcome]}
    whole = pairs.filter(pc.greater(pairs["weight"], 0))
    unknown = {outcome: whole.num_rows - _known(whole, outcome).num_rows for outcome in OUTCOMES}
    return {
        "pairs": comparison.pairs,
        "verdict": verdict,
        "reason": reason,
        "outcomes": outcomes,
        "unknown": {outcome: count for outcome, count in unknown.items() if count},
    }


def _lifts(comparison: Comparison) -> dict[str, dict[str, Any]]:
    return {outcome: asdict(lift) for outcome, lift in comparison.outcomes.items()}


def _whole_of(pairs: pa.Table, column: str, value: str) -> pa.Table:
    return pairs.filter(pc.and_(pc.equal(pairs[column], value), pc.greater(pairs["weight"], 0)))


def _known(pairs: pa.Table, outcome: str) -> pa.Table:
    """The pairs of which the outcome of both visits is known."""
    return pairs.filter(pc.and_(*(pc.is_valid(pairs[f"{outcome}_{arm}"]) for arm in "ab")))


def _flags(pairs: pa.Table, outcome: str, arm: str) -> np.ndarray:
    return pairs[f"{outcome}_{arm}"].to_numpy().astype(bool)


def _side(lift: Lift) -> Winner:
    return "B wins" if lift.difference > 0 else "A wins"


def _weights(shops: list[str], codes: list[int | None], whole: np.ndarray, mix: pa.Table) -> np.ndarray:
    share = {(row["shop_id"], row["code"]): row["share"] for row in mix.to_pylist()}
    cells = [cell if ok else None for cell, ok in zip(zip(shops, codes, strict=True), whole, strict=True)]
    drawn = Counter(cell for cell in cells if cell is not None)
    of_shop = Counter(shop for shop, ok in zip(shops, whole, strict=True) if ok)
    known = {shop: sum(share.get(cell, 0) for cell in drawn if cell[0] == shop) for shop in of_shop}
    weight = {
        cell: share.get(cell, 0) / known[cell[0]] * of_shop[cell[0]] / count if known[cell[0]] else 1.0
        for cell, count in drawn.items()
    }
    return np.array([0.0 if cell is None else weight[cell] for cell in cells])
