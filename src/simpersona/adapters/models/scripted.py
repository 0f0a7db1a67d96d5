"""A language model with prepared answers, for tests and for showing a loop without a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from simpersona.errors import ModelError
from simpersona.pages import Message, Reply

Answer = Callable[[list[Message], dict[str, Any], int], str]
"""Makes a reply's text from (messages, schema, seed)."""


class ScriptedModel:
    """Gives `replies` one after the other, or asks a function for each. Tokens are counted as words.

    `asked` holds the messages of every call.
    """

    name = "scripted"

    def __init__(self, replies: Iterable[str] | Answer) -> None:
        self._answer = replies if callable(replies) else None
        self._script = iter(()) if callable(replies) else iter(replies)
        self.asked: list[list[Message]] = []

    async def reply(self, messages: list[Message], schema: dict[str, Any], seed: int) -> Reply:
        """The next reply. Raises ModelError after the last reply."""
        self.asked.append(messages)
        text = self._answer(messages, schema, seed) if self._answer else next(self._script, None)
        if text is None:
            raise ModelError(f"The script has ended: this is question {len(self.asked)}. Give it more replies.")
        return Reply(text, sum(len(m["content"].split()) for m in messages), len(text.split()), seconds=0.0)
