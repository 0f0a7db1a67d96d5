"""Shares of the wanted type, counted by hand."""

import re
from itertools import product

import pyarrow as pa
import pytest

from simpersona.contracts import EPISODES, PRODUCTS, SESSIONS
from simpersona.evaluation.goal_following import NOT_IN_CATALOGUE, goal_following_metrics
from simpersona.evaluation.metrics_table import FOLLOWED, FOLLOWING_DIFFERENCE, GOAL_FOLLOWING, GOALS_COUNTED

TYPES = {
    "one": {"s1": "Skirts", "s2": "Skirts", "h1": "Hats", "new": None},
    "two": {"t1": "TV stands", "t2": "lamps"},
}


def products(types=TYPES):
    rows = [(shop, name, kind) for shop, names in types.items() for name, kind in names.items()]
    shops, names, kinds = zip(*rows, strict=True)
    return PRODUCTS.sample(len(rows), shop_id=shops, product_id=names, product_type=kinds)


def visits(rows, **columns):
    """Rows of (store, session, wish, products viewed, products added)."""
    shops, sessions, wishes, views, additions = zip(*rows, strict=True)
    goals = {
        "shop_id": shops,
        "buyer_id": ["b"] * len(rows),
        "session_id": sessions,
        "wish": wishes,
        "code": [1] * len(rows),
    }
    return EPISODES.sample(len(rows), **(goals | {"views": views, "additions": additions} | columns))


def recorded(rows):
    """Rows of (store, session, products viewed, products added); each timeline has a search before and an order after them."""
    timelines = [
        [
            {"event": "search_submitted", "query": "skirts"},
            *({"event": "product_viewed", "product_id": name} for name in views),
            *({"event": "product_added_to_cart", "product_id": name} for name in additions),
            {"event": "checkout_completed", "product_id": "h1"},
        ]
        for _, _, views, additions in rows
    ]
    return SESSIONS.sample(
        len(rows),
        shop_id=[row[0] for row in rows],
        buyer_id=["b"] * len(rows),
        session_id=[row[1] for row in rows],
        timeline=timelines,
    )


REAL = recorded(
    [
        ("one", "x", ["s1", "s1", "s2", "h1"], ["s1"]),  # 3 of 4, 1 of 1
        ("one", "y", ["h1"], []),
        ("two", "x", ["t1", "t2"], ["t2", "t2"]),  # 1 of 2, 0 of 2
        ("two", "unused", ["t2"] * 9, ["t2"] * 9),
    ]
)
PLAYED = [
    ("one", "x", "skirts", ["s1", "h1", "h1", "h1"], ["h1"]),  # 1 of 4, 0 of 1
    ("one", "x", "skirts", ["h1"], []),  # the same session again: 0 of 1
    ("one", "y", "hats", ["h1"], ["h1", "s1"]),  # 1 of 1, 1 of 2
    ("two", "x", "TV stands", [], []),
]


def measure(played, real=REAL, catalogue=None, replicates=200):
    return goal_following_metrics(played, real, catalogue or products(), replicates, seed=0)


def test_shares_by_hand():
    values = measure(visits(PLAYED)).values
    agent, real, difference = (
        [values[f"goal_following.{row}.{name}"] for name in FOLLOWED] for row in ("agent", "real", "difference")
    )
    assert agent == pytest.approx([2 / 6, 1 / 3, 2 / 4], abs=1e-6)
    # session one/x gave two goals: 3 + 3 + 1 + 1 of 4 + 4 + 1 + 2 views, 1 + 1 + 0 of 1 + 1 + 2 additions
    assert real == pytest.approx([8 / 11, 2 / 4, 1], abs=1e-6)
    assert difference == pytest.approx([2 / 6 - 8 / 11, 1 / 3 - 2 / 4, -1 / 2], abs=2e-6)
    assert [values[f"goal_following.{side}.product_view_count"] for side in ("agent", "real")] == [6, 11]
    assert [values[f"goal_following.{side}.add_to_cart_count"] for side in ("agent", "real")] == [3, 4]
    assert (values["goal_following.visits"], values["goal_following.left_out"]) == (4, 0)


def test_other_goals_and_unknown_sessions_are_left_out_on_both_sides():
    rows = [
        *PLAYED,
        ("one", "x", "new arrivals", ["s1"] * 50, ["s1"] * 50),  # a collection
        ("one", "x", "something new", ["s1"] * 50, []),
        ("one", "x", "lamps", ["s1"] * 50, []),  # another store sells them
        ("one", "x", None, ["s1"] * 50, []),
        ("two", "lost", "lamps", ["t2"] * 50, ["t2"] * 50),
    ]
    values = measure(visits(rows)).values
    assert values | {"goal_following.left_out": 0} == measure(visits(PLAYED)).values
    assert (values["goal_following.visits"], values["goal_following.left_out"]) == (4, 5)


def test_visits_without_a_persona_do_not_count():
    rows = [*PLAYED, ("one", "x", "skirts", ["s1"] * 50, ["s1"] * 50)]
    blind = visits(rows, code=pa.array([1, 1, 1, 1, None], pa.int32()))
    assert measure(blind) == measure(visits(PLAYED))


def test_a_product_without_a_type_is_unknown_not_another_type():
    rows = [("one", "x", "skirts", ["s1", "new", "gone"], ["new"]), ("one", "x", "skirts", ["gone"], [])]
    metrics = measure(visits(rows))
    assert metrics.values["goal_following.agent.views"] == 1
    assert metrics.values["goal_following.agent.saw"] == 1  # nothing is known of what the second visit saw
    assert metrics.values["goal_following.agent.product_view_count"] == 1
    for row in ("agent", "difference"):
        assert metrics.values[f"goal_following.{row}.additions"] is None
        assert metrics.notes[f"goal_following.{row}.additions"] == (
            "no addition to the cart of a product with a known type"
        )
    assert metrics.values["goal_following.real.additions"] == 1


def test_intervals_are_over_stores_and_the_two_sides_share_the_samples():
    # store one: agent 1 of 4 views, real 3 of 4; store two: agent 1 of 1, real 1 of 2
    rows = [PLAYED[0], ("two", "x", "TV stands", ["t1"], [])]
    values = measure(visits(rows), replicates=2000).values
    possible = [  # each of the two draws takes one of the stores
        (sum(one[0] for one in drawn) / sum(one[1] for one in drawn))
        - (sum(one[2] for one in drawn) / sum(one[3] for one in drawn))
        for drawn in product([(1, 4, 3, 4), (1, 1, 1, 2)], repeat=2)
    ]
    assert values["goal_following.difference.views_ci95"] == pytest.approx([min(possible), max(possible)], abs=1e-6)
    assert values["goal_following.agent.views_ci95"] == pytest.approx([1 / 4, 1], abs=1e-6)
    assert values["goal_following.real.views_ci95"] == pytest.approx([1 / 2, 3 / 4], abs=1e-6)


def test_a_single_store_has_figures_without_intervals():
    metrics = measure(visits(PLAYED[:3]))
    assert metrics.values["goal_following.agent.views"] == pytest.approx(2 / 6, abs=1e-6)
    assert metrics.values["goal_following.agent.views_ci95"] is None
    assert metrics.notes["goal_following.difference.views_ci95"] == "needs visits to two stores or more"


def test_nobody_who_views_anything_has_seen_nothing():
    metrics = measure(visits([("one", "x", "skirts", [], [])]))
    assert metrics.values["goal_following.agent.saw"] == 0
    assert metrics.values["goal_following.agent.views"] is None


def without_types():
    return products({shop: dict.fromkeys(names) for shop, names in TYPES.items()})


@pytest.mark.parametrize(
    ("played", "real", "catalogue", "reason"),
    [
        (visits(PLAYED, code=pa.nulls(4, pa.int32())), REAL, products(), "no visit with a persona token"),
        (visits(PLAYED), REAL, without_types(), "the catalogue has no product types"),
        (visits(PLAYED), SESSIONS.empty(), products(), "the sessions that gave the goals are not recorded"),
        (visits([("one", "x", "new arrivals", ["s1"], [])]), REAL, products(), "no goal names a product type"),
        (
            EPISODES.conform(visits(PLAYED).drop_columns(["views", "additions"])),
            REAL,
            products(),
            r"earlier version.*run `simpersona simulate --force`",
        ),
    ],
    ids=["no token", "no types", "no sessions", "other goals", "an earlier version's visits"],
)
def test_every_gap_has_its_reason(played, real, catalogue, reason):
    metrics = measure(played, real, catalogue)
    names = [metric.key for block in (GOAL_FOLLOWING, FOLLOWING_DIFFERENCE) for metric in block.metrics()]
    assert {metrics.values[name] for name in names} == {None}
    for name in names:
        assert re.search(reason, metrics.notes[name])
    assert metrics.values["goal_following.visits"] == 0


def test_every_declared_key_is_measured():
    blocks = (GOAL_FOLLOWING, FOLLOWING_DIFFERENCE, GOALS_COUNTED)
    assert measure(visits(PLAYED)).values.keys() == {metric.key for block in blocks for metric in block.metrics()}


def test_products_that_the_catalogue_does_not_have_are_unknown_where_they_are_inferred():
    played = [("one", "x", "skirts", ["red-skirt"], []), ("one", "y", "hats", [], [])]
    columns = {"inferred": [["product_view_count"]] * 2}
    metrics = measure(visits(played, **columns))
    for key in ("agent.views", "agent.saw", "difference.saw", "agent.product_view_count"):
        assert metrics.values[f"goal_following.{key}"] is None
        assert metrics.notes[f"goal_following.{key}"] == NOT_IN_CATALOGUE
    assert metrics.values["goal_following.real.views"] is not None
    known = measure(visits([("one", "x", "skirts", ["s1"], None)], inferred=[["product_view_count"]]))
    assert known.values["goal_following.agent.views"] == 1
    assert known.values["goal_following.agent.additions"] is None
