import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from simpersona.config import EvaluationConfig
from simpersona.contracts import ASSIGNMENTS, BUYERS, EPISODES, SESSIONS
from simpersona.evaluation.alignment import (
    aligned,
    conversion_metrics,
    eligible_pairs,
    expected_alignment,
    resampled_ara,
)
from simpersona.evaluation.by_shop import pairs_table, shop_figures
from simpersona.evaluation.rates import (
    Rates,
    agent_rates,
    blind_rates,
    pooled,
    real_rates,
    shopper_sessions,
    token_strata,
)

SMALL = EvaluationConfig(min_sessions=4, min_episodes=2, bootstrap=200)
TOKENS = {0: "A", 1: "B", 2: "C", 3: "D"}

# sessions with (cart, order) of each shop's buyers of each token, in quarters of four sessions
REAL = {
    ("train", 0): (4, 3),
    ("train", 1): (3, 0),
    ("train", 2): (2, 0),
    ("train", 3): (0, 0),
    ("one", 0): (4, 2),
    ("one", 1): (2, 0),
    ("one", 2): (1, 0),
    ("one", 3): (0, 0),
    ("two", 0): (3, 3),
    ("two", 3): (1, 0),
}
# episodes with (cart, order) out of two
PLAYED = {
    ("one", 0): (2, 2),
    ("one", 1): (1, 0),
    ("one", 2): (1, 1),
    ("one", 3): (0, 0),
    ("two", 0): (2, 1),
    ("two", 3): (0, 0),
}


def flags(count, out_of):
    return [int(place < count) for place in range(out_of)]


def buyer(shop, code):
    return f"{shop}-buyer-{code}"


def make_buyers():
    keys = [*REAL, ("one", 9)]
    return BUYERS.sample(
        len(keys),
        shop_id=[shop for shop, _ in keys],
        buyer_id=[buyer(shop, code) for shop, code in keys],
        stratum=[TOKENS.get(code, "E") for _, code in keys],
    )


def make_assignments():
    keys = [*REAL, ("one", 9)]
    return pa.table(
        {
            "shop_id": [shop for shop, _ in keys],
            "buyer_id": [buyer(shop, code) for shop, code in keys],
            "code": pa.array([code if code < 9 else 3 for _, code in keys], pa.int32()),
        },
        schema=ASSIGNMENTS.schema,
    )


def make_sessions(real=REAL, bouncer_sessions=3):
    rows = [
        (shop, buyer(shop, code), cart, order)
        for (shop, code), (carts, orders) in real.items()
        for cart, order in zip(flags(carts, 4), flags(orders, 4), strict=True)
    ] + [("one", buyer("one", 9), 0, 0)] * bouncer_sessions
    return SESSIONS.sample(
        len(rows),
        shop_id=[row[0] for row in rows],
        buyer_id=[row[1] for row in rows],
        add_to_cart_count=[2 * row[2] for row in rows],
        checkout_start_count=[0] * len(rows),
        purchase_count=[row[3] for row in rows],
    )


def make_episodes(played=None, *, token=True, each=2):
    played = PLAYED if played is None else played
    rows = [
        (shop, code, cart, order)
        for (shop, code), (carts, orders) in played.items()
        for cart, order in zip(flags(carts, each), flags(orders, each), strict=True)
    ]
    return EPISODES.sample(
        len(rows),
        episode_id=[f"{'sim' if token else 'blind'}-{place}" for place in range(len(rows))],
        shop_id=[row[0] for row in rows],
        buyer_id=[buyer(row[0], row[1]) for row in rows],
        code=[row[1] if token else None for row in rows],
        add_to_cart_count=[row[2] for row in rows],
        checkout_start_count=[row[3] for row in rows],
        purchase_count=[row[3] for row in rows],
        ending=["goal_reached"] * len(rows),
    )


def measure(episodes=None, config=SMALL, train=("train",), seed=0, sessions=None):
    episodes = make_episodes() if episodes is None else episodes
    sessions = make_sessions() if sessions is None else sessions
    pairs = eligible_pairs(episodes, sessions, make_buyers(), make_assignments(), set(train), config, seed)
    shoppers = shopper_sessions(sessions, make_buyers(), set(episodes["shop_id"].to_pylist()))
    return conversion_metrics(pairs, episodes, shoppers, set(train), config, seed)


def test_rates_are_shares_of_sessions_and_leave_bouncers_out():
    rates = real_rates(make_sessions(), make_buyers(), make_assignments())
    assert rates["one", 0] == Rates(4, 4, 2)
    assert rates["one", 3] == Rates(4, 0, 0)  # the bouncer's three sessions have this code too
    assert rates["one", 0].shares.tolist() == [1.0, 0.5]


def test_the_shop_mean_weighs_sessions():
    by_shop = pooled(real_rates(make_sessions(), make_buyers(), make_assignments()), by=0)
    assert by_shop["one"] == Rates(16, 7, 2)


def test_episodes_without_a_token_count_for_the_code_of_their_buyer():
    blind = make_episodes({("one", 2): (1, 0)}, token=False)
    assert blind_rates(blind, make_assignments()) == {("one", 2): Rates(2, 1, 0)}
    assert agent_rates(blind) == {}


def test_a_tokens_stratum_is_the_most_common_of_its_training_buyers_and_ties_go_deeper():
    strata = ["A", "D", "D", "B", "C", "E", "E", "E"]
    codes = [0, 0, 0, 1, 1, 1, 1, 1]
    ids = [f"b{place}" for place in range(8)]
    buyers = BUYERS.sample(8, shop_id=["s"] * 8, buyer_id=ids, stratum=strata)
    assignments = pa.table(
        {"shop_id": ["s"] * 8, "buyer_id": ids, "code": pa.array(codes, pa.int32())}, schema=ASSIGNMENTS.schema
    )
    assert token_strata(buyers, assignments, {"s"}) == {0: "D", 1: "B"}
    assert token_strata(buyers, assignments, set()) == {}


def test_alignment_is_one_minus_the_absolute_difference():
    assert aligned(np.array([0.2, 0.0]), np.array([0.5, 0.1])).tolist() == pytest.approx([0.7, 0.9])


def test_correct_alignment_by_hand():
    values = measure().values
    # A: (one, 0) real (1, .5) agent (1, 1); (two, 0) real (.75, .75) agent (1, .5)
    assert values["conversion.A.atc.correct"] == pytest.approx((1 + 0.75) / 2)
    assert values["conversion.A.purchase.correct"] == pytest.approx((0.5 + 0.75) / 2)
    # B: real (.5, 0) agent (.5, 0); C: real (.25, 0) agent (.5, .5); D: (0, 0)/(0, 0) and (.25, 0)/(0, 0)
    assert values["conversion.B.ara.correct"] == 1
    assert values["conversion.C.ara.correct"] == pytest.approx((0.75 + 0.5) / 2)
    assert values["conversion.D.ara.correct"] == pytest.approx((1 + 0.875) / 2)
    assert values["conversion.stratified.ara.correct"] == pytest.approx((0.75 + 1 + 0.625 + 0.9375) / 4)
    assert values["conversion.pairs"] == 6
    assert values["conversion.episodes"] == 12


def test_mismatch_compares_the_same_agent_with_the_other_tokens_of_its_shop():
    values = measure().values
    # shop two: agent 0 (1, .5) against token 3 (.25, 0): (.25, .5)
    # shop one: agent 0 (1, 1) against (.5, 0), (.25, 0), (0, 0): atc (.5 + .25 + 0) / 3, purchase 0
    assert values["conversion.A.atc.all_mismatch"] == pytest.approx((0.25 + 0.25) / 2)
    assert values["conversion.A.purchase.all_mismatch"] == pytest.approx((0 + 0.5) / 2)


def test_one_random_token_is_one_of_the_others():
    possible = {(a + b) / 2 for a in (0.5, 0.25, 0.0) for b in (0.25,)}
    seen = {round(measure(seed=seed).values["conversion.A.atc.one_random"], 6) for seed in range(12)}
    assert seen <= {round(value, 6) for value in possible}
    assert len(seen) > 1


def test_baselines_by_hand():
    values = measure().values
    # shop mean: one (7/16, 2/16), two (4/8, 3/8); token mean over the training shop: (1, .75) for A
    assert values["conversion.A.atc.shop_mean"] == pytest.approx((7 / 16 + 0.75) / 2)
    assert values["conversion.A.purchase.shop_mean"] == pytest.approx((1 - 0.375 + 1 - 0.375) / 2)
    assert values["conversion.A.atc.token_mean"] == pytest.approx((1 + 0.75) / 2)
    assert values["conversion.A.purchase.token_mean"] == pytest.approx((0.75 + 1) / 2)


def test_agents_without_a_token_are_compared_where_there_are_enough():
    blind = make_episodes({("one", 0): (1, 0)}, token=False)
    metrics = measure(pa.concat_tables([make_episodes(), blind]))
    assert metrics.values["conversion.A.ara.no_token"] == pytest.approx((0.5 + 0.5) / 2)
    assert metrics.values["conversion.B.ara.no_token"] is None
    assert "without a token" in metrics.notes["conversion.B.ara.no_token"]
    assert metrics.values["conversion.stratified.ara.no_token"] is None


def test_skill_is_the_share_of_the_way_from_the_shop_mean_to_the_ceiling():
    # every pair's agent is perfect with 4 episodes, so correct is 1
    perfect = {cell: REAL[cell] for cell in PLAYED}
    values = measure(make_episodes(perfect, each=4)).values
    assert values["conversion.stratified.ara.correct"] == 1
    ceiling = values["conversion.stratified.ara.noise_ceiling"]
    shop_mean = values["conversion.stratified.ara.shop_mean"]
    assert values["conversion.stratified.ara.skill"] == pytest.approx((1 - shop_mean) / (ceiling - shop_mean), abs=1e-4)


def test_the_ceiling_by_hand():
    episodes = make_episodes(dict.fromkeys(PLAYED, (1, 0)), each=1)
    metrics = measure(episodes, EvaluationConfig(min_sessions=4, min_episodes=1, bootstrap=10))
    # a single episode of rate p is off by 2 p (1 - p): .5 for p = .5 and .375 for p = .25 or .75
    d_ceiling = (1 + (1 - 0.375 / 2)) / 2
    a_ceiling = (0.75 + 1 - 0.375) / 2
    b_ceiling, c_ceiling = 0.75, 1 - 0.375 / 2
    ceiling = metrics.values["conversion.stratified.ara.noise_ceiling"]
    assert ceiling == pytest.approx((a_ceiling + b_ceiling + c_ceiling + d_ceiling) / 4, abs=1e-6)


def test_no_skill_is_told_when_the_ceiling_is_below_the_shop_mean():
    alike = make_sessions(dict.fromkeys(REAL, (2, 2)))  # all tokens do the same: the shop's mean is exact
    metrics = measure(sessions=alike)
    assert metrics.values["conversion.stratified.ara.shop_mean"] == 1
    assert metrics.values["conversion.stratified.ara.skill"] is None
    assert "too few episodes" in metrics.notes["conversion.stratified.ara.skill"]


def test_the_ceiling_matches_the_reading_and_a_simulation():
    exact = expected_alignment(np.array([0.5, 0.4]), 5, np.array([0.5, 0.4]))
    assert exact.mean() == pytest.approx(0.82, abs=0.005)  # REFERENCE 17: "about .82 at rates .5/.4"
    rng = np.random.default_rng(0)
    drawn = 1 - np.abs(rng.binomial(5, [0.5, 0.4], (200_000, 2)) / 5 - [0.5, 0.4]).mean(axis=0)
    assert exact.tolist() == pytest.approx(drawn.tolist(), abs=0.002)
    assert expected_alignment(np.array([0.0, 1.0]), 3, np.array([0.0, 1.0])).tolist() == pytest.approx([1, 1])


def the_pairs(episodes=None):
    episodes = make_episodes() if episodes is None else episodes
    return eligible_pairs(episodes, make_sessions(), make_buyers(), make_assignments(), {"train"}, SMALL, 0)


def test_the_bootstrap_over_two_shops_by_hand():
    # a draw holds shop one twice, two twice, or both. The strata B and C are in shop one alone: a draw of two has no "stratified"
    drawn = resampled_ara(the_pairs(), 4000, seed=1)["correct"]
    one, two, both = (0.75 + 1 + 0.625 + 1) / 4, 0.75, (0.75 + 1 + 0.625 + 0.9375) / 4
    stratified = drawn[:, 4]
    assert set(np.round(stratified[np.isfinite(stratified)], 6)) == {round(one, 6), round(both, 6)}
    assert np.isnan(stratified).mean() == pytest.approx(0.25, abs=0.03)
    assert set(np.round(drawn[:, 0], 6)) == {0.75, two}  # A: (1 + .5) / 2 in shop one, (.75 + .75) / 2 in two
    values = measure().values
    assert values["conversion.stratified.ara.correct_ci95"] == pytest.approx([both, one], abs=1e-6)


def test_intervals_hold_their_points_and_are_the_same_for_a_seed():
    first, again = measure(), measure()
    assert first == again
    for name in ("correct", "all_mismatch", "shop_mean", "token_mean"):
        low, high = first.values[f"conversion.A.ara.{name}_ci95"]
        assert low <= first.values[f"conversion.A.ara.{name}"] <= high


def test_gap_and_lead_are_differences_and_their_intervals_take_the_same_shops():
    values = measure().values
    ara = {arm: values[f"conversion.stratified.ara.{arm}"] for arm in ("correct", "all_mismatch", "shop_mean")}
    assert values["conversion.stratified.ara.gap"] == pytest.approx(ara["correct"] - ara["all_mismatch"], abs=2e-6)
    assert values["conversion.stratified.ara.lead"] == pytest.approx(ara["correct"] - ara["shop_mean"], abs=2e-6)
    drawn = resampled_ara(the_pairs(), 200, 0)
    spread = (drawn["correct"] - drawn["shop_mean"])[:, 4]
    low, high = values["conversion.stratified.ara.lead_ci95"]
    assert low == pytest.approx(np.nanquantile(spread, 0.025), abs=1e-6)
    assert high == pytest.approx(np.nanquantile(spread, 0.975), abs=1e-6)


def test_the_gap_of_a_perfect_agent_by_hand():
    episodes = make_episodes({("two", 0): (1, 0), ("two", 3): (1, 0)}, each=1)
    metrics = measure(episodes, EvaluationConfig(min_sessions=4, min_episodes=1, bootstrap=10))
    # one visit of an agent at (3/4, 3/4) is off by 3/8 from its own rates; from (1/4, 0) by 3/4 · 3/4 + 1/4 · 1/4 and 3/4
    own, others = 1 - 3 / 8, 1 - (10 / 16 + 3 / 4) / 2
    assert metrics.values["conversion.A.ara.gap_ceiling"] == pytest.approx(own - others, abs=1e-6)
    assert metrics.values["conversion.B.ara.gap_ceiling"] is None


def test_strata_that_no_token_stands_for_are_left_out_of_the_mean_of_those_represented():
    episodes = make_episodes({cell: played for cell, played in PLAYED.items() if cell != ("one", 1)})
    metrics = measure(episodes)
    assert metrics.values["conversion.B.pairs"] == 0
    assert metrics.values["conversion.stratified.ara.correct"] is None
    assert metrics.values["conversion.represented.ara.correct"] == pytest.approx((0.75 + 0.625 + 0.9375) / 3)
    assert metrics.values["conversion.represented.pairs"] == 5
    assert "A, C, D" in metrics.notes["conversion.represented.ara.correct"]
    low, high = metrics.values["conversion.represented.ara.correct_ci95"]
    # both shops, or shop one alone: (.75 + .625 + 1) / 3; a draw of shop two alone has no C
    assert (low, high) == pytest.approx(((0.75 + 0.625 + 0.9375) / 3, (0.75 + 0.625 + 1) / 3), abs=1e-6)
    whole = measure()
    for figure in ("correct", "gap", "lead", "skill", "lead_ci95"):
        assert (
            whole.values[f"conversion.represented.ara.{figure}"] == whole.values[f"conversion.stratified.ara.{figure}"]
        )


def test_each_row_says_what_it_stands_on():
    metrics = measure()
    row = {name: metrics.values[f"conversion.A.{name}"] for name in ("pairs", "shops", "episodes", "sessions")}
    assert row == {"pairs": 2, "shops": 2, "episodes": 4, "sessions": 8}
    assert metrics.values["conversion.stratified.pairs"] == 6
    assert "only 2 pairs" in metrics.notes["conversion.A.pairs"]
    assert metrics.values["conversion.B.ara.correct_ci95"] is None  # one shop alone has the stratum
    assert "two stores" in metrics.notes["conversion.B.ara.correct_ci95"]


def test_the_tables_hold_what_the_figures_are_means_of():
    table = pairs_table("scorer", the_pairs()).to_pylist()
    row = next(row for row in table if (row["shop_id"], row["code"]) == ("one", 2))
    assert (row["stratum"], row["sessions"], row["episodes"]) == ("C", 4, 2)
    assert (row["real_atc"], row["real_purchase"], row["agent_atc"], row["agent_purchase"]) == (0.25, 0, 0.5, 0.5)
    assert row["ara_correct"] == pytest.approx((0.75 + 0.5) / 2)
    assert row["ara_no_token"] is None
    shoppers = shopper_sessions(make_sessions(), make_buyers(), {"one", "two"})
    (one, two) = shop_figures("scorer", make_episodes(), shoppers).to_pylist()
    assert (one["shop_id"], one["episodes"], one["sessions"], one["error"]) == ("one", 8, 16, 0)
    assert one["real_add_to_cart"] == 7 / 16
    assert (two["real_purchase"], two["agent_purchase"]) == (3 / 8, 1 / 4)


def test_too_few_sessions_or_episodes_leave_no_pair_and_say_so():
    metrics = measure(config=EvaluationConfig(min_sessions=4, min_episodes=3, bootstrap=10))
    assert metrics.values["conversion.pairs"] == 0
    assert metrics.values["conversion.stratified.ara.correct"] is None
    note = metrics.notes["conversion.stratified.ara.correct"]
    assert "0 of 6 simulated (store, token) pairs" in note
    assert "the most episodes of one pair: 2" in note
    assert measure(config=EvaluationConfig(min_sessions=5, min_episodes=2)).values["conversion.pairs"] == 0


def test_without_training_shops_the_reason_is_that_tokens_have_no_stratum():
    metrics = measure(train=())
    assert "no training store" in metrics.notes["conversion.stratified.ara.correct"]


def test_overall_rates_have_wilson_intervals():
    values = measure().values
    # simulated shops: one (16 sessions) and two (8): 11 with a cart, 5 with an order
    assert values["conversion.overall.real.add_to_cart"] == pytest.approx(11 / 24, abs=1e-6)
    assert values["conversion.overall.real.purchase"] == pytest.approx(5 / 24, abs=1e-6)
    assert values["conversion.overall.agent.checkout"] == pytest.approx(4 / 12, abs=1e-6)
    z, n, p = stats.norm.ppf(0.975), 12, 4 / 12  # Wilson's interval written out
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert values["conversion.overall.agent.checkout_ci95"] == pytest.approx([middle - half, middle + half], abs=1e-6)


def test_an_order_counts_as_a_checkout_where_the_source_cannot_tell_its_start():
    values = measure().values
    assert values["conversion.overall.real.checkout"] == values["conversion.overall.real.purchase"]


def test_no_episode_at_all():
    metrics = measure(EPISODES.empty())
    assert metrics.values["conversion.episodes"] == 0
    assert metrics.values["conversion.overall.agent.purchase"] is None
    assert metrics.notes["conversion.overall.agent.purchase_ci95"] == "no visit with a persona token"
