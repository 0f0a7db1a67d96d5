"""The figures that the terminal shows after a run."""

from simpersona.cli.console import headline_metrics
from simpersona.report.paper_tables import paper_tables
from simpersona.report.policies import policy_figures

SINGLE_STAGE = {"source": "rees46", "policy": "lm", "outcomes.single_stage.episodes": 40} | {
    "outcomes.single_stage.goal_reached": 0.8,
    "outcomes.two_stage.goal_reached": None,
}


def test_endings_are_those_of_the_models_training():
    keys = [metric.key for metric in headline_metrics(SINGLE_STAGE)]
    assert keys[-2:] == ["outcomes.single_stage.goal_reached", "outcomes.single_stage.other"]
    assert headline_metrics({"source": "lab"})[-1].key == "outcomes.two_stage.other"


def test_planted_types_are_shown_in_the_lab_only():
    assert "planted.adjusted_rand" in [metric.key for metric in headline_metrics({"source": "lab"})]
    assert "planted.adjusted_rand" not in [metric.key for metric in headline_metrics(SINGLE_STAGE)]


def test_the_table_of_endings_has_the_papers_single_stage_model_beside_it():
    (table,) = paper_tables(policy_figures(SINGLE_STAGE))
    ((label, sizes, (cell,)),) = table.rows
    assert (label, sizes, cell.value, cell.paper) == ("single-stage training", "40 visits", "80.0 %", "82.8 %")
