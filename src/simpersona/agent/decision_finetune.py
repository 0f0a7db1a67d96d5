"""The two phases of training by decisions, in the short prompt format.

Phase 1 trains the persona rows alone, on neutral goals. Phase 2 trains the rows and the low-rank matrices, which act from
"Buyer:" on, on a mix of goals; without low-rank matrices it trains all parameters, and those act from the start of the
prompt on.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from math import gcd
from pathlib import Path
from typing import Any, Literal

import torch
from peft import PeftModel
from peft.utils import set_peft_model_state_dict
from safetensors.torch import load_file
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from simpersona.adapters.models.quiet import quiet
from simpersona.agent.backbone import load_backbone, save_backbone
from simpersona.agent.bfloat16 import faster_in_bfloat16, frozen_in_bfloat16
from simpersona.agent.checkpointed_trainer import DONE, last_whole, training_arguments
from simpersona.agent.decision_draws import drawn_steps
from simpersona.agent.decision_examples import DecisionEncoder
from simpersona.agent.decision_lectures import Lectures
from simpersona.agent.decision_lessons import LessonMaker
from simpersona.agent.decision_loss import text_tokens
from simpersona.agent.decision_measures import COMPARED, DecisionTest
from simpersona.agent.decision_model import DecisionModel
from simpersona.agent.decision_trainer import DecisionTrainer, Lessons, as_batch
from simpersona.agent.persona_adapter import LORA, add_lora, read_adapter, save_adapter
from simpersona.agent.persona_rows import MappedEmbedding, PersonaRows, first_rows
from simpersona.agent.tokens import add_persona_tokens, input_matrix
from simpersona.agent.training_clock import TrainingClock
from simpersona.config import AgentConfig
from simpersona.errors import ConfigError, ContractError
from simpersona.ports import Progress
from simpersona.visits import GoalKind

CHECKPOINT = "config.json"
"""The file that the folder of a whole model has, and that of an adapter has not."""
GPU_LESSONS = 8
"""The most situations that a GPU reads at once; the mask over more of them costs more than it saves."""
CURVE_SITUATIONS, CURVE_COMPARED, CURVE_PERSONAS = 96, 24, 12
"""The number of test situations that are measured during training, of those compared with the scorer, and of the personas
that are compared."""


def train_decisions(
    phase: Literal[1, 2],
    config: AgentConfig,
    lectures: Lectures,
    start: Path | None,
    out: Path,
    seed: int,
    progress: Progress,
    *,
    clock: TrainingClock | None = None,
    workers: int = 0,
    compared: int = COMPARED,
) -> dict[str, Any]:
    """Trains a phase and writes its result to `out` atomically: an adapter, or a checkpoint if all parameters train.

    `start` is an adapter whose rows and low-rank matrices are the first ones. A killed training continues from its last
    checkpoint, in `.NAME.steps` beside `out`, with the same losses. A phase without steps takes `start` as it is, with rows for
    these personas. `clock` may end it before its last step. `workers`
    processes make the lessons; 0: the training process itself. About `compared` test situations are compared with the scorer
    over all personas. Returns the figures that `finetune` returns, `curve`
    (measurements during training) and `held_out`. Raises ContractError if there is nothing to learn from.
    """
    codes = len(lectures.codebook)
    settings = config.stage1 if phase == 1 else config.stage2
    shares = _shares(phase, config)
    if settings.steps and not any(lectures.train.get(kind) for kind, share in shares.items() if share):
        raise ContractError(
            f"Stage {phase} of fine-tuning: no example has a goal of the kinds {', '.join(shares)}. Only verified replays "
            "become examples; look at the verdicts in traces/episodes.parquet, or replay more sessions (traces.sessions)."
        )
    model, tokenizer, rows, ids = _trainable(phase, config, lectures, start, seed)
    text = text_tokens(tokenizer, model.get_output_embeddings().weight.shape[0])  # pyright: ignore[reportArgumentType, reportOptionalMemberAccess]
    decider = DecisionModel(model, ids, text, frozen=phase == 1 or bool(config.lora_rank))
    encoder = DecisionEncoder(tokenizer, min(config.max_tokens, tokenizer.model_max_length))
    if not settings.steps:
        summary = _untrained(lectures)
        if lectures.test:
            test = DecisionTest(lectures.test, encoder, lectures.shares_of, codes, seed, compared)
            summary["held_out"] = test.figures(decider)
        _save(out, model, tokenizer, rows, config, summary, whole=not config.lora_rank)
        return summary
    drawn = drawn_steps(lectures.train, shares, settings.steps * config.batch_size, seed + phase)
    maker = LessonMaker(encoder, lectures.shares_of if config.counterfactual else None, codes, config.personas_at_once)
    steps = out.with_name(f".{out.name}.steps")
    at_once = gcd(config.batch_size // int(os.environ.get("WORLD_SIZE", "1")), GPU_LESSONS)
    arguments = training_arguments(
        config, phase, steps, seed, at_once=at_once if torch.cuda.is_available() else 1, recompute=False
    )
    first = lectures.test[:: max(len(lectures.test) // CURVE_SITUATIONS, 1)][:CURVE_SITUATIONS]
    small = None
    if config.eval_steps and first:
        small = DecisionTest(first, encoder, lectures.shares_of, codes, seed, CURVE_COMPARED, CURVE_PERSONAS)
    trainer = DecisionTrainer(
        model=decider,
        args=arguments,
        train_dataset=Lessons(drawn, maker, seed),
        data_collator=as_batch,
        progress=progress,
        what=f"stage {phase}",
        groups=_groups(decider, rows, config, settings.learning_rate),
        measure=None if small is None else lambda: small.figures(decider),
        measure_steps=config.eval_steps,
        clock=clock,
        workers=workers,
    )
    started = time.perf_counter()
    with quiet():
        trainer.train(resume_from_checkpoint=last_whole(steps))
    seconds = time.perf_counter() - started
    losses = [entry["loss"] for entry in trainer.steps]
    summary: dict[str, Any] = {
        "steps": len(losses),
        "examples": int(sum(entry["examples"] for entry in trainer.steps)),
        "tokens": int(sum(entry["tokens"] for entry in trainer.steps)),
        "seconds": round(seconds, 2),
        "loss_first": losses[0],
        "loss_last": losses[-1],
        "losses": losses,
        "left_out": lectures.left_out,
        "curve": trainer.curve,
    }
    if trainer.args.should_save:
        if lectures.test:
            test = DecisionTest(lectures.test, encoder, lectures.shares_of, codes, seed, compared)
            summary["held_out"] = test.figures(decider)
        _save(out, model, tokenizer, rows, config, summary, whole=phase == 2 and not config.lora_rank)
        shutil.rmtree(steps, ignore_errors=True)
    trainer.accelerator.wait_for_everyone()
    return summary


def _untrained(lectures: Lectures) -> dict[str, Any]:
    """The summary of a phase without steps."""
    nothing: dict[str, Any] = dict.fromkeys(("steps", "examples", "tokens", "seconds"), 0)
    return nothing | {"losses": [], "curve": [], "left_out": lectures.left_out}


def _shares(phase: int, config: AgentConfig) -> dict[GoalKind, float]:
    if phase == 1:
        return {"neutral": 1.0}
    shares = config.goal_shares
    return {"intent": shares.intent, "neutral": shares.neutral, "instructions": shares.instructions}


def _trainable(
    phase: int, config: AgentConfig, lectures: Lectures, start: Path | None, seed: int
) -> tuple[PreTrainedModel | PeftModel, PreTrainedTokenizerFast, PersonaRows, range]:
    """The base model with persona rows; only the parameters of this phase require a gradient."""
    whole = start is not None and (start / CHECKPOINT).is_file()
    model, tokenizer = load_backbone(str(start) if whole else config.model, "sdpa")  # its mask may have any form
    codes = len(lectures.codebook)
    ids = add_persona_tokens(model, tokenizer, codes, start="mean", codebook=None, seed=seed)
    if start is None:
        base = input_matrix(model)[: ids.start]
        rows = first_rows(base, config.start_rows, lectures.codebook, lectures.known, seed)
    else:
        rows = PersonaRows.load(start)
        if (hidden := rows.own.shape[1]) != input_matrix(model).shape[1]:
            raise ConfigError(
                f"{start}: its persona rows have {hidden} dimensions; expected {input_matrix(model).shape[1]} for agent.model = "
                f"{config.model!r}. Set agent.model to the model that they were trained for, or train without agent.start."
            )
        rows = rows.of_personas(lectures.known)
    model.set_input_embeddings(MappedEmbedding(model.get_input_embeddings(), ids, rows))  # pyright: ignore[reportArgumentType]
    if start is not None and phase == 2:
        _check_start(start, config, whole=whole)
    if phase == 2 and not config.lora_rank:
        return model, tokenizer, rows, ids
    model.requires_grad_(requires_grad=False)
    # each of several processes would measure for itself, and they have to agree
    is_alone = os.environ.get("WORLD_SIZE", "1") == "1"
    if not torch.cuda.is_available() and is_alone and faster_in_bfloat16():
        frozen_in_bfloat16(model)
    adapted: PreTrainedModel | PeftModel = model
    if phase == 2:
        torch.manual_seed(seed)  # the low-rank matrices start at random
        adapted = add_lora(model, config.lora_rank)
        if start is not None and read_adapter(start)["lora"]:
            _load_lora(adapted, start)
    rows.requires_grad_(requires_grad=True)  # peft freezes all parameters but its own
    return adapted, tokenizer, rows, ids


def _check_start(start: Path, config: AgentConfig, *, whole: bool) -> None:
    """Raises ConfigError if phase 2 would lose what was trained before."""
    if whole and config.lora_rank:
        raise ConfigError(
            f"{start}: a checkpoint of all parameters; agent.lora_rank = {config.lora_rank} trains an adapter of agent.model. "
            "Set agent.lora_rank = 0, or agent.start to the folder of an adapter."
        )
    if not whole and not config.lora_rank and read_adapter(start)["lora"]:
        raise ConfigError(
            f"{start}: an adapter with low-rank matrices, and agent.lora_rank = 0 trains without them. Set agent.lora_rank to "
            "their rank, or leave agent.start out."
        )


def _load_lora(model: PeftModel, start: Path) -> None:
    matrices = {name: matrix.float() for name, matrix in load_file(start / LORA).items()}
    try:
        set_peft_model_state_dict(model, matrices)
    except RuntimeError as error:
        raise ConfigError(
            f"{start}: its low-rank matrices do not fit agent.lora_rank and agent.model: {str(error).splitlines()[-1]}"
        ) from error


def _groups(
    decider: DecisionModel, rows: PersonaRows, config: AgentConfig, learning_rate: float
) -> list[dict[str, Any]]:
    """The trained parameters with their learning rates. The rows have no weight decay."""
    embedding = decider.embedding
    deviation = float(embedding.weight[: decider.ids.start].detach().std())
    groups: list[dict[str, Any]] = [
        {"params": [rows.own], "lr": config.rows_learning_rate * deviation, "weight_decay": 0.0}
    ]
    if rows.map is not None:
        groups.append({"params": [rows.map], "lr": config.map_learning_rate * deviation, "weight_decay": 0.0})
    of_rows = {id(parameter) for parameter in rows.parameters()}
    others = [each for each in decider.parameters() if each.requires_grad and id(each) not in of_rows]
    if others:
        groups.append({"params": others, "lr": learning_rate, "weight_decay": config.weight_decay})
    return groups


def _save(
    out: Path,
    model: PreTrainedModel | PeftModel,
    tokenizer: PreTrainedTokenizerFast,
    rows: PersonaRows,
    config: AgentConfig,
    summary: dict[str, Any],
    *,
    whole: bool,
) -> None:
    """Writes an adapter, or the whole model; the parts of the rows and the summary are beside the weights."""
    out.parent.mkdir(parents=True, exist_ok=True)
    model = model.cpu().eval()  # pyright: ignore[reportAssignmentType]
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as temporary:
        partial = Path(temporary) / out.name
        if whole:
            embedding = model.get_input_embeddings()
            assert isinstance(embedding, MappedEmbedding)
            model.set_input_embeddings(embedding.merge())  # pyright: ignore[reportAttributeAccessIssue]
            save_backbone(model, tokenizer, partial)  # pyright: ignore[reportArgumentType]
        else:
            save_adapter(partial, model, tokenizer, config.model, config.prompt, "buyer")
        rows.save(partial)
        (partial / DONE).write_text(json.dumps(summary) + "\n", encoding="utf-8")
        shutil.rmtree(out, ignore_errors=True)
        partial.rename(out)
