"""Trace volume: the paper's 3,600 sessions to examples by one command, with its time and the disk that it takes."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.quiet import Quiet
from benchmarks.results import Section, Table, number
from simpersona.config import Config
from simpersona.config.file import load_config
from simpersona.contracts import EPISODES
from simpersona.files import read_json
from simpersona.pipeline.run import run_pipeline
from simpersona.pipeline.run_folder import RunFolder

CONFIG = Path(__file__).parent.parent / "examples/traces.toml"
PAPER = {"sessions": "3,600", "examples of a stage": "34,000"}


def section(config: Config | None = None) -> Section:
    """Counts, seconds and megabytes of the run, which is made if it is not up to date and continues if it was killed."""
    run = run_pipeline(config or load_config(CONFIG), Quiet(), upto="traces")
    record, quality = run.records["traces"], read_json(run / "traces/quality.json")
    episodes = EPISODES.conform(pq.read_table(run / "traces/episodes.parquet")).to_pylist()
    lines = {stage: _lines(run, stage) for stage in (1, 2)}
    rows = [
        ["sessions", PAPER["sessions"], f"{record.rows_in:,}"],
        ["of them verified", "–", f"{record.rows_out:,} ({record.rows_out / record.rows_in:.1%})"],
        ["actions per session, mean", "10", number(sum(one["steps"] for one in episodes) / len(episodes))],
        ["examples of a stage", PAPER["examples of a stage"], f"{lines[1]:,}"],
        ["stores", "39", f"{len({one['shop_id'] for one in episodes})}"],
        [
            "codes with examples",
            "all",
            f"{quality['codes']['with_examples']} of {quality['codes']['of_training_shops']}",
        ],
        ["minutes (wall), stores built and started", "–", number(record.seconds / 60)],
        ["peak memory of the stage, MB", "–", number(record.peak_memory_mb)],
        ["examples of both stages, MB", "–", number(_megabytes(run / "traces", "stage?.jsonl"))],
        ["all of traces/, MB", "–", number(_megabytes(run / "traces", "*"))],
    ]
    reasons = sorted({one["verdict"] for one in episodes if not one["verified"]})
    note = f"Not verified: {'; '.join(reasons) or 'none'}. A killed run continues with the unfinished visits."
    what = f"`simpersona traces examples/{CONFIG.name}`, over plain HTTP, lab data; the times are those of the run's manifest."
    return Section("trace_volume", what, [(Table(("", "paper", "here"), rows), note)], ("django-oscar", "httpx2"))


def _lines(run: RunFolder, stage: int) -> int:
    return sum(len(file.read_bytes().splitlines()) for file in (run / "traces").rglob(f"stage{stage}.jsonl"))


def _megabytes(folder: Path, pattern: str) -> float:
    return sum(file.stat().st_size for file in folder.rglob(pattern) if file.is_file()) / 1e6
