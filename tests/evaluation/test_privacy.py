import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from simpersona.evaluation.privacy import auc_interval, membership_metrics


def test_the_area_is_that_of_scikit_learn_also_with_ties():
    rng = np.random.default_rng(0)
    positive, negative = rng.integers(0, 9, 80) + 1.0, rng.integers(0, 9, 50) * 1.0
    auc, low, high = auc_interval(positive, negative)
    truth = np.repeat([1, 0], [80, 50])
    assert auc == pytest.approx(roc_auc_score(truth, np.concatenate([positive, negative])))
    assert low < auc < high


def test_delong_by_hand():
    # placements: 3 is above 1, 2 of 2; 1.5 above one of 2. Of the negatives: 1 is below both, 2 below one
    auc, low, high = auc_interval(np.array([3.0, 1.5]), np.array([1.0, 2.0]))
    assert auc == 0.75
    spread = 1.959964 * np.sqrt(np.var([1, 0.5], ddof=1) / 2 + np.var([1, 0.5], ddof=1) / 2)
    assert (low, high) == pytest.approx((0.75 - spread, 1.0), abs=1e-6)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    # normal scores a unit apart: the true area is Φ(1/√2) = 0.7602
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(400):
        _, low, high = auc_interval(rng.normal(1, 1, 60), rng.normal(0, 1, 40))
        hits += low <= 0.76025 <= high
    assert 0.92 <= hits / 400 <= 0.98


def test_who_is_nearer_to_the_codes_counts_as_a_member():
    near, far = np.linspace(0, 1, 50), np.linspace(2, 3, 30)
    assert membership_metrics(near, far).values["privacy.membership_auc"] == 1.0
    assert membership_metrics(far, near).values["privacy.membership_auc"] == 0.0
    assert membership_metrics(near, near).values["privacy.membership_auc"] == pytest.approx(0.5)


def test_too_few_buyers_for_an_attack():
    found = membership_metrics(np.array([1.0]), np.array([1.0, 2.0]))
    assert set(found.values.values()) == {None}
    assert "found 1 and 2" in found.notes["privacy.membership_auc"]
