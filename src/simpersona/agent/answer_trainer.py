"""Training by whole answers: a loss on the answers only, over packed examples, in one process or in several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from simpersona.agent.checkpointed_trainer import CheckpointedTrainer
from simpersona.agent.masks import IGNORED, Encoded


def packed(batch: Sequence[Encoded]) -> dict[str, Int[Tensor, "1 tokens"]]:
    """A batch as one row without padding: sequence packing with a block-diagonal mask. Positions restart at 0 with each
    example; from these the attention of transformers derives the mask, or flash attention its sequence lengths.
    """
    return {
        "input_ids": torch.tensor([[token for example in batch for token in example.input_ids]]),
        "labels": torch.tensor([[label for example in batch for label in example.labels]]),
        "position_ids": torch.tensor([[position for example in batch for position in range(len(example.input_ids))]]),
    }


def answer_loss(model: nn.Module, inputs: dict[str, Tensor], persona_ids: range) -> Float[Tensor, ""]:
    """Sum of the cross-entropies of the labelled tokens; the softmax excludes persona tokens.

    Logits are computed only at labels. On a CPU, with answers a tenth as long as prompts, this makes a step 1.45 times
    faster.
    """
    next_label: Int[Tensor, "1 rest"] = inputs["labels"][:, 1:]
    positions = (next_label[0] != IGNORED).nonzero().squeeze(1)
    logits = model(
        input_ids=inputs["input_ids"],
        position_ids=inputs["position_ids"],
        logits_to_keep=positions,
        use_cache=False,
    ).logits.float()
    never = torch.zeros(logits.shape[-1], device=logits.device)
    never[persona_ids.start : persona_ids.stop] = -torch.inf
    return cross_entropy((logits + never)[0], next_label[0, positions], reduction="sum")


class AnswerTrainer(CheckpointedTrainer):
    """Trains by answers; the loss of a step is in nats per answer token of the whole batch."""

    def __init__(self, *, persona_ids: range, **rest: Any) -> None:
        super().__init__(**rest)
        self.persona_ids = persona_ids
        self.model_accepts_loss_kwargs = True  # the Trainer counts the labels of all processes and micro-batches

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        assert num_items_in_batch is not None
        loss = answer_loss(model, inputs, self.persona_ids) / num_items_in_batch
        self.see(loss, float((inputs["position_ids"] == 0).sum()), inputs["input_ids"].numel())
        loss = loss * self.accelerator.num_processes  # gradients are averaged over processes
        return (loss, {}) if return_outputs else loss
