"""Traces: recorded sessions replayed over plain HTTP in all four themes, a sample of them in the browser, and their prompts."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from scipy.stats import binomtest
from transformers import AutoTokenizer

from benchmarks.measure import Cost, Stopwatch, percentile
from benchmarks.quiet import Quiet
from benchmarks.results import Section, Table, number
from simpersona.agent.backbone import packaged_folder
from simpersona.agent.masks import encode
from simpersona.config import BuyersConfig, Config, LabConfig, PersonasConfig, SplitConfig, StoreConfig, TracesConfig
from simpersona.contracts import EPISODES, PRODUCTS, STEPS
from simpersona.files import read_lines
from simpersona.lab.storefront.launch import looks
from simpersona.pages import Example
from simpersona.pipeline.run import run_pipeline

UNCUT = 16_384
"""Tokens: no example is cut when they are counted."""
FAITHFUL, SHORT = 0.97, 700
"""Aims: the share of sessions verified, and the median prompt in tokens."""


@dataclass(frozen=True)
class Replayed:
    """What one way to visit the stores gave."""

    window: str
    episodes: list[dict[str, Any]]
    steps: list[dict[str, Any]]
    examples: list[Example]
    themes: dict[str, str]
    cost: Cost

    @property
    def verified(self) -> int:
        """Episodes."""
        return sum(bool(episode["verified"]) for episode in self.episodes)


def section(lab: LabConfig | None = None, sessions: int = 300, in_browser: int = 60, concurrency: int = 2) -> Section:
    """Verified shares, prompt tokens by theme, and the cost of a step."""
    lab = lab or LabConfig(shops=9, buyers=4500, output="parquet")
    with tempfile.TemporaryDirectory() as scratch:
        config = Config(
            folder=Path(scratch),
            lab=lab,
            split=SplitConfig(held_out_share=0),  # one shop
            buyers=BuyersConfig(embedder="hashing"),
            personas=PersonasConfig(epochs=5),  # which codes the sessions have does not matter here
        )
        run_pipeline(config, Quiet(), upto="personas")
        ways = [_replayed(config, "http", sessions, concurrency)]
        if in_browser:
            ways.append(_replayed(config, "browser", in_browser, concurrency))
    what = (
        f"Recorded sessions of a generated world ({lab.shops} stores, {lab.buyers:,} buyers) replayed in the stores of its training "
        f"shops: {sessions} over plain HTTP and a sample of {in_browser} in Chromium, {concurrency} at once."
    )
    tables = [_fidelity(ways), _prompts(ways[0]), _costs(ways)]
    return Section("traces", what, tables, ("playwright", "django-oscar", "transformers"))


def _replayed(config: Config, window: str, sessions: int, concurrency: int) -> Replayed:
    store = StoreConfig.model_validate({"driver": window})
    traces = TracesConfig(sessions=sessions, concurrency=concurrency, max_actions=30)
    watch = Stopwatch()
    folder = run_pipeline(config.model_copy(update={"store": store, "traces": traces}), Quiet(), upto="traces")
    cost = watch.lap()
    shops = PRODUCTS.conform(pq.read_table(folder / "events/products.parquet"))["shop_id"].unique().to_pylist()
    files = sorted((folder / "traces").rglob("stage1.jsonl"))
    return Replayed(
        window,
        EPISODES.conform(pq.read_table(folder / "traces/episodes.parquet")).to_pylist(),
        STEPS.conform(pq.read_table(folder / "traces/steps.parquet")).to_pylist(),
        [example for file in files for example in read_lines(file)],
        {shop: look.theme for shop, look in looks(shops, store.theme).items()},
        cost,
    )


def _fidelity(ways: Sequence[Replayed]) -> tuple[Table, str]:
    rows = []
    for way in ways:
        groups = {
            theme: [e for e in way.episodes if way.themes[e["shop_id"]] == theme] for theme in way.themes.values()
        }
        for name, own in [*sorted(groups.items()), ("all", way.episodes)]:
            if own:
                good = sum(bool(episode["verified"]) for episode in own)
                interval = binomtest(good, len(own)).proportion_ci(method="wilson")
                rows.append(
                    [
                        f"{way.window}: {name}",
                        str(len(own)),
                        str(good),
                        f"{good / len(own):.1%}",
                        f"{interval.low:.1%} to {interval.high:.1%}",
                        str(sum("nearest title" in episode["verdict"] for episode in own if episode["verified"])),
                    ]
                )
    failed = Counter(
        f"{way.window}: {episode['verdict']} (ending {episode['ending']})"
        for way in ways
        for episode in way.episodes
        if not episode["verified"]
    )
    why = "; ".join(f"{reason}, {times}" if times > 1 else reason for reason, times in failed.most_common()) or "none"
    table = Table(
        ("sessions", "replayed", "verified", "share", "95 % interval", "of them with the nearest title"), rows
    )
    return table, f"Aim: {FAITHFUL:.0%} verified by the stores' own logs. Not verified: {why}."


def _prompts(way: Replayed) -> tuple[Table, str]:
    tokenizer = AutoTokenizer.from_pretrained(packaged_folder(), local_files_only=True)
    by_theme: dict[str, list[tuple[int, int]]] = {}
    for example in way.examples:
        encoded = encode(example, tokenizer, UNCUT)
        answer = sum(label >= 0 for label in encoded.labels)
        by_theme.setdefault(way.themes[example["shop_id"]], []).append((len(encoded.input_ids) - answer, answer))
    everything = [pair for own in by_theme.values() for pair in own]
    rows = []
    for theme, own in [*sorted(by_theme.items()), ("all", everything)]:
        prompts, answers = zip(*own, strict=True)
        rows.append(
            [
                theme,
                f"{len(own):,}",
                *(number(percentile(values, share)) for values in (prompts, answers) for share in (0.5, 0.95)),
            ]
        )
    head = ("SmolLM2 tokens per step", "steps", "prompt, median", "95 %", "answer, median", "95 %")
    return Table(head, rows), f"Stage 1's examples over plain HTTP. Aim: a median prompt of at most {SHORT} tokens."


def _costs(ways: Sequence[Replayed]) -> tuple[Table, str]:
    rows = []
    for way in ways:
        acted = [step["seconds"] * 1000 for step in way.steps if step["method"] is not None]
        actions = [episode["steps"] for episode in way.episodes]
        nodes = [len(step["tree"].splitlines()) for step in way.steps]
        rows.append(
            [
                way.window,
                *(number(percentile(acted, share)) for share in (0.5, 0.95)),
                number(way.cost.cpu / len(acted) * 1000),
                *(number(percentile(values, 0.5)) for values in (actions, nodes)),
                f"{len(way.examples):,}",
            ]
        )
    head = (
        "",
        "ms per step (wall), median",
        "95 %",
        "CPU-ms per step",
        "actions per session",
        "nodes per page",
        "examples",
    )
    return Table(head, rows), "CPU counts the driver, the browser and the stores, their building and starting included."
