import numpy as np
import pytest

from simpersona.contracts import CARDS, STRATA
from simpersona.evaluation.metric_lookup import metric, metrics_of_run
from simpersona.report import agent_charts, persona_charts
from simpersona.report.all_figures import all_figures
from simpersona.report.charts import line_chart, round_up
from simpersona.report.formatting import formatted, formatted_interval, percent
from simpersona.report.inputs import ReportInputs
from simpersona.report.page import _charts
from simpersona.report.persona_map import mix_grid, persona_map
from simpersona.report.policies import policy_figures
from simpersona.visits import ENDINGS


def charts(inputs):
    return _charts(inputs, policy_figures(inputs.metrics))


def test_every_chart_is_there_with_its_data(inputs):
    assert [name for name, chart in charts(inputs).items() if chart is None] == []


def test_without_data_there_is_no_chart():
    assert set(charts(ReportInputs()).values()) == {None}


def test_strata_are_shares_of_a_shops_buyers():
    (row,) = persona_charts.strata_by_shop({"s": {"A": 1, "D": 3}}, []).rows
    assert row.parts == (
        ("stratum-a", 0.25, "A purchasers: 25.0%"),
        ("stratum-d", 0.75, "D window shoppers: 75.0%"),
    )
    assert row.note == "4 buyers"


def test_several_shops_are_led_by_all_of_them_together():
    chart = persona_charts.strata_by_shop({"s": {"A": 1}, "t": {"D": 3}}, ["s"])
    assert [row.label for row in chart.rows] == ["all stores", "t", "s (held-out store)"]
    assert [share for _, share, _ in chart.rows[0].parts] == [0.25, 0.75]


def test_recovery_leaves_bouncers_out():
    real, predicted = persona_charts.strata_recovery({"s": {"A": 1, "D": 3, "E": 96}}, {"s": {"A": 0.5, "D": 0.5}}).rows
    assert [share for _, share, _ in real.parts] == [0.25, 0.75]
    assert [share for _, share, _ in predicted.parts] == [0.5, 0.5]


def test_the_persona_map_keeps_distances_in_the_plane():
    flat = np.array([[0.0, 0, 1], [3, 0, 1], [0, 4, 1]])
    assert persona_map(flat, CARDS.empty()) is None
    assert persona_map(flat[:1], CARDS.sample(1, code=[0], buyers=[58])) is None  # one code has no plane
    found = persona_map(flat, CARDS.sample(3, code=[0, 1, 2], buyers=[1, 4, 9]))
    at = {circle.card["code"]: np.array([circle.x, circle.y]) for circle in found.circles}
    legs = [np.linalg.norm(at[a] - at[b]) for a, b in ((0, 1), (0, 2), (1, 2))]
    assert np.array(legs) / legs[0] == pytest.approx([1, 4 / 3, 5 / 3], abs=0.01)  # a triangle of 3, 4 and 5
    assert found.spread == pytest.approx(1)


def test_a_circles_area_grows_with_its_buyers_and_small_ones_lie_on_top():
    found = persona_map(np.eye(3), CARDS.sample(3, code=[0, 1, 2], buyers=[1, 4, 100]))
    assert [circle.card["buyers"] for circle in found.circles] == [100, 4, 1]
    least, most = found.circles[2].radius, found.circles[0].radius
    assert (found.circles[1].radius - 5) / (most - 5) == pytest.approx(2 / 10, abs=0.01)
    assert least < most


def test_the_map_is_turned_so_that_what_it_is_named_after_grows_to_the_right():
    codebook = np.outer(np.arange(6.0), [1, 0.5, 0]) + np.random.default_rng(0).normal(0, 0.01, (6, 3))
    cards = CARDS.sample(
        6, code=list(range(6)), buyers=[9, 8, 7, 6, 5, 4], session_count=[60.0, 50.0, 40.0, 30.0, 20.0, 10.0]
    )
    found = persona_map(codebook, cards)
    assert found.to_the_right == "session count"
    by_sessions = sorted(found.circles, key=lambda circle: circle.card["session_count"])
    assert [circle.x for circle in by_sessions] == sorted(circle.x for circle in found.circles)
    again = persona_map(-codebook, cards)
    assert [circle.x for circle in again.circles] == pytest.approx([circle.x for circle in found.circles], abs=0.11)


def test_the_grid_of_mixes_has_a_cell_for_each_share_above_zero(inputs):
    grid = mix_grid(inputs.mix, inputs.cards)
    shares = {(row["shop_id"], row["code"]): row["share"] for row in inputs.mix.to_pylist()}
    assert {(grid.shops[row], grid.codes[column]): share for column, row, share, _ in grid.cells} == pytest.approx(
        {place: share for place, share in shares.items() if share > 0}, abs=1e-4
    )
    assert not grid.is_cut


def test_whiskers_span_the_interval():
    metrics = {
        "policy": "lm",
        "conversion.overall.agent.purchase": 0.2,
        "conversion.overall.agent.purchase_ci95": [0.1, 0.5],
    }
    chart = agent_charts.conversion(policy_figures(metrics))
    (bar,) = chart.groups[0].bars
    assert (bar.text, bar.interval, bar.interval_text) == ("20.0 %", (0.1, 0.5), "10.0 – 50.0 %")
    assert (chart.top, chart.percent(0.1)) == (0.5, 20)


def test_both_policies_stand_beside_each_other():
    other = {"policies.scorer.conversion.overall.agent.purchase": 0.1}
    metrics = {"policy": "lm", "conversion.overall.real.purchase": 0.3, "conversion.overall.agent.purchase": 0.2}
    (group,) = agent_charts.conversion(policy_figures(metrics | other)).groups
    assert [(bar.label, bar.value) for bar in group.bars] == [
        ("real sessions", 0.3),
        ("simulated: language model", 0.2),
        ("simulated: scorer", 0.1),
    ]


def test_a_line_runs_from_corner_to_corner_and_skips_what_is_not_known():
    chart = line_chart([("loss", "real", [1, 2, 3], [0.0, None, 4.0])], "epoch", "loss")
    assert chart.lines[0].points == ((0.0, 0.0), (100.0, 100.0))
    assert chart.table == (("epoch", "loss"), ("1", "0"), ("2", "–"), ("3", "4"))
    assert line_chart([("loss", "real", [1], [None])], "epoch", "loss") is None


@pytest.mark.parametrize(
    ("value", "end"), [(0.18, 0.2), (0.2, 0.2), (0.43, 0.5), (0.51, 1), (0.0021, 0.004), (7, 8), (81, 100)]
)
def test_axes_end_at_round_numbers(value, end):
    assert round_up(value) == pytest.approx(end)


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("clusters.vqvae.stratum_purity", 0.845, "84.5 %"),
        ("clusters.vqvae.incoherent_purchase", 0.054, "5.4 %"),
        ("population.r2.checkout_rate", 0.9, "0.900"),
        ("separation.purchase.welch_p", 5.5e-22, "5.5e-22"),
        ("depth.all.p_adjusted", 0.031, "0.031"),
        ("conversion.stratified.ara.correct_ci95", [0.7, 0.85], "0.700 to 0.850"),
        ("conversion.overall.real.purchase_ci95", [0.1, 0.25], "10.0 % to 25.0 %"),
        ("outcomes.two_stage.shop_error.cv", 0.46, "0.460"),
        ("outcomes.two_stage.episodes", 150, "150"),
        ("clusters.vqvae.calinski_harabasz", 206.5, "206.5"),
        ("conversion.episodes", 1600, "1,600"),
        ("source", "lab", "lab"),
        ("tasks.lm.cart", None, "–"),
    ],
)
def test_figures_are_formatted_by_their_unit(key, value, text):
    metric_of_key, _ = metrics_of_run("lm", ["scorer"])[key]
    assert formatted(value, metric_of_key.unit) == text


def test_shares_and_intervals_as_text():
    assert [percent(0.734), percent(0), percent(0.001), percent(0.0123, 1)] == ["73 %", "0 %", "under 1 %", "1.2 %"]
    assert formatted_interval((0.088, 0.197), "share") == "8.8 – 19.7 %"
    assert formatted_interval(None) == ""


def paper(*parts):
    return metric(*parts).paper.value


def test_paper_figures_are_those_of_its_tables():
    # spot checks against the printed tables
    assert paper("conversion", "stratified", "ara", "correct") == 0.787
    assert paper("conversion", "C", "purchase", "all_mismatch") == 0.755
    assert paper("separation", "funnel", "high", "checkout") == 0.433
    assert paper("outcomes", "single_stage", "other") == 0.046
    for outcome in ("atc", "purchase", "ara"):  # the stratified row is the mean of the four, as printed
        means = [paper("conversion", stratum, outcome, "correct") for stratum in STRATA[:4]]
        assert np.mean(means) == pytest.approx(paper("conversion", "stratified", outcome, "correct"), abs=6e-4)
    for training in ("two_stage", "single_stage"):
        assert sum(
            paper("outcomes", training, ending) for ending in ENDINGS if ending != "checkout_reached"
        ) == pytest.approx(1, abs=2e-3)


def test_every_figure_is_shown_once_with_those_of_other_policies_apart(inputs):
    values = inputs.metrics | {"policies.scorer.conversion.A.ara.correct": 0.7, "from.another.version": 1}
    groups = all_figures(values, {})
    assert sum(map(len, groups.values())) == len(values)
    (row,) = groups["conversion of the scorer"]
    assert row.label == "alignment (ARA), matched persona, A purchasers"
    assert (row.key, row.value, row.paper) == ("policies.scorer.conversion.A.ara.correct", "0.700", "0.724")
    assert [row.key for row in groups["other"]] == ["from.another.version"]
