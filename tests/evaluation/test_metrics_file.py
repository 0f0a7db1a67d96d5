import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simpersona.contracts import Metrics
from simpersona.evaluation.metric_lookup import metrics_of_run, policy_metrics
from simpersona.evaluation.metrics_file import MetricsBuilder, complete, of_policy, serialise


def required_keys():
    return [key for key, (metric, _) in metrics_of_run("lm").items() if metric.required]


def test_the_keys_that_metrics_json_promises():
    keys = required_keys()
    assert len(keys) == len(set(keys))
    assert {
        "source",
        "policy",
        "clusters.kmeans.incoherent_engagement_at_10pct",
        "population.r2.mean_order_value",
        "planted.normalized_mutual_information",
        "conversion.C.purchase.one_random",
        "conversion.stratified.ara.skill",
        "separation.exploration.permutation_p",
        "separation.funnel.high.checkout",
        "tasks.lm.self_reported",
        "outcomes.single_stage.shop_error.cv",
        "ablation.no_token.products_mean",
    } <= set(keys)
    # 6 rows x (3 outcomes x 6 arms, 4 sizes, 6 intervals, ceiling, and skill, gap, its ceiling and lead with intervals), 2 x 6 overall rates, 2 counts
    assert sum(key.startswith("conversion.") for key in keys) == 6 * (18 + 4 + 6 + 1 + 8) + 12 + 2
    assert sum(key.startswith("clusters.") for key in keys) == 2 * 15


def test_what_is_missing_becomes_none_with_a_reason():
    metrics = complete(Metrics({"planted.adjusted_rand": 0.5, "extra.figure": 1}, {"a": "b"}), source="lab")
    assert metrics.values["source"] == "lab"
    assert metrics.values["policy"] == "lm"
    assert metrics.values["planted.adjusted_rand"] == 0.5
    assert metrics.values["extra.figure"] == 1
    assert metrics.values["tasks.lm.cart"] is None
    assert metrics.notes["tasks.lm.cart"] == "the policy did no shopping tasks (settings tasks.count, tasks.policies)"
    assert set(required_keys()) <= set(metrics.values)
    assert all(metrics.notes[key] for key, value in metrics.values.items() if value is None)


def test_labels_of_the_metrics_win_and_the_policy_names_its_keys():
    metrics = complete(Metrics({"source": "rees46"}, {}), source="lab", policy="scorer")
    assert metrics.values["source"] == "rees46"
    assert "tasks.scorer.cart" in metrics.values
    assert "tasks.lm.cart" not in metrics.values


def test_a_further_policy_has_the_same_keys_of_its_own():
    metrics_of_scorer = of_policy("scorer", Metrics({"conversion.pairs": 3}, {"depth.A.p": "why"}))
    metrics = complete(metrics_of_scorer, policy="lm", others=["scorer"], doers=["replay"])
    assert metrics.values["policies.scorer.conversion.pairs"] == 3
    assert metrics.values["conversion.pairs"] is None
    assert metrics.notes["policies.scorer.depth.A.p"] == "why"
    assert {f"policies.scorer.{metric.key}" for metric in policy_metrics()} <= set(metrics.values)
    assert "tasks.replay.verified" in metrics.values


def test_the_file_is_flat_plain_and_rounded():
    metrics = Metrics({"a": np.float64(1 / 3), "b": [np.int64(2), 0.123456789], "c": None, "d": True}, {"c": "why"})
    flat = serialise(metrics)
    assert flat == {"a": 0.333333, "b": [2, 0.123457], "c": None, "d": True, "notes": {"c": "why"}}
    assert json.loads(json.dumps(flat, allow_nan=False)) == flat


def test_an_endless_figure_is_refused_by_name():
    with pytest.raises(ValueError, match=r"x\.y, z not finite"):
        serialise(Metrics({"x.y": float("nan"), "z": [0.0, float("inf")], "w": 1.0}, {}))


@given(st.floats())
def test_a_figure_is_finite_or_none_with_a_note(value):
    builder = MetricsBuilder()
    builder.put("key", value)
    metrics = builder.metrics()
    if np.isfinite(value):
        assert metrics.values["key"] == round(value, 6)
        assert metrics.notes == {}
    else:
        assert metrics.values["key"] is None
        assert metrics.notes["key"]
