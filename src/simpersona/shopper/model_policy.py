"""A shopper who asks a language model what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from simpersona.contracts import Goal
from simpersona.errors import ReplyError
from simpersona.pages import Decision, Page
from simpersona.ports import LanguageModel
from simpersona.shopper.prompt import messages, parse_reply, reply_schema


class LanguageModelPolicy:
    """One episode's policy: each step is one question to the model, with a seed of its own."""

    name = "lm"

    def __init__(self, model: LanguageModel, seed: int) -> None:
        self._model = model
        self._seeds = np.random.default_rng(seed)

    async def act(self, page: Page, goal: Goal, log: Sequence[str]) -> Decision:
        """The model's decision, with what it cost. Raises ModelError or ReplyError."""
        seed = int(self._seeds.integers(2**31))
        reply = await self._model.reply(messages(goal, log, page), reply_schema(page), seed)
        try:
            decision = parse_reply(reply.text, page)
        except ReplyError as error:
            error.prompt_tokens, error.reply_tokens = reply.prompt_tokens, reply.reply_tokens
            raise
        return replace(decision, prompt_tokens=reply.prompt_tokens, reply_tokens=reply.reply_tokens, reply=reply.text)
