"""Stages: the two phases of training a language model by decisions against a single one, from different first rows (App. F, Tables 7, 8).

On the packaged model and the examples of the run of configs/pack.toml, tested in its held-out stores. Every way reads as many situations.
A killed benchmark continues from the last checkpoint of the way that it was at.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from benchmarks.grounding import CONFIG, ROWS, played, row, with_the_pack
from benchmarks.policies import figure
from benchmarks.quiet import Quiet
from benchmarks.results import Section, Table, number
from simpersona.adapters.embedders.open import open_embedder
from simpersona.agent.checkpointed_trainer import DONE
from simpersona.agent.decision_finetune import train_decisions
from simpersona.agent.decision_lectures import Lectures, lectures
from simpersona.agent.persona_rows import Known, known_of
from simpersona.agent.policies import model_policies
from simpersona.agent.tokens import StartRows
from simpersona.config import AgentConfig, PhaseConfig
from simpersona.config.file import load_config
from simpersona.evaluation.metric import Metric
from simpersona.evaluation.metric_lookup import metric
from simpersona.files import read_json
from simpersona.pack.files import DEFAULT
from simpersona.pack.pack import Pack
from simpersona.personas.fitted import FittedPersonas
from simpersona.pipeline.agent import training_funnel, training_steps
from simpersona.pipeline.recorded import simulated_shops
from simpersona.pipeline.run import run_pipeline
from simpersona.pipeline.stage import StageContext

FIRST = 5
"""Of two phases, one step in so many is phase 1."""


@dataclass(frozen=True)
class Way:
    """A way to train; the first is the paper's."""

    name: str
    training: Literal["two_stage", "single_stage"] = "two_stage"
    start: StartRows = "mapped"
    counterfactual: bool = True
    visits: bool = False
    """Whether it is tried in stores too."""


WAYS = (
    Way("two phases, random rows", start="random"),
    Way("single phase, random rows", "single_stage", "random"),
    Way("two phases, mean rows", start="mean"),
    Way("single phase, mean rows", "single_stage", "mean"),
    Way("two phases, codebook rows", start="codebook"),
    Way("single phase, codebook rows", "single_stage", "codebook"),
    Way("two phases, mapped rows", visits=True),
    Way("single phase, mapped rows", "single_stage", visits=True),
    Way("two phases, mapped rows, recorded actions only", counterfactual=False, visits=True),
)
SPREAD = (
    row("best store's share", "outcomes", "two_stage", "shop_error", "min"),
    row("standard deviation over stores", "outcomes", "two_stage", "shop_error", "std"),
)
TESTED = (
    "",
    "seconds",
    "nats, own token",
    "another's",
    "none",
    "own over none",
    "leaving: correlation",
    "slope",
    "adding: correlation",
    "slope",
    "divergence",
)


def single_stage(shown: Metric) -> float | None:
    """The paper's figure of its single-stage model, for a metric of the row two_stage."""
    if shown.group != "outcomes":
        return None
    other = metric("outcomes", "single_stage", *shown.parts[2:])
    return other.paper.value if other.paper else None


def section(config: Path = CONFIG, steps: int = 100, tested: int = 120, compared: int = 30, visits: int = 5) -> Section:
    """`steps` of each way, `tested` test situations, about `compared` of them over all personas, and `visits` to every held-out
    store by some of the ways.
    """
    settings = with_the_pack(load_config(config))
    run = StageContext(settings, run_pipeline(settings, Quiet(), upto="agent"), lambda *_: None, "stages")
    learned = _lectures(run, tested)
    columns: dict[str, dict[str, Any]] = {}
    rows: list[list[str]] = []
    work = run.folder.work("stages")
    for way in WAYS:
        place = work / way.name.replace(" ", "-").replace(",", "")
        for name, summary in _train(run, way, learned, steps, compared, place).items():
            rows.append([f"{way.name}: after phase {name}", *_tested(summary)])
            print(rows[-1], flush=True)
        if way.visits:
            act = model_policies(place / "2", settings.agent.prompt, settings.simulation.temperature)
            columns[way.name] = played(
                run, lambda _, seed, act=act: act(seed), place.name, simulated_shops(run), visits
            )
    for name, known in _personas_of_the_pack(run, learned).items():
        summary = _untrained(run, replace(learned, known=known), compared, work / name.replace(" ", "-"))
        rows.append([f"the pack's model, {name}", *_tested(summary)])
        print(rows[-1], flush=True)
    run.folder.forget_work("stages")
    agent = settings.agent
    what = (
        f"SmolLM2-135M with low-rank matrices of rank {agent.lora_rank}, on the examples of the run of `configs/pack.toml`: {steps} steps of {agent.batch_size} situations each, "
        f"of two phases 1 in {FIRST} is phase 1. The pack's own model has read more. Recorded actions only: without counterfactual personas."
    )
    acted = [
        [label, *(figure(one, shown) for one in columns.values()), number(paper), number(single_stage(shown)), aim]
        for label, shown, paper, aim in (*ROWS, *SPREAD)
    ]
    tables = [
        (
            Table(TESTED, rows),
            (
                f"{tested} test situations of the held-out stores. Nats per decision of the recorded actions; in brackets a 95 % interval (bootstrap over visits). "
                "Over all personas, on about {compared} of them: correlation and slope of the log-odds of leaving and of adding to the cart against the scorer's, and the divergence of the first choice from the scorer's."
            ),
        ),
        (
            Table(("lab data", *columns, "paper, two stages", "paper, single stage", "aim"), acted),
            f"{visits * len(simulated_shops(run))} visits each to the {len(simulated_shops(run))} held-out stores, over plain HTTP, with the same goals. In brackets 95 % intervals over the stores.",
        ),
    ]
    return Section("stages", what, tables, ("torch", "transformers", "peft", "django-oscar"))


def _lectures(run: StageContext, tested: int) -> Lectures:
    codebook = FittedPersonas.load(run.folder / "personas").network.codebook
    scorer = run.folder / "agent/scorer", open_embedder(run.config.buyers.embedder)
    return lectures(
        training_steps(run),
        training_steps(run, "validation"),
        training_funnel(run, len(codebook)),
        scorer,
        codebook,
        tested,
        run.config.seed,
    )


def _train(
    run: StageContext, way: Way, learned: Lectures, steps: int, compared: int, out: Path
) -> dict[int, dict[str, Any]]:
    """The summaries of the phases; one that finished before is read again."""
    first = steps // FIRST if way.training == "two_stage" else 0
    settings = run.config.agent
    changes = {
        "start_rows": way.start,
        "counterfactual": way.counterfactual,
        "eval_steps": 0,
        "stage1": PhaseConfig(steps=max(first, 1), learning_rate=settings.stage1.learning_rate, warmup_steps=5),
        "stage2": PhaseConfig(steps=steps - first, learning_rate=settings.stage2.learning_rate, warmup_steps=10),
    }
    agent: AgentConfig = settings.model_copy(update=changes)
    phases: tuple[Literal[1, 2], ...] = (1, 2) if first else (2,)
    summaries: dict[int, dict[str, Any]] = {}
    start: Path | None = None
    for phase in phases:
        place = out / str(phase)
        if not (place / DONE).is_file():
            train_decisions(phase, agent, learned, start, place, run.config.seed, run.progress, compared=compared)
        summaries[phase] = read_json(place / DONE)
        start = place
    return summaries


def _personas_of_the_pack(run: StageContext, learned: Lectures) -> dict[str, Known]:
    """The pack's personas as they are, and as if another encoder had made them: then only their funnels are known."""
    elsewhere = np.random.default_rng(run.config.seed).normal(size=(len(learned.codebook), 64))
    funnel = training_funnel(run, len(learned.codebook))
    return {"its rows": learned.known, "rows from the funnel alone": known_of(elsewhere, funnel)}


def _untrained(run: StageContext, learned: Lectures, compared: int, out: Path) -> dict[str, Any]:
    """The summary of the pack's model with rows for these personas."""
    model = Pack.at(DEFAULT).parts["lm"]
    nothing = run.config.agent.stage2.model_copy(update={"steps": 0})
    agent = run.config.agent.model_copy(update={"start": str(model), "stage2": nothing})
    return train_decisions(2, agent, learned, model, out, run.config.seed, run.progress, compared=compared)


def _tested(summary: dict[str, Any]) -> list[str]:
    found = summary["held_out"]
    mean, low, high = found["gain"]["none"]
    odds = [found[move][name] for move in ("leave", "add") for name in ("correlation", "slope")]
    return [
        number(summary["seconds"]),
        *(number(found[token]) for token in ("matched", "mismatched", "none")),
        f"{mean:+.3f} ({low:+.3f} to {high:+.3f})",
        *map(number, odds),
        number(found["kl_first_choice"]),
    ]
