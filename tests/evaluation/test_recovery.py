import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import jensenshannon
from sklearn.metrics import r2_score

from simpersona.buyers.vectors import BuyerVectors
from simpersona.contracts import ASSIGNMENTS, BUYERS, SCALARS
from simpersona.evaluation.recovery import js_divergence, population_metrics, predicted_strata, r_squared


def buyers(rows):
    """Buyers from (shop, stratum, intent strength) rows."""
    shop, stratum, intent = zip(*rows, strict=True) if rows else ((), (), ())
    scalars = np.zeros((len(rows), len(SCALARS)))
    scalars[:, SCALARS.index("intent_strength")] = intent
    ids = np.array([f"b{i}" for i in range(len(rows))])
    x = np.zeros((len(rows), 22), np.float32)
    return BuyerVectors(np.array(shop, dtype=str), ids, np.array(stratum, dtype=str), x, scalars)


TRAIN = buyers(
    [
        ("t", "A", 0.9),
        ("t", "A", 0.7),
        ("t", "B", 0.5),
        ("u", "C", 0.5),
        ("u", "D", 0.1),
        ("u", "D", 0.0),
        ("u", "E", 9),
    ]
)
TRAIN_CODES = np.array([0, 0, 0, 0, 1, 1, 1])
# profiles: code 0 A ½ B ¼ C ¼, intent 0.65; code 1 D 1, intent 0.05; code 2 unseen
HELD_OUT = buyers(
    [
        ("v", "A", 0.8),
        ("v", "D", 0.2),
        ("w", "D", 0.1),
        ("w", "D", 0.0),
        ("w", "C", 0.3),
        ("w", "D", 0.1),
        ("w", "E", 9),
    ]
)
HELD_OUT_CODES = np.array([0, 1, 1, 1, 0, 1, 0])


def test_eq_5_by_hand():
    values = population_metrics(TRAIN, TRAIN_CODES, HELD_OUT, HELD_OUT_CODES, codes=3).values
    v = jensenshannon([0.25, 0.125, 0.125, 0.5], [0.5, 0, 0, 0.5], base=2) ** 2
    w = jensenshannon([0.125, 0.0625, 0.0625, 0.75], [0, 0, 0.25, 0.75], base=2) ** 2
    assert values["population.js_mean"] == pytest.approx((v + w) / 2)
    assert values["population.js_median"] == pytest.approx((v + w) / 2)
    assert values["population.shops"] == 2
    assert values["population.shops_js_below_010"] == sum(js < 0.1 for js in (v, w))


def test_eq_5_from_tables():
    # code 0: two A and two D in training; code 1: one C; code 7 has no training buyer
    rows = [
        ("train", 0, "A"), ("train", 0, "A"), ("train", 0, "D"), ("train", 0, "D"), ("train", 1, "C"), ("train", 1, "E"),
        ("new", 0, "A"), ("new", 0, "B"), ("new", 0, "D"), ("new", 1, "D"), ("new", 7, "A"), ("new", 1, "E"),
        ("strange", 7, "A"),
    ]  # fmt: skip
    ids = [f"b{place}" for place in range(len(rows))]
    shops = [row[0] for row in rows]
    buyers = BUYERS.sample(len(rows), shop_id=shops, buyer_id=ids, stratum=[row[2] for row in rows])
    assignments = pa.table(
        {"shop_id": shops, "buyer_id": ids, "code": pa.array([row[1] for row in rows], pa.int32())},
        schema=ASSIGNMENTS.schema,
    )
    predicted = predicted_strata(buyers, assignments, {"train"})
    # the mix of "new" over known codes is 3/4 and 1/4
    assert predicted == {"new": pytest.approx({"A": 0.375, "B": 0, "C": 0.25, "D": 0.375})}


def test_eq_6_by_hand():
    metrics = population_metrics(TRAIN, TRAIN_CODES, HELD_OUT, HELD_OUT_CODES, codes=3)
    predicted = [0.5 * 0.65 + 0.5 * 0.05, 0.25 * 0.65 + 0.75 * 0.05]
    real = [0.5, 0.125]
    assert metrics.values["population.r2.intent_strength"] == pytest.approx(r2_score(real, predicted))
    assert metrics.values["population.r2.session_count"] is None
    assert "do not differ" in metrics.notes["population.r2.session_count"]


def test_in_sample_profiles_come_from_the_held_out_shops():
    values = population_metrics(TRAIN, TRAIN_CODES, HELD_OUT, HELD_OUT_CODES, codes=3).values
    # there, code 0 is A ½ C ½ with intent 0.55, and code 1 D with intent 0.1
    v = jensenshannon([0.25, 0, 0.25, 0.5], [0.5, 0, 0, 0.5], base=2) ** 2
    w = jensenshannon([0.125, 0, 0.125, 0.75], [0, 0, 0.25, 0.75], base=2) ** 2
    assert values["population.in_sample.js_mean"] == pytest.approx((v + w) / 2)
    predicted = [0.5 * 0.55 + 0.5 * 0.1, 0.25 * 0.55 + 0.75 * 0.1]
    assert values["population.in_sample.r2.intent_strength"] == pytest.approx(r2_score([0.5, 0.125], predicted))


def test_codes_without_a_profile_are_left_out_and_told():
    codes = HELD_OUT_CODES.copy()
    codes[2] = 2  # one of the four counted buyers of w
    metrics = population_metrics(TRAIN, TRAIN_CODES, HELD_OUT, codes, codes=3)
    v = jensenshannon([0.25, 0.125, 0.125, 0.5], [0.5, 0, 0, 0.5], base=2) ** 2
    w = jensenshannon([1 / 6, 1 / 12, 1 / 12, 2 / 3], [0, 0, 0.25, 0.75], base=2) ** 2
    assert metrics.values["population.js_mean"] == pytest.approx((v + w) / 2)
    assert metrics.notes["population.shops"].startswith("16.67%")
    assert "population.in_sample.shops" not in metrics.notes


def test_one_held_out_shop_has_no_r2():
    one = HELD_OUT.shop_id == "v"
    metrics = population_metrics(TRAIN, TRAIN_CODES, HELD_OUT.take(one), HELD_OUT_CODES[one], codes=2)
    assert metrics.values["population.js_mean"] is not None
    for name in SCALARS:
        assert metrics.values[f"population.r2.{name}"] is None
        assert "two held-out stores or more" in metrics.notes[f"population.r2.{name}"]


def test_no_held_out_shop():
    metrics = population_metrics(TRAIN, TRAIN_CODES, buyers([]), np.zeros(0, np.int32), codes=2)
    assert metrics.values["population.shops"] == 0
    nothing = {key for key, value in metrics.values.items() if value is None}
    assert nothing == set(metrics.values) - {"population.shops", "population.in_sample.shops"} == set(metrics.notes)


def test_an_unknown_scalar_has_no_r2():
    scalars = HELD_OUT.scalars.copy()
    scalars[:, SCALARS.index("mean_order_value")] = np.nan
    unknown = BuyerVectors(HELD_OUT.shop_id, HELD_OUT.buyer_id, HELD_OUT.stratum, HELD_OUT.x, scalars)
    metrics = population_metrics(TRAIN, TRAIN_CODES, unknown, HELD_OUT_CODES, codes=2)
    assert metrics.values["population.r2.mean_order_value"] is None
    assert "does not have" in metrics.notes["population.r2.mean_order_value"]
    assert metrics.values["population.r2.intent_strength"] is not None


weights = arrays(float, 4, elements=st.floats(0, 1, allow_subnormal=False)).filter(lambda w: w.sum() > 0.01)


@given(weights, weights)
@example(np.array([0, 1, 1, 1.0]), np.array([0, 0.42436828, 0.42436828, 0.42436828]))
def test_js_agrees_with_scipy(p, q):
    with np.errstate(invalid="ignore"):  # scipy's root of a sum that rounding made negative
        expected = np.nan_to_num(jensenshannon(p, q, base=2)) ** 2
    assert js_divergence(p / p.sum(), q / q.sum()) == pytest.approx(expected, abs=1e-9)


def test_js_ends_of_the_scale():
    p = np.array([[0.2, 0.8, 0, 0], [1, 0, 0, 0.0]])
    q = np.array([[0.2, 0.8, 0, 0], [0, 0.5, 0.5, 0]])
    assert js_divergence(p, q).tolist() == [0, 1]


def test_shops_that_differ_by_rounding_alone_have_no_r_squared():
    same = np.log1p(1.0)
    assert r_squared(np.array([same, same * (1 + 1e-13)]), np.array([0.7, 0.6])) is None


@given(arrays(float, 6, elements=st.floats(-9, 9)), arrays(float, 6, elements=st.floats(-9, 9)))
def test_r_squared_agrees_with_sklearn(real, predicted):
    found = r_squared(real, predicted)
    if found is None:
        assert ((real - real.mean()) ** 2).sum() < 1e-20  # nothing but rounding
    elif ((real - real.mean()) ** 2).sum() > 1e-6:
        assert found == pytest.approx(r2_score(real, predicted))
