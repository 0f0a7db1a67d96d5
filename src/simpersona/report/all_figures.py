"""All of metrics.json, in groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simpersona.evaluation.metric_lookup import metrics_of_run, other_policies
from simpersona.evaluation.metrics_table import POLICY
from simpersona.report.formatting import formatted
from simpersona.report.policies import policy_label


@dataclass(frozen=True)
class Row:
    """One figure. `note` is a remark, or the reason why there is no value."""

    key: str
    label: str
    value: str
    paper: str = ""
    where: str = ""
    note: str = ""


def all_figures(values: Mapping[str, Any], notes: Mapping[str, str]) -> dict[str, list[Row]]:
    """Every figure of metrics.json with its note, by group and policy, in the order of the file.

    Keys that the table of metrics does not have, of another version, form the group "other".
    """
    known = metrics_of_run(str(values.get("policy") or "lm"), other_policies(values), POLICY.labels)
    groups: dict[str, list[Row]] = {}
    for key, value in values.items():
        note = notes.get(key, "")
        if key not in known:
            groups.setdefault("other", []).append(Row(key, key, formatted(value), note=note))
            continue
        metric, other = known[key]
        group = metric.group if len(metric.parts) > 1 else "labels"
        paper = metric.paper
        row = Row(
            key,
            metric.title,
            formatted(value, metric.unit),
            formatted(paper.value, metric.unit) if paper else "",
            paper.where if paper else "",
            note,
        )
        groups.setdefault(group if other is None else f"{group} of the {policy_label(other)}", []).append(row)
    return groups
