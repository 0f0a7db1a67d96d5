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
from simpersona.pipeline.stage import StageContext, StageResult
from simpersona.report.page import ReportInputs, render_report
from simpersona.shopper.screenshots import pictures_of


def run(context: StageContext, out: Path) -> StageResult:
    """One self-contained HTML file."""
    pack = FittedPersonas.load(context.folder / "personas")
    metrics = read_json(context.folder / "evaluation/metrics.json")
    buyers = context.table("buyers/buyers.parquet", BUYERS)
    assignments = context.table("personas/assignments.parquet", ASSIGNMENTS)
    train_shops = set(buyers["shop_id"].unique().to_pylist()) - set(pack.held_out)
    steps = context.table("simulation/steps.parquet", STEPS)
    html = render_report(
        ReportInputs(
            metrics={key: value for key, value in metrics.items() if key != "notes"},
            notes=metrics["notes"],
            config=context.config.model_dump(mode="json"),
            stages=[vars(record) for record in context.folder.records.values()],
            quality=read_json(context.folder / "events/quality.json"),
            strata_by_shop=_strata_by_shop(buyers),
            predicted_strata=predicted_strata(buyers, assignments, train_shops),
            cards=context.table("personas/cards.parquet", CARDS),
            mix=context.table("personas/mix.parquet", MIX),
            persona_history=pack.personas.history,
            codebook=pack.personas.codebook,
            trace_episodes=context.table("traces/episodes.parquet", EPISODES),
            simulated_episodes=context.table("simulation/episodes.parquet", EPISODES),
            steps=steps,
            training=read_json(context.folder / "agent/training.json"),
            held_out_shops=list(pack.held_out),
            shop_figures=_shop_figures(context),
            pictures=partial(pictures_of, context.folder / "simulation"),
            folder=str(context.folder.path),
        )
    )
    write_text(out / "index.html", html)
    return StageResult(len(metrics), 1, f"{len(html) / 1e6:.1f} MB, {steps.num_rows} recorded steps")


def _shop_figures(context: StageContext) -> list[dict]:
    """Rows of evaluation/shop_figures.parquet; none where it was not written."""
    place = context.folder / "evaluation/shop_figures.parquet"
    return pq.read_table(place).to_pylist() if place.exists() else []


def _strata_by_shop(buyers: pa.Table) -> dict[str, dict[str, int]]:
    counts = buyers.group_by(["shop_id", "stratum"]).aggregate([([], "count_all")]).to_pylist()
    shops: dict[str, dict[str, int]] = {}
    for row in sorted(counts, key=lambda row: row["shop_id"]):
        shops.setdefault(row["shop_id"], dict.fromkeys(STRATA, 0))[row["stratum"]] = row["count_all"]
    return shops
