"""What a trained model makes of visits that it was not trained on: with the buyer's token, with another's, with none."""

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
    """The examples to train on, and `count` of the others: a tenth of the visits is kept from training, whole."""
    visits = sorted({visit_of(example) for example in examples})
    rng = np.random.default_rng(seed)
    kept = {visits[place] for place in rng.permutation(len(visits))[: max(len(visits) // 10, 1)]} if count else set()
    held = [example for example in examples if visit_of(example) in kept]
    some = [held[place] for place in sorted(rng.permutation(len(held))[:count])]
    return [example for example in examples if visit_of(example) not in kept], some


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
            own = encode(with_token(example, token(example["code"])), tokenizer, max_tokens)
            with torch.inference_mode():
                total += answer_loss(model, packed([own]), ids).item()
            count += sum(label != IGNORED for label in own.labels)
        losses[name] = round(total / count, 4)
    return losses


def with_token(example: Example, token: str) -> Example:
    """The example with these words where its buyer's token stands."""
    own = persona_token(example["code"])
    turns = [Message(role=turn["role"], content=turn["content"].replace(own, token)) for turn in example["messages"]]
    return Example(**{**example, "messages": turns})
