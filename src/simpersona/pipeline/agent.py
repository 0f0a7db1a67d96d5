"""The stage `agent`: trains the policies that shop, from training examples (2.3)."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from time import sleep
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from simpersona.adapters.embedders.open import open_embedder
from simpersona.agent.grounding import Teaching, ground, process_number, take_trained
from simpersona.agent.persona_funnel import SESSION_COLUMNS, PersonaFunnel, persona_funnel
from simpersona.contracts import ASSIGNMENTS, BUYERS, EPISODES, STEPS, TRAINING_GOALS
from simpersona.errors import ConfigError
from simpersona.files import read_json, write_json
from simpersona.pack.files import DEFAULT, POLICIES
from simpersona.pack.pack import Pack
from simpersona.personas.fitted import FittedPersonas
from simpersona.pipeline.recorded import training_shops
from simpersona.pipeline.stage import StageContext, StageResult
from simpersona.traces.examples import TrainingStep, read_training_steps
from simpersona.visits import GOAL_KINDS, GoalKind

SCORER_DONE = "training.json"
"""The figures of the scorer's training, the last file of its folder that is written."""


def run(context: StageContext, out: Path) -> StageResult:
    """Trains each policy of `agent.policies`, or takes it from the pack."""
    config = context.config
    wanted = config.agent.policies
    pack = None if config.pack is None else Pack.at(config.pack)
    taken = [policy for policy in wanted if pack is not None and policy in pack.policies]
    trained = [policy for policy in wanted if policy not in taken]
    learns = "scorer" in trained or ("lm" in trained and config.agent.trains_the_model)
    steps: dict[GoalKind, list[TrainingStep]] = training_steps(context) if learns else {kind: [] for kind in GOAL_KINDS}
    codebook = FittedPersonas.load(context.folder / "personas").network.codebook
    figures: dict[str, int] = {}
    notes: list[str] = []
    for policy in taken:
        assert pack is not None
        _copy_policy(pack, policy, config.agent.prompt, out)
        notes.append(f"{policy} of the pack")
    work = training_work(context)
    if "scorer" in trained:
        training = _scorer(context, steps, codebook, work)
        figures["scorer"] = training["epochs"]
        notes.append(
            f"scorer: {training['epochs']} epochs, held-out loss {training['loss']:.3f} ({training['loss_as_nobody']:.3f} without personas)"
        )
    phases: dict[str, dict[str, Any]] = {}
    if "lm" in trained:
        phases = ground(
            config.agent, steps, codebook, work, config.seed, context.progress, _teaching(context, codebook)
        )
    take_trained(work, out)
    context.folder.forget_work(context.stage)
    for name, training in phases.items():
        figures[name] = training["steps"]
        done = f"{name}: the model of agent.start, not trained further, with rows for these personas"
        if training["losses"]:
            done = (
                f"{name}: {training['steps']} steps, {training['tokens']:,} tokens, loss {_trend(training['losses'])}"
            )
        notes.append(done + _tested(training.get("held_out", {})))
    write_json(out / "training.json", phases)
    return StageResult(len(steps["intent"]), len(steps["intent"]), "; ".join(notes), figures=figures)


def _tested(figures: Mapping[str, Any]) -> str:
    """The loss on test decisions (or examples) by token, and what the matched token gains, with its interval."""
    names = {"matched": "matched", "mismatched": "mismatched", "none": "no", "right": "right", "wrong": "wrong"}
    losses = ", ".join(f"{figures[token]:.3f} ({label} token)" for token, label in names.items() if token in figures)
    gains = [
        f"{mean:+.3f} over {names[token]} token ({low:+.3f} to {high:+.3f})"
        for token, (mean, low, high) in figures.get("gain", {}).items()
    ]
    gained = f"; nats per decision that the matched token gains: {', '.join(gains)}" if gains else ""
    return f"; on test data {losses}{gained}" if losses else ""


def _copy_policy(pack: Pack, policy: str, prompt: str, out: Path) -> None:
    """Copies a policy of the pack to the folder of this stage.

    Raises ConfigError for a checkpoint that was trained with another prompt format: unlike an adapter, it does not record it.
    """
    trained = pack.parts[policy]
    if trained.name != "stage2":
        shutil.copytree(trained, out / POLICIES[policy])
        return
    if pack.config.agent.prompt != prompt:
        raise ConfigError(
            f"{pack.path}: its language model was trained with agent.prompt = {pack.config.agent.prompt!r}; this run has "
            f"{prompt!r}. Set agent.prompt = {pack.config.agent.prompt!r}."
        )
    shutil.copytree(trained, out / trained.name)


def training_steps(context: StageContext, split: str = "train") -> dict[GoalKind, list[TrainingStep]]:
    """A split of the stage `traces`, by the kind of the goal. Raises ConfigError if the training split has no visit.

    Every visit has steps with the neutral goal and with the intent; with instructions there may be none.
    """
    steps = read_training_steps(
        context.table("traces/episodes.parquet", EPISODES),
        context.table("traces/steps.parquet", STEPS),
        context.table("traces/goals.parquet", TRAINING_GOALS),
        split,
    )
    if split == "train" and not steps["intent"]:
        raise ConfigError("no replay was verified, so there is nothing to train on; see traces/episodes.parquet")
    return steps


def _scorer(
    context: StageContext, steps: Mapping[GoalKind, Sequence[TrainingStep]], codebook: np.ndarray, work: Path
) -> dict[str, Any]:
    """Trains the scorer in the folder of unfinished work, if it is not there yet; the language model learns from it."""
    from simpersona.agent.scorer_training import scorer_from_steps, with_neutral_goals  # noqa: PLC0415 - heavy

    done = work / "scorer" / SCORER_DONE
    if done.is_file():
        return read_json(done)
    config = context.config
    funnel = training_funnel(context, len(codebook))
    embedder = open_embedder(config.buyers.embedder)
    both = with_neutral_goals(steps["intent"], steps["neutral"], config.seed)
    training = scorer_from_steps(both, codebook, funnel, embedder, work / "scorer", config.seed, context.progress)
    write_json(done, training)
    return training


def _teaching(context: StageContext, codebook: np.ndarray) -> Teaching:
    """What training by decisions needs besides the steps."""
    config, embedder = context.config, partial(open_embedder, context.config.buyers.embedder)
    if config.agent.prompt != "short":
        return Teaching({}, None, None, embedder)
    pack = None if config.pack is None else Pack.at(config.pack)
    scorer = None
    if pack is not None and "scorer" in pack.policies:
        scorer = pack.parts["scorer"]
    elif "scorer" in config.agent.policies:
        scorer = training_work(context) / "scorer"
    start = None
    if config.agent.start is not None:
        start = Pack.at(DEFAULT).parts["lm"] if config.agent.start == DEFAULT else Path(config.agent.start)
    return Teaching(
        training_steps(context, "validation"),
        training_funnel(context, len(codebook)),
        scorer,
        embedder,
        start,
    )


def training_funnel(context: StageContext, codes: int) -> PersonaFunnel:
    """The funnel of the personas' buyers in the training stores."""
    sessions = pq.read_table(context.folder / "events/sessions.parquet", columns=SESSION_COLUMNS)
    buyers = context.table("buyers/buyers.parquet", BUYERS)
    assigned = context.table("personas/assignments.parquet", ASSIGNMENTS)
    return persona_funnel(sessions, buyers, assigned, codes, training_shops(context))


def training_work(context: StageContext) -> Path:
    """The folder of unfinished training; other settings or examples give another folder."""
    return context.folder.work(context.stage) / context.cache_key[:16]


def help_training(context: StageContext) -> None:
    """The stage `agent` in every process but the first: trains together with the first one and writes nothing.

    Raises ConfigError if the stage `traces` has not finished.
    """
    if not (context.folder / "traces/goals.parquet").is_file():
        raise ConfigError(
            f"{context.folder.path}: process {process_number()} of a training finds no examples. Run `simpersona traces` "
            "on one process first, then `simpersona agent` on several."
        )
    config, codebook = context.config, FittedPersonas.load(context.folder / "personas").network.codebook
    teaching, work = _teaching(context, codebook), training_work(context)
    while teaching.scorer is not None and not (teaching.scorer / SCORER_DONE).is_file():
        sleep(1)  # the first process trains the scorer
    ground(config.agent, training_steps(context), codebook, work, config.seed, context.progress, teaching)


def _trend(losses: Sequence[float]) -> str:
    """The means of the first and the last quarter of the losses: those of single batches vary too much to compare."""
    quarter = max(1, len(losses) // 4)
    return f"{np.mean(losses[:quarter]):.2f} → {np.mean(losses[-quarter:]):.2f}"
