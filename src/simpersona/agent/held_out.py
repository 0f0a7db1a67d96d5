"""The loss on test examples, from visits that a model was not trained on: with matched, mismatched and no token."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from simpersona.agent.answer_trainer import answer_loss, packed
from simpersona.agent.masks import IGNORED, encode
from simpersona.agent.persona_adapter import load_grounded
from simpersona.agent.tokens import persona_ids
from simpersona.contracts import persona_token
from simpersona.pages import Example, Message, visit_of


def keep_some(examples: Sequence[Example], count: int, seed: int) -> tuple[list[Example], list[Example]]:
    """The training examples, and `count` test examples from a tenth of the visits; training uses no step of these visits."""
    visits = sorted({visit_of(example) for example in examples})
    rng = np.random.default_rng(seed)
    kept = {visits[index] for index in rng.permutation(len(visits))[: max(len(visits) // 10, 1)]} if count else set()
    held = [example for example in examples if visit_of(example) in kept]
    test = [held[index] for index in sorted(rng.permutation(len(held))[:count])]
    return [example for example in examples if visit_of(example) not in kept], test


def losses_by_token(checkpoint: str, examples: Sequence[Example], max_tokens: int) -> dict[str, float]:
    """Mean loss in nats per answer token: `right`, `wrong` (the token half the codebook away) and `none`."""
    model, tokenizer = load_grounded(checkpoint)
    ids = persona_ids(tokenizer)
    ways: dict[str, Callable[[int], str]] = {
        "right": persona_token,
        "wrong": lambda code: persona_token((code + len(ids) // 2) % len(ids)),
        "none": lambda _: "",
    }
    losses: dict[str, float] = {}
    for name, token in ways.items():
        total, count = 0.0, 0
        for example in examples:
            encoded = encode(with_token(example, token(example["code"])), tokenizer, max_tokens)
            with torch.inference_mode():
                total += answer_loss(model, packed([encoded]), ids).item()
            count += sum(label != IGNORED for label in encoded.labels)
        losses[name] = round(total / count, 4)
    return losses


def with_token(example: Example, token: str) -> Example:
    """The example with `token` instead of its buyer's token."""
    matched = persona_token(example["code"])
    turns = [
        Message(role=turn["role"], content=turn["content"].replace(matched, token)) for turn in example["messages"]
    ]
    return Example(**{**example, "messages": turns})
