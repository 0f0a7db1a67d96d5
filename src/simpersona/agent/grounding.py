"""From training steps to a grounded language model, in one process or in several that `torchrun` started."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from simpersona.agent.persona_funnel import PersonaFunnel
from simpersona.config import AgentConfig
from simpersona.errors import ConfigError
from simpersona.ports import Embedder, Progress
from simpersona.traces.examples import TrainingStep, chat_example
from simpersona.visits import GoalKind

Phase = Literal[1, 2]
PHASE_GOALS: dict[Phase, GoalKind] = {1: "neutral", 2: "intent"}
"""The kind of goal that each phase of training by answers learns from."""


@dataclass(frozen=True)
class Teaching:
    """What training by decisions needs besides the training steps."""

    test: Mapping[GoalKind, Sequence[TrainingStep]]
    """Steps in other stores; without any, a tenth of the visits is tested and not trained on."""
    funnel: PersonaFunnel | None
    scorer: Path | None
    """The folder of the trained scorer."""
    embedder: Callable[[], Embedder]
    """Makes the scorer's embedder."""
    start: Path | None = None
    """The adapter from which training goes on."""


def ground(
    settings: AgentConfig,
    steps: Mapping[GoalKind, Sequence[TrainingStep]],
    codebook: np.ndarray,
    work: Path,
    seed: int,
    progress: Progress,
    teaching: Teaching,
) -> dict[str, dict[str, Any]]:
    """Trains the phases of `settings.training` in the folder `work`; finished phases are not trained again.

    The prompt "short" is trained by decisions, "figure9" by answers. `steps` are the training steps by the kind of their
    goal. Returns the figures of each phase. Every process of a `torchrun` calls this function; `take_trained` then moves
    the result.
    """
    work.mkdir(parents=True, exist_ok=True)
    phases: tuple[Phase, ...] = (1, 2) if settings.training == "two_stage" else (2,)
    if settings.prompt == "short":
        return _by_decisions(settings, phases, steps, codebook, work, seed, progress, teaching)
    return _by_answers(settings, phases, steps, codebook, work, seed, progress)


def _by_answers(
    settings: AgentConfig,
    phases: Sequence[Phase],
    steps: Mapping[GoalKind, Sequence[TrainingStep]],
    codebook: np.ndarray,
    work: Path,
    seed: int,
    progress: Progress,
) -> dict[str, dict[str, Any]]:
    from simpersona.agent.finetune import finetune, finetuned  # noqa: PLC0415 - heavy
    from simpersona.agent.held_out import keep_some, losses_by_token  # noqa: PLC0415 - heavy

    start: str | Path = settings.model
    figures: dict[str, dict[str, Any]] = {}
    for phase in phases:
        out = work / f"stage{phase}"
        train, test = keep_some(list(map(chat_example, steps[PHASE_GOALS[phase]])), settings.held_out, seed)
        figures[out.name] = finetuned(out) or finetune(
            start, train, phase, settings, len(codebook), codebook, out, seed, progress
        )
        if test and not process_number():
            figures[out.name]["held_out"] = losses_by_token(str(out), test, settings.max_tokens)
        start = out
    return figures


def _by_decisions(
    settings: AgentConfig,
    phases: Sequence[Phase],
    steps: Mapping[GoalKind, Sequence[TrainingStep]],
    codebook: np.ndarray,
    work: Path,
    seed: int,
    progress: Progress,
    teaching: Teaching,
) -> dict[str, dict[str, Any]]:
    from simpersona.agent.decision_finetune import train_decisions  # noqa: PLC0415 - heavy
    from simpersona.agent.decision_lectures import lectures  # noqa: PLC0415 - heavy
    from simpersona.agent.finetune import finetuned  # noqa: PLC0415 - heavy

    if settings.trains_the_model and settings.counterfactual and teaching.scorer is None:
        raise ConfigError(
            "agent.counterfactual = true: the language model learns from a trained scorer what other personas would do, but "
            'neither agent.policies nor the pack has one. Add "scorer" to agent.policies and run without the pack\'s '
            "policies, use a pack that has a scorer, or set agent.counterfactual = false."
        )
    scorer = None if teaching.scorer is None else (teaching.scorer, teaching.embedder())
    learned = lectures(steps, teaching.test, teaching.funnel, scorer, codebook, settings.held_out, seed)
    start = teaching.start
    figures: dict[str, dict[str, Any]] = {}
    for phase in phases if start is None else phases[-1:]:
        out = work / ("adapter" if phase == 2 and settings.lora_rank else f"stage{phase}")
        figures[f"stage{phase}"] = finetuned(out) or train_decisions(
            phase, settings, learned, start, out, seed, progress
        )
        start = out
    return figures


def take_trained(work: Path, out: Path) -> None:
    """Moves the trained models from the folder `work` to `out`."""
    for folder in sorted(work.glob("[!.]*")):
        folder.rename(out / folder.name)


def process_number() -> int:
    """The rank of this process among those that `torchrun` or `accelerate launch` started; 0 without them."""
    return int(os.environ.get("RANK", "0"))
