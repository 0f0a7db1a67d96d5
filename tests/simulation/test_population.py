from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from simpersona.contracts import MIX, Moment, RecordedSession
from simpersona.errors import ContractError
from simpersona.simulation.population import draw_population, first_of_each_shop, without_tokens

SHARES = {0: 0.5, 1: 0.3, 2: 0.2}
WAYS = ("multinomial", "stratified", "systematic")
SKIRT = (Moment("product_viewed", "p1", "Pleated Skirt", "Skirts"),)


def session(shop="s", code=0, buyer="b", stratum="A", number=0, timeline=SKIRT):
    return RecordedSession(shop, f"{shop}-{code}-{buyer}", f"session-{number}", stratum, code, timeline)


def mix_of(shares, shop="s"):
    rows = [{"shop_id": shop, "code": code, "share": share, "buyers": 10} for code, share in shares.items()]
    return pa.Table.from_pylist(rows, MIX.schema)


def everybody(shop="s", codes=SHARES):
    return [session(shop, code, f"b{buyer}") for code in codes for buyer in range(3)]


def test_codes_follow_the_mix():
    goals = draw_population(mix_of(SHARES), everybody(), 3000, seed=1)
    seen = Counter(goal.code for goal in goals)
    expected = [3000 * share for share in SHARES.values()]
    assert stats.chisquare([seen[code] for code in SHARES], expected).pvalue > 0.01


def test_buyers_of_a_code_are_equally_likely_however_many_sessions_they_have():
    busy = [session(buyer="busy", number=number) for number in range(9)]
    goals = draw_population(mix_of({0: 1.0}), [*busy, session(buyer="calm")], 1000, seed=2)
    calm = sum(goal.buyer_id == "s-0-calm" for goal in goals)
    assert stats.binomtest(calm, 1000, 0.5).pvalue > 0.01


def test_a_goal_is_the_intent_of_its_session():
    buying, browsing = session(stratum="C", code=0), session(stratum="D", code=1)
    goals = draw_population(mix_of({0: 0.5, 1: 0.5}), [buying, browsing], 40, seed=0)
    assert {(goal.code, goal.intent, goal.text) for goal in goals} == {
        (0, "buy", "You are here to buy skirts."),
        (1, "browse", "You are here to browse skirts."),
    }


def test_shops_share_the_episodes_evenly():
    mixes = pa.concat_tables([mix_of(SHARES, shop) for shop in ("a", "b", "c")])
    sessions = [one for shop in ("c", "a", "b") for one in everybody(shop)]
    goals = draw_population(mixes, sessions, 8, seed=0)
    assert Counter(goal.shop_id for goal in goals) == {"a": 3, "b": 3, "c": 2}


def test_a_code_with_only_bouncers_or_empty_sessions_is_left_out():
    sessions = [session(code=0), session(code=1, stratum="E"), session(code=2, timeline=())]
    goals = draw_population(mix_of(SHARES), sessions, 20, seed=0)
    assert {goal.code for goal in goals} == {0}


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 30))
def test_the_same_seed_gives_the_same_population_and_more_episodes_only_add(seed, episodes):
    goals = draw_population(mix_of(SHARES), everybody(), episodes, seed)
    assert len(goals) == episodes
    assert goals == draw_population(mix_of(SHARES), everybody()[::-1], episodes, seed)
    assert draw_population(mix_of(SHARES), everybody(), episodes + 7, seed)[:episodes] == goals


def test_agents_without_tokens_have_the_same_goals():
    goals = draw_population(mix_of(SHARES), everybody(), 5, seed=0)
    blind = without_tokens(goals)
    assert [goal.code for goal in blind] == [None] * 5
    assert [goal.text for goal in blind] == [goal.text for goal in goals]


def test_nothing_to_draw_from_is_an_error_that_says_what_to_do():
    with pytest.raises(ContractError, match="no session to take an intent from"):
        draw_population(mix_of(SHARES), [session(stratum="E")], 5, seed=0)
    with pytest.raises(ContractError, match="expected a code in both"):
        draw_population(mix_of({7: 1.0}), everybody(), 5, seed=0)


def counts(sampling, episodes, seeds, shares=SHARES):
    """Visits of each code by seed: an array of shape (seeds, codes)."""
    people = everybody(codes=shares)
    drawn = [draw_population(mix_of(shares), people, episodes, seed, sampling) for seed in range(seeds)]
    return np.array([[sum(goal.code == code for goal in goals) for code in shares] for goals in drawn])


@pytest.mark.parametrize("sampling", WAYS)
def test_each_way_gives_the_mix_on_average(sampling):
    seen = counts(sampling, 17, 300)
    for column, share in enumerate(SHARES.values()):
        expected, error = 17 * share, seen[:, column].std(ddof=1) / 300**0.5
        assert abs(seen[:, column].mean() - expected) < 4 * max(error, 0.01)


def test_the_variance_of_a_code_s_visits_is_the_one_of_theory():
    # np(1-p); one point in each 17th, of which those cut by a code's edges alone vary; f(1-f) with f the fraction of np
    cut = {0: (0.5,), 1: (0.5, 0.6), 2: (0.6,)}  # where the codes' parts [0, .5), [.5, .8), [.8, 1) cut a 17th
    theory = {
        "multinomial": [17 * p * (1 - p) for p in SHARES.values()],
        "stratified": [sum(f * (1 - f) for f in cut[code]) for code in SHARES],
        "systematic": [f * (1 - f) for f in (0.5, 0.1, 0.4)],  # of 8.5, 5.1 and 3.4
    }
    for sampling, expected in theory.items():
        seen = counts(sampling, 17, 500).var(axis=0, ddof=1)
        assert seen == pytest.approx(expected, rel=0.25), sampling


def test_systematic_sampling_meets_every_buyer_as_often_as_its_share_says_to_the_nearest_visits():
    people, goals = everybody(), draw_population(mix_of(SHARES), everybody(), 50, seed=3, sampling="systematic")
    visits = Counter(goal.buyer_id for goal in goals)
    for person in people:
        assert abs(visits[person.buyer_id] - 50 * SHARES[person.code] / 3) < 1


@pytest.mark.parametrize("sampling", WAYS)
def test_a_shop_s_goals_do_not_depend_on_the_other_shops(sampling):
    mixes = pa.concat_tables([mix_of(SHARES, shop) for shop in ("a", "b")])
    both = draw_population(mixes, [*everybody("a"), *everybody("b")], 24, 0, sampling)
    assert [goal for goal in both if goal.shop_id == "b"] == draw_population(mixes, everybody("b"), 12, 0, sampling)


@pytest.mark.parametrize("sampling", WAYS)
def test_the_first_goals_of_a_shop_are_a_sample_of_all(sampling):
    first = [draw_population(mix_of(SHARES), everybody(), 10, seed, sampling)[0].code for seed in range(400)]
    expected = [400 * share for share in SHARES.values()]
    assert stats.chisquare([first.count(code) for code in SHARES], expected).pvalue > 0.01


def test_the_first_of_each_shop_are_taken_evenly():
    mixes = pa.concat_tables([mix_of(SHARES, shop) for shop in ("a", "b")])
    goals = draw_population(mixes, [*everybody("a"), *everybody("b")], 10, seed=0)
    assert first_of_each_shop(goals, 5) == [*goals[:3], *goals[5:7]]
    assert first_of_each_shop(goals, 0) == []
    assert first_of_each_shop(goals, 99) == goals


def test_a_share_of_zero_is_never_drawn():
    goals = draw_population(mix_of({0: 0.0, 1: 1.0}), everybody(), 50, seed=0)
    assert np.unique([goal.code for goal in goals]).tolist() == [1]
