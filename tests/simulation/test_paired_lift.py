"""The numbers of a paired comparison against scipy, enumeration, published tables and hand calculation."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from simpersona.simulation.paired_lift import (
    GRID,
    holm,
    paired_lift,
    pairs_needed,
    relative_detectable,
    sign_flip_p,
    visitors_needed,
)


def pairs_of(both, only_a, only_b, neither):
    a = np.repeat([True, True, False, False], [both, only_a, only_b, neither])
    b = np.repeat([True, False, True, False], [both, only_a, only_b, neither])
    return a, b, np.ones(len(a))


@pytest.mark.parametrize(("less", "more"), [(0, 0), (0, 5), (3, 9), (10, 30), (100, 140), (7, 7)])
def test_with_equal_weights_it_is_mcnemars_exact_test(less, more):
    steps = np.repeat([-2.5, 2.5, 0.0], [less, more, 50])
    expected = stats.binomtest(less, less + more).pvalue if less + more else 1.0
    assert sign_flip_p(steps) == pytest.approx(expected, rel=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(-GRID, GRID).filter(bool), min_size=1, max_size=9))
def test_with_unequal_weights_it_is_the_count_over_all_exchanges(steps):
    steps = [*steps, GRID]  # the largest: nothing is rounded
    sums = [
        sum(sign * abs(step) for sign, step in zip(signs, steps, strict=True))
        for signs in product((-1, 1), repeat=len(steps))
    ]
    expected = np.mean([abs(one) >= abs(sum(steps)) for one in sums])
    assert sign_flip_p(np.array(steps, float)) == pytest.approx(expected, abs=1e-9)


def test_agresti_and_mins_interval_by_hand():
    """10 and 4 of 50 pairs discordant: centre −6/52, variance (15 − 36/52)/52²."""
    lift = paired_lift(*pairs_of(20, 10, 4, 16), 0.05)
    assert (lift.rate_a, lift.rate_b) == pytest.approx((0.6, 0.48))
    assert lift.difference == pytest.approx(-0.12)
    error = ((15 - 36 / 52) / 52**2) ** 0.5
    assert (lift.low, lift.high) == pytest.approx((-6 / 52 - 1.959964 * error, -6 / 52 + 1.959964 * error), rel=1e-5)
    assert lift.discordance == pytest.approx(14 / 50)
    assert (lift.only_a, lift.only_b) == (10, 4)


def test_the_relative_lift_by_hand():
    """The variance of the ratio's logarithm is (10 + 4) / (30 × 24) (Nam and Blackwelder 2002)."""
    lift = paired_lift(*pairs_of(20, 10, 4, 16), 0.05)
    spread = 1.959964 * (14 / (30 * 24)) ** 0.5
    expected = [24 / 30 * np.exp(side) - 1 for side in (0, -spread, spread)]
    assert [lift.relative, lift.relative_low, lift.relative_high] == pytest.approx(expected, rel=1e-5)
    assert paired_lift(*pairs_of(0, 0, 4, 16), 0.05).relative is None


def test_weights_count_as_copies_of_a_pair():
    a, b, _ = pairs_of(5, 3, 6, 6)
    weight = np.tile([1.0, 3.0], 10)
    weighted = paired_lift(a, b, weight, 0.05)
    copies = paired_lift(np.repeat(a, weight.astype(int)), np.repeat(b, weight.astype(int)), np.ones(40), 0.05)
    assert (weighted.rate_a, weighted.rate_b) == pytest.approx((copies.rate_a, copies.rate_b))
    assert paired_lift(a, b, 7 * weight, 0.05) == weighted  # only their ratios matter


def test_the_interval_over_shops_is_students():
    a, b, weight = pairs_of(10, 3, 5, 12)
    shop = np.resize(["x", "y", "z"], 30)
    own = [b[shop == name].mean() - a[shop == name].mean() for name in "xyz"]
    expected = stats.ttest_1samp(own, 0).confidence_interval(0.95)
    lift = paired_lift(a, b, weight, 0.05, shop)
    assert (lift.shops_low, lift.shops_high) == pytest.approx((expected.low, expected.high))
    assert paired_lift(a, b, weight, 0.05, np.resize(["x", "y"], 30)).shops_low is None


def test_equal_arms_give_no_lift_and_an_interval_that_is_not_empty():
    lift = paired_lift(*pairs_of(20, 0, 0, 80), 0.05)
    assert (lift.difference, lift.p_value, lift.discordance) == (0, 1, 0)
    assert lift.low < 0 < lift.high


def test_holms_example():
    """Four p values as in Holm (1979): 4 × .005, 3 × .01, 2 × .03, and not below the one before."""
    found = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert found == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})


def test_the_sizes_of_two_kinds_of_test():
    """Connor (1987) and the two proportions' formula, worked out by hand for 20 % against 25 %."""
    z, power = 1.959964, 0.841621
    paired = (z * 0.2**0.5 + power * (0.2 - 0.05**2) ** 0.5) ** 2 / 0.05**2
    assert pairs_needed(0.2, 0.2, 0.25, 0.05, 0.8) == pytest.approx(paired, abs=1)
    live = (z * (2 * 0.225 * 0.775) ** 0.5 + power * (0.2 * 0.8 + 0.25 * 0.75) ** 0.5) ** 2 / 0.05**2
    assert visitors_needed(0.2, 0.25, 0.05, 0.8) == pytest.approx(live, abs=1)
    assert pairs_needed(0.2, 0.0, 0.25, 0.05, 0.8) is None
    assert pairs_needed(0.0, 0.2, 0.25, 0.05, 0.8) is None
    assert visitors_needed(0.9, 0.2, 0.05, 0.8) is None


def test_as_many_pairs_as_a_lift_needs_find_it_as_often_as_said():
    count = pairs_needed(0.2, 0.15, 0.25, 0.05, 0.8)
    lift = paired_lift(*pairs_of(150, 50, 100, 700), 0.05)
    assert lift.discordance == pytest.approx(0.15)
    assert relative_detectable(lift, count, 0.05, 0.8) == pytest.approx(0.25, rel=0.01)
    rng = np.random.default_rng(0)
    differ = rng.multinomial(count, (0.05, 0.1, 0.85), 2000)
    fewer = differ[:, :2].min(axis=1)
    found = 2 * stats.binom.cdf(fewer, differ[:, :2].sum(axis=1), 0.5) <= 0.05
    assert np.mean(found) == pytest.approx(0.8, abs=0.05)  # the exact test is a little conservative
