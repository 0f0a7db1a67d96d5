"""Visits to a store that is not the lab's: a purchase is a checkout reached, on both sides, and what is unknown is no zero."""

import numpy as np
import pyarrow as pa
import pytest

from simpersona.config import EvaluationConfig
from simpersona.contracts import EPISODES, SESSIONS, Metrics
from simpersona.evaluation.ablation import ablation_metrics
from simpersona.evaluation.alignment import eligible_pairs
from simpersona.evaluation.by_shop import pairs_table, shop_figures
from simpersona.evaluation.depth import depth_metrics
from simpersona.evaluation.measurable import (
    AS_CHECKOUT,
    INFERRED,
    NO_CHECKOUTS,
    NO_ORDERS,
    has_checkouts,
    purchase_is,
    with_inferred_notes,
    with_known,
)
from simpersona.evaluation.rates import shopper_sessions
from simpersona.evaluation.separation import separation_metrics, simulation_scores
from tests.evaluation.test_rates_and_alignment import (
    make_assignments,
    make_buyers,
    make_episodes,
    make_sessions,
    measure,
)

COUNTS = tuple(
    f"{what}_count"
    for what in ("product_view", "collection_view", "search", "add_to_cart", "checkout_start", "purchase")
)
CONFIG = EvaluationConfig(min_sessions=4, min_episodes=2, bootstrap=200, permutations=99)


def replaced(table, **columns):
    for name, values in columns.items():
        index = table.schema.get_field_index(name)
        table = table.set_column(index, table.schema.field(name), pa.array(values, table.schema.field(name).type))
    return table


def unordered(episodes):
    """The visits as a store that takes no orders gives them: those who would have ordered have reached the checkout."""
    rows = episodes.num_rows
    return replaced(
        episodes,
        checkout_start_count=episodes["purchase_count"].to_pylist(),
        purchase_count=[None] * rows,
        inferred=[list(COUNTS)] * rows,
    )


def with_starts(sessions):
    """The sessions whose orders are checkout starts, so that the share of checkouts is that of orders."""
    return replaced(sessions, checkout_start_count=sessions["purchase_count"].to_pylist())


def test_where_nothing_is_ordered_a_purchase_is_a_checkout_on_both_sides():
    ordered, here = measure(), measure(unordered(make_episodes()), sessions=with_starts(make_sessions()))
    for key, value in ordered.values.items():
        if not key.startswith("conversion.overall.agent.purchase"):
            assert here.values[key] == pytest.approx(value, nan_ok=True), key
    assert here.values["conversion.overall.agent.purchase"] is None
    assert here.values["conversion.overall.agent.purchase_ci95"] is None
    assert here.notes["conversion.overall.agent.purchase"] == NO_ORDERS
    assert here.notes["conversion.A.purchase.correct"] == AS_CHECKOUT
    assert AS_CHECKOUT in here.notes["conversion.represented.ara.correct"]
    assert AS_CHECKOUT not in here.notes.get("conversion.A.atc.correct", "")


def test_real_checkout_starts_count_though_they_ended_without_an_order():
    sessions = replaced(make_sessions(), checkout_start_count=[1] * make_sessions().num_rows)
    pairs = eligible_pairs(
        unordered(make_episodes()), sessions, make_buyers(), make_assignments(), {"train"}, CONFIG, 0
    )
    assert {pair.real.purchases for pair in pairs} == {4}  # of four sessions each
    assert set(pairs_table("lm", pairs, "checkout")["purchase_is"].to_pylist()) == {"checkout"}


def test_a_log_without_checkout_starts_has_nothing_to_compare_with():
    here = measure(unordered(make_episodes()))
    assert not has_checkouts(make_sessions())
    assert here.values["conversion.A.purchase.correct"] is None
    assert NO_CHECKOUTS in here.notes["conversion.A.purchase.correct"]
    assert here.values["conversion.A.atc.correct"] == measure().values["conversion.A.atc.correct"]
    assert here.values["conversion.A.ara.correct"] is None


def test_visits_of_which_nothing_tells_an_addition_are_left_out_and_counted():
    episodes = unordered(make_episodes())
    added = episodes["add_to_cart_count"].to_pylist()
    some = replaced(episodes, add_to_cart_count=[None, *added[1:]])
    here = measure(some, sessions=with_starts(make_sessions()))
    known = [count > 0 for count in added[1:]]
    assert here.values["conversion.overall.agent.add_to_cart"] == pytest.approx(np.mean(known), abs=1e-6)
    assert "1 of 12 visits are left out" in here.notes["conversion.overall.agent.add_to_cart"]
    none = measure(replaced(episodes, add_to_cart_count=[None] * len(added)), sessions=with_starts(make_sessions()))
    assert none.values["conversion.overall.agent.add_to_cart"] is None
    assert "cannot be measured" in none.notes["conversion.overall.agent.add_to_cart"]


def test_the_figures_of_a_store_have_no_orders():
    episodes, sessions = unordered(make_episodes()), with_starts(make_sessions())
    shoppers = shopper_sessions(sessions, make_buyers(), {"one", "two"})
    rows = shop_figures("lm", episodes, shoppers).to_pylist()
    assert [row["agent_purchase"] for row in rows] == [None, None]
    assert [row["agent_checkout"] for row in rows] == [3 / 8, 1 / 4]
    assert all(row["real_purchase"] is not None for row in rows)


def visits(codes, **columns):
    zeros = {name: [0] * len(codes) for name in COUNTS}
    given = {"ending": ["goal_reached"] * len(codes), "steps": [1] * len(codes)}
    return EPISODES.sample(len(codes), code=codes, **(given | zeros | columns))


def test_scores_with_checkouts_and_unknown_views():
    episodes = visits(
        [0, 0], checkout_start_count=[1, 0], purchase_count=[None, None], add_to_cart_count=[1, 1],
        product_view_count=[2, None], search_count=[1, 1],
    )  # fmt: skip
    scores = simulation_scores(episodes)
    assert scores["purchase"].tolist() == [11, 3]
    assert scores["exploration"][0] == 3
    assert np.isnan(scores["exploration"][1])


def test_separation_says_what_it_rests_on():
    codes, levels = list(range(6)), np.tile([[0], [0], [0], [2], [2], [2]], (1, 3))
    unknown = visits(codes, purchase_count=[None] * 6, product_view_count=[None] * 6)
    metrics = separation_metrics(unknown, levels, CONFIG, seed=0)
    assert metrics.values["separation.exploration.low"] is None
    assert "6 of 6 visits are left out" in metrics.notes["separation.exploration.low"]
    assert AS_CHECKOUT in metrics.notes["separation.purchase.low"]
    assert metrics.values["separation.funnel.low.checkout"] == 0


def test_depth_leaves_out_who_reached_the_checkout_on_both_sides():
    buyers = make_buyers().slice(4, 1)  # of the store "one"
    key = {"shop_id": ["one"] * 2, "buyer_id": buyers["buyer_id"].to_pylist() * 2}
    real = {name: [0, 0] for name in COUNTS} | {"product_view_count": [1, 9], "checkout_start_count": [0, 1]}
    sessions = SESSIONS.sample(2, **key, **real)
    played = visits([1, 1], **key, product_view_count=[3, 7], checkout_start_count=[0, 1], purchase_count=[None] * 2)
    metrics = depth_metrics(played, sessions, buyers, 20, seed=0)
    assert (metrics.values["depth.all.real_mean"], metrics.values["depth.all.agent_mean"]) == (1, 3)
    assert "on both sides" in metrics.notes["depth.all.wasserstein"]
    untold = replaced(played, product_view_count=[None, None])
    metrics = depth_metrics(untold, sessions, buyers, 20, seed=0)
    assert metrics.values["depth.all.wasserstein"] is None
    assert "cannot be measured" in metrics.notes["depth.all.wasserstein"]


def test_products_of_unknown_visits_are_no_zero():
    figures = ablation_metrics(visits([0, 0], product_view_count=[1, None], products=[["a", "b"], None]))
    assert figures.values["ablation.with_token.products_mean"] == 2
    assert "1 of 2 visits" in figures.notes["ablation.with_token.products_mean"]


def test_figures_of_inferred_visits_carry_a_note_and_those_of_recorded_ones_do_not():
    keys = ("conversion.overall.agent.checkout", "conversion.overall.real.checkout", "conversion.pairs",
            "separation.engagement.low", "separation.purchase.cohens_d", "depth.all.real_mean", "outcomes.two_stage.other",
            "goal_following.real.views", "goal_following.agent.views", "ablation.with_token.crash")  # fmt: skip
    metrics = Metrics(dict.fromkeys(keys, 0.5) | {"conversion.overall.agent.purchase": None}, {keys[0]: "few"})
    noted = with_inferred_notes(metrics, unordered(make_episodes())).notes
    assert noted == {
        keys[0]: f"few; {INFERRED}",
        "separation.purchase.cohens_d": INFERRED,
        "goal_following.agent.views": INFERRED,
    }
    assert with_inferred_notes(metrics, make_episodes()) is metrics


def test_the_meaning_of_a_purchase():
    assert purchase_is(make_episodes()) == "order"
    assert purchase_is(unordered(make_episodes())) == "checkout"
    known, remark = with_known(visits([0, 0], search_count=[1, None]), "search_count")
    assert (known.num_rows, "1 of 2" in remark) == (1, True)
