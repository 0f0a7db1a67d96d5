from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from simpersona.contracts import MIX, Moment, RecordedSession
from simpersona.errors import ContractError
from simpersona.simulation.population import draw_population, without_tokens

SHARES = {0: 0.5, 1: 0.3, 2: 0.2}
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


@settings(max_examples=25)
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


def test_a_share_of_zero_is_never_drawn():
    goals = draw_population(mix_of({0: 0.0, 1: 1.0}), everybody(), 50, seed=0)
    assert np.unique([goal.code for goal in goals]).tolist() == [1]
