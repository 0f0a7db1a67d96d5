import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from simpersona.buyers.vectors import BuyerVectors
from simpersona.contracts import ASSIGNMENTS, MIX
from simpersona.personas.card_text import card_summary
from simpersona.personas.mix import assignments, share_interval, store_mix


def buyers(shops):
    n = len(shops)
    ids = np.array([f"b{i}" for i in range(n)])
    return BuyerVectors(np.array(shops), ids, np.full(n, "D"), np.zeros((n, 43), np.float32), np.zeros((n, 16)))


def test_eq_4_by_hand():
    table = assignments(buyers(["s", "t", "s", "s", "t", "s"]), np.array([7, 1, 7, 0, 1, 7], np.int32))
    assert ASSIGNMENTS.check(table)["code"].to_pylist() == [7, 1, 7, 0, 1, 7]
    mix = MIX.check(store_mix(table))
    assert mix.select(["shop_id", "code", "share", "buyers"]).to_pylist() == [
        {"shop_id": "s", "code": 0, "share": 0.25, "buyers": 1},
        {"shop_id": "s", "code": 7, "share": 0.75, "buyers": 3},
        {"shop_id": "t", "code": 1, "share": 1.0, "buyers": 2},
    ]


def test_shares_have_the_interval_of_jeffreys():
    table = assignments(buyers(["s"] * 10 + ["t"]), np.array([4] * 3 + [5] * 7 + [1], np.int32))
    mix = store_mix(table).to_pandas()
    assert mix["low"].tolist() == pytest.approx(
        [beta.ppf(0.025, 3.5, 7.5), beta.ppf(0.025, 7.5, 3.5), 0.1467], abs=1e-4
    )
    assert mix["high"].tolist() == pytest.approx([beta.ppf(0.975, 3.5, 7.5), beta.ppf(0.975, 7.5, 3.5), 1.0])
    assert mix["share"].between(mix["low"], mix["high"]).all()


def test_planted_shares_lie_in_their_intervals_as_often_as_said():
    planted = np.array([0.4, 0.25, 0.15, 0.1, 0.06, 0.03, 0.01])
    rng = np.random.default_rng(3)
    for size in (80, 400, 5000):
        seen = rng.multinomial(size, planted, 2000)
        low, high = share_interval(seen, np.full_like(seen, size))
        covered = ((low <= planted) & (planted <= high)).mean(axis=0)
        assert covered.mean() == pytest.approx(0.95, abs=0.015)
        assert covered.min() > 0.89  # of a rare code the coverage goes up and down with the size


@given(st.lists(st.tuples(st.sampled_from("pqr"), st.integers(0, 9)), max_size=80))
def test_shares_of_a_shop_sum_to_one(rows):
    table = assignments(buyers([shop for shop, _ in rows]), np.array([code for _, code in rows], np.int32))
    mix = store_mix(table).to_pandas()
    assert mix["buyers"].sum() == len(rows)
    for _, shop in mix.groupby("shop_id"):
        assert shop["share"].sum() == pytest.approx(1)


def test_summary_of_buyers_in_words():
    average = {"session_count": 3.0, "search_session_count": 1.0, "duration_seconds": 600.0, "product_view_count": 6.0}
    means = {"session_count": 6.0, "search_session_count": 4.0, "duration_seconds": 300.0, "product_view_count": 12.0}
    rates = {"add_to_cart_rate": 0.75, "checkout_rate": 0.5, "mean_order_value": 1234.0}
    assert card_summary("A", 0.62, means | rates, average) == (
        "Mostly purchasers (62%) who come back often, search often and leave quickly; cart in 75% of their sessions; "
        "buy in 50% of their sessions. Per buyer: 6.0 sessions, 12.0 product views, 1,234.0 mean order value."
    )


def test_what_is_unknown_is_not_spoken_of():
    assert card_summary("E", 1.0, {}, {}) == "Bouncers."
    assert card_summary("D", 0.95, {"add_to_cart_rate": 0.0}, {}) == "Window shoppers; never cart."
    assert (
        card_summary("D", 0.95, {"add_to_cart_rate": 0.0, "checkout_rate": 0.0}, {})
        == "Window shoppers; never cart or buy."
    )


def test_never_means_not_once_and_a_rare_order_has_no_mean_value():
    means = {"checkout_rate": 0.002, "mean_order_value": 0.4}
    assert card_summary("C", 1.0, means, {}) == "Cart builders; rarely buy."


def test_only_training_and_assigning_need_torch():
    rooms = ", ".join(f"simpersona.personas.{name}" for name in ("sample", "bins", "mix", "cards", "product_types"))
    code = f"import sys, {rooms}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
