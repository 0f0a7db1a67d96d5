"""The policies that made a run's visits, each with its figures and its colour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simpersona.evaluation.metric import Metric
from simpersona.evaluation.metric_lookup import other_policies
from simpersona.evaluation.metrics_table import POLICY
from simpersona.report.formatting import Interval

COLOURS = ("first", "second", "third")


@dataclass(frozen=True)
class PolicyFigures:
    """One policy and its figures in the values and notes of metrics.json.

    `key_name` is the policy's name in its keys; None for the policy that the run is named after, whose keys have no prefix.
    """

    name: str
    colour: str
    values: Mapping[str, Any]
    notes: Mapping[str, str]
    key_name: str | None = None

    @property
    def label(self) -> str:
        """Its name on the page."""
        return policy_label(self.name)

    def has(self, metric: Metric) -> bool:
        """Whether metrics.json has the metric at all, if only as null."""
        return metric.key_of(self.key_name) in self.values

    def value(self, metric: Metric) -> Any:
        """The figure, None where it is unknown."""
        return self.values.get(metric.key_of(self.key_name))

    def interval(self, metric: Metric) -> Interval | None:
        """The 95 % interval of the figure, where one was computed."""
        bounds = self.values.get(metric.interval_key_of(self.key_name))
        return (bounds[0], bounds[1]) if bounds else None

    def note(self, metric: Metric) -> str:
        """The remark on the figure, or the reason why it is unknown; empty without one."""
        return self.notes.get(metric.key_of(self.key_name), "")


def policy_figures(values: Mapping[str, Any], notes: Mapping[str, str] | None = None) -> list[PolicyFigures]:
    """The policies of metrics.json, the one that the run is named after first. Empty where nothing was measured."""
    headline = values.get("policy")
    names: list[tuple[str, str | None]] = [(str(headline), None)] if headline else []
    names += [(name, name) for name in other_policies(values)]
    return [
        PolicyFigures(name, COLOURS[min(index, len(COLOURS) - 1)], values, notes or {}, key_name)
        for index, (name, key_name) in enumerate(names)
    ]


def policy_label(name: str) -> str:
    """A policy's name in plain words; an unknown name as it is."""
    return POLICY.labels.get(name, name)
