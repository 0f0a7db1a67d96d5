"""The two stages of fine-tuning (2.3, App. F, G).

Stage 1 grounds the persona tokens: the backbone is frozen, only their rows train, on intent-neutral goals. Stage 2
teaches acting: all parameters train, on goals that name the intent. Each stage reads one Hugging Face checkpoint and
writes the next.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from simpersona.agent.backbone import load_backbone, quiet, save_backbone
from simpersona.agent.masks import IGNORED, Encoded, encode
from simpersona.agent.tokens import add_persona_tokens, only_rows_train
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
    """Trains one stage from the checkpoint or model `start` and writes the checkpoint `out`, whole or not at all.

    A `start` without persona tokens gets them (so stage 2 alone is the single-stage baseline of App. F). The
    checkpoint loads with transformers as it is: the rows are merged. Returns `steps`, `examples` (seen, repeats
    counted), `tokens` (without padding), `seconds` of training, `loss_first`, `loss_last` and all `losses` (nats per
    answer token, one a step).
    Raises ContractError if there is nothing to train on, ConfigError if the model or an example does not fit.
    """
    _check(examples, stage, codes)
    settings = config.stage1 if stage == 1 else config.stage2
    model, tokenizer = load_backbone(str(start))
    ids = add_persona_tokens(model, tokenizer, codes, start=config.start_rows, codebook=codebook, seed=seed)
    longest = min(config.max_tokens, tokenizer.model_max_length)
    encoded = [encode(example, tokenizer, longest) for example in examples]
    rows = only_rows_train(model, ids) if stage == 1 else None
    with tempfile.TemporaryDirectory() as scratch:
        arguments = TrainingArguments(
            output_dir=scratch,
            max_steps=settings.steps,
            per_device_train_batch_size=config.batch_size,
            learning_rate=settings.learning_rate,
            warmup_steps=settings.warmup_steps,
            lr_scheduler_type="cosine",
            weight_decay=config.weight_decay,
            bf16=torch.cuda.is_available() and torch.cuda.is_bf16_supported(),
            seed=seed,
            data_seed=seed,
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            remove_unused_columns=False,
            dataloader_pin_memory=torch.cuda.is_available(),
        )
        trainer = AnswerTrainer(
            model=model,
            args=arguments,
            train_dataset=encoded,  # pyright: ignore[reportArgumentType] - anything with length and items
            data_collator=padded,
            persona_ids=ids,
        )
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(_Reporter(trainer, progress, f"stage {stage}"))
        started = time.perf_counter()
        with quiet():
            trainer.train()
        seconds = time.perf_counter() - started
        model = model.cpu().eval()
        if rows is not None:
            model.set_input_embeddings(rows.merge())
            model.requires_grad_(requires_grad=True)
        save_backbone(model, tokenizer, out)
    return {
        "steps": settings.steps,
        "examples": trainer.examples,
        "tokens": trainer.tokens,
        "seconds": round(seconds, 2),
        "loss_first": trainer.losses[0],
        "loss_last": trainer.losses[-1],
        "losses": trainer.losses,
    }


class AnswerTrainer(Trainer):
    """The Trainer with our loss; keeps the loss of every step and counts what was read."""

    def __init__(self, *, persona_ids: range, **rest: Any) -> None:
        super().__init__(**rest)
        self.persona_ids = persona_ids
        self.losses: list[float] = []
        self.examples = self.tokens = 0

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,  # noqa: ARG002 - the Trainer's signature
    ) -> Any:
        loss = answer_loss(model, inputs, self.persona_ids)
        self.losses.append(round(loss.item(), 4))
        self.examples += len(inputs["input_ids"])
        self.tokens += int(inputs["attention_mask"].sum())
        return (loss, {}) if return_outputs else loss


def answer_loss(model: nn.Module, inputs: dict[str, Tensor], persona_ids: range) -> Float[Tensor, ""]:
    """Mean cross-entropy of the labelled tokens, persona tokens out of the softmax.

    Logits are computed only at positions where some example of the batch has a label: on a CPU with answers a tenth
    as long as prompts this makes a step 1.45 times faster.
    """
    labels: Int[Tensor, "batch length"] = inputs["labels"]
    next_label = labels[:, 1:]
    positions = (next_label != IGNORED).any(0).nonzero().squeeze(1)
    logits = model(
        input_ids=inputs["input_ids"],
        attention_mask=inputs["attention_mask"],
        logits_to_keep=positions,
        use_cache=False,
    ).logits.float()
    never = torch.zeros(logits.shape[-1], device=logits.device)
    never[persona_ids.start : persona_ids.stop] = -torch.inf
    return cross_entropy((logits + never).flatten(0, 1), next_label[:, positions].flatten(), ignore_index=IGNORED)


def padded(batch: Sequence[Encoded]) -> dict[str, Int[Tensor, "batch length"]]:
    """A batch as tensors, padded on the right to its longest example."""

    def pad(rows: list[list[int]], value: int) -> Tensor:
        return torch.nn.utils.rnn.pad_sequence(
            [torch.tensor(row) for row in rows], batch_first=True, padding_value=value
        )

    return {
        "input_ids": pad([example.input_ids for example in batch], 0),
        "labels": pad([example.labels for example in batch], IGNORED),
        "attention_mask": pad([[1] * len(example.input_ids) for example in batch], 0),
    }


class _Reporter(TrainerCallback):
    def __init__(self, trainer: AnswerTrainer, progress: Progress, what: str) -> None:
        self.trainer, self.progress, self.what = trainer, progress, what

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002 - its signature
        self.progress(state.global_step, state.max_steps, f"{self.what}, loss {self.trainer.losses[-1]:.2f}")


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
