"""Traces: recorded sessions replayed in the browser, as a run does it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow.parquet as pq
from transformers import AutoTokenizer

from benchmarks.measure import Stopwatch, percentile
from benchmarks.quiet import Quiet
from benchmarks.results import Section, Table, number
from simpersona.agent.backbone import packaged_folder
from simpersona.agent.masks import encode
from simpersona.artifacts import read_lines
from simpersona.config import BuyersConfig, Config, LabConfig, PersonasConfig, TracesConfig
from simpersona.contracts import EPISODES, STEPS
from simpersona.pipeline import run_pipeline

UNCUT = 8192
"""Tokens: no example is cut when they are counted."""


def section(lab: LabConfig | None = None, sessions: int = 40, concurrency: int = 2) -> Section:
    """Verified share, milliseconds per step, nodes per page and tokens per example."""
    lab = lab or LabConfig(shops=3, buyers=3000)
    with tempfile.TemporaryDirectory() as scratch:
        config = Config(
            folder=Path(scratch),
            lab=lab,
            buyers=BuyersConfig(embedder="hashing"),
            personas=PersonasConfig(epochs=10),  # which codes the sessions have does not matter here
            traces=TracesConfig(sessions=sessions, concurrency=concurrency),
        )
        quiet = Quiet()
        run_pipeline(config, quiet, upto="personas")
        watch = Stopwatch()
        folder = run_pipeline(config, quiet, upto="traces")
        cost = watch.lap()
        episodes = EPISODES.conform(pq.read_table(folder / "traces/episodes.parquet")).to_pylist()
        steps = STEPS.conform(pq.read_table(folder / "traces/steps.parquet")).to_pylist()
        examples = read_lines(folder / "traces/stage1.jsonl")
    verified = sum(episode["verified"] for episode in episodes)
    acted = [step["seconds"] * 1000 for step in steps if step["method"] is not None]
    nodes = [len(step["tree"].splitlines()) for step in steps]
    tokenizer = AutoTokenizer.from_pretrained(packaged_folder(), local_files_only=True)
    encoded = [encode(example, tokenizer, UNCUT) for example in examples]
    tokens = [len(one.input_ids) for one in encoded]
    answers = [sum(label >= 0 for label in one.labels) for one in encoded]

    def row(name: str, values: list[float] | list[int]) -> list[str]:
        return [name, number(percentile(values, 0.5)), number(percentile(values, 0.95)), number(max(values))]

    table = Table(
        ("", "median", "95 %", "most"),
        [
            row(f"step, ms (wall, {concurrency} visits at once)", acted),
            row("nodes per page", nodes),
            row("SmolLM2 tokens per example", tokens),
            row("of them the answer", answers),
            row("actions per session", [episode["steps"] for episode in episodes]),
        ],
    )
    reasons = sorted({episode["verdict"] for episode in episodes if not episode["verified"]})
    note = (
        f"{verified} of {len(episodes)} sessions verified ({verified / len(episodes):.0%})"
        + (f"; not verified: {'; '.join(reasons)}" if reasons else "")
        + f". {number(cost.cpu / len(acted) * 1000)} CPU-milliseconds per step with browser, driver and stores, their "
        "building and starting included."
    )
    what = (
        f"{len(episodes)} recorded sessions of a generated world ({lab.shops} shops, {lab.buyers:,} buyers), replayed in the "
        "stores of its training shops."
    )
    return Section("traces", what, [(table, note)], ("playwright", "django-oscar", "transformers"))
