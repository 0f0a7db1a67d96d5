"""Verdicts of experiments on visits drawn with known rates, and the pairs they are drawn from."""

import json

import numpy as np
import pyarrow as pa
import pytest

from simpersona.contracts import EPISODES, MIX
from simpersona.errors import ContractError
from simpersona.evaluation.tables import OUTCOMES, PAIRS
from simpersona.simulation.experiment import Question, compare, experiment_figures, sample_ratio, visit_pairs


def episodes(arm, depths, endings=None, shops=None, codes=None):
    """EPISODES of visits that got so far: 0 nothing, 1 a cart, 2 a checkout, 3 a purchase."""
    blank = dict.fromkeys(EPISODES.columns)
    rows = [
        blank
        | {"episode_id": f"{arm}-{i}", "shop_id": shops[i] if shops else "s", "buyer_id": f"b{i}", "session_id": "1"}
        | {"code": codes[i] if codes else 0, "goal": "g", "policy": "scorer", "seed": i, "steps": 1, "pages": 1}
        | {"ending": endings[i] if endings else "goal_reached", "prompt_tokens": 0, "reply_tokens": 0, "seconds": 1.0}
        | {f"{what}_count": 0 for what in ("product_view", "collection_view", "search")}
        | {f"{what}_count": int(depth > place) for place, what in enumerate(OUTCOMES)}
        for i, depth in enumerate(depths)
    ]  # fmt: skip
    return EPISODES.check(pa.Table.from_pylist(rows, schema=EPISODES.schema))


def mix(shares, shop="s"):
    rows = [{"shop_id": shop, "code": code, "share": share, "buyers": 1} for code, share in shares.items()]
    return pa.Table.from_pylist(rows, schema=MIX.schema)


def pairs_of(a, b, **given):
    return visit_pairs(episodes("a", a, **given), episodes("b", b, **given), mix({0: 1.0}), {}, {})


def drawn(count, rates_a, rates_b, seed):
    """Pairs of visits with these rates of reaching each outcome, independent within a pair."""
    rng = np.random.default_rng(seed)
    columns = {
        "shop_id": ["s"] * count,
        "buyer_id": ["b"] * count,
        "session_id": ["1"] * count,
        "weight": np.ones(count),
    }
    for arm, rates in (("a", rates_a), ("b", rates_b)):
        columns[f"ending_{arm}"] = ["goal_reached"] * count
        chance = rng.random(count)
        columns |= {f"{outcome}_{arm}": chance < rate for outcome, rate in zip(OUTCOMES, rates, strict=True)}
    return pa.table(columns | {name: pa.nulls(count) for name in set(PAIRS.columns) - set(columns)})


def test_a_clear_lift_is_called_and_a_faint_one_is_not():
    found = compare(drawn(800, (0.4, 0.2, 0.1), (0.4, 0.3, 0.2), 0), 0.05)
    assert found.verdict == "B wins"
    assert found.winners["add_to_cart"] == "cannot tell"
    assert "B has more" in found.reason
    reverse = compare(drawn(800, (0.4, 0.3, 0.2), (0.4, 0.2, 0.1), 0), 0.05)
    assert reverse.verdict == "A wins"
    faint = compare(drawn(100, (0.4, 0.2, 0.1), (0.4, 0.2, 0.11), 0), 0.05)
    assert faint.verdict == "cannot tell"
    assert "chance" in faint.reason


def test_outcomes_that_contradict_each_other_give_no_winner():
    found = compare(drawn(2000, (0.6, 0.2, 0.1), (0.5, 0.3, 0.2), 1), 0.05)
    assert found.winners["add_to_cart"] == "A wins"
    assert found.winners["purchase"] == "B wins"
    assert found.verdict == "cannot tell"
    assert "A has more carts filled, but B has more" in found.reason


def test_stores_that_do_not_differ_are_called_at_most_at_the_stated_rate():
    """150 tests of a store against itself at 10 %: with the exact rate 0.1 more than 25 have a chance of 0.3 %."""
    rates = (0.4, 0.2, 0.1)
    called = sum(compare(drawn(80, rates, rates, seed), 0.1).verdict != "cannot tell" for seed in range(150))
    assert called <= 25


def test_weights_are_those_of_the_stores_mix():
    """Of four whole pairs three have code 0, whose share of the mix is one half: 4 × 0.5 / 3 each."""
    given = {"codes": [0, 0, 0, 1, 1], "endings": ["goal_reached"] * 4 + ["other"]}
    a, b = episodes("a", [0] * 5, **given), episodes("b", [3, 3, 3, 0, 3], **given)
    pairs = visit_pairs(a, b, mix({0: 0.4, 1: 0.4, 2: 0.2}), {("s", "b0"): "A"}, {0: {"purchase": "high"}})
    assert pairs["weight"].to_pylist() == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2, 0])
    assert pairs["stratum"].to_pylist() == ["A", None, None, None, None]
    assert pairs["purchase"].to_pylist() == ["high"] * 3 + [None] * 2
    assert compare(pairs, 0.05).outcomes["purchase"].difference == pytest.approx(0.5)


def test_arms_of_other_buyers_are_refused():
    with pytest.raises(ContractError, match="not of the same buyers"):
        visit_pairs(episodes("a", [0, 1]), episodes("b", [0]), mix({0: 1.0}), {}, {})


def test_visits_lost_to_one_arm_forbid_a_verdict():
    a, b = [0] * 100, [3] * 100
    lost = ["other"] * 10 + ["goal_reached"] * 90
    pairs = visit_pairs(episodes("a", a), episodes("b", b, endings=lost), mix({0: 1.0}), {}, {})
    assert sample_ratio(pairs) == {"lost_a": 0, "lost_b": 10, "p_value": pytest.approx(2 / 2**10), "fair": False}
    told = experiment_figures(pairs, Question())
    assert told["verdict"] == "cannot tell"
    assert "unequally (0 in A alone, 10 in B alone" in told["reason"]
    assert {it["verdict"] for it in told["outcomes"].values()} == {"cannot tell"}
    assert (told["buyers"], told["pairs"]) == (100, 90)


def test_no_whole_pair_is_an_error_that_says_so():
    with pytest.raises(ContractError, match="none of 2 pairs"):
        compare(pairs_of([0, 0], [0, 0], endings=["other"] * 2), 0.05)


def test_figures_by_shop_and_group_are_those_of_their_pairs_alone():
    shops = ["s"] * 40 + ["t"] * 40
    a, b = [0] * 80, [3] * 20 + [0] * 20 + [0] * 40
    pairs = visit_pairs(episodes("a", a, shops=shops), episodes("b", b, shops=shops), pa.concat_tables([mix({0: 1.0}), mix({0: 1.0}, "t")]), {("s", f"b{i}"): "A" if i < 10 else "D" for i in range(40)}, {0: {"engagement": "low"}})  # fmt: skip
    told = experiment_figures(pairs, Question())
    assert told["shops"]["s"]["verdict"] == "B wins"
    assert told["shops"]["t"]["verdict"] == "cannot tell"
    assert told["shops"]["s"]["outcomes"]["purchase"]["difference"] == 0.5
    assert told["outcomes"]["purchase"]["difference"] == 0.25
    assert told["groups"]["stratum"]["A"]["outcomes"]["purchase"]["difference"] == 1
    assert told["groups"]["stratum"]["D"]["pairs"] == 30
    assert set(told["groups"]["engagement"]) == {"low"}
    assert told["groups"]["exploration"] == {}
    json.dumps(told, allow_nan=False)


def test_an_outcome_that_no_store_tells_is_left_out_and_costs_no_correction():
    pairs = drawn(300, (0.4, 0.2, 0.1), (0.4, 0.2, 0.1), 3)
    for column in ("purchase_a", "purchase_b"):
        pairs = pairs.drop_columns([column]).append_column(column, pa.nulls(300, pa.bool_()))
    found = compare(pairs, 0.05)
    assert set(found.outcomes) == {"add_to_cart", "checkout_start"}
    smallest = min(found.outcomes.values(), key=lambda lift: lift.p_value).p_value
    assert min(found.adjusted.values()) == pytest.approx(min(2 * smallest, 1))


def test_pairs_with_an_unknown_outcome_are_left_out_of_it_and_counted():
    a, b = episodes("a", [1, 1, 0, 2] * 10), episodes("b", [0, 1, 1, 2] * 10)
    unknown = a["add_to_cart_count"].to_pylist()
    unknown[:3] = [None] * 3
    a = _replaced(_replaced(a, "purchase_count", [None] * 40), "add_to_cart_count", unknown)
    pairs = visit_pairs(a, b, mix({0: 1.0}), {}, {})
    figures = experiment_figures(pairs, Question())
    assert set(figures["outcomes"]) == {"add_to_cart", "checkout_start"}
    assert figures["unknown"] == {"add_to_cart": 3, "purchase": 40}
    assert figures["outcomes"]["add_to_cart"]["rate_a"] == pytest.approx(28 / 37)
    assert compare(pairs, 0.05).pairs == 40


def _replaced(table, name, values):
    index = table.schema.get_field_index(name)
    return table.set_column(index, table.schema.field(name), pa.array(values, table.schema.field(name).type))
