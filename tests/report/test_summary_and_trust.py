"""The sentences of the summary and the points of trust, against figures made by hand."""

import dataclasses

import pytest

from simpersona.contracts import CARDS, EPISODES
from simpersona.evaluation.measurable import INFERRED, NO_ORDERS
from simpersona.report.inputs import ReportInputs
from simpersona.report.page import render_report
from simpersona.report.paper_tables import paper_tables
from simpersona.report.policies import policy_figures
from simpersona.report.summary import tiles, what_they_did, who_shops_here
from simpersona.report.trust import checks, verdict

RATES = {
    "policy": "scorer",
    "conversion.overall.real.purchase": 0.073,
    "conversion.overall.real.purchase_ci95": [0.066, 0.081],
    "conversion.overall.agent.purchase": 0.013,
    "conversion.overall.agent.purchase_ci95": [0.004, 0.047],
}


def visits(count=20, **columns):
    return EPISODES.sample(
        count,
        **{
            "shop_id": ["kids"] * count,
            "ending": ["goal_reached"] * count,
            "policy": ["scorer"] * count,
            "purchase_count": [1] + [0] * (count - 1),
        }
        | columns,
    )


def marks(inputs):
    return {check.subject: check.mark for check in checks(inputs, policy_figures(inputs.metrics))}


def test_who_shops_here_in_shares_of_all_buyers():
    cards = CARDS.sample(2, code=[3, 7], buyers=[30, 10], stratum=["D", "A"], summary=["Looks. More.", "Buys a lot."])
    strata = {"kids": {"A": 10, "B": 0, "C": 10, "D": 70, "E": 10}}
    first, common, best = who_shops_here(
        ReportInputs(strata_by_shop=strata, cards=cards, quality={"clock": {"days": 120}})
    )
    assert first == (
        "The log shows 100 buyers in 1 store in 120 days. 70 % only look around, 10 % fill a cart or start a checkout "
        "but do not buy, 10 % buy, and 10 % leave without looking at a product."
    )
    assert "persona 3 (75 % of all): looks." in common
    assert best == "1 persona consists mostly of buyers (25 % of all). The largest of them, persona 7: buys a lot."


def test_what_they_did_says_where_it_differs_from_reality():
    inputs = ReportInputs(metrics=RATES, simulated_episodes=visits(), held_out_shops=["kids"])
    what, conversion, ends = what_they_did(inputs, policy_figures(RATES))
    assert what.startswith("20 simulated visits to 1 store held out from training, with 1 order.")
    assert conversion == (
        "Of them, 1.3 % (0.4 – 4.7 %) placed an order, against 7.3 % of real sessions: fewer than in reality."
    )
    assert ends == "100 % of the visits ended because the shopper chose to leave; none broke off."


def test_two_policies_and_visits_without_a_persona_are_told_apart():
    both = visits(20, policy=["lm"] * 5 + ["scorer"] * 15, code=[None] * 2 + [1] * 18)
    first, *_ = what_they_did(ReportInputs(simulated_episodes=both), [])
    assert "5 by the language model and 15 by the scorer." in first
    assert "from the store's real mix, except 2 without a persona, for comparison." in first


def test_nothing_is_said_of_what_there_is_not():
    assert who_shops_here(ReportInputs()) == []
    assert what_they_did(ReportInputs(), []) == []
    assert checks(ReportInputs(), []) == []


FOLLOWED = {
    "policy": "lm",
    "goal_following.agent.views": 0.62,
    "goal_following.real.views": 0.7,
    "goal_following.agent.additions": 0.8,
    "goal_following.real.additions": 0.85,
}


@pytest.mark.parametrize(
    ("off", "mark"),
    [
        ({}, "good"),
        ({"goal_following.agent.views": 0.81}, "weak"),
        ({"goal_following.agent.views": 0.34, "goal_following.agent.additions": 0.2}, "bad"),
        ({"goal_following.agent.additions": None}, "good"),
    ],
)
def test_goals_are_followed_within_a_tenth_of_the_real_share(off, mark):
    assert marks(ReportInputs(metrics=FOLLOWED | off))["goal"] == mark


def test_how_goals_are_followed_in_words_and_as_a_table_with_sizes():
    figures = FOLLOWED | {
        "goal_following.agent.views": 0.34,
        "goal_following.difference.views": -0.36,
        "goal_following.difference.views_ci95": [-0.4, -0.3],
        "goal_following.agent.product_view_count": 1234,
        "goal_following.real.product_view_count": 900,
        "goal_following.agent.saw": 0.5,
        "goal_following.visits": 40,
    }
    (check,) = [
        check for check in checks(ReportInputs(metrics=figures), policy_figures(figures)) if check.subject == "goal"
    ]
    assert check.text == (
        "Simulated buyers do not keep to the goal of their visit as real ones do. Product views of the wanted type: 34 % "
        "(real sessions: 70 %); additions to the cart of the wanted type: 80 % (real sessions: 85 %)."
    )
    (table,) = [one for one in paper_tables(policy_figures(figures)) if "goal" in one.title]
    views, _, saw = table.rows
    assert table.columns == ("real sessions", "simulated visits", "simulated minus real")
    assert (views[1], saw[1]) == ("900 real, 1,234 simulated", "40 real, 40 simulated")
    assert [cell.value for cell in views[2]] == ["70.0 %", "34.0 %", "-0.360"]


@pytest.mark.parametrize(
    ("interval", "mark"), [([0.02, 0.2], "good"), ([-0.05, 0.2], "weak"), ([-0.2, -0.1], "bad"), (None, "unknown")]
)
def test_a_lead_counts_when_its_interval_excludes_zero(interval, mark):
    figures = {"policy": "lm", "conversion.represented.ara.lead": 0.1, "conversion.represented.ara.lead_ci95": interval}
    assert marks(ReportInputs(metrics=figures))["worth simulating"] == mark


def test_rates_are_as_in_reality_where_the_intervals_overlap():
    assert marks(ReportInputs(metrics=RATES))["conversion"] == "weak"
    wide = RATES | {"conversion.overall.agent.purchase_ci95": [0.004, 0.07]}
    assert marks(ReportInputs(metrics=wide))["conversion"] == "good"


def test_few_visits_and_broken_ones_are_told():
    few = marks(ReportInputs(simulated_episodes=visits(5)))
    assert few["number of visits"] == "bad"
    many = ReportInputs(simulated_episodes=visits(400, ending=["goal_reached"] * 394 + ["other"] * 6))
    assert marks(many) == {"number of visits": "good", "broken visits": "weak"}  # 1.5 % of them


def test_the_verdict_never_recommends_a_rehearsal_or_a_failure():
    lab = ReportInputs(metrics={"source": "lab"})
    assert "says nothing about a real store" in verdict(lab, [])
    real = ReportInputs(metrics={"source": "rees46"} | RATES, simulated_episodes=visits(5), held_out_shops=["kids"])
    assert "do not base a decision" in verdict(real, checks(real, policy_figures(real.metrics)))
    assert "no visit was simulated" in verdict(dataclasses.replace(real, simulated_episodes=EPISODES.empty()), [])


def test_a_table_has_intervals_sizes_and_the_papers_figure_for_each_policy():
    own = {
        "conversion.stratified.ara.correct": 0.8,
        "conversion.stratified.ara.correct_ci95": [0.7, 0.9],
        "conversion.stratified.pairs": 13,
    }
    metrics = {"policy": "lm"} | own | {f"policies.scorer.{key}": value for key, value in own.items()}
    first, second = paper_tables(policy_figures(metrics))
    assert [table.title.rpartition("(")[2] for table in (first, second)] == ["language model)", "scorer)"]
    assert first.columns == ("matched persona",)
    ((label, sizes, (cell,)),) = first.rows
    assert (label, sizes) == ("mean of the four strata", "13 pairs")
    assert (cell.value, cell.interval, cell.paper) == ("0.800", "0.700 – 0.900", "0.787")


def test_a_table_without_figures_says_why():
    metrics = {"policy": "lm", "ablation.with_token.crash": None}
    (table,) = paper_tables(policy_figures(metrics, {"ablation.with_token.crash": "no visits without a token"}))
    assert (table.rows, table.missing) == ((), "no visits without a token")


def test_points_name_the_policy_where_several_act():
    table = visits(30, policy=["lm"] * 10 + ["scorer"] * 20)
    metrics = RATES | {"policies.lm.conversion.overall.agent.purchase": 0.1}
    found = checks(ReportInputs(metrics=metrics, simulated_episodes=table), policy_figures(metrics))
    named = {(check.subject, check.policy) for check in found}
    assert {("number of visits", "language model"), ("number of visits", "scorer"), ("who acts", "scorer")} <= named
    assert next(check.short for check in found if check.subject == "number of visits") == "Few visits."


def test_a_gap_stands_beside_the_most_that_could_be_shown():
    key = "conversion.represented.ara.gap"
    figures = {"policy": "lm", key: 0.1, f"{key}_ci95": [0.02, 0.2], f"{key}_ceiling": 0.15}
    texts = {check.subject: check.text for check in checks(ReportInputs(metrics=figures), policy_figures(figures))}
    assert texts["do personas matter"].endswith("(a perfect agent: by +0.150).")


UNORDERED = {
    "policy": "scorer",
    "conversion.overall.real.purchase": 0.073,
    "conversion.overall.real.checkout": 0.1,
    "conversion.overall.real.checkout_ci95": [0.09, 0.11],
    "conversion.overall.agent.purchase": None,
    "conversion.overall.agent.checkout": 0.02,
    "conversion.overall.agent.checkout_ci95": [0.01, 0.05],
}


def inferred_visits():
    return visits(
        purchase_count=[None] * 20, checkout_start_count=[1] * 3 + [0] * 17, inferred=[["purchase_count"]] * 20
    )


def test_where_nothing_is_ordered_checkouts_are_compared_and_the_page_says_what_is_inferred():
    inputs = ReportInputs(metrics=UNORDERED, simulated_episodes=inferred_visits(), held_out_shops=["kids"])
    policies = policy_figures(UNORDERED)
    what, inferred, conversion, _ = what_they_did(inputs, policies)
    assert "order" not in what
    assert inferred.startswith(f"What the simulated buyers did is {INFERRED}. Orders: {NO_ORDERS}.")
    assert conversion == (
        "Of them, 2.0 % (1.0 – 5.0 %) reached the checkout, against 10.0 % of real sessions: fewer than in reality."
    )
    assert tiles(inputs)[-1] == ("3", "visits that reached the checkout (inferred); orders cannot be measured")
    assert marks(inputs)["events of the visits"] == "weak"
    page = render_report(inputs)
    assert INFERRED in page
    assert "placed an order" not in page
    assert "cannot be measured in the visited store" in page


def test_recorded_visits_are_not_called_inferred():
    inputs = ReportInputs(metrics=RATES, simulated_episodes=visits(), held_out_shops=["kids"])
    assert "events of the visits" not in marks(inputs)
    assert INFERRED not in render_report(inputs)
