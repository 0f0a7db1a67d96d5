"""The numbers and the words of a card, by hand and beside scipy."""

import doctest
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import percentileofscore

from simpersona.buyers.vectors import BuyerVectors
from simpersona.contracts import CARDS, PRODUCTS, SCALARS
from simpersona.personas import card_text
from simpersona.personas.card_text import VISIT, describe_session
from simpersona.personas.cards import percentiles, persona_cards, typical_sessions
from simpersona.personas.product_types import ProductTypeViews


def products(types):
    names = [f"p{place}" for place in range(len(types))]
    return PRODUCTS.sample(len(types), shop_id=["s"] * len(types), product_id=names, product_type=types)


def kinds(*rows):
    """Rows of (code, how many sessions, their counts in the order of VISIT)."""
    columns = {name: [row[2][place] for row in rows] for place, name in enumerate(VISIT)}
    return pa.table(
        columns | {"code": [row[0] for row in rows], "sessions": [row[1] for row in rows], "seconds": [0.0] * len(rows)}
    )


def test_percentiles_are_scipys_mean_ranks_among_what_is_known():
    scalars = np.full((6, len(SCALARS)), np.nan)
    scalars[:, 0] = [0, 0, 0, 2, 5, np.nan]
    scalars[:, 1] = [3, 1, 2, 6, 5, 4]
    found = percentiles(scalars)
    assert found[:5, 0] == pytest.approx([30, 30, 30, 70, 90])  # three of five share the lowest place
    for column, known in ((0, scalars[:5, 0]), (1, scalars[:, 1])):
        expected = percentileofscore(known, known, kind="mean")
        assert found[: len(known), column] == pytest.approx(expected)
    assert np.isnan(found[5, 0])
    assert np.isnan(found[:, 2:]).all()


def test_a_cards_numbers_by_hand():
    scalars = np.full((5, len(SCALARS)), np.nan)
    scalars[:, SCALARS.index("session_count")] = [1, 1, 1, 2, 4]
    buyers = BuyerVectors(
        np.array(["s", "s", "t", "s", "t"]),
        np.full(5, ""),
        np.array(["D", "D", "D", "A", "C"]),
        np.zeros((5, 0), np.float32),
        scalars,
    )
    personas = SimpleNamespace(head_levels=lambda: np.array([[0, 0, 0], [1, 1, 1], [0, 1, 2]]))
    first, second = CARDS.check(persona_cards(personas, buyers, np.array([0, 0, 0, 2, 0]))).to_pylist()
    assert (first["code"], first["buyers"], first["shops"], first["shop_share"]) == (0, 4, 2, 0.5)
    assert [first[f"share_{stratum}"] for stratum in "ABCDE"] == [0, 0, 0.25, 0.75, 0]
    assert (first["stratum"], first["stratum_share"]) == ("D", 0.75)
    assert first["session_count"] == 1.75
    assert first["session_count_percentile"] == pytest.approx((30 + 30 + 30 + 90) / 4)
    assert second["session_count_percentile"] == pytest.approx(70)
    assert first["search_session_count"] is first["search_session_count_percentile"] is None
    assert (second["engagement"], second["exploration"], second["purchase"]) == ("low", "medium", "high")
    assert first["session"] is first["product_types"] is None


def test_shares_of_product_types_count_buyers_not_views():
    catalogue = products(["skirts", "skirts", "mugs", None])
    viewed = [["p0", "p1"], ["p0", "p2"], ["p3", "gone"], None, ["p2"]]
    table = pa.table({"shop_id": ["s"] * 5, "viewed": pa.array(viewed, pa.list_(pa.string()))})
    codes = np.array([1, 1, 1, 0, 0])
    tastes = ProductTypeViews.of([(table.slice(0, 2), codes[:2]), (table.slice(2), codes[2:])], catalogue, 3)
    assert tastes.viewers.tolist() == [1, 2, 0]  # what has no type or is not in the catalogue tells nothing
    assert tastes.most_viewed(1, 3) == [
        {"product_type": "skirts", "share": 1.0, "lift": pytest.approx(1 / (2 / 3))},
        {"product_type": "mugs", "share": 0.5, "lift": pytest.approx(0.5 / (2 / 3))},
    ]
    assert [row["product_type"] for row in tastes.most_viewed(1, 1)] == ["skirts"]
    assert tastes.most_viewed(2, 3) == []


def test_the_same_product_id_in_two_shops_is_two_products():
    catalogue = pa.concat_tables([products(["skirts"]), PRODUCTS.sample(1, shop_id=["t"], product_id=["p0"])])
    table = pa.table({"shop_id": ["u", "s"], "viewed": [["p0"], ["p0"]]})
    assert ProductTypeViews.of([(table, np.array([0, 1]))], catalogue, 2).viewers.tolist() == [0, 1]


def test_a_catalogue_without_types_has_no_tastes():
    assert ProductTypeViews.of([], products([None]), 2) is None


def test_the_typical_session_is_a_real_one_at_the_medians():
    visits = kinds(
        (4, 1, (2, 0, 6, 1, 0, 0)),
        (4, 3, (2, 0, 5, 0, 0, 0)),
        (4, 3, (0, 0, 7, 1, 1, 1)),
        (9, 1, (0, 0, 1, 0, 0, 0)),
    )
    # medians of code 4 over its seven sessions: 2 searches, 6 views, one cart, no checkout, no order
    assert typical_sessions(visits) == {
        4: "Searches twice, views 6 products, carts one, leaves.",
        9: "Views one product, leaves.",
    }


def test_of_equally_near_sessions_the_more_frequent_is_typical():
    visits = kinds((0, 2, (0, 0, 1, 0, 0, 0)), (0, 3, (0, 1, 0, 0, 0, 0)), (0, 2, (0, 1, 1, 1, 0, 0)))
    assert typical_sessions(visits) == {0: "Opens one collection, leaves."}


@pytest.mark.parametrize(
    ("counts", "seconds", "words"),
    [
        ((2, 0, 6, 1, 0, 0), None, "Searches twice, views 6 products, carts one, leaves."),
        (
            (1, 0, 1, 3, 1, 0),
            59 * 60,
            "Searches once, views one product, carts 3, starts the checkout, leaves after 59 minutes.",
        ),
        ((0, 0, 2, 1, 1, 1), 20, "Views 2 products, carts one, buys within a minute."),
        ((0, 0, 0, 0, 0, 2), 0, "Buys twice."),
        ((3, 0, 0, 0, 0, 0), 60, "Searches 3 times, leaves after one minute."),
        ((0, 0, 0, 0, 0, 0), 3 * 3600, "Looks around, leaves after 3 hours."),
    ],
)
def test_sessions_in_words(counts, seconds, words):
    assert describe_session(dict(zip(VISIT, counts, strict=True)), seconds) == words


def test_the_examples_in_the_docs_are_true():
    assert doctest.testmod(card_text) == (0, 2)
