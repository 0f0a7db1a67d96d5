"""The stage `world`: the lab generates catalogues, events and the truth about its buyers."""

from __future__ import annotations

from pathlib import Path

from simpersona.lab.world import generate_world
from simpersona.pipeline.stage import StageContext, StageResult


def run(context: StageContext, out: Path) -> StageResult:
    """Generates the lab's world: catalogues, events and the truth about its buyers."""
    lab = context.config.lab
    count = generate_world(out, lab, context.progress)
    return StageResult(0, count, f"{lab.shops} generated shops, {lab.buyers} buyers, {count:,} events")
