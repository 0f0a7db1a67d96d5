import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from simpersona.contracts import Metrics
from simpersona.evaluation.resampling import adjusted_tests, holm, interval95, mean_interval


def test_holm_by_hand():
    # sorted .005, .01, .03, .04 times 4, 3, 2, 1 = .02, .03, .06, .04; none below the one before it
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.9, 0.8])).tolist() == [1, 1]
    assert holm(np.zeros(0)).tolist() == []


@given(arrays(float, st.integers(1, 12), elements=st.floats(0, 1)))
def test_holm_lies_between_the_plain_and_bonferronis_p_and_keeps_the_order(p):
    adjusted = holm(p)
    assert (adjusted >= p - 1e-12).all()
    assert (adjusted <= np.minimum(len(p) * p, 1) + 1e-12).all()
    assert (np.diff(adjusted[np.argsort(p)]) >= -1e-12).all()


def test_every_p_value_is_adjusted_within_one_family():
    given_ = Metrics(
        {
            "separation.purchase.welch_p": 0.01,
            "separation.purchase.kruskal_p": 0.04,
            "depth.A.p": 0.03,
            "depth.C.p": 0.005,
            "depth.D.p": None,
            "separation.purchase.cohens_d": 0.02,
        },
        {"depth.D.p": "no token"},
    )
    metrics = adjusted_tests(given_)
    assert metrics.values == {
        "separation.purchase.welch_p_adjusted": 0.03,
        "separation.purchase.kruskal_p_adjusted": 0.06,
        "depth.A.p_adjusted": 0.06,
        "depth.C.p_adjusted": 0.02,
        "depth.D.p_adjusted": None,
        "tests.family": 4,
        "tests.significant": 2,
        "tests.method": "holm",
    }
    assert metrics.notes["depth.D.p_adjusted"] == "no token"


def test_a_means_interval_is_that_of_scipys_bootstrap():
    values = np.random.default_rng(0).gamma(2, 1, 40)
    theirs = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=9999, rng=1).confidence_interval
    assert mean_interval(values, 9999, seed=2) == pytest.approx([theirs.low, theirs.high], abs=0.02)


def test_what_cannot_be_told_is_none():
    assert mean_interval(np.array([1.0]), 10, seed=0) is None
    assert interval95(np.array([np.nan, np.nan])) is None
    assert interval95(np.array([np.nan, 2.0])) == [2, 2]
