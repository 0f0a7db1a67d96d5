"""Evaluation: shopping tasks done by the replay teacher, the scorer and the language model, and the mixes of stores without a history."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks.quiet import Quiet
from benchmarks.results import Section, Table
from simpersona.config import (
    AgentConfig,
    Config,
    LabConfig,
    SimulationConfig,
    SplitConfig,
    StoreConfig,
    TasksConfig,
    TracesConfig,
)
from simpersona.evaluation.metric_lookup import metric
from simpersona.evaluation.metrics_table import KINDS
from simpersona.pipeline.cold_start import cold_start_figures
from simpersona.pipeline.run import run_pipeline
from simpersona.pipeline.stage import StageContext
from simpersona.pipeline.tasks import task_figures

PAPER = {
    "SimPersona (paper)": ("91.4%", "76.9%", "59.3%", "–", "–", "77.7%", "–", "14.9"),
    "GPT-OSS-120B (paper)": ("81.7%", "53.1%", "52.2%", "–", "–", "93.9%", "–", "11.4"),
}
"""Table 4: on live stores, 70 tasks, 10 repetitions."""
REPLICATES = 2000


def section(lab: LabConfig | None = None, tasks: TasksConfig | None = None, seed: int = 0) -> Section:
    """Tasks and cold start on the held-out half of the stores of `lab`, with the shipped pack."""
    lab = lab or LabConfig(shops=20, buyers=6_000, seed=47, output="parquet")
    tasks = tasks or TasksConfig(count=70, repetitions=10)
    with tempfile.TemporaryDirectory() as scratch:
        config = Config(
            folder=Path(scratch),
            seed=seed,
            pack="default",
            lab=lab,
            split=SplitConfig(held_out_share=0.5),
            store=StoreConfig(driver="http"),
            traces=TracesConfig(sessions=4, concurrency=4),
            agent=AgentConfig(policies=("scorer", "lm")),
            simulation=SimulationConfig(policy="scorer"),
            tasks=tasks,
        )
        folder = run_pipeline(config, Quiet(), upto="tasks")
        figures, doers = task_figures(StageContext(config, folder, lambda *_: None))
        done = figures.values
        once = config.model_copy(update={"tasks": tasks.model_copy(update={"policies": ("lm",), "repetitions": 1})})
        run_pipeline(once, Quiet(), upto="tasks")
        figures, slow = task_figures(StageContext(once, folder, lambda *_: None))
        done, doers = figures.values | done, [*doers, *slow]
        cold = cold_start_figures(folder.path, REPLICATES, seed).values
    what = f"A generated world of {lab.shops} stores ({cold['cold_start.shops']} of them held out) and {lab.buyers:,} buyers, none of which the pack was trained on."
    return Section(
        "evaluation", what, [_tasks(done, doers), _cold_start(cold)], ("scipy", "scikit-learn", "django-oscar")
    )


def _tasks(done: dict[str, Any], doers: list[str]) -> tuple[Table, str]:
    head = (
        "",
        *(f"{kind} tasks" for kind in KINDS),
        "ordered",
        "whole instruction",
        "says done",
        "… and is right",
        "steps",
    )
    rows = []
    for name in doers:
        shares = [
            metric("tasks", name, share) for share in (*KINDS, "ordered", "verified", "self_reported", "kept_word")
        ]
        cells = [_share(done[share.key], done.get(share.interval_key_of(None))) for share in shares]
        visits, steps = (done[metric("tasks", name, size).key] for size in ("visits", "steps_mean"))
        rows.append([f"{name}, {visits} visits", *cells, f"{steps:.1f}"])
    rows += [[name, *cells] for name, cells in PAPER.items()]
    least, most = done["tasks.actions"]
    note = (
        f"{done['tasks.count']} tasks of {least} to {most} actions from sessions of held-out stores, over HTTP, 30 steps at most, "
        f"{done['tasks.repetitions']} visits each (the teacher and the language model once). Cart tasks: something is added to the cart; checkout and purchase tasks: the "
        "checkout reached, as in the paper; ordered: an order is placed (purchase tasks only); whole instruction: everything asked for happened in order and nothing more, by the store's log. 95 % intervals over tasks. The replay teacher knows the session: it is an upper bound, not a policy. The scorer is a surrogate that is trained on goals of one sentence (to buy, to browse) and does not read instructions; a fifth of what the "
        "pack's language model learns from has instructions."
    )
    return Table(head, rows), note


def _cold_start(cold: dict[str, Any]) -> tuple[Table, str]:

    def js(name: str) -> str:
        return f"{cold[metric('cold_start', name).key]:.3f}"

    low, high = cold[metric("cold_start", "js_mean").interval_key_of(None)]
    rows = [
        ["from its catalogue", f"{js('js_mean')} [{low:.3f}, {high:.3f}]", js("strata_js_mean"), js("js_loo_mean")],
        [
            "the mean mix of the training stores",
            js("js_global_mean"),
            js("strata_js_global_mean"),
            js("js_loo_global_mean"),
        ],
        ["one training shop at random", js("js_random_shop_mean"), "–", "–"],
    ]
    gain, coverage, shops, training_shops = (
        metric("cold_start", name) for name in ("gain", "coverage", "shops", "training_shops")
    )
    low, high = cold[gain.interval_key_of(None)]
    verdict = (
        "the catalogue helps" if low > 0 else "no better than the mean mix" if high >= 0 else "worse than the mean mix"
    )
    note = (
        f"Jensen-Shannon divergence (base 2) from the real mix, mean over {cold[shops.key]} held-out stores of which only the "
        f"products were known; last column: over the {cold[training_shops.key]} training stores, each left out in turn. Gain over "
        f"the mean mix {cold[gain.key]:.3f} [{low:.3f}, {high:.3f}], paired over stores: {verdict}. {cold[coverage.key]:.0%} of the "
        "stores' shares lie in the predicted 95 % range. In the lab the buyers of a store are drawn independently of what it sells. "
        "So the catalogue can predict which codes occur (a code includes tastes in products), but not how many buyers buy. The "
        "strata that the mix stands for are the test; no gain is expected there."
    )
    return Table(("mix", "JS over codes", "JS over strata A–D", "JS over codes, left out"), rows), note


def _share(value: float | None, interval: list[float] | None) -> str:
    if value is None:
        return "–"
    spread = "" if interval is None else f" [{interval[0]:.0%}, {interval[1]:.0%}]"
    return f"{value:.1%}{spread}"
