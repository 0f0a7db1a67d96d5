from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from simpersona.config import PersonasConfig
from simpersona.personas.sample import balanced_sample, split

CONFIG = PersonasConfig(buyers_per_shop=7, buyers_per_stratum=3)
buyers = st.lists(st.tuples(st.sampled_from("pqr"), st.sampled_from("ABCDE")), max_size=120)


@given(buyers, st.integers(0, 5))
def test_caps_hold_and_as_many_are_taken_as_they_allow(rows, seed):
    shop, stratum = (np.array([row[i] for row in rows], dtype="U1") for i in (0, 1))
    taken = balanced_sample(shop, stratum, CONFIG, seed)
    assert len(set(taken.tolist())) == len(taken)
    assert "E" not in stratum[taken]
    drawn = Counter(zip(shop[taken].tolist(), stratum[taken].tolist(), strict=True))
    there = Counter(row for row in rows if row[1] != "E")
    for name in "pqr":
        per_stratum = {s: min(there[name, s], 3) for s in "ABCD"}
        assert sum(drawn[name, s] for s in "ABCD") == min(sum(per_stratum.values()), 7)
        assert all(drawn[name, s] <= per_stratum[s] for s in "ABCD")


def test_paper_caps_give_1200_buyers_of_a_large_shop():
    stratum = np.repeat(list("ABCDE"), 1000)
    taken = balanced_sample(np.full(5000, "shop"), stratum, PersonasConfig(), seed=0)
    assert Counter(stratum[taken].tolist()) == dict.fromkeys("ABCD", 300)
    again = balanced_sample(np.full(5000, "shop"), stratum, PersonasConfig(), seed=0)
    other = balanced_sample(np.full(5000, "shop"), stratum, PersonasConfig(), seed=1)
    assert np.array_equal(taken, again)
    assert not np.array_equal(taken, other)


@given(st.integers(0, 200), st.floats(0, 1), st.integers(0, 5))
def test_split_is_a_partition_of_the_asked_size(n, share, seed):
    rows = np.arange(n) * 3
    train, validation = split(rows, share, seed)
    assert sorted([*train, *validation]) == rows.tolist()
    if n > 1 and share > 0:
        assert len(train) >= 1
        assert len(validation) == min(max(round(share * n), 1), n - 1)


def test_paper_split():
    train, validation = split(np.arange(44_559), 0.15, seed=0)
    assert (len(train), len(validation)) == (37_875, 6_684)
