"""Examples to a grounded language model, on one process or on several that `torchrun` started."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from simpersona.agent.short_examples import short_examples
from simpersona.config import AgentConfig
from simpersona.errors import ConfigError
from simpersona.files import read_lines
from simpersona.pages import Example
from simpersona.ports import Progress


def training_examples(traces: Path) -> dict[int, list[Example]]:
    """Of each stage of fine-tuning, from the folder of the stage `traces`. Raises ConfigError if there are none."""
    examples = {stage: read_lines(traces / f"stage{stage}.jsonl") for stage in (1, 2)}
    if not all(examples.values()):
        raise ConfigError("no replay was verified, so there is nothing to train on; see traces/episodes.parquet")
    return examples


def ground(
    settings: AgentConfig,
    examples: Mapping[int, Sequence[Example]],
    codebook: np.ndarray,
    work: Path,
    seed: int,
    progress: Progress,
) -> dict[str, dict[str, Any]]:
    """Trains the stages of `settings.training` in the folder `work`; what is there already is not trained again.

    Gives each stage's figures. Every process of a `torchrun` calls this; `take_trained` then moves what is there.
    """
    from simpersona.agent.finetune import finetune, finetuned  # noqa: PLC0415 - heavy
    from simpersona.agent.held_out import keep_some, losses_by_token  # noqa: PLC0415 - heavy

    if settings.prompt == "short":
        examples = {stage: short_examples(own) for stage, own in examples.items()}
    work.mkdir(parents=True, exist_ok=True)
    start: str | Path = settings.model
    told: dict[str, dict[str, Any]] = {}
    for stage in (1, 2) if settings.training == "two_stage" else (2,):
        out = work / f"stage{stage}"
        train, held = keep_some(examples[stage], settings.held_out, seed)
        told[out.name] = finetuned(out) or finetune(
            start, train, stage, settings, len(codebook), codebook, out, seed, progress
        )
        if held and not process_number():
            told[out.name]["held_out"] = losses_by_token(str(out), held, settings.max_tokens)
        start = out
    return told


def take_trained(work: Path, out: Path) -> None:
    """Moves what was trained from the folder `work` to `out`."""
    for folder in sorted(work.glob("[!.]*")):
        folder.rename(out / folder.name)


def process_number() -> int:
    """Which of the processes that `torchrun` or `accelerate launch` started this is; 0 if none did."""
    return int(os.environ.get("RANK", "0"))
