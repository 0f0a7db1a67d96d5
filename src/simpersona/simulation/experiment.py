"""An experiment: the same synthetic buyers in two variants of a store, and what may be said of the difference.

Only pairs count of which neither visit broke. A verdict is given at a stated level over the three outcomes together
(Holm): if the variants do not differ, A or B is called the winner at most that often.
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
"""The ending of a visit that broke."""
RATIO_LEVEL = 0.01
"""Visits lost to the arms as unequally as this or more so by chance: no verdict is given."""
GROUPS = ("stratum", *HEADS)
"""Whose lifts are told apart. They are for looking at: no verdict is drawn from them."""
WORDS = {"add_to_cart": "carts filled", "checkout_start": "checkouts started", "purchase": "purchases"}


@dataclass(frozen=True)
class Question:
    """What is asked of an experiment."""

    level: float = 0.05
    """Of the verdict; intervals are at 1 − level."""
    lift: float = 0.02
    """The relative lift whose cost in buyers is told ..."""
    power: float = 0.8
    """... if it is to be found with this probability."""


@dataclass(frozen=True)
class Comparison:
    """What one set of pairs says."""

    pairs: int
    outcomes: dict[str, Lift]
    """Of the outcomes that can be seen in the stores."""
    adjusted: dict[str, float]
    """Their p values after Holm."""
    level: float

    @property
    def winners(self) -> dict[str, Winner]:
        """Of each outcome."""
        return {
            outcome: "cannot tell" if self.adjusted[outcome] > self.level else _side(lift)
            for outcome, lift in self.outcomes.items()
        }

    @property
    def verdict(self) -> Winner:
        """The arm that wins an outcome and loses none."""
        called: set[Winner] = set(self.winners.values()) - {"cannot tell"}
        return called.pop() if len(called) == 1 else "cannot tell"

    @property
    def reason(self) -> str:
        """The verdict's, in words."""
        won = {arm: [WORDS[name] for name, winner in self.winners.items() if winner == f"{arm} wins"] for arm in "AB"}
        more = [f"{arm} has more {' and '.join(words)}" for arm, words in won.items() if words]
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
    """What the whole pairs (PAIRS) say of each outcome that is known of them. Raises ContractError if there is none."""
    whole = pairs.filter(pc.greater(pairs["weight"], 0))
    if not whole.num_rows:
        raise ContractError(
            f"experiment: none of {pairs.num_rows} pairs of visits is whole; see their endings and errors"
        )
    weight, shop = whole["weight"].to_numpy(), whole["shop_id"].to_pylist()
    outcomes = {
        outcome: paired_lift(_flags(whole, outcome, "a"), _flags(whole, outcome, "b"), weight, level, shop)
        for outcome in OUTCOMES
        if not whole[f"{outcome}_a"].null_count
    }
    adjusted = holm({outcome: lift.p_value for outcome, lift in outcomes.items()})
    return Comparison(whole.num_rows, outcomes, adjusted, level)


def sample_ratio(pairs: pa.Table) -> dict[str, Any]:
    """How many visits broke in one arm alone, and how often chance parts them so or more unevenly (exact)."""
    lost = Counter(
        "a" if row["ending_a"] == BROKEN else "b"
        for row in pairs.select(["ending_a", "ending_b"]).to_pylist()
        if (row["ending_a"] == BROKEN) != (row["ending_b"] == BROKEN)
    )
    p = float(stats.binomtest(lost["a"], lost.total()).pvalue) if lost else 1.0
    return {"lost_a": lost["a"], "lost_b": lost["b"], "p_value": p, "fair": p >= RATIO_LEVEL}


def experiment_figures(pairs: pa.Table, question: Question) -> dict[str, Any]:
    """All figures of an experiment (PAIRS) as plain values for JSON: docs/experiments.md says what the keys are.

    If the arms lost visits unequally, every verdict is "cannot tell".
    """
    ratio = sample_ratio(pairs)
    shops = pairs["shop_id"].unique().to_pylist()
    all_pairs = _told(pairs, question, ratio)
    return {
        "level": question.level,
        "buyers": pairs.num_rows,
        "sample_ratio": ratio,
        **all_pairs,
        "shops": {
            shop: _told(own, question, ratio)
            for shop in (shops if len(shops) > 1 else ())
            if (own := _whole_of(pairs, "shop_id", shop)).num_rows
        },
        "groups": {
            group: {
                name: {"pairs": own.num_rows, "outcomes": _lifts(compare(own, question.level))}
                for name in sorted(set(pairs[group].drop_null().to_pylist()))
                if (own := _whole_of(pairs, group, name)).num_rows
            }
            for group in GROUPS
        },
        "cost": cost_of_lifts(all_pairs, question),
    }


def cost_of_lifts(figures: Mapping[str, Any], question: Question) -> dict[str, Any]:
    """By outcome, how many buyers it takes to see the question's lift, from the rates and the discordance of `figures`.

    The level is that of Holm's first step, so that an outcome is found even if it is the only one that differs.
    """
    outcomes: Mapping[str, Mapping[str, Any]] = figures["outcomes"]
    level = question.level / len(outcomes)
    told: dict[str, Any] = {"lift": question.lift, "power": question.power, "outcomes": {}}
    for outcome, values in outcomes.items():
        lift = Lift(**{name: values[name] for name in Lift.__dataclass_fields__})
        told["outcomes"][outcome] = {
            "buyers": pairs_needed(lift.rate_a, lift.discordance, question.lift, level, question.power),
            "visitors_per_arm": visitors_needed(lift.rate_a, question.lift, level, question.power),
            "detectable": relative_detectable(lift, figures["pairs"], level, question.power),
        }
    return told


def _told(pairs: pa.Table, question: Question, ratio: Mapping[str, Any]) -> dict[str, Any]:
    found = compare(pairs, question.level)
    verdict, reason, winners = found.verdict, found.reason, found.winners
    if not ratio["fair"]:
        verdict, winners = "cannot tell", dict.fromkeys(winners, "cannot tell")
        reason = (
            f"the arms lost visits unequally ({ratio['lost_a']} in A alone, {ratio['lost_b']} in B alone, "
            f"p = {ratio['p_value']:.2g}): what is left may differ by who is missing"
        )
    outcomes = _lifts(found)
    for outcome, values in outcomes.items():
        values |= {"p_adjusted": found.adjusted[outcome], "verdict": winners[outcome]}
    return {"pairs": found.pairs, "verdict": verdict, "reason": reason, "outcomes": outcomes}


def _lifts(found: Comparison) -> dict[str, dict[str, Any]]:
    return {outcome: asdict(lift) for outcome, lift in found.outcomes.items()}


def _whole_of(pairs: pa.Table, column: str, value: str) -> pa.Table:
    return pairs.filter(pc.and_(pc.equal(pairs[column], value), pc.greater(pairs["weight"], 0)))


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
