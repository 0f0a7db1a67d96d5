"""Metrics by the parts of their keys, and the keys that a run's metrics.json has. Keys are made of parts, never taken apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from simpersona.evaluation.metric import Metric
from simpersona.evaluation.metrics_table import BLOCKS, POLICY, TRAINING

_METRICS = {metric.parts: metric for block in BLOCKS for metric in block.metrics()}


def metric(*parts: str) -> Metric:
    """The metric with this key, given in parts: `metric("clusters", "vqvae", "stratum_purity")`.

    Raises KeyError that names similar keys if there is none.
    """
    if parts in _METRICS:
        return _METRICS[parts]
    similar = get_close_matches(".".join(parts), [known.key for known in _METRICS.values()])
    raise KeyError(f"no metric {'.'.join(parts)}; similar: {', '.join(similar) or 'none'}")


def policy_metrics() -> list[Metric]:
    """The metrics that are measured for each policy, in the order of metrics.json."""
    return [metric for metric in _METRICS.values() if metric.by_policy]


def adjusted_metrics() -> list[Metric]:
    """The metrics whose p value is adjusted for the number of tests."""
    keys = {metric.key for metric in _METRICS.values()}
    return [metric for metric in _METRICS.values() if metric.adjusted_key in keys]


def metrics_of_run(
    policy: str, others: Iterable[str] = (), doers: Iterable[str] = ()
) -> dict[str, tuple[Metric, str | None]]:
    """Every key that a run may have, with its metric and, where it is of a further policy, that policy.

    `policy` is the one that the run is named after, `others` are the further ones that made visits for buyers, `doers` those that did
    tasks. The keys stand in the order of metrics.json.
    """
    doers_too = {POLICY.name: tuple(dict.fromkeys([policy, *doers]))}
    headline: dict[str, tuple[Metric, str | None]] = {
        metric.key: (metric, None) for block in BLOCKS for metric in block.metrics(doers_too)
    }
    return headline | {metric.key_of(name): (metric, name) for name in others for metric in policy_metrics()}


def other_policies(values: Mapping[str, Any]) -> list[str]:
    """The policies beside the one that the run is named after that have figures in `values` (metrics.json)."""
    return [name for name in POLICY.labels if any(metric.key_of(name) in values for metric in policy_metrics())]


def measured_training(values: Mapping[str, Any]) -> str:
    """The row of outcomes.* that has figures in `values` (metrics.json); "two_stage" if none has."""
    counts = {training: metric("outcomes", training, "episodes") for training in TRAINING.labels}
    return next((training for training, count in counts.items() if values.get(count.key) is not None), "two_stage")
