"""The table of metrics, and the documentation that is written from it."""

from pathlib import Path

import pytest

from simpersona.evaluation.metric_lookup import adjusted_metrics, metric, metrics_of_run, other_policies, policy_metrics
from simpersona.evaluation.metrics_doc import with_metrics
from simpersona.evaluation.metrics_table import BLOCKS

PAGE = Path(__file__).parents[2] / "docs/evaluation.md"


def test_the_documentation_lists_the_current_metrics():
    page = PAGE.read_text("utf-8")
    assert with_metrics(page) == page, "run: python -m simpersona.evaluation.metrics_doc docs/evaluation.md"


def test_a_page_without_markers_is_refused():
    with pytest.raises(ValueError, match="no place for the list of metrics"):
        with_metrics("# Evaluation")


def test_every_key_is_declared_once_and_every_gap_has_a_reason():
    metrics = [one for block in BLOCKS for one in block.metrics()]
    assert len({one.key for one in metrics}) == len(metrics)
    assert all(one.label and one.title and one.missing for one in metrics)


def test_a_metric_by_the_parts_of_its_key():
    skill = metric("conversion", "represented", "ara", "skill")
    assert (skill.key, skill.unit, skill.better) == ("conversion.represented.ara.skill", "number", "higher")
    assert skill.key_of("scorer") == "policies.scorer.conversion.represented.ara.skill"
    assert skill.interval_key_of("scorer") == "policies.scorer.conversion.represented.ara.skill_ci95"
    assert metric("cold_start", "js_mean").interval_key_of(None) == "cold_start.js_ci95"
    assert metric("population", "js_mean").key_of("scorer") == "population.js_mean"  # measured once per run
    assert metric("clusters", "kmeans", "stratum_purity").title == "stratum purity, k-means"
    with pytest.raises(KeyError, match=r"clusters\.vqvae\.stratum_purity"):
        metric("clusters", "vqvae", "stratum_puritty")


def test_three_tests_for_each_head_and_one_for_each_depth_are_adjusted():
    assert len(adjusted_metrics()) == 3 * 3 + 5
    assert {one.unit for one in adjusted_metrics()} == {"p value"}


def test_a_run_has_the_keys_of_its_policies():
    keys = metrics_of_run("lm", ["scorer"], ["replay"])
    assert keys["policies.scorer.depth.all.p"] == (metric("depth", "all", "p"), "scorer")
    assert {"tasks.lm.cart", "tasks.replay.cart"} <= keys.keys()
    assert "tasks.scorer.cart" not in keys
    assert len(keys) == len(metrics_of_run("lm", [], ["replay"])) + len(policy_metrics())
    assert other_policies({"policies.scorer.depth.all.p": 0.1}) == ["scorer"]
