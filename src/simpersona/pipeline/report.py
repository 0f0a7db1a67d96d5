"""The stage `report`: all figures as one self-contained HTML file."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from simpersona.contracts import ASSIGNMENTS, BUYERS, CARDS, EPISODES, MIX, STEPS, STRATA
from simpersona.evaluation.recovery import predicted_strata
from simpersona.files import read_json, write_text
from simpersona.personas.fitted import FittedPersonas
from simpersona.pipeline.preflight import FILE as PREFLIGHT
from simpersona.pipeline.stage import StageContext, StageResult
from simpersona.report.inputs import ReportInputs
from simpersona.report.page import render_report
from simpersona.shopper.screenshots import pictures_of


def run(context: StageContext, out: Path) -> StageResult:
    """Writes one self-contained HTML file."""
    inputs = report_inputs(context)
    html = render_report(inputs)
    write_text(out / "index.html", html)
    summary = f"{len(html) / 1e6:.1f} MB, {inputs.steps.num_rows} recorded steps"
    return StageResult(len(inputs.metrics), 1, summary)


def report_inputs(context: StageContext) -> ReportInputs:
    """Everything that the report shows, read from the run folder."""
    folder = context.folder
    fitted = FittedPersonas.load(folder / "personas")
    metrics = read_json(folder / "evaluation/metrics.json")
    notes = metrics.pop("notes")
    buyers = context.table("buyers/buyers.parquet", BUYERS)
    assignments = context.table("personas/assignments.parquet", ASSIGNMENTS)
    train_shops = set(buyers["shop_id"].unique().to_pylist()) - set(fitted.held_out)
    return ReportInputs(
        metrics=metrics,
        notes=notes,
        config=context.config.model_dump(mode="json"),
        stages=[vars(record) for record in folder.records.values()],
        quality=read_json(folder / "events/quality.json"),
        strata_by_shop=_strata_by_shop(buyers),
        predicted_strata=predicted_strata(buyers, assignments, train_shops),
        cards=context.table("personas/cards.parquet", CARDS),
        mix=context.table("personas/mix.parquet", MIX),
        persona_history=fitted.network.history,
        codebook=fitted.network.codebook,
        trace_episodes=context.table("traces/episodes.parquet", EPISODES),
        simulated_episodes=context.table("simulation/episodes.parquet", EPISODES),
        steps=context.table("simulation/steps.parquet", STEPS),
        training=read_json(folder / "agent/training.json"),
        held_out_shops=list(fitted.held_out),
        shop_figures=_shop_figures(context),
        pictures=partial(pictures_of, folder / "simulation"),
        folder=str(folder.path),
        preflight=read_json(checked)["findings"] if (checked := folder / "simulation" / PREFLIGHT).is_file() else (),
    )


def _shop_figures(context: StageContext) -> list[dict]:
    """Rows of evaluation/shop_figures.parquet; an empty list if the file does not exist."""
    path = context.folder / "evaluation/shop_figures.parquet"
    return pq.read_table(path).to_pylist() if path.exists() else []


def _strata_by_shop(buyers: pa.Table) -> dict[str, dict[str, int]]:
    """The number of buyers of each stratum, by store."""
    counts = buyers.group_by(["shop_id", "stratum"]).aggregate([([], "count_all")]).to_pylist()
    shops: dict[str, dict[str, int]] = {}
    for row in sorted(counts, key=lambda row: row["shop_id"]):
        shops.setdefault(row["shop_id"], dict.fromkeys(STRATA, 0))[row["stratum"]] = row["count_all"]
    return shops
