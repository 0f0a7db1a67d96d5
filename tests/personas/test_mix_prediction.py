import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simpersona.personas.mix_prediction import MixPredictor, TrainingStores, catalogue_vectors_by_shop

CORNERS = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0], [4.0, 4.0]])
MIXES = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.2, 0.3, 0.5]])


def test_a_catalogue_between_others_is_their_combination():
    known = TrainingStores(CORNERS[:3], MIXES[:3])
    assert known.weights(np.array([1.0, 2.0]), 0).tolist() == pytest.approx([0.25, 0.25, 0.5], abs=1e-3)
    assert known.weights(np.array([1.0, 2.0]), np.inf).tolist() == pytest.approx([1 / 3] * 3)
    # outside of the triangle: the nearest point of it is the middle of its long side
    assert known.weights(np.array([9.0, 9.0]), 0).tolist() == pytest.approx([0, 0.5, 0.5], abs=1e-3)


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=2), st.sampled_from([0.0, 0.1, 1.0, np.inf]))
def test_weights_are_shares_and_a_pull_brings_them_closer_to_equal(catalogue, penalty):
    known = TrainingStores(CORNERS, MIXES)
    weights = known.weights(np.array(catalogue), penalty)
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1)
    stronger = known.weights(np.array(catalogue), 10 * penalty)
    assert ((stronger - 0.25) ** 2).sum() <= ((weights - 0.25) ** 2).sum() + 1e-6


def two_kinds_of_shops(rng):
    """Six shops of garden things with one clientele, six of toys with another; the vector tells which."""
    kind = np.arange(12) % 2
    catalogues = np.eye(2)[kind] + rng.normal(0, 0.05, (12, 2))
    return TrainingStores(catalogues, np.array([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7]])[kind])


def test_where_catalogues_tell_who_comes_they_are_used():
    stores = MixPredictor.fit(two_kinds_of_shops(np.random.default_rng(0)))
    assert stores.penalty < np.inf
    assert stores.mix(np.array([1.0, 0.0])).tolist() == pytest.approx([0.7, 0.2, 0.1], abs=0.05)
    assert np.abs(stores.errors).max() < 0.1
    assert stores.left_out == pytest.approx(stores.known.mixes - stores.errors)


def test_where_catalogues_are_alike_the_mean_mix_is_predicted():
    stores = MixPredictor.fit(TrainingStores(np.ones((4, 2)), MIXES))
    assert stores.penalty == np.inf
    assert stores.mix(np.array([1.0, 1.0])).tolist() == pytest.approx([0.3, 0.325, 0.375])
    low, high = stores.bounds(stores.mix(np.array([1.0, 1.0])))
    assert (low >= 0).all()
    assert (low <= [0.3, 0.325, 0.375]).all()
    assert (high >= [0.3, 0.325, 0.375]).all()


def test_one_shop_is_too_few():
    with pytest.raises(ValueError, match="two shops"):
        MixPredictor.fit(TrainingStores(np.ones((1, 2)), MIXES[:1]))


def test_a_shops_catalogue_is_the_mean_direction_of_its_products():
    vectors = np.array([[3.0, 0.0], [0.0, 2.0], [0.0, 5.0], [0.0, 0.0]])
    means = catalogue_vectors_by_shop(np.array([0, 0, 1, 1]), vectors, 2)
    assert means.tolist() == [[0.5, 0.5], [0, 0.5]]
