"""The two phases of fine-tuning; the paper and the settings call them stages (2.3, App. F, G).

Phase 1 grounds the persona tokens: the backbone is frozen and only their rows train, on intent-neutral goals. Phase 2
teaches to act: all parameters train, or low-rank matrices and the rows, on goals that name the intent. Each phase reads a
Hugging Face checkpoint and writes the next one. On several processes (`torchrun`, `accelerate launch`) each process calls
the same function; only the first one writes.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from peft import PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerFast
from transformers.utils.import_utils import is_flash_attn_2_available

from simpersona.adapters.models.quiet import quiet
from simpersona.agent.answer_trainer import AnswerTrainer, packed
from simpersona.agent.backbone import load_backbone, save_backbone
from simpersona.agent.checkpointed_trainer import DONE, last_whole, put_back, training_arguments
from simpersona.agent.masks import encode
from simpersona.agent.persona_adapter import add_lora, save_adapter
from simpersona.agent.tokens import PersonaEmbedding, add_persona_tokens, only_rows_train
from simpersona.config import AgentConfig
from simpersona.errors import ConfigError, ContractError
from simpersona.pages import Example
from simpersona.ports import Progress


def finetune(
    start: str | Path,
    examples: Sequence[Example],
    stage: Literal[1, 2],
    config: AgentConfig,
    codes: int,
    codebook: Float[np.ndarray, "codes latent"] | None,
    out: Path,
    seed: int,
    progress: Progress,
) -> dict[str, Any]:
    """Trains one phase (`stage`) from the checkpoint or model `start` and writes the checkpoint `out` atomically.

    A `start` without persona tokens gets them, so phase 2 alone is the single-stage baseline of App. F. The checkpoint
    loads with transformers, because rows and low-rank matrices are merged; with `agent.lora_rank`, phase 2 also writes them
    separately, to `adapter` beside `out`. During training, `.NAME.steps` beside `out` holds a checkpoint every
    `agent.checkpoint_steps`; a killed training continues from the last one, with the same losses.

    Returns `steps`, `examples` (with repeats), `tokens`, `seconds` of training (since the last resume), `loss_first`,
    `loss_last` and all `losses` (nats per answer token, one per step). Raises ContractError if there are no examples,
    ConfigError if the model or an example does not fit.
    """
    _check(examples, stage, codes)
    model, tokenizer, ids = _trainable(start, stage, config, codes, codebook, seed)
    longest = min(config.max_tokens, tokenizer.model_max_length)
    encoded = [encode(example, tokenizer, longest) for example in examples]
    steps = out.with_name(f".{out.name}.steps")
    trainer = AnswerTrainer(
        model=model,
        args=training_arguments(config, stage, steps, seed),
        train_dataset=encoded,  # pyright: ignore[reportArgumentType] - anything with length and items
        data_collator=packed,
        persona_ids=ids,
        progress=progress,
        what=f"stage {stage}",
    )
    started = time.perf_counter()
    with quiet():
        trainer.train(resume_from_checkpoint=last_whole(steps))
    seconds = time.perf_counter() - started
    trained, steps_log = trainer.trained(), trainer.steps
    losses = [entry["loss"] for entry in steps_log]
    summary = {
        "steps": len(steps_log),
        "examples": int(sum(entry["examples"] for entry in steps_log)),
        "tokens": int(sum(entry["tokens"] for entry in steps_log)),
        "seconds": round(seconds, 2),
        "loss_first": losses[0],
        "loss_last": losses[-1],
        "losses": losses,
    }
    if trainer.args.should_save:
        if trainer.is_fsdp_enabled:  # no process holds the whole model, so it is loaded again
            model, tokenizer, _ = _trainable(start, stage, config, codes, codebook, seed)
            put_back(model, trained)
        if isinstance(model, PeftModel):
            base = str(config.model)
            save_adapter(out.with_name("adapter"), model, tokenizer, base, config.prompt)
        save_backbone(_merged(model), tokenizer, out)
        (out / DONE).write_text(json.dumps(summary) + "\n", encoding="utf-8")
        shutil.rmtree(steps, ignore_errors=True)
    trainer.accelerator.wait_for_everyone()
    return summary


def finetuned(out: Path) -> dict[str, Any] | None:
    """The summary of the training that wrote `out`; None if there is none."""
    try:
        return json.loads((out / DONE).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return None


def _trainable(
    start: str | Path,
    stage: int,
    config: AgentConfig,
    codes: int,
    codebook: Float[np.ndarray, "codes latent"] | None,
    seed: int,
) -> tuple[PreTrainedModel | PeftModel, PreTrainedTokenizerFast, range]:
    """The model of `start` with its persona tokens; only the parameters of this phase require a gradient."""
    attention = "flash_attention_2" if torch.cuda.is_available() and is_flash_attn_2_available() else None
    model, tokenizer = load_backbone(str(start), attention)
    ids = add_persona_tokens(model, tokenizer, codes, start=config.start_rows, codebook=codebook, seed=seed)
    if stage == 2 and not config.lora_rank:
        return model, tokenizer, ids
    only_rows_train(model, ids)
    if stage == 1:
        return model, tokenizer, ids
    torch.manual_seed(seed)  # the low-rank matrices start at random
    return add_lora(model, config.lora_rank), tokenizer, ids


def _merged(model: PreTrainedModel | PeftModel) -> PreTrainedModel:
    """The model with the rows and the low-rank matrices merged into its weights."""
    whole: PreTrainedModel = model.merge_and_unload() if isinstance(model, PeftModel) else model  # pyright: ignore[reportCallIssue, reportAssignmentType]
    embedding = whole.get_input_embeddings()
    if isinstance(embedding, PersonaEmbedding):
        whole.set_input_embeddings(embedding.merge())
    return whole.cpu().eval().requires_grad_(requires_grad=True)


def _check(examples: Sequence[Example], stage: int, codes: int) -> None:
    if stage not in (1, 2):
        raise ConfigError(f"There is a stage 1 and a stage 2 of fine-tuning; asked for {stage!r}.")
    if not examples:
        raise ContractError(
            f"Stage {stage} of fine-tuning: 0 examples. Only verified replays become examples; look at the verdicts "
            "in traces/episodes.parquet, or replay more sessions (traces.sessions)."
        )
    unknown = sorted({example["code"] for example in examples if not 0 <= example["code"] < codes})
    if unknown:
        raise ContractError(
            f"Stage {stage} of fine-tuning: examples with the codes {unknown[:5]}, expected 0 to {codes - 1}. "
            "The traces were made with another codebook: run the stage `traces` again."
        )
