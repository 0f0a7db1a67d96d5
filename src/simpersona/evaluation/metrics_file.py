"""How figures are collected, and what metrics.json holds: every key of the table of metrics, with a reason for each gap.

A figure that could not be computed is None and carries its reason, so that "zero" and "not known" differ.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from simpersona.contracts import Metrics
from simpersona.evaluation.metric_lookup import metrics_of_run, policy_metrics

DIGITS = 6


class MetricsBuilder:
    """Collects figures and, for those that could not be computed, the reasons."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}
        self._notes: dict[str, str] = {}

    def put(self, key: str, value: float | list[float] | None, why: str = "") -> None:
        """Records a figure. None, nan and infinity become None with the reason `why`.

        A finite figure may carry a remark the same way, for example a warning that its sample is small.
        """
        known = value is not None and bool(np.isfinite(value).all())
        self._values[key] = _plain(value) if known else None
        if why:
            self._notes[key] = why
        elif not known:
            self._notes[key] = "not a finite number on this data"

    def metrics(self) -> Metrics:
        """What was recorded."""
        return Metrics(dict(self._values), dict(self._notes))


def complete(
    metrics: Metrics,
    *,
    source: str | None = None,
    policy: str = "lm",
    others: Iterable[str] = (),
    doers: Iterable[str] = (),
) -> Metrics:
    """The metrics with every key of the table that a run must have, the missing ones None with the table's reason.

    `source` is "lab" or the name of the real data set. `policy` is the policy that the run is named after, `others` are the
    further ones that made visits, `doers` those that did tasks. Labels and keys that `metrics` holds already stay.
    """
    labels = {"source": source, "policy": policy}
    given = {name: value for name, value in labels.items() if value is not None} | metrics.values
    table = {key: metric for key, (metric, _) in metrics_of_run(policy, others, doers).items()}
    values = {key: given.get(key) for key, metric in table.items() if metric.required} | given
    notes = {
        key: metrics.notes.get(key) or (table[key].missing if key in table else "not computed in this run")
        for key, value in values.items()
        if value is None
    }
    return Metrics(values, metrics.notes | notes)


def of_policy(policy: str, metrics: Metrics) -> Metrics:
    """The figures of a further policy under keys of their own: policies.NAME.KEY."""
    keys = {metric.key: metric.key_of(policy) for metric in policy_metrics()}
    values, notes = ({keys[key]: value for key, value in part.items()} for part in (metrics.values, metrics.notes))
    return Metrics(values, notes)


def serialise(metrics: Metrics) -> dict[str, Any]:
    """The object of metrics.json: flat keys, plain Python values, floats rounded to 6 digits, and the
    reasons under "notes".

    Raises ValueError that names the figures that are nan or infinite: such a figure must be None with a reason.
    """
    flat = {key: _plain(value) for key, value in metrics.values.items()}
    if endless := [key for key, value in flat.items() if not _finite(value)]:
        raise ValueError(f"metrics.json: {', '.join(endless)} not finite; expected None and a reason in the notes")
    return flat | {"notes": dict(metrics.notes)}


def _finite(value: Any) -> bool:
    if isinstance(value, list):
        return all(_finite(item) for item in value)
    return not isinstance(value, float) or math.isfinite(value)


def _plain(value: Any) -> Any:
    """The value as JSON has it: NumPy numbers made plain, floats rounded."""
    match value:
        case bool() | np.bool_():
            return bool(value)
        case int() | np.integer():
            return int(value)
        case float() | np.floating():
            return round(float(value), DIGITS) if math.isfinite(value) else float(value)
        case list() | tuple() | np.ndarray():
            return [_plain(item) for item in value]
        case _:
            return value
