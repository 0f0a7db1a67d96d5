import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simpersona.buyers.vectors import BuyerVectors
from simpersona.config import PersonasConfig
from simpersona.contracts import SCALARS
from simpersona.personas.bins import WEIGHT_PAIRS, HeadBins, merged_edges, tercile_edges, weight_sweep


def buyers(**scalars):
    """Buyers with the given raw scalars; the others are 0."""
    n = len(next(iter(scalars.values())))
    table = np.zeros((n, len(SCALARS)))
    for name, values in scalars.items():
        table[:, SCALARS.index(name)] = values
    ids = np.array([f"b{i}" for i in range(n)])
    return BuyerVectors(np.full(n, "s"), ids, np.full(n, "D"), np.zeros((n, 43), np.float32), table)


def paper_population():
    """(purchase sessions, cart sessions) of 44,559 buyers with the bin sizes of Table 6.

    No commercial act 17,453; one session with a cart 16,472; the rest 10,634 deeper, thinning out.
    """
    deeper = [((0, 2), 3000), ((1, 0), 2500), ((1, 1), 3500), ((0, 3), 700), ((1, 2), 400), ((2, 0), 250)]
    deeper += [((2, 2), 150), ((0, 4), 80), ((3, 3), 40), ((5, 7), 14)]
    assert sum(count for _, count in deeper) == 10_634
    groups = [((0, 0), 17_453), ((0, 1), 16_472), *deeper]
    pairs = np.repeat([pair for pair, _ in groups], [count for _, count in groups], axis=0)
    return pairs[:, 0], pairs[:, 1]


def test_table_6_edges_and_counts():
    purchases, carts = paper_population()
    scores = 8 * purchases + 3 * carts
    assert merged_edges(scores) == (1.5, 4.5)
    bins = HeadBins.fit(
        buyers(purchase_session_count=purchases, add_to_cart_session_count=carts),
        PersonasConfig(purchase_weights=(8, 3)),
    )
    assert bins.counts[2].tolist() == [17_453, 16_472, 10_634]
    assert not [note for note in bins.notes if note.startswith("purchase")]


def test_table_6_is_the_same_for_all_105_weight_pairs():
    purchases, carts = paper_population()
    swept = weight_sweep(purchases, carts)
    assert len(swept) == len(WEIGHT_PAIRS) == 105
    assert {pair.counts for pair in swept} == {(17_453, 16_472, 10_634)}
    assert {pair.moved for pair in swept} == {0.0}
    # the edges scale with the weights: half of one cart session, and midway to the next score
    for checkout, cart, edges, *_ in swept:
        assert edges == (cart / 2, (cart + min(checkout, 2 * cart)) / 2)


def test_the_sweep_tells_when_the_weights_matter():
    # Many buyers with two carts (score 6), many with a purchase without a cart (score 8): which of them is
    # merged with which depends on what lies between.
    purchases = np.repeat([0, 0, 0, 1, 1], [100, 30, 40, 35, 50])
    carts = np.repeat([0, 1, 2, 0, 1], [100, 30, 40, 35, 50])
    # 8·p + 3·c: 0 (100), 3 (30), 6 (40), 8 (35), 11 (50) → merge 3+6 (70), then 8+11 (85): {0} {3,6} {8,11}
    assert merged_edges(8 * purchases + 3 * carts) == (1.5, 7.0)
    swept = {(pair.checkout, pair.cart): pair for pair in weight_sweep(purchases, carts)}
    # 3·p + 2·c: 0 (100), 2 (30), 3 (35), 4 (40), 5 (50) → 2+3 (65), then 4+5 (90): {0} {2,3} {4,5}
    assert swept[3, 2].counts == (100, 65, 90)
    assert swept[3, 2].moved == pytest.approx((40 + 35) / 255)
    population = buyers(purchase_session_count=purchases, add_to_cart_session_count=carts)
    notes = HeadBins.fit(population, PersonasConfig()).notes
    assert any("depend on the weights" in note for note in notes)


def test_the_leftmost_of_equal_pairs_is_merged():
    assert merged_edges(np.array([0, 1, 2, 3])) == (1.5, 2.5)


@pytest.mark.parametrize(("scores", "edges"), [([0, 0, 3], (1.5, 3.5)), ([0, 0], (0.5, 1.5)), ([], (0.5, 1.5))])
def test_with_fewer_than_three_scores_the_missing_levels_lie_above(scores, edges):
    assert merged_edges(np.array(scores)) == edges


def test_semantic_bins():
    population = buyers(purchase_session_count=[0, 0, 0, 1, 4], add_to_cart_session_count=[0, 1, 9, 0, 4])
    bins = HeadBins.fit(population, PersonasConfig(purchase_bins="semantic"))
    assert bins.labels(population)[:, 2].tolist() == [0, 1, 1, 2, 2]


def test_terciles_of_the_logarithm_ties_go_up():
    seconds = np.array([0, 9, 99, 999, 9999, 99999.0])
    # log(1 + x) = 0, 1, 2 … in units of log 10; the thirds of 0..5 are 5/3 and 10/3
    assert tercile_edges(np.log1p(seconds)) == pytest.approx(tuple(np.log(10) * np.array([5 / 3, 10 / 3])))
    population = buyers(duration_seconds=seconds, search_session_count=[1, 1, 1, 1, 0, 2])
    labels = HeadBins.fit(population, PersonasConfig()).labels(population)
    assert labels[:, 0].tolist() == [0, 0, 1, 1, 2, 2]
    # both edges fall on log 2: the four buyers on them are High, Medium is empty
    assert labels[:, 1].tolist() == [2, 2, 2, 2, 0, 2]


def test_class_weights_eq_11_and_an_empty_level():
    population = buyers(search_session_count=[1, 1, 1, 1, 0, 2])
    bins = HeadBins.fit(population, PersonasConfig())
    assert bins.weights[1].tolist() == pytest.approx([6 / 3, 0, 6 / (3 * 5)])
    assert any("exploration: no training buyer is medium" in note for note in bins.notes)


def test_unknown_counts_are_zero_and_exploration_sums_three_counts():
    population = buyers(
        search_session_count=[np.nan, np.nan, np.nan],
        collection_session_count=[0, 1, 2],
        product_view_session_count=[0, 2, 5],
    )
    labels = HeadBins.fit(population, PersonasConfig()).labels(population)
    assert labels[:, 1].tolist() == [0, 1, 2]


def test_bins_survive_json():
    population = buyers(duration_seconds=np.arange(9.0), add_to_cart_session_count=np.arange(9) % 3)
    bins = HeadBins.fit(population, PersonasConfig())
    again = HeadBins.from_meta(json.loads(json.dumps(bins.meta(), allow_nan=False)))
    assert np.array_equal(again.labels(population), bins.labels(population))
    assert np.array_equal(again.weights, bins.weights)
    assert again.notes == bins.notes


@given(st.lists(st.integers(0, 40), min_size=1, max_size=60))
def test_merging_keeps_order_and_never_cuts_a_score(scores):
    array = np.array(scores)
    low, high = merged_edges(array)
    assert low < high
    assert low not in scores
    assert high not in scores
    levels = np.searchsorted((low, high), array, side="right")
    assert len(set(levels.tolist())) == min(len(set(scores)), 3)
