"""Table 5's transforms and the robust z, by hand and against scikit-learn."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.preprocessing import RobustScaler

from simpersona.buyers.scaling import RobustZ, transform_scalars
from simpersona.contracts import SCALARS


def transformed(**scalars):
    raw = np.full((1, len(SCALARS)), np.nan)
    for name, value in scalars.items():
        raw[0, SCALARS.index(name)] = value
    return dict(zip(SCALARS, transform_scalars(raw)[0], strict=True))


def test_counts_seconds_and_money_are_logged():
    out = transformed(session_count=3, duration_seconds=99, mean_order_value=0)
    assert out["session_count"] == pytest.approx(log(4))
    assert out["duration_seconds"] == pytest.approx(log(100))
    assert out["mean_order_value"] == 0
    assert np.isnan(out["search_session_count"])


def test_rates_are_smoothed_over_sessions():
    out = transformed(session_count=4, add_to_cart_rate=0.25, checkout_rate=0.0, browse_only_rate=1.0)
    assert out["add_to_cart_rate"] == pytest.approx(log(2 / 4))  # (1 + 1)/(4 + 2) = 2/6, logit log(2/4)
    assert out["checkout_rate"] == pytest.approx(log(1 / 5))
    assert out["browse_only_rate"] == pytest.approx(log(5 / 1))
    once = transformed(session_count=1, checkout_rate=0.0)
    assert once["checkout_rate"] == pytest.approx(log(1 / 2))  # fewer sessions, less sure


@pytest.mark.parametrize(("strength", "odds"), [(0.0, 1 / 9999), (0.5, 1.0), (16 / 17, 16.0), (0.99999, 9999.0)])
def test_intent_is_a_clipped_logit(strength, odds):
    assert transformed(intent_strength=strength)["intent_strength"] == pytest.approx(log(odds), abs=1e-9)


@given(hnp.arrays(np.float64, (20, 3), elements=st.integers(-50, 50).map(float)))
def test_robust_z_is_scikit_learns_where_the_iqr_is_not_0(values):
    scaler = RobustScaler(quantile_range=(25, 75)).fit(values)
    spread = np.subtract(*np.percentile(values, [75, 25], axis=0)) > 0
    ours, theirs = RobustZ.fit(values, clip=1e9)(values), scaler.transform(values)
    np.testing.assert_allclose(ours[:, spread], theirs[:, spread], rtol=1e-12, atol=1e-12)


def test_without_an_iqr_the_buyers_that_differ_give_the_scale():
    values = np.array([0.0] * 9 + [2.0, 4.0])
    z = RobustZ.fit(values[:, None], clip=10)(values[:, None])[:, 0]
    np.testing.assert_allclose(z[-2:], [2.0, 4.0])  # the standard deviation of 2 and 4 is 1
    alike = np.array([0.0] * 9 + [5.0, 5.0])
    np.testing.assert_allclose(RobustZ.fit(alike[:, None], clip=10)(alike[:, None])[-2:, 0], [1.0, 1.0])


def test_constant_and_unknown_columns_give_0():
    values = np.array([[3.0, np.nan, 1.0], [3.0, np.nan, np.nan], [3.0, np.nan, 2.0]])
    z = RobustZ.fit(values, clip=10)(values)
    np.testing.assert_array_equal(z[:, :2], 0)
    assert z[1, 2] == 0  # masked
    other = RobustZ.fit(values, clip=10)(np.array([[9.0, 9.0, 1.5]]))
    np.testing.assert_array_equal(other, [[0, 0, 0]])


def test_values_are_clipped():
    fitted = RobustZ.fit(np.arange(5.0)[:, None], clip=10)
    np.testing.assert_array_equal(fitted(np.array([[1e9], [-1e9]]))[:, 0], [10, -10])
