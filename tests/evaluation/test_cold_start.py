import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from simpersona.evaluation.cold_start import Predictions, cold_start_metrics
from simpersona.evaluation.metrics_table import COLD_START

KNOWN = np.array([[0.6, 0.4, 0.0], [0.2, 0.4, 0.4], [0.1, 0.1, 0.8]])
REAL = np.array([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
PREDICTED = np.array([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5]])
STRATA = np.array([[1.0, 0, 0, 0], [0, 0, 0, 1.0], [0.5, 0, 0, 0.5]])
INSIDE = np.array([[True, True, True], [True, False, True]])


def js(p, q):
    return jensenshannon(p, q, base=2) ** 2


def measure(real=REAL, predicted=PREDICTED, inside=INSIDE):
    return cold_start_metrics(Predictions(real, predicted, KNOWN, KNOWN[::-1], inside, STRATA), 200, seed=0)


def test_every_figure_by_scipy_and_hand():
    values = measure().values
    mean = KNOWN.mean(axis=0)
    key = "cold_start"
    assert values[f"{key}.js_mean"] == pytest.approx((0 + js([0, 0.5, 0.5], REAL[1])) / 2, abs=1e-6)
    by_all = [js(mean, real) for real in REAL]
    assert values[f"{key}.js_global_mean"] == pytest.approx(np.mean(by_all), abs=1e-6)
    by_one = np.mean([js(known, real) for known in KNOWN for real in REAL])
    assert values[f"{key}.js_random_shop_mean"] == pytest.approx(by_one, abs=1e-6)
    assert values[f"{key}.gain"] == pytest.approx(values[f"{key}.js_global_mean"] - values[f"{key}.js_mean"], abs=2e-6)
    assert values[f"{key}.js_loo_mean"] == pytest.approx(
        np.mean([js(KNOWN[0], KNOWN[2]), 0, js(KNOWN[2], KNOWN[0])]), abs=1e-6
    )
    rest = np.mean([js((KNOWN.sum(axis=0) - one) / 2, one) for one in KNOWN])
    assert values[f"{key}.js_loo_global_mean"] == pytest.approx(rest, abs=1e-6)
    # strata (A, D): real (.5, .5) and (.5, .5); predicted (.5, .5) and (.25, .75)
    assert values[f"{key}.strata_js_mean"] == pytest.approx(js([0.25, 0.75], [0.5, 0.5]) / 2, abs=1e-6)
    assert values[f"{key}.coverage"] == pytest.approx(5 / 6, abs=1e-6)
    assert (values[f"{key}.shops"], values[f"{key}.training_shops"]) == (2, 3)
    low, high = values[f"{key}.gain_ci95"]
    assert low <= values[f"{key}.gain"] <= high
    assert {f"{key}.{name}" for name in COLD_START.labels()} == set(values)


def test_without_a_held_out_shop_the_shops_left_out_still_tell():
    metrics = measure(REAL[:0], PREDICTED[:0], INSIDE[:0])
    assert metrics.values["cold_start.js_mean"] is None
    assert metrics.notes["cold_start.gain_ci95"] == "there is no held-out store"
    assert metrics.values["cold_start.js_loo_mean"] is not None
