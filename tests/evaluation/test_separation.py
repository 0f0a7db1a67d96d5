import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from simpersona.config import EvaluationConfig
from simpersona.contracts import EPISODES
from simpersona.evaluation.separation import (
    cohens_d,
    permutation_p,
    separation_metrics,
    simulation_scores,
    token_means,
)

CONFIG = EvaluationConfig(permutations=999)
ALIKE = np.tile([[0], [0], [0], [1], [2], [2], [2]], (1, 3))


def make_episodes(codes, **columns):
    count = len(codes)
    zeros = {
        f"{what}_count": [0] * count
        for what in ("product_view", "collection_view", "search", "add_to_cart", "checkout_start", "purchase")
    }
    return EPISODES.sample(
        count,
        code=codes,
        **({"ending": ["goal_reached"] * count, "steps": [0] * count} | zeros | columns),
    )


def test_scores_of_one_simulation():
    episodes = make_episodes(
        [0, 0],
        steps=[4, 7],
        search_count=[1, 0],
        collection_view_count=[2, 0],
        product_view_count=[3, 1],
        add_to_cart_count=[2, 0],
        purchase_count=[1, 0],
    )
    scores = simulation_scores(episodes)
    assert scores["engagement"].tolist() == [4, 7]
    assert scores["exploration"].tolist() == [6, 1]
    assert scores["purchase"].tolist() == [11, 0]  # 8 + 3 once, though two things went to the cart


def test_a_token_counts_once_with_its_mean():
    codes, means = token_means(np.array([3, 3, 5]), np.array([1.0, 2.0, 7.0]))
    assert codes.tolist() == [3, 5]
    assert means.tolist() == [1.5, 7]


def test_statistics_against_scipy_and_by_hand():
    engagement = [1, 2, 4, 3, 5, 8, 9]
    metrics = separation_metrics(make_episodes(list(range(7)), steps=engagement), ALIKE, CONFIG, seed=0)
    low, medium, high = [1, 2, 4], [3], [5, 8, 9]
    values = metrics.values
    assert values["separation.engagement.low"] == pytest.approx(7 / 3)
    assert values["separation.engagement.medium"] == 3
    assert values["separation.engagement.high"] == pytest.approx(22 / 3)
    # variances 7/3 and 13/3, pooled (2 * 7/3 + 2 * 13/3) / 4 = 10/3
    assert values["separation.engagement.cohens_d"] == pytest.approx(5 / np.sqrt(10 / 3), abs=1e-6)
    welch = stats.ttest_ind(low, high, equal_var=False).pvalue
    assert values["separation.engagement.welch_p"] == pytest.approx(welch, abs=1e-6)
    assert values["separation.engagement.kruskal_p"] == pytest.approx(stats.kruskal(low, medium, high).pvalue, abs=1e-6)


def test_permutation_p_is_that_of_all_deals():
    values, level = np.array([1.0, 2, 4, 5, 8, 9]), np.array([0, 0, 0, 2, 2, 2])
    exact = stats.permutation_test(
        (values[:3], values[3:]), lambda a, b, axis: np.abs(a.mean(axis) - b.mean(axis)), alternative="greater",
        vectorized=True,
    ).pvalue  # fmt: skip
    assert exact == pytest.approx(2 / 20)
    assert permutation_p(values, level, 20_000, seed=0) == pytest.approx(exact, abs=0.01)


@given(st.lists(st.floats(-5, 5), min_size=4, max_size=9), st.integers(0, 5))
def test_permutation_p_is_never_zero_and_follows_the_seed(values, seed):
    level = np.array([0, 2] * 5)[: len(values)]
    p = permutation_p(np.array(values), level, 50, seed)
    assert 1 / 51 <= p <= 1
    assert p == permutation_p(np.array(values), level, 50, seed)


def test_cohens_d_without_spread_is_unknown():
    assert np.isnan(cohens_d(np.array([1.0, 1]), np.array([2.0, 2])))


def test_too_few_tokens_give_none_and_the_numbers():
    metrics = separation_metrics(make_episodes([0, 1, 4]), ALIKE, CONFIG, seed=0)
    assert metrics.values["separation.purchase.cohens_d"] is None
    assert "2 low, 0 medium, 1 high" in metrics.notes["separation.purchase.cohens_d"]
    assert metrics.values["separation.purchase.medium"] is None


def test_groups_without_spread_are_not_tested():
    metrics = separation_metrics(make_episodes([0, 1, 4, 5]), ALIKE, CONFIG, seed=0)
    assert "no spread" in metrics.notes["separation.engagement.welch_p"]


def test_funnel_by_the_purchase_bin_and_no_tokenless_episode():
    levels = np.zeros((7, 3), dtype=int)
    levels[:, 2] = ALIKE[:, 0]  # HEADS order: purchase is the last
    episodes = make_episodes(
        [0, 1, 4, 5, None],
        add_to_cart_count=[0, 1, 1, 1, 1],
        checkout_start_count=[0, 0, 1, 0, 1],
    )
    metrics = separation_metrics(episodes, levels, CONFIG, seed=0)
    values = metrics.values
    assert values["separation.funnel.low.episodes"] == 2
    assert values["separation.funnel.low.add_to_cart"] == 0.5
    assert values["separation.funnel.high.add_to_cart"] == 1
    assert values["separation.funnel.high.checkout"] == 0.5
    assert values["separation.funnel.medium.checkout"] is None
