"""One self-contained HTML page: what a run found, beside the paper's figures, with what is weak and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from simpersona.contracts import SCALARS
from simpersona.report import agent_charts, persona_charts
from simpersona.report.acting import Acting, acting, policy_words
from simpersona.report.figure_tables import figure_tables
from simpersona.report.inputs import ReportInputs
from simpersona.report.persona_map import mix_grid, persona_map
from simpersona.report.quality_notes import quality_notes
from simpersona.report.replays import replays, sample
from simpersona.report.store_pages import stores
from simpersona.report.strata_words import STRATA_LEGEND, STRATUM_MEANING
from simpersona.report.summary import tiles, what_they_did, who_shops_here
from simpersona.report.templating import plain, templates
from simpersona.report.trust import checks, verdict
from simpersona.report.wording import all_rows, privacy_words

__all__ = ["ReportInputs", "render_report"]

MOST_VISITS = 60
"""Visits in the report itself; `simpersona replay` shows them all."""
PICTURE_BYTES = 4_000_000
"""Of screenshots in the report: it should still go by mail."""


def render_report(inputs: ReportInputs) -> str:
    """The page's HTML. It loads nothing from anywhere: styles, scripts and all data are inside, and its charts need no script.

    A part of `inputs` that is missing leaves its section out or says so; text of shops, buyers and pages is escaped.
    """
    policies = acting(inputs.metrics)
    found = checks(inputs, policies)
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
            checks=found,
            verdict=verdict(inputs, found),
            map=persona_map(inputs.codebook, inputs.cards),
            grid=mix_grid(inputs.mix, inputs.cards),
            cards=inputs.cards.sort_by([("buyers", "descending"), ("code", "ascending")]).to_pylist(),
            stores=stores(inputs),
            scalars=SCALARS,
            strata_legend=STRATA_LEGEND,
            stratum_meaning=STRATUM_MEANING,
            tables=figure_tables(policies, inputs.notes),
            groups=all_rows(inputs),
            privacy=privacy_words(inputs),
            quality=_flat(inputs.quality),
            quality_notes=quality_notes(inputs.quality),
            reasons=list(inputs.quality.get("reasons", {}).items()),
            coverage=list(inputs.quality.get("coverage", {}).items()),
            config=_flat(inputs.config),
            verdicts=_verdicts(inputs.trace_episodes),
            replays=replays(shown, inputs.steps, inputs.cards, inputs.pictures, PICTURE_BYTES),
        )
    )


def _charts(inputs: ReportInputs, policies: list[Acting]) -> dict[str, Any]:
    names = {name: policy_words(name) for name in dict.fromkeys(inputs.simulated_episodes["policy"].to_pylist())}
    return {
        "persona_loss": persona_charts.persona_loss(inputs.persona_history),
        "persona_terms": persona_charts.persona_terms(inputs.persona_history),
        "codes_in_use": persona_charts.codes_in_use(inputs.persona_history),
        "strata": persona_charts.strata_by_shop(inputs.strata_by_shop, inputs.held_out_shops),
        "strata_recovery": persona_charts.strata_recovery(inputs.strata_by_shop, inputs.predicted_strata),
        "scalar_recovery": persona_charts.scalar_recovery(inputs.metrics),
        "model_losses": agent_charts.model_losses(inputs.training),
        "conversion": agent_charts.conversion(policies),
        "endings": agent_charts.endings(inputs.simulated_episodes, names),
        "funnel": agent_charts.purchase_funnel(policies),
    }


def _verdicts(episodes: pa.Table) -> list[tuple[str, bool, int]]:
    """(reason, verified, count) of the judge's words, the most common first."""
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
