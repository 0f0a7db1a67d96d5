"""From training steps to a grounded language model, in one process or in several that `torchrun` started."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from simpersona.config import AgentConfig
from simpersona.pages import Example
from simpersona.ports import Progress
from simpersona.traces.examples import TrainingStep, chat_example, short_example
from simpersona.visits import GoalKind

Phase = Literal[1, 2]
PHASE_GOALS: dict[Phase, GoalKind] = {1: "neutral", 2: "intent"}
"""The kind of goal that each phase of fine-tuning learns from."""


def ground(
    settings: AgentConfig,
    steps: Mapping[GoalKind, Sequence[TrainingStep]],
    codebook: np.ndarray,
    work: Path,
    seed: int,
    progress: Progress,
) -> dict[str, dict[str, Any]]:
    """Trains the phases of `settings.training` in the folder `work`; finished phases are not trained again.

    `steps` are the training steps by the kind of their goal. Returns the figures of each phase. Every process of a `torchrun` calls
    this function; `take_trained` then moves the result.
    """
    from simpersona.agent.finetune import finetune, finetuned  # noqa: PLC0415 - heavy
    from simpersona.agent.held_out import keep_some, losses_by_token  # noqa: PLC0415 - heavy

    work.mkdir(parents=True, exist_ok=True)
    start: str | Path = settings.model
    figures: dict[str, dict[str, Any]] = {}
    phases: tuple[Phase, ...] = (1, 2) if settings.training == "two_stage" else (2,)
    for phase in phases:
        out = work / f"stage{phase}"
        train, test = keep_some(examples_of(steps[PHASE_GOALS[phase]], settings.prompt), settings.held_out, seed)
        figures[out.name] = finetuned(out) or finetune(
            start, train, phase, settings, len(codebook), codebook, out, seed, progress
        )
        if test and not process_number():
            figures[out.name]["held_out"] = losses_by_token(str(out), test, settings.max_tokens)
        start = out
    return figures


def examples_of(steps: Iterable[TrainingStep], prompt: str) -> list[Example]:
    """The steps as chat examples in the format `agent.prompt`. "short" omits a step whose action the page does not offer."""
    render = short_example if prompt == "short" else chat_example
    return [example for step in steps if (example := render(step)) is not None]


def take_trained(work: Path, out: Path) -> None:
    """Moves the trained models from the folder `work` to `out`."""
    for folder in sorted(work.glob("[!.]*")):
        folder.rename(out / folder.name)


def process_number() -> int:
    """The rank of this process among those that `torchrun` or `accelerate launch` started; 0 without them."""
    return int(os.environ.get("RANK", "0"))
