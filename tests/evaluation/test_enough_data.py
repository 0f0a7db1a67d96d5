"""What a small log is said to carry."""

from __future__ import annotations

import pytest

from simpersona.evaluation.enough_data import (
    ENOUGH_BUYERS,
    buyers_with_behaviour,
    few_buyers,
    few_per_code,
    strata_without_pairs,
)


def test_bouncers_show_no_behaviour():
    assert buyers_with_behaviour({"A": 1, "B": 2, "C": 3, "D": 4, "E": 1000}) == 10
    assert buyers_with_behaviour({"E": 5}) == buyers_with_behaviour({}) == 0


@pytest.mark.parametrize(
    ("buyers", "wide", "use"),
    [
        (1, "98", "too few for personas"),
        (58, "13", "too few for personas"),
        (99, "10", "too few for personas"),
        (100, "10", "enough for the largest personas"),
        (399, "5", "enough for the largest personas"),
    ],
)
def test_few_buyers_are_said_with_what_they_carry(buyers, wide, use):
    text = few_buyers(buyers)
    assert text is not None
    assert text.startswith(f"Few buyers. {buyers} buyer{'s' * (buyers > 1)} did more than leave")
    assert f"± {wide} percentage points. That is {use}" in text


def test_enough_and_no_buyers():
    assert few_buyers(ENOUGH_BUYERS) is few_buyers(10**6) is None
    assert few_buyers(0).startswith("No buyer looked at a product")


@pytest.mark.parametrize(
    ("training", "codes", "least", "buyers_of", "starts"),
    [
        (58, 32, 20, [58], ["58 training buyers are too few for 32 codes", "All 58 buyers are on one code"]),
        (58, 2, 20, [30, 28], []),
        (640, 32, 20, [20] * 32, []),
        (639, 32, 20, [20] * 31, ["639 training buyers"]),
        (1000, 4, 20, [500, 480, 19, 1], ["2 of 4 codes have fewer than 20 buyers"]),
        (5, 32, 0, [3, 2], []),  # nobody asked for a least number
        (5, 8, 20, [5], ["5 training buyers", "All 5 buyers", "1 of 1 codes"]),
    ],
)
def test_codes_need_buyers(training, codes, least, buyers_of, starts):
    said = few_per_code(training, codes, least, buyers_of)
    assert len(said) == len(starts)
    assert all(sentence.startswith(start) for sentence, start in zip(said, starts, strict=True))
    assert all("personas.codes = 31" in sentence for sentence in said if sentence.startswith("639"))


def test_strata_without_pairs_are_named():
    assert strata_without_pairs(["A", "B", "C", "D"], 20, 5) is None
    assert strata_without_pairs({"D", "A"}, 20, 5).startswith(
        "No persona of stratum B, C has a pair with 20 real sessions and 5"
    )
    assert strata_without_pairs([], 20, 5).startswith("No stratum has a pair")
