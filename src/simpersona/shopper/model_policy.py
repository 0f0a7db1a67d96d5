"""A shopper who asks a language model what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from simpersona.errors import ReplyError
from simpersona.pages import Decision, Message, Page
from simpersona.ports import LanguageModel
from simpersona.shopper.prompt import messages, parse_reply, reply_schema
from simpersona.shopper.short_prompt import short_messages, short_parse, short_schema
from simpersona.visits import Observation


@dataclass(frozen=True)
class PromptFormat:
    """How a step is rendered for a model, which answers are valid, and how an answer is parsed."""

    messages: Callable[[Observation], list[Message]]
    schema: Callable[[Page], dict[str, Any]]
    parse: Callable[[str, Page], Decision]


def prompt_format(name: str, *, reasoning: bool) -> PromptFormat:
    """The format that `agent.prompt` names. Without `reasoning` the schema has none; "short" never has."""
    if name == "short":
        return PromptFormat(short_messages, short_schema, short_parse)
    return PromptFormat(messages, partial(reply_schema, reasoning=reasoning), parse_reply)


class LanguageModelPolicy:
    """One episode's policy: each step is one question to the model, with its own seed."""

    name = "lm"

    def __init__(self, model: LanguageModel, seed: int, prompt: PromptFormat) -> None:
        self._model, self._prompt = model, prompt
        self._seeds = np.random.default_rng(seed)

    async def act(self, observation: Observation) -> Decision:
        """The model's decision and its cost. Raises ModelError or ReplyError."""
        seed, page = int(self._seeds.integers(2**31)), observation.page
        reply = await self._model.reply(self._prompt.messages(observation), self._prompt.schema(page), seed)
        try:
            decision = self._prompt.parse(reply.text, page)
        except ReplyError as error:
            error.prompt_tokens, error.reply_tokens = reply.prompt_tokens, reply.reply_tokens
            raise
        return replace(decision, prompt_tokens=reply.prompt_tokens, reply_tokens=reply.reply_tokens, reply=reply.text)
