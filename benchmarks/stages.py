"""Stages: the language model's two stages of training against a single one, from random rows and from the codebook (App. F, Tables 7, 8).

On the examples of the run of configs/pack.toml and in its held-out stores, every way with as many steps of as many examples. The
model is a small one that two cores can train (small_model.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from benchmarks.grounding import CONFIG, ROWS, played, row
from benchmarks.policies import figure
from benchmarks.quiet import Quiet
from benchmarks.results import Section, Table, number
from benchmarks.small_model import CONTEXT, read_shops
from simpersona.agent.finetune import finetune
from simpersona.agent.grounding import PHASE_GOALS
from simpersona.agent.held_out import keep_some, losses_by_token
from simpersona.agent.policies import model_policies
from simpersona.agent.tokens import StartRows
from simpersona.config import AgentConfig, PhaseConfig
from simpersona.config.file import load_config
from simpersona.evaluation.metric import Metric
from simpersona.evaluation.metric_lookup import metric
from simpersona.pages import Decision, Example
from simpersona.personas.fitted import FittedPersonas
from simpersona.pipeline.agent import training_steps
from simpersona.pipeline.recorded import simulated_shops
from simpersona.pipeline.run import run_pipeline
from simpersona.pipeline.stage import StageContext
from simpersona.ports import Policy
from simpersona.traces.examples import short_example
from simpersona.visits import Observation

BATCH, HELD_OUT = 16, 400
ROWS_RATE, RATE = 5e-3, 1e-3
"""Learning rates: of the rows alone in stage 1, of everything in stage 2."""
Examples = Mapping[int, Sequence[Example]]


@dataclass(frozen=True)
class Way:
    """A way to train; the first is the paper's."""

    name: str
    training: Literal["two_stage", "single_stage"]
    start: StartRows


WAYS = (
    Way("two stages", "two_stage", "random"),
    Way("single stage", "single_stage", "random"),
    Way("two stages, from the codebook", "two_stage", "codebook"),
    Way("single stage, from the codebook", "single_stage", "codebook"),
)
SPREAD = (
    row("best store's share", "outcomes", "two_stage", "shop_error", "min"),
    row("standard deviation over stores", "outcomes", "two_stage", "shop_error", "std"),
)


def single_stage(shown: Metric) -> float | None:
    """The paper's figure of its single-stage model, for a metric of the row two_stage."""
    if shown.group != "outcomes":
        return None
    other = metric("outcomes", "single_stage", *shown.parts[2:])
    return other.paper.value if other.paper else None


def section(config: Path = CONFIG, reading: int = 1000, steps: int = 750, visits: int = 50) -> Section:
    """`reading` steps on pages, then `steps` of each way, a third of them stage 1 where there is one; `visits` of each to every
    held-out store, and half as many of the two-stage model without its token.
    """
    settings = load_config(config)
    run = StageContext(settings, run_pipeline(settings, Quiet(), upto="traces"), lambda *_: None, "stages")
    by_kind = training_steps(run)
    both = {
        phase: [example for step in by_kind[kind] if (example := short_example(step)) is not None]
        for phase, kind in PHASE_GOALS.items()
    }
    train = {stage: keep_some(own, HELD_OUT, settings.seed)[0] for stage, own in both.items()}
    held = keep_some(both[2], HELD_OUT, settings.seed)[1]
    columns: dict[str, dict[str, Any]] = {}
    trained = []
    with TemporaryDirectory() as scratch:
        base = Path(scratch) / "base"
        read = read_shops(train[1], reading, base, settings.seed, BATCH)
        print(read, flush=True)
        for way in WAYS:
            place = Path(scratch) / way.name
            seconds, tokens = _train(run, way, base, train, steps, place)
            losses = losses_by_token(str(place / "stage2"), held, CONTEXT)
            trained.append([way.name, number(seconds), number(tokens / seconds), *map(number, losses.values())])
            print(trained[-1], flush=True)
            act = model_policies(place / "stage2", settings.agent.prompt, settings.simulation.temperature)
            columns[way.name] = _acted(run, act, way.name, visits)
            if way is WAYS[0]:
                columns["two stages, no token"] = _acted(
                    run, lambda seed, act=act: Untold(act(seed)), "untold", visits // 2
                )
    rows = [
        [
            label,
            *(figure(figures, shown) for figures in columns.values()),
            number(paper),
            number(single_stage(shown)),
            aim,
        ]
        for label, shown, paper, aim in (*ROWS, *SPREAD)
    ]
    what = (
        f"A Llama of {read.weights / 1e6:.1f} M weights with its own vocabulary ({read.words:,} words), trained from scratch: first {reading:,} steps on "
        f"the full texts of {len(train[1]):,} examples without their tokens ({read.seconds:,.0f} s, {read.loss:.2f} nats a token at the end), then {steps:,} steps for each model of {BATCH} "
        f"examples ({steps * BATCH / len(train[2]):.1f} epochs); of two stages a third is stage 1. {visits * len(simulated_shops(run)):,} visits each to the {len(simulated_shops(run))} held-out stores of the run of "
        "`configs/pack.toml`, over plain HTTP. This replaces a pretrained model, which two cores cannot train this far. It shows how the models compare, not what a large model reaches."
    )
    tables = [
        (
            Table(
                ("small language model, lab data", *columns, "paper, two stages", "paper, single stage", "aim"), rows
            ),
            "In brackets 95 % intervals over the stores. No token: the two-stage model with the same goals and no persona token.",
        ),
        (
            Table(("", "seconds", "tokens/s", "loss, own token", "another's", "none"), trained),
            (
                f"Learning rates {ROWS_RATE:g} for the rows only and {RATE:g} for everything. Loss in nats per answer token of {HELD_OUT} test examples: with matched token, with a mismatched one (half the codebook away), with no token."
            ),
        ),
    ]
    return Section("stages", what, tables, ("torch", "transformers", "django-oscar"))


class Untold:
    """A policy that gets no persona."""

    def __init__(self, policy: Policy) -> None:
        self.policy, self.name = policy, policy.name

    async def act(self, observation: Observation) -> Decision:
        return await self.policy.act(replace(observation, goal=replace(observation.goal, code=None)))


def _train(run: StageContext, way: Way, base: Path, examples: Examples, steps: int, out: Path) -> tuple[float, int]:
    """The seconds and the tokens that it took."""
    first = steps // 3 if way.training == "two_stage" else 0
    agent = AgentConfig(
        policies=("lm",),
        start_rows=way.start,
        training=way.training,
        batch_size=BATCH,
        examples_at_once=4,
        max_tokens=CONTEXT,
        stage1=PhaseConfig(steps=max(first, 1), learning_rate=ROWS_RATE, warmup_steps=10),
        stage2=PhaseConfig(steps=steps - first, learning_rate=RATE, warmup_steps=20),
    )
    codebook = FittedPersonas.load(run.folder / "personas").network.codebook
    start, told = base, []
    stages: tuple[Literal[1, 2], ...] = (1, 2) if first else (2,)
    for stage in stages:
        place = out / f"stage{stage}"
        told.append(
            finetune(
                start, examples[stage], stage, agent, len(codebook), codebook, place, run.config.seed, run.progress
            )
        )
        start = place
    return sum(one["seconds"] for one in told), sum(one["tokens"] for one in told)


def _acted(run: StageContext, act: Callable[[int], Policy], name: str, visits: int) -> dict[str, Any]:
    folder = name.replace(" ", "-").replace(",", "")
    return played(run, lambda _, seed: act(seed), folder, simulated_shops(run), visits)
