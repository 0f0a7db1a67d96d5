"""A shopper who asks a language model what to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from simpersona.contracts import Goal
from simpersona.pages import Decision, Message, Page
from simpersona.ports import LanguageModel
from simpersona.shopper.prompt import messages, parse_reply, reply_schema
from simpersona.shopper.short_prompt import short_messages, short_parse, short_schema


@dataclass(frozen=True)
class Wording:
    """How a step is put to a model, what it may answer, and how its answer is read."""

    messages: Callable[[Goal, Sequence[str], Page], list[Message]]
    schema: Callable[[Page], dict[str, Any]]
    parse: Callable[[str, Page], Decision]


def wording(prompt: str, *, reasoning: bool) -> Wording:
    """That of `agent.prompt`; the reasoning after the action is left out where it is not asked for, and "short" has none."""
    if prompt == "short":
        return Wording(short_messages, short_schema, short_parse)
    return Wording(messages, partial(reply_schema, reasoning=reasoning), parse_reply)


class LanguageModelPolicy:
    """One episode's policy: each step is one question to the model, with a seed of its own."""

    name = "lm"

    def __init__(self, model: LanguageModel, seed: int, words: Wording) -> None:
        self._model, self._words = model, words
        self._seeds = np.random.default_rng(seed)

    async def act(self, page: Page, goal: Goal, log: Sequence[str]) -> Decision:
        """The model's decision, with what it cost. Raises ModelError or ReplyError."""
        seed = int(self._seeds.integers(2**31))
        reply = await self._model.reply(self._words.messages(goal, log, page), self._words.schema(page), seed)
        decision = self._words.parse(reply.text, page)
        return replace(decision, prompt_tokens=reply.prompt_tokens, reply_tokens=reply.reply_tokens)
