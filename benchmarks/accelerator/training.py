"""Trains both phases from prepared files, until the clock says that it is time to test and to write."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import save_file
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from benchmarks.accelerator.difference import Difference, add_difference, difference
from benchmarks.accelerator.parts import MIB, has_parts, read_parts, write_parts
from benchmarks.accelerator.prepared import START, base_model, read_lectures, read_plan
from simpersona.agent.backbone import load_backbone
from simpersona.agent.decision_examples import DecisionEncoder
from simpersona.agent.decision_finetune import train_decisions
from simpersona.agent.decision_lectures import Lectures
from simpersona.agent.decision_loss import text_tokens
from simpersona.agent.decision_measures import DecisionTest
from simpersona.agent.decision_model import DecisionModel
from simpersona.agent.finetune import finetuned
from simpersona.agent.persona_adapter import LORA_CONFIG, META, change_lora_config
from simpersona.agent.persona_rows import MAP
from simpersona.agent.tokens import add_persona_tokens, input_matrix
from simpersona.agent.training_clock import TrainingClock
from simpersona.config import AgentConfig
from simpersona.files import read_json, write_json

CARRIED, TRAINED = "carried", "trained"
"""The names of the parts that are brought, and of those that are fetched."""
DIFFERENCE, ABOUT, FIGURES = "difference.safetensors", "about.json", "training.json"
PHASE_1, LORA_ENDS, WHOLE_ENDS = 0.1, 0.85, 0.75
"""Of the whole time: the share of phase 1, and when phase 2 ends. All parameters take longer to test and to write."""
MOST_STEPS = 5000
"""Of a phase; the clock ends it earlier."""
RESULT_PART, RESULT_ROOM = 16 * MIB, 56 * MIB
"""The sizes of a part that is fetched, and of a whole difference."""
MOST_WORKERS = 8
TESTED, FEW_TESTED = 150, 24
"""Test situations after phase 2, if the run does not say it, and where time is short: after phase 1, and on a CPU."""
TINY = {"batch_size": 2, "examples_at_once": 1, "personas_at_once": 3, "held_out": 4, "eval_steps": 0}


@dataclass(frozen=True)
class Wanted:
    """What is trained, and how long."""

    minutes: float
    all_parameters: bool = False
    tiny: bool = False
    """Two steps of each phase, for a test."""
    rank: int = 16
    batch: int = 32
    at_once: int = 16
    learning_rate: float | None = None
    """Of phase 2; by default 1e-3 for low-rank matrices, 2e-4 for all parameters."""


def train(folder: Path, out: Path, wanted: Wanted) -> dict[str, Any]:
    """Trains from the prepared `folder`, or from its parts in `folder`, and writes parts and figures to `out`.

    A training that was killed goes on from `out`. Returns the figures of the phases.
    """
    started = time.monotonic()
    if (out / FIGURES).is_file():
        return read_json(out / FIGURES)["phases"]
    torch.set_float32_matmul_precision("high")
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # processes that make lessons are forked
    work = out / "work"
    work.mkdir(parents=True, exist_ok=True)
    if has_parts(folder, CARRIED):
        if not (work / CARRIED).is_dir():
            read_parts(folder, CARRIED, work / ".partial")
            (work / ".partial").rename(work / CARRIED)
        folder = work / CARRIED
    plan = read_plan(folder)
    base, start = base_model(folder, work / "base"), folder / START
    config = _config(plan["agent"], base, wanted)
    learned = read_lectures(folder, config.held_out)
    print(f"{time.monotonic() - started:.0f} s: ready to train on {_device()}", flush=True)
    ends = started + 60 * wanted.minutes * (WHOLE_ENDS if wanted.all_parameters else LORA_ENDS)
    phases: dict[str, dict[str, Any]] = {}
    result = start if start.is_dir() else None
    phase: Literal[1, 2]
    for phase in (1, 2) if result is None else (2,):
        trained = work / f"phase{phase}"
        seconds = ends - time.monotonic() if phase == 2 else PHASE_1 * 60 * wanted.minutes
        lessons = replace(learned, test=learned.test[:FEW_TESTED]) if phase == 1 else learned
        phases[f"stage{phase}"] = finetuned(trained) or train_decisions(
            phase, config, lessons, result, trained, plan["seed"], _print_progress(started),
            clock=TrainingClock(seconds), workers=_workers(wanted),
        )  # fmt: skip
        result = trained
    assert result is not None
    about: dict[str, Any] = {"base": plan["agent"]["model"], "minutes": wanted.minutes, "device": _device()}
    about |= {"all_parameters": wanted.all_parameters, "torch": torch.__version__}
    if wanted.all_parameters:
        about |= _write_difference(base, result, learned, config, plan["seed"], work / TRAINED)
    else:
        _write_adapter(result, about["base"], work / TRAINED)
    write_json(work / TRAINED / ABOUT, about)
    write_json(work / TRAINED / FIGURES, phases)
    parts = write_parts(work / TRAINED, TRAINED, out, RESULT_PART)
    seconds = round(time.monotonic() - started, 1)
    write_json(out / FIGURES, {"phases": phases, "about": about | {"seconds": seconds}})
    shutil.rmtree(work)
    print(f"{seconds:.0f} s: wrote {', '.join(part.name for part in parts)} and {FIGURES} to {out}", flush=True)
    return phases


def with_rows(base: str | Path, codes: int) -> tuple[PreTrainedModel, PreTrainedTokenizerFast, range]:
    """The base model with persona tokens, to which a difference is added."""
    model, tokenizer = load_backbone(str(base))
    return model, tokenizer, add_persona_tokens(model, tokenizer, codes, start="mean", codebook=None, seed=0)


def _config(agent: Mapping[str, Any], base: Path, wanted: Wanted) -> AgentConfig:
    """The run's settings, with those of this machine."""
    rate = wanted.learning_rate or (2e-4 if wanted.all_parameters else 1e-3)
    steps = 2 if wanted.tiny else MOST_STEPS
    gpu = torch.cuda.is_available()
    here: dict[str, Any] = {
        "model": str(base),
        "start": None,
        "lora_rank": 0 if wanted.all_parameters else wanted.rank,
        "batch_size": wanted.batch,
        "examples_at_once": min(wanted.at_once, wanted.batch) if gpu else 1,
        "held_out": (agent["held_out"] or TESTED) if gpu else FEW_TESTED,
        "eval_steps": agent["eval_steps"] or 200,
        "checkpoint_steps": (300 if wanted.all_parameters else 100) if gpu else 10,
        "stage1": {"steps": steps, "learning_rate": 1e-3, "warmup_steps": 0 if wanted.tiny else 5},
        "stage2": {"steps": steps, "learning_rate": rate, "warmup_steps": 0 if wanted.tiny else 20},
    }
    return AgentConfig(**{**agent, **here, **(TINY if wanted.tiny else {})})


def _write_adapter(adapter: Path, base: str, out: Path) -> None:
    """Copies an adapter, with the name that its base model has elsewhere."""
    shutil.copytree(adapter, out, dirs_exist_ok=True)
    write_json(out / META, read_json(out / META) | {"base": base})
    if (out / LORA_CONFIG).is_file():
        change_lora_config(out, base_model_name_or_path=base)


def _write_difference(
    base: Path, checkpoint: Path, learned: Lectures, config: AgentConfig, seed: int, out: Path
) -> dict[str, Any]:
    """Writes what training changed, and the persona rows whole. Returns the error of this, and the test with it."""
    out.mkdir(exist_ok=True)
    model, tokenizer, ids = with_rows(base, len(learned.codebook))
    trained, _ = load_backbone(str(checkpoint))
    rows = slice(ids.start, ids.stop)
    with torch.no_grad():
        persona_rows = input_matrix(trained)[rows].clone()
        input_matrix(trained)[rows] = input_matrix(model)[rows]
    found: Difference = difference(dict(model.named_parameters()), dict(trained.named_parameters()), RESULT_ROOM)
    save_file(found.tensors | {"persona_rows": persona_rows}, out / DIFFERENCE)
    shutil.copyfile(checkpoint / MAP, out / MAP)
    about: dict[str, Any] = {"codes": len(ids), "bits": found.bits, "relative_error": round(found.error, 4)}
    if learned.test:
        add_difference(model, found.tensors)
        with torch.no_grad():
            input_matrix(model)[rows] = persona_rows
        about["held_out_as_stored"] = _tested(model, tokenizer, ids, learned, config, seed)
    return about


def _tested(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    ids: range,
    learned: Lectures,
    config: AgentConfig,
    seed: int,
) -> dict[str, Any]:
    """The figures of the test situations."""
    encoder = DecisionEncoder(tokenizer, min(config.max_tokens, tokenizer.model_max_length))
    gpu = torch.cuda.is_available()
    model = model.to("cuda" if gpu else "cpu")  # pyright: ignore[reportArgumentType, reportAssignmentType]
    text = text_tokens(tokenizer, model.get_output_embeddings().weight.shape[0])  # pyright: ignore[reportArgumentType, reportOptionalMemberAccess]
    decider = DecisionModel(model, ids, text, frozen=False)
    return DecisionTest(learned.test, encoder, learned.shares_of, len(ids), seed).figures(decider)


def _workers(wanted: Wanted) -> int:
    """Processes that make lessons: an accelerator would wait for one."""
    spare = (os.cpu_count() or 1) - 1
    return 0 if wanted.tiny or not torch.cuda.is_available() else max(min(spare, MOST_WORKERS), 0)


def _device() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "the CPU"


def _print_progress(started: float):  # noqa: ANN202 - simpersona.ports.Progress
    def progress(done: int, total: int, note: str) -> None:
        if done == 1 or done % 50 == 0:
            print(f"{time.monotonic() - started:.0f} s: {done} of at most {total} steps, {note}", flush=True)

    return progress
