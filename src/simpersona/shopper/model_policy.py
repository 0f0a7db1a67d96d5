"""A shopper who asks a language model what to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from simpersona.contracts import Goal
from simpersona.errors import ReplyError
from simpersona.pages import Decision, Message, Page
from simpersona.ports import LanguageModel
from simpersona.shopper.prompt import messages_of, parse_reply, reply_schema
from simpersona.shopper.short_prompt import short_messages_of, short_parse, short_schema


@dataclass(frozen=True)
class Wording:
    """How a step is put to a model, what it may answer, and how its answer is read."""

    messages: Callable[[Goal, Sequence[str], str], list[Message]]
    """Of the goal, the progress log and the page's tree."""
    schema: Callable[[Page], dict[str, Any]]
    parse: Callable[[str, Page], Decision]


def wording(prompt: str, *, reasoning: bool) -> Wording:
    """That of `agent.prompt`; the reasoning after the action is left out where it is not asked for, and "short" has none."""
    if prompt == "short":
        return Wording(short_messages_of, short_schema, short_parse)
    return Wording(messages_of, partial(reply_schema, reasoning=reasoning), parse_reply)


class LanguageModelPolicy:
    """One episode's policy: each step is one question to the model, with a seed of its own."""

    name = "lm"

    def __init__(self, model: LanguageModel, seed: int, words: Wording) -> None:
        self._model, self._words = model, words
        self._seeds = np.random.default_rng(seed)

    async def act(self, page: Page, goal: Goal, log: Sequence[str]) -> Decision:
        """The model's decision, with what it cost. Raises ModelError or ReplyError."""
        seed = int(self._seeds.integers(2**31))
        reply = await self._model.reply(self._words.messages(goal, log, page.tree), self._words.schema(page), seed)
        try:
            decision = self._words.parse(reply.text, page)
        except ReplyError as error:
            error.prompt_tokens, error.reply_tokens = reply.prompt_tokens, reply.reply_tokens
            raise
        return replace(decision, prompt_tokens=reply.prompt_tokens, reply_tokens=reply.reply_tokens, reply=reply.text)
