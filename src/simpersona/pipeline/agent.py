"""The stage `agent`: training examples to models that shop (2.3)."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from simpersona.adapters.embedders.open import open_embedder
from simpersona.agent.grounding import ground, process_number, take_trained
from simpersona.agent.persona_funnel import SESSION_COLUMNS, PersonaFunnel, persona_funnel
from simpersona.contracts import ASSIGNMENTS, BUYERS, EPISODES, STEPS, TRAINING_GOALS
from simpersona.errors import ConfigError
from simpersona.files import write_json
from simpersona.pack.files import POLICIES
from simpersona.pack.pack import Pack
from simpersona.personas.fitted import FittedPersonas
from simpersona.pipeline.recorded import training_shops
from simpersona.pipeline.stage import StageContext, StageResult
from simpersona.traces.examples import Phase, TrainingStep, read_training_steps


def run(context: StageContext, out: Path) -> StageResult:
    """Examples to a model that shops, for each of `agent.policies`."""
    config = context.config
    wanted = config.agent.policies
    pack = None if config.pack is None else Pack.at(config.pack)
    taken = [policy for policy in wanted if pack is not None and policy in pack.policies]
    trained = [policy for policy in wanted if policy not in taken]
    steps: dict[Phase, list[TrainingStep]] = training_steps(context) if trained else {1: [], 2: []}
    codebook = FittedPersonas.load(context.folder / "personas").network.codebook
    figures: dict[str, int] = {}
    words: list[str] = []
    for policy in taken:
        assert pack is not None
        _copy_policy(pack, policy, config.agent.prompt, out)
        words.append(f"{policy} of the pack")
    if "scorer" in trained:
        told = _scorer(context, steps[2], codebook, out)
        figures["scorer"] = told["epochs"]
        words.append(
            f"scorer: {told['epochs']} epochs, held-out loss {told['loss']:.3f} ({told['loss_as_nobody']:.3f} without personas)"
        )
    work = training_work(context)
    stages: dict[str, dict[str, Any]] = {}
    if "lm" in trained:
        stages = ground(config.agent, steps, codebook, work, config.seed, context.progress)
    take_trained(work, out)
    context.folder.forget_work(context.stage)
    for name, told in stages.items():
        figures[name] = told["steps"]
        held = told.get("held_out", {})
        on_held = (
            "; held out " + ", ".join(f"{loss:.3f} ({token} token)" for token, loss in held.items()) if held else ""
        )
        words.append(
            f"{name}: {told['steps']} steps, {told['tokens']:,} tokens, loss {_trend(told['losses'])}{on_held}"
        )
    write_json(out / "training.json", stages)
    return StageResult(len(steps[2]), len(steps[2]), "; ".join(words), figures=figures)


def _copy_policy(pack: Pack, policy: str, prompt: str, out: Path) -> None:
    """Copies a policy of the pack to the place where this stage writes its own.

    Raises ConfigError for a whole checkpoint that was trained on another prompt: unlike an adapter, it does not record its own.
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


def training_steps(context: StageContext) -> dict[Phase, list[TrainingStep]]:
    """The training split of the stage `traces`, by phase of fine-tuning. Raises ConfigError if it has no visit."""
    steps = read_training_steps(
        context.table("traces/episodes.parquet", EPISODES),
        context.table("traces/steps.parquet", STEPS),
        context.table("traces/goals.parquet", TRAINING_GOALS),
    )
    if not all(steps.values()):
        raise ConfigError("no replay was verified, so there is nothing to train on; see traces/episodes.parquet")
    return steps


def _scorer(context: StageContext, steps: list[TrainingStep], codebook: np.ndarray, out: Path) -> dict[str, Any]:
    from simpersona.agent.scorer_training import scorer_from_steps  # noqa: PLC0415 - heavy

    funnel = training_funnel(context, len(codebook))
    embedder = open_embedder(context.config.buyers.embedder)
    told = scorer_from_steps(steps, codebook, funnel, embedder, out / "scorer", context.config.seed, context.progress)
    write_json(out / "scorer/training.json", told)
    return told


def training_funnel(context: StageContext, codes: int) -> PersonaFunnel:
    """How the personas' buyers of the training shops went through the funnel."""
    sessions = pq.read_table(context.folder / "events/sessions.parquet", columns=SESSION_COLUMNS)
    buyers = context.table("buyers/buyers.parquet", BUYERS)
    assigned = context.table("personas/assignments.parquet", ASSIGNMENTS)
    return persona_funnel(sessions, buyers, assigned, codes, training_shops(context))


def training_work(context: StageContext) -> Path:
    """Where what is trained is kept until the stage is done; of other settings or examples another folder."""
    return context.folder.work(context.stage) / context.cache_key[:16]


def help_training(context: StageContext) -> None:
    """What a process other than the first does in the stage `agent`: trains with it and writes nothing.

    The stages before are done by then: run `simpersona traces` first. Raises ConfigError if they are not.
    """
    if not (context.folder / "traces/goals.parquet").is_file():
        raise ConfigError(
            f"{context.folder.path}: process {process_number()} of a training finds no examples. Run `simpersona traces` "
            "on one process first, then `simpersona agent` on several."
        )
    config, codebook = context.config, FittedPersonas.load(context.folder / "personas").network.codebook
    ground(config.agent, training_steps(context), codebook, training_work(context), config.seed, context.progress)


def _trend(losses: Sequence[float]) -> str:
    """First and last quarter's mean: single batches of a few examples differ too much to be compared."""
    quarter = max(1, len(losses) // 4)
    return f"{np.mean(losses[:quarter]):.2f} → {np.mean(losses[-quarter:]):.2f}"
