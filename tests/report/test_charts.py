import dataclasses
import json
import re

import numpy as np
import plotly.graph_objects as go
import pytest

from simpersona.contracts import STRATA
from simpersona.report import agent_charts, persona_charts
from simpersona.report.inputs import ReportInputs
from simpersona.report.page import _figures
from simpersona.report.paper_figures import PAPER
from simpersona.report.wording import all_rows, warnings, written


def with_real_colours(chart):
    text = json.dumps(chart, allow_nan=False)
    return json.loads(re.sub(r"var\(--[\w-]+\)", "#123456", text))


def test_every_chart_is_one_that_plotly_accepts(inputs):
    charts = _figures(inputs)
    assert all(chart is not None for chart in charts.values()), charts
    for chart in charts.values():
        go.Figure(with_real_colours(chart))  # raises on an unknown name or a wrong value


def test_without_data_there_is_no_chart():
    assert set(_figures(ReportInputs()).values()) == {None}


def test_strata_are_shares_of_a_shops_buyers():
    chart = persona_charts.strata_by_shop({"s": {"A": 1, "D": 3}}, [])
    shares = {trace["name"][0]: trace["x"] for trace in chart["data"]}
    assert shares == {"A": [0.25], "B": [0.0], "C": [0.0], "D": [0.75], "E": [0.0]}


def test_recovery_is_drawn_on_the_papers_scale_without_bouncers():
    chart = persona_charts.strata_recovery({"s": {"A": 1, "D": 3, "E": 96}}, {"s": {"A": 0.5, "D": 0.5}})
    real, predicted = chart["data"]
    assert real["y"][0] == pytest.approx(np.log(1 + 100 * 0.25), abs=1e-4)
    assert predicted["y"][3] == pytest.approx(np.log(1 + 100 * 0.5), abs=1e-4)


def test_the_persona_map_keeps_distances_in_the_plane():
    flat = np.array([[0.0, 0, 1], [3, 0, 1], [0, 4, 1]])
    cards = ReportInputs().cards.schema.empty_table()
    assert persona_charts.codebook_map(flat, cards, "purchase") is None
    from simpersona.contracts import CARDS

    cards = CARDS.sample(3, code=[0, 1, 2], buyers=[1, 4, 9], purchase=["low"] * 3)
    low = persona_charts.codebook_map(flat, cards, "purchase")["data"][0]
    points = np.column_stack([low["x"], low["y"]])
    assert np.linalg.norm(points[1] - points[2]) == pytest.approx(5, abs=1e-3)


def test_whiskers_span_the_interval():
    metrics = {"conversion.overall.agent.purchase": 0.2, "conversion.overall.agent.purchase_ci95": [0.1, 0.5]}
    bar = agent_charts.conversion(metrics)["data"][0]
    assert bar["error_y"]["array"] == pytest.approx([0.3])
    assert bar["error_y"]["arrayminus"] == pytest.approx([0.1])


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("clusters.vqvae.stratum_purity", 0.845, "84.5 %"),
        ("clusters.vqvae.incoherent_purchase", 0.054, "5.4 %"),
        ("population.r2.checkout_rate", 0.9, "0.900"),
        ("separation.purchase.welch_p", 5.5e-22, "5.5e-22"),
        ("conversion.stratified.ara.correct_ci95", [0.7, 0.85], "0.700 to 0.850"),
        ("conversion.overall.real.purchase_ci95", [0.1, 0.25], "10.0 % to 25.0 %"),
        ("outcomes.two_stage.shop_error.cv", 0.46, "0.460"),
        ("clusters.vqvae.calinski_harabasz", 206.5, "206.5"),
        ("conversion.episodes", 1600, "1,600"),
        ("source", "lab", "lab"),
        ("tasks.lm.cart", None, "–"),
    ],
)
def test_how_figures_are_written(key, value, words):
    assert written(key, value) == words


def test_paper_figures_are_those_of_its_tables():
    # spot checks against the printed tables
    assert PAPER["conversion.stratified.ara.correct"].value == 0.787
    assert PAPER["conversion.C.purchase.all_mismatch"].value == 0.755
    assert PAPER["separation.funnel.high.checkout"].value == 0.433
    assert PAPER["outcomes.single_stage.other"].value == 0.046
    for outcome in ("atc", "purchase", "ara"):  # the stratified row is the mean of the four, as printed
        rows = [PAPER[f"conversion.{stratum}.{outcome}.correct"].value for stratum in STRATA[:4]]
        assert PAPER[f"conversion.stratified.{outcome}.correct"].value == pytest.approx(np.mean(rows), abs=6e-4)
    for training in ("two_stage", "single_stage"):
        endings = [
            figure.value
            for key, figure in PAPER.items()
            if key.startswith(f"outcomes.{training}.") and "shop" not in key
        ]
        assert sum(endings) == pytest.approx(1, abs=2e-3)


def test_figures_are_grouped_by_their_first_word(inputs):
    groups = all_rows(inputs)
    assert [row.label for row in groups["labels"]] == ["source", "policy"]
    assert groups["tasks"][0].why


def test_a_large_clean_real_run_has_no_warning(inputs):
    many = dataclasses.replace(
        inputs,
        metrics={"source": "rees46"},
        quality={"rows_in": 10, "rows_malformed": 0},
        training={},
        simulated_episodes=inputs.simulated_episodes.schema.empty_table(),
    )
    assert warnings(many) == []
