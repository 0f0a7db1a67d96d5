"""The stage `simulation`: agents drawn from a store's mix browse its storefront (Eq. 4, 3.2)."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from simpersona.contracts import EPISODES, STEPS
from simpersona.files import write_json, write_table
from simpersona.pipeline.preflight import FILE as PREFLIGHT
from simpersona.pipeline.preflight import require_usable_store
from simpersona.pipeline.recorded import simulated_buyers
from simpersona.pipeline.stage import StageContext, StageResult
from simpersona.pipeline.visits import run_arm
from simpersona.shopper.records import episode_tables
from simpersona.shopper.screenshots import keep_pictures
from simpersona.simulation.arms import arms_of, turned_away_warnings, visit_summary
from simpersona.simulation.store_goals import with_offers
from simpersona.visits import Episode


def run(context: StageContext, out: Path) -> StageResult:
    """Agents drawn from each held-out store's mix (Eq. 4) browse its storefront; each acting policy has separate buyers."""
    episodes: list[Episode] = []
    tables: list[pa.Table] = []
    config = context.config
    arms = arms_of(config.simulation, config.acting, *simulated_buyers(context), config.seed)
    checked = require_usable_store(config, arms, context.progress)
    if checked is not None:
        arms = with_offers(arms, checked.offers, config.seed)
    for arm in arms:
        visited, events = run_arm(context, arm)
        episodes += visited
        tables.append(events)
    if context.shard is not None:
        return StageResult(
            sum(len(arm.goals) for arm in arms),
            len(episodes),
            f"shard {context.shard}: {len(episodes)} visits finished",
        )
    episode_table, step_table = episode_tables(episodes, pa.concat_tables(tables), {})
    write_table(out / "episodes.parquet", episode_table, EPISODES)
    write_table(out / "steps.parquet", step_table, STEPS)
    keep_pictures(context.folder.work(context.stage), out)
    served = config.llm if config.simulation.model == "llm" else None
    figures, summary = visit_summary(config.acting, served, episode_table, step_table)
    write_json(out / "quality.json", figures)
    if checked is not None:
        write_json(out / PREFLIGHT, checked.as_json())
    context.folder.forget_work(context.stage)
    return StageResult(
        sum(len(arm.goals) for arm in arms),
        len(episodes),
        summary,
        figures=figures,
        details=checked.lines() if checked is not None else (),
        warnings=turned_away_warnings(figures),
    )
