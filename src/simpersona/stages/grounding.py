"""Examples to a grounded language model, on one process or on several that `torchrun` started."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from simpersona.artifacts import read_lines
from simpersona.errors import ConfigError
from simpersona.pages import Example
from simpersona.stages.context import Run
from simpersona.stages.pack import Pack


def training_examples(run: Run) -> dict[int, list[Example]]:
    """Of each stage of fine-tuning. Raises ConfigError if there are none."""
    examples = {stage: read_lines(run.folder / f"traces/stage{stage}.jsonl") for stage in (1, 2)}
    if not all(examples.values()):
        raise ConfigError("no replay was verified, so there is nothing to train on; see traces/episodes.parquet")
    return examples


def ground(run: Run, examples: Mapping[int, Sequence[Example]], codebook: np.ndarray) -> dict[str, dict[str, Any]]:
    """Trains the stages of `agent.training` in the work folder; what is there already is not trained again.

    Gives each stage's figures. Every process of a `torchrun` calls this; `take_trained` then moves what is there.
    """
    from simpersona.agent.finetune import finetune, finetuned
    from simpersona.agent.held_out import keep_some, losses_by_token

    config = run.config
    if config.agent.prompt == "short":
        from simpersona.stages.short_examples import short_examples

        examples = {stage: short_examples(own) for stage, own in examples.items()}
    work = _work(run)
    work.mkdir(parents=True, exist_ok=True)
    start: str | Path = config.agent.model
    told: dict[str, dict[str, Any]] = {}
    for stage in (1, 2) if config.agent.training == "two_stage" else (2,):
        out = work / f"stage{stage}"
        train, held = keep_some(examples[stage], config.agent.held_out, config.seed)
        told[out.name] = finetuned(out) or finetune(
            start, train, stage, config.agent, len(codebook), codebook, out, config.seed, run.progress
        )
        if held and not process_number():
            told[out.name]["held_out"] = losses_by_token(str(out), held, config.agent.max_tokens)
        start = out
    return told


def take_trained(run: Run, out: Path) -> None:
    """Moves what was trained from the work folder to `out`."""
    for folder in sorted(_work(run).glob("[!.]*")):
        folder.rename(out / folder.name)
    run.folder.forget_work(run.stage)


def process_number() -> int:
    """Which of the processes that `torchrun` or `accelerate launch` started this is; 0 if none did."""
    return int(os.environ.get("RANK", "0"))


def help_training(run: Run) -> None:
    """What a process other than the first does in the stage `agent`: trains with it and writes nothing.

    The stages before are done by then: run `simpersona traces` first. Raises ConfigError if they are not.
    """
    if not (run.folder / "traces/stage2.jsonl").is_file():
        raise ConfigError(
            f"{run.folder.path}: process {process_number()} of a training finds no examples. Run `simpersona traces` "
            "on one process first, then `simpersona agent` on several."
        )
    ground(run, training_examples(run), Pack.load(run.folder / "personas").personas.codebook)


def _work(run: Run) -> Path:
    """Of other settings or examples another folder."""
    return run.folder.work(run.stage) / run.identity[:16]
