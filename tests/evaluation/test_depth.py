import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from simpersona.contracts import BUYERS, EPISODES, SESSIONS
from simpersona.evaluation.depth import Lengths, depth_metrics, distances_by_chance, matched_lengths
from simpersona.evaluation.metrics_table import DEPTH

STRATUM = {"a": "A", "d": "D", "far": "D"}
SHOP = {"a": "one", "d": "one", "far": "two"}
EMPTY = ("collection_view_count", "search_count", "add_to_cart_count", "checkout_start_count")


def buyers():
    names = list(STRATUM)
    return BUYERS.sample(3, shop_id=[SHOP[name] for name in names], buyer_id=names, stratum=list(STRATUM.values()))


def visits(contract, rows, **columns):
    """Rows of (buyer, product views, orders)."""
    zero = dict.fromkeys(EMPTY, [0] * len(rows))
    return contract.sample(
        len(rows),
        shop_id=[SHOP[row[0]] for row in rows],
        buyer_id=[row[0] for row in rows],
        product_view_count=[row[1] for row in rows],
        purchase_count=[row[2] for row in rows],
        **(zero | columns),
    )


def episodes(rows, **columns):
    ending = {"ending": ["goal_reached"] * len(rows), "code": [1] * len(rows)}
    return visits(EPISODES, rows, **(ending | columns))


def test_depths_by_hand():
    real = visits(SESSIONS, [("d", 1, 0), ("d", 3, 0), ("d", 9, 1), ("a", 2, 0)])
    played = episodes([("d", 2, 0), ("d", 6, 0), ("a", 2, 0), ("a", 7, 1)])
    values = depth_metrics(played, real, buyers(), 200, seed=0).values
    assert (values["depth.D.real_mean"], values["depth.D.agent_mean"]) == (2, 4)  # the order is left out
    assert values["depth.D.wasserstein"] == 2  # 1 to 2, 3 to 6: one and three steps, half of the mass each
    assert (values["depth.A.wasserstein"], values["depth.A.real_sessions"], values["depth.A.agent_episodes"]) == (
        0,
        1,
        1,
    )
    assert values["depth.A.p"] == 1
    assert values["depth.all.agent_episodes"] == 3


def test_everything_a_visit_does_counts():
    played = episodes(
        [("d", 1, 0)], search_count=[2], collection_view_count=[4], add_to_cart_count=[8], checkout_start_count=[16]
    )
    assert matched_lengths(played, visits(SESSIONS, [("d", 0, 0)]), buyers()).agent.tolist() == [31]


def test_shops_and_strata_weigh_as_in_the_episodes():
    # shop two has 3 of 4 episodes of D but 1 of 3 real sessions: its session counts threefold
    real = visits(SESSIONS, [("d", 1, 0), ("d", 1, 0), ("far", 5, 0)])
    played = episodes([("d", 1, 0), ("far", 5, 0), ("far", 5, 0), ("far", 5, 0)])
    values = depth_metrics(played, real, buyers(), 50, seed=0).values
    assert values["depth.D.real_mean"] == 4
    assert values["depth.D.wasserstein"] == 0
    assert values["depth.D.real_deciles"] == [1, 1, 5, 5, 5, 5, 5, 5, 5]


def test_a_side_alone_gives_no_figure_and_the_reason():
    metrics = depth_metrics(episodes([("a", 1, 0)]), visits(SESSIONS, [("d", 1, 0)]), buyers(), 10, seed=0)
    assert metrics.values["depth.D.wasserstein"] is None
    assert metrics.values["depth.D.agent_episodes"] == 0
    assert "no store has both" in metrics.notes["depth.D.p"]
    assert {f"depth.all.{name}" for name in DEPTH.names} <= set(metrics.values)
    blind = episodes([("d", 1, 0)], code=pa.array([None], pa.int32()))
    assert depth_metrics(blind, visits(SESSIONS, [("d", 1, 0)]), buyers(), 10, 0).values["depth.D.agent_mean"] is None


def test_the_distances_by_chance_are_scipys():
    real = np.array([0, 2, 2, 5])
    lengths = Lengths(real, np.array([1.0, 1.0, 1.0, 3.0]), np.zeros(7, int))
    ours = distances_by_chance(lengths, 4000, seed=0)
    rng = np.random.default_rng(1)
    theirs = [
        stats.wasserstein_distance(real, rng.choice(real, 7, p=lengths.weights / 6), lengths.weights)
        for _ in range(2000)
    ]
    assert ours.mean() == pytest.approx(np.mean(theirs), rel=0.05)
    assert ours.std() == pytest.approx(np.std(theirs), rel=0.1)
