import numpy as np
import pyarrow as pa
import pytest
from scipy.spatial.distance import jensenshannon

from simpersona.contracts import ASSIGNMENTS
from simpersona.evaluation.drift import drift


def codes_of(counts, shop="s"):
    """ASSIGNMENTS of one shop with so many buyers per code."""
    codes = np.repeat(np.arange(len(counts)), counts)
    ids = [f"b{place}" for place in range(len(codes))]
    columns = {"shop_id": [shop] * len(codes), "buyer_id": ids, "code": pa.array(codes, pa.int32())}
    return pa.table(columns, schema=ASSIGNMENTS.schema)


def of_shop(before, after, repeats=300, seed=0):
    shops, moves = drift(codes_of(before), codes_of(after), seed, repeats)
    return shops.to_pylist()[0], moves.to_pylist()


def test_figures_by_hand():
    shop, moves = of_shop([6, 3, 1], [2, 3, 5])
    assert (shop["buyers_before"], shop["buyers_after"]) == (10, 10)
    assert shop["js_plain"] == pytest.approx(jensenshannon([0.6, 0.3, 0.1], [0.2, 0.3, 0.5], base=2) ** 2)
    assert [(move["before"], move["after"]) for move in moves] == [(0.6, 0.2), (0.3, 0.3), (0.1, 0.5)]
    # Agresti and Caffo: one buyer with and one without the code more in each period
    first, second = 7 / 12, 3 / 12
    error = 1.959964 * np.sqrt(first * (1 - first) / 12 + second * (1 - second) / 12)
    assert moves[0]["change"] == pytest.approx(-0.4)
    assert (moves[0]["low"], moves[0]["high"]) == pytest.approx((second - first - error, second - first + error))


def test_what_chance_adds_is_taken_off():
    rng = np.random.default_rng(0)
    found = [of_shop(*rng.multinomial(300, np.full(20, 0.05), 2), repeats=100, seed=i)[0] for i in range(60)]
    assert np.mean([shop["js_plain"] for shop in found]) > 0.015
    assert np.mean([shop["js"] for shop in found]) < 0.004
    # by chance 5 % are below 0.05, and 5 % of the shops show a code as moved
    assert np.mean([shop["p_value"] < 0.05 for shop in found]) < 0.15
    assert np.mean([shop["codes_moved"] > 0 for shop in found]) < 0.15


def test_planted_divergences_lie_in_their_intervals():
    rng = np.random.default_rng(1)
    before = rng.dirichlet(np.full(16, 1.0))
    for strength in (0.3, 1.0):
        after = before * np.exp(rng.normal(0, strength, 16))
        after /= after.sum()
        planted = jensenshannon(before, after, base=2) ** 2
        found = [of_shop(rng.multinomial(500, before), rng.multinomial(700, after), 200, seed)[0] for seed in range(80)]
        assert np.mean([shop["low"] <= planted <= shop["high"] for shop in found]) >= 0.9
        assert np.mean([shop["js"] for shop in found]) == pytest.approx(planted, rel=0.15)


def test_the_code_that_moved_is_named():
    shop, moves = of_shop([100, 450, 450], [200, 400, 400], repeats=1000)
    assert shop["p_value"] == pytest.approx(1 / 1001)
    assert moves[0]["moved"]
    assert moves[0]["low"] > 0.06
    assert moves[0]["high"] < 0.14
    same, moves = of_shop([100, 450, 450], [101, 448, 451], repeats=1000)
    assert same["p_value"] > 0.5
    assert not any(move["moved"] for move in moves)


def test_a_shop_without_buyers_in_a_period_has_no_figures_and_shops_stay_apart():
    both = pa.concat_tables([codes_of([5, 5], "a"), codes_of([5, 5], "b")])
    shops, moves = drift(both, codes_of([5, 5], "b"), repeats=50)
    first, second = shops.to_pylist()
    assert (first["shop_id"], first["buyers_after"], first["js"], first["codes_moved"]) == ("a", 0, None, None)
    assert second["js"] == 0
    assert set(moves["shop_id"].to_pylist()) == {"b"}


def test_the_same_seed_gives_the_same_figures_and_a_single_code_none():
    first, again = (of_shop([30, 20, 9], [20, 30, 9], seed=4) for _ in range(2))
    assert first == again
    shop, moves = of_shop([30], [12])
    assert (shop["js"], shop["p_value"], moves[0]["moved"]) == (0, 1, False)
