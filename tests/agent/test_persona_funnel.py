"""What the scorer knows of personas beside their codes, and what a replayed visit counts: by hand."""

import numpy as np
import pytest

from simpersona.agent.persona_funnel import PersonaFunnel


def funnel():
    counts = np.zeros((3, 2, 4), np.int64)
    counts[0, 1] = [50, 10, 20, 20]  # of 100 sessions of buying strata
    counts[1, 0, 0] = 80
    counts[1, 1] = [10, 10, 0, 0]
    return PersonaFunnel(counts, np.array([[1.0, 0, 0, 2], [3.0, 0, 0, 2], [0, 0, 0, 0]]))


def test_visits_count_as_the_sessions_of_their_persona_are_spread():
    code = np.array([0] * 8 + [1] * 4)
    buys = np.array([1] * 8 + [0, 0, 1, 1])
    depth = np.array([0] * 6 + [1, 3] + [0, 0, 0, 1])
    weights = funnel().weights(code, buys, depth)
    # persona 0: real shares .5, .1, .2 of the three depths that were drawn, in 6/8, 1/8 and 1/8 of its visits
    ratio = np.array([0.5 / 0.75] * 6 + [0.1 / 0.125, 0.2 / 0.125])
    assert weights[:8] == pytest.approx(ratio * 8 / ratio.sum())
    # persona 1: .8 and .1, .1 in a half and two quarters
    ratio = np.array([0.8 / 0.5, 0.8 / 0.5, 0.1 / 0.25, 0.1 / 0.25])
    assert weights[8:] == pytest.approx(ratio * 4 / ratio.sum())
    assert np.bincount(code, weights) == pytest.approx([8, 4])


def test_no_visit_counts_more_than_its_limit_allows():
    code, buys = np.zeros(100, int), np.ones(100, int)
    depth = np.array([0] * 99 + [3])  # one order drawn, where one session in five has one
    weights = funnel().weights(code, buys, depth)
    assert weights[-1] / weights[0] == pytest.approx(4 / (0.5 / 0.99))


def test_a_persona_is_told_by_its_funnel_and_an_unused_code_by_nothing():
    known = funnel().known
    assert known.shape == (3, 8)
    assert not known[2].any()
    assert known[:2].mean(axis=0) == pytest.approx(np.zeros(8))
    assert known[0, :4] == pytest.approx(np.ones(4))  # of two codes the one above the mean is one deviation above
    assert known[0, 4] == pytest.approx(-1)
    assert not known[:, 5:].any()  # what does not differ tells nothing
