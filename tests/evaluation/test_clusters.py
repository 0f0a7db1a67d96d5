from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cosine

from simpersona.buyers.vectors import BuyerVectors
from simpersona.contracts import HEADS
from simpersona.evaluation.clusters import cluster_metrics, pairwise_cosine
from simpersona.evaluation.planted import planted_metrics


def buyers(stratum, x=None):
    n = len(stratum)
    ids = np.array([f"b{i}" for i in range(n)])
    x = np.random.default_rng(0).normal(size=(n, 22)) if x is None else x
    return BuyerVectors(np.full(n, "s"), ids, np.array(list(stratum)), x, np.zeros((n, 16)))


def figures(vectors, codes, labels=None):
    labels = np.zeros((len(vectors), 3), int) if labels is None else labels
    metrics = cluster_metrics("vqvae", vectors, np.array(codes, np.int32), labels)
    return {key.removeprefix("clusters.vqvae."): value for key, value in metrics.values.items()}, metrics.notes


def test_purity_by_hand():
    # code 0: 3 A 1 B; code 5: 1 D; code 7: 1 C 1 D; bouncers do not count
    found, _ = figures(buyers("AAABDCDEEE"), [0, 0, 0, 0, 5, 7, 7, 7, 9, 0])
    assert found["codes_used"] == 3
    assert found["stratum_purity"] == pytest.approx((0.75 + 1 + 0.5) / 3)
    assert found["stratum_purity_weighted"] == pytest.approx((3 + 1 + 1) / 7)


@pytest.mark.parametrize(
    ("stratum", "incompatible"),
    [("ADDDD", 1), ("ADDDDD", 0), ("ABCDD", 1), ("AAAAD", 1), ("AAAAAD", 0), ("ABBCC", 0), ("ABDDDDDDDD", 1)],
)
def test_incompatible_means_20_percent_on_both_sides(stratum, incompatible):
    found, _ = figures(buyers(stratum), [3] * len(stratum))
    assert found["incompatible_codes"] == incompatible


def test_incoherent_buyers_by_hand():
    # code 0: 100 buyers, 5 of them Low, 90 Medium, 5 High; code 1: 60 buyers, 1 Low, 59 High
    codes = np.repeat([0, 1], [100, 60])
    levels = np.concatenate([np.repeat([0, 1, 2], [5, 90, 5]), np.repeat([0, 2], [1, 59])])
    labels = np.zeros((160, 3), int)
    labels[:, 1] = levels
    found, _ = figures(buyers("D" * 160), codes, labels)
    assert found["incoherent_exploration"] == pytest.approx(100 / 160)
    assert found["incoherent_exploration_at_1pct"] == 1.0
    assert found["incoherent_exploration_at_10pct"] == 0.0
    assert found["incoherent_engagement"] == found["incoherent_purchase"] == 0.0


def test_pairwise_cosine_pair_by_pair():
    rng = np.random.default_rng(4)
    x, cluster = rng.normal(size=(30, 6)) + 0.5, rng.integers(0, 4, 30)
    cluster[-1] = 4  # one buyer alone
    means, sizes = [], []
    for code in range(4):
        own = x[cluster == code]
        means.append(np.mean([1 - cosine(a, b) for a, b in combinations(own, 2)]))
        sizes.append(len(own))
    assert pairwise_cosine(x, cluster) == pytest.approx(np.average(means, weights=sizes))


def test_eq_12_by_hand():
    rng = np.random.default_rng(5)
    x, codes = rng.normal(size=(50, 22)), rng.integers(0, 6, 50) * 10
    centre, used = x.mean(axis=0), np.unique(codes)
    own = {code: x[codes == code] for code in used}
    between = sum(len(part) * ((part.mean(axis=0) - centre) ** 2).sum() for part in own.values())
    within = sum(((part - part.mean(axis=0)) ** 2).sum() for part in own.values())
    expected = (between / (len(used) - 1)) / (within / (50 - len(used)))
    found, _ = figures(buyers("D" * 50, x), codes)
    assert found["calinski_harabasz"] == pytest.approx(expected)


def test_what_cannot_be_computed_is_none_with_its_reason():
    found, notes = figures(buyers("AD"), [0, 1])
    assert found["pairwise_cosine"] is None
    assert notes["clusters.vqvae.pairwise_cosine"] == "no code has two buyers"
    assert found["calinski_harabasz"] is None
    assert "found 2 codes and 2 buyers" in notes["clusters.vqvae.calinski_harabasz"]


def test_every_key_is_there_even_without_buyers():
    full, none = (figures(buyers(stratum), [0] * len(stratum)) for stratum in ("DDA", "EE"))
    expected = {"stratum_purity", "stratum_purity_weighted", "incompatible_codes", "pairwise_cosine", "codes_used"}
    expected |= {"calinski_harabasz"}
    expected |= {f"incoherent_{head}{suffix}" for head in HEADS for suffix in ("", "_at_1pct", "_at_10pct")}
    assert set(full[0]) == set(none[0]) == expected
    missing = {key for key, value in none[0].items() if value is None}
    assert missing == expected - {"codes_used"}
    assert set(none[1]) == {f"clusters.vqvae.{key}" for key in missing}


@given(st.lists(st.tuples(st.sampled_from("ABCD"), st.integers(0, 6)), min_size=1, max_size=60))
def test_bounds(rows):
    found, _ = figures(buyers([row[0] for row in rows]), [row[1] for row in rows])
    assert 1 / 5 <= found["stratum_purity"] <= 1
    assert 1 / 5 <= found["stratum_purity_weighted"] <= 1
    assert 0 <= found["incompatible_codes"] <= found["codes_used"] <= len(rows)
    if found["pairwise_cosine"] is not None:
        assert -1 <= found["pairwise_cosine"] <= 1 + 1e-9


def test_planted_agreement_by_hand():
    # Pairs together in both: 2 of 15; in the codes 1 + 3 = 4 (sizes 2, 3, 1), in the types 3 + 3 = 6; hence
    # (2 - 4·6/15) / ((4 + 6)/2 - 4·6/15)
    codes, types = np.array([0, 0, 1, 1, 1, 2]), np.array(["a", "a", "a", "b", "b", "b"])
    expected = (2 - 24 / 15) / (5 - 24 / 15)
    assert planted_metrics(codes, types).values["planted.adjusted_rand"] == pytest.approx(expected)


def test_planted_without_buyers_says_so():
    metrics = planted_metrics(np.array([]), np.array([]))
    assert set(metrics.values.values()) == {None}
    assert set(metrics.notes) == set(metrics.values)
