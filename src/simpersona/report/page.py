"""The report as one self-contained HTML page: a run's figures beside the paper's, with its weaknesses and their reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from simpersona.contracts import SCALARS
from simpersona.evaluation.measurable import AS_CHECKOUT, INFERRED, is_inferred, purchase_is
from simpersona.evaluation.metric_lookup import measured_training
from simpersona.report import agent_charts, persona_charts
from simpersona.report.all_figures import all_figures
from simpersona.report.inputs import ReportInputs
from simpersona.report.paper_tables import paper_tables
from simpersona.report.persona_map import mix_grid, persona_map
from simpersona.report.policies import PolicyFigures, policy_figures, policy_label
from simpersona.report.quality_notes import quality_notes
from simpersona.report.replays import replays, sample
from simpersona.report.stores import stores
from simpersona.report.strata import STRATA_LEGEND
from simpersona.report.summary import inferred_sentence, privacy_sentence, tiles, what_they_did, who_shops_here
from simpersona.report.templating import plain, templates
from simpersona.report.trust import checks, verdict

__all__ = ["ReportInputs", "render_report"]

MOST_VISITS = 60
"""The most visits in the report; `simpersona replay` shows all."""
PICTURE_BYTES = 4_000_000
"""The most bytes of screenshots in the report, so that it can be sent by mail."""


def render_report(inputs: ReportInputs) -> str:
    """The page's HTML. It loads nothing: styles, scripts and all data are inside, and its charts need no script.

    A section without its part of `inputs` is left out or says so. Text of stores, buyers and pages is escaped.
    """
    policies = policy_figures(inputs.metrics, inputs.notes)
    points = checks(inputs, policies)
    shown = sample(inputs.simulated_episodes, MOST_VISITS)
    return (
        templates()
        .get_template("page.html.j2")
        .render(
            inputs=inputs,
            charts=_charts(inputs, policies),
            alignments=[(policy, agent_charts.alignment(policy)) for policy in policies],
            depths=[(policy, agent_charts.depth(policy)) for policy in policies],
            policies=policies,
            tiles=tiles(inputs),
            who=who_shops_here(inputs),
            did=what_they_did(inputs, policies),
            checks=points,
            verdict=verdict(inputs, points),
            map=persona_map(inputs.codebook, inputs.cards),
            grid=mix_grid(inputs.mix, inputs.cards),
            cards=inputs.cards.sort_by([("buyers", "descending"), ("code", "ascending")]).to_pylist(),
            stores=stores(inputs),
            scalars=SCALARS,
            strata_legend=STRATA_LEGEND,
            tables=paper_tables(policies, _remark(inputs.simulated_episodes)),
            inferred=inferred_sentence(inputs.simulated_episodes),
            groups=all_figures(inputs.metrics, inputs.notes),
            privacy=privacy_sentence(inputs),
            quality=_flat(inputs.quality),
            quality_notes=quality_notes(inputs.quality),
            reasons=list(inputs.quality.get("reasons", {}).items()),
            coverage=list(inputs.quality.get("coverage", {}).items()),
            config=_flat(inputs.config),
            verdicts=_verdicts(inputs.trace_episodes),
            replays=replays(shown, inputs.steps, inputs.cards, inputs.pictures, PICTURE_BYTES),
        )
    )


def _charts(inputs: ReportInputs, policies: list[PolicyFigures]) -> dict[str, Any]:
    names = {name: policy_label(name) for name in dict.fromkeys(inputs.simulated_episodes["policy"].to_pylist())}
    return {
        "persona_loss": persona_charts.persona_loss(inputs.persona_history),
        "persona_terms": persona_charts.persona_terms(inputs.persona_history),
        "codes_in_use": persona_charts.codes_in_use(inputs.persona_history),
        "strata": persona_charts.strata_by_shop(inputs.strata_by_shop, inputs.held_out_shops),
        "strata_recovery": persona_charts.strata_recovery(inputs.strata_by_shop, inputs.predicted_strata),
        "scalar_recovery": persona_charts.scalar_recovery(inputs.metrics),
        "model_losses": agent_charts.model_losses(inputs.training),
        "conversion": agent_charts.conversion(policies),
        "endings": agent_charts.endings(inputs.simulated_episodes, names, measured_training(inputs.metrics)),
        "funnel": agent_charts.purchase_funnel(policies),
    }


def _remark(episodes: pa.Table) -> str:
    """What the captions of figures say that rest on inferred events."""
    if not is_inferred(episodes):
        return ""
    meaning = f" {AS_CHECKOUT[0].upper()}{AS_CHECKOUT[1:]}." if purchase_is(episodes) == "checkout" else ""
    return f"Simulated visits: {INFERRED}.{meaning}"


def _verdicts(episodes: pa.Table) -> list[tuple[str, bool, int]]:
    """(reason, verified, count) of the judge's verdicts, the most common first."""
    rows = episodes.filter(pc.is_valid(episodes["verified"])).select(["verdict", "verified"]).to_pylist()
    counts = Counter((row["verdict"] or "no reason given", row["verified"]) for row in rows)
    return [(reason, verified, count) for (reason, verified), count in counts.most_common()]


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested plain values as (dotted name, text)."""
    rows: list[tuple[str, str]] = []
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            rows += _flat(value, f"{name}.")
        else:
            rows.append((name, plain(value)))
    return rows
