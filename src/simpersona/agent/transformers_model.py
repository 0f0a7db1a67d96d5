"""Language model: a Hugging Face checkpoint or an adapter in this process, whose answers keep a constraint.

The constraint is a JSON schema or the answers of a page. Tokens that it forces are appended without running the model. So a
reply costs one pass over the new part of the prompt and one for each real choice: end or act, the digits of the node or the
words of the description, the typed text, and the reasoning. The reasoning comes last and cannot change the action before
it, but the progress log of the next steps contains it.

An activated adapter acts from the line "Buyer:" on. The part before is read with the adapter off, and only that part is
cached for other prompts.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from transformers import DynamicCache

from simpersona.agent.answer_tree import AnswerTree
from simpersona.agent.bfloat16 import faster_in_bfloat16, frozen_in_bfloat16
from simpersona.agent.constraint import Constraint, JsonGrammars
from simpersona.agent.grounded_model import GroundedModel
from simpersona.agent.joint_pass import joint_logits
from simpersona.agent.masks import prompt_ids
from simpersona.agent.prefix_cache import PrefixCache
from simpersona.errors import ModelError
from simpersona.pages import Decision, Message, Reply
from simpersona.shopper.short_prompt import ShortAnswer

MAX_REPLY_TOKENS = 512
"""A schema bounds its strings; this bounds a schema that does not."""


@dataclass
class _Question:
    """A reply that is requested or being written."""

    prompt: list[int]
    begin: Callable[[], Constraint]
    generator: torch.Generator
    answer: list[int] = field(default_factory=list)
    text: str = ""
    error: Exception | None = None
    done: bool = False


@dataclass
class _Writing:
    """The state of an answer: its constraint, the cache of the tokens read, and the tokens not read yet.

    `shared` is the part of the prompt that is cached for other prompts.
    """

    question: _Question
    constraint: Constraint
    shared: list[int]
    unread: list[int]
    cache: DynamicCache = field(default_factory=DynamicCache)


class TransformersModel:
    """A checkpoint folder (or an adapter, or any name `load_backbone` knows) that samples the action at `temperature`; 0 is greedy.

    The reasoning is always the most likely text (REFERENCE 21: only the action has to vary). At most `together` waiting
    questions are answered at once: each prompt is read alone, then each pass serves all of them. Keys and values of up to
    `kept_tokens` tokens are cached (46 KiB per token at 135 M parameters), so that a shared beginning of prompts is read
    once. Raises ConfigError if the model cannot be loaded.
    """

    def __init__(
        self, folder: str | Path, temperature: float = 1.0, *, kept_tokens: int = 16_384, together: int = 8
    ) -> None:
        self._grounded = GroundedModel.load(folder)
        self._model, self._tokenizer = self._grounded.model, self._grounded.tokenizer
        if torch.cuda.is_available():
            self._model.to("cuda")  # pyright: ignore[reportArgumentType]
        elif faster_in_bfloat16():
            frozen_in_bfloat16(self._model)
        self._grammars = JsonGrammars(self._tokenizer, self._model.config.vocab_size)
        self._temperature, self._together = temperature, together
        self._prefixes = PrefixCache(kept_tokens)
        self._waiting: deque[_Question] = deque()
        self._lock = Lock()
        self.name = Path(folder).name
        self.passes = self.tokens_read = 0
        """The number of passes of the model, and of tokens read in them, over all replies."""

    async def reply(self, messages: list[Message], schema: dict[str, Any], seed: int) -> Reply:
        """An answer that is valid JSON under `schema`.

        The same model, messages and seed give the same text, except that answers written together may differ in the last
        bits of the logits. Raises ModelError if the prompt is longer than the model's context, the schema has no grammar,
        or the generation fails.
        """
        started = time.perf_counter()
        question = await self._asked(messages, lambda: self._grammars.constraint(schema), seed)
        return Reply(question.text, len(question.prompt), len(question.answer), time.perf_counter() - started)

    async def decide(self, messages: list[Message], answers: Sequence[ShortAnswer], seed: int) -> Decision:
        """The decision of one of the page's answers, drawn by its likelihood among them. Raises ModelError as `reply` does."""
        writer = AnswerTree(answers, self._tokenizer).writer()
        question = await self._asked(messages, lambda: writer, seed)
        costs = {"prompt_tokens": len(question.prompt), "reply_tokens": len(question.answer)}
        return replace(writer.answer.decision(writer.typed), reply=question.text, **costs)

    async def _asked(self, messages: list[Message], begin: Callable[[], Constraint], seed: int) -> _Question:
        generator = torch.Generator().manual_seed(seed)
        question = _Question(prompt_ids(messages, self._tokenizer), begin, generator)
        await asyncio.to_thread(self._await_answer, question)
        if question.error is not None:
            raise ModelError(f"{self.name}: no answer: {question.error}") from question.error
        return question

    def _await_answer(self, question: _Question) -> None:
        self._waiting.append(question)
        with self._lock:  # the first thread answers all waiting questions
            while not question.done:
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._together))]
                try:
                    self._answer(batch)
                except (RuntimeError, ValueError, MemoryError, ModelError) as error:
                    for waiting in batch:
                        waiting.error = waiting.error or error
                for waiting in batch:
                    waiting.done = True

    def _answer(self, questions: list[_Question]) -> None:
        """Writes the answer of each question, or the error that prevents it."""
        writings = [writing for question in questions if (writing := self._begun(question)) is not None]
        with torch.inference_mode():
            writings = [writing for writing in writings if self._must_choose(writing)]
            for writing in writings:  # prompts are long and differ in length, so each is read alone
                self._read(writing)
            while writings := [writing for writing in writings if self._must_choose(writing)]:
                self._choose(writings)

    def _begun(self, question: _Question) -> _Writing | None:
        size, context = len(question.prompt), self._tokenizer.model_max_length
        if size >= context:
            question.error = ModelError(
                f"the prompt has {size} tokens, the model reads at most {context}. Show less of a page "
                "(store.max_page_tokens) or use a model with a longer context."
            )
            return None
        try:
            shared = self._grounded.before_buyer(question.prompt)
            return _Writing(question, question.begin(), shared, list(question.prompt))
        except (ModelError, ValueError) as error:
            question.error = error
            return None

    def _must_choose(self, writing: _Writing) -> bool:
        """Appends the tokens that the constraint forces. Returns False if the answer is then complete or cannot be completed."""
        question = writing.question
        try:
            self._write(writing, writing.constraint.forced())
        except ModelError as error:
            question.error = error
            return False
        if writing.constraint.done:
            question.text = writing.constraint.text
            return False
        size = len(question.answer)
        if size > MAX_REPLY_TOKENS or len(question.prompt) + size >= self._tokenizer.model_max_length:
            question.error = ModelError(f"the answer is not complete after {size} tokens.")
            return False
        return True

    def _read(self, writing: _Writing) -> None:
        """Reads and caches the shared part of the prompt. If that is the whole prompt, the pass also adds a token."""
        shared = writing.shared
        writing.cache, known = self._prefixes.longest(writing.unread[: len(shared) + 1])
        if len(shared) == len(writing.question.prompt):
            writing.unread = writing.unread[known:]
            self._choose([writing])
        else:
            if known < len(shared):
                with self._grounded.reading():
                    self._logits([shared[known:]], [writing.cache])
            writing.unread = writing.unread[len(shared) :]
        self._prefixes.keep(shared, writing.cache)

    def _choose(self, writings: list[_Writing]) -> None:
        """Adds the next token of each answer in one pass."""
        logits = self._logits([writing.unread for writing in writings], [writing.cache for writing in writings])
        for writing, row in zip(writings, logits.float().cpu(), strict=True):
            writing.unread = []
            temperature = 0 if writing.constraint.likeliest else self._temperature
            constraint = writing.constraint
            token = _drawn(row, constraint.allowed(), constraint.weights(), temperature, writing.question.generator)
            writing.constraint.add(token)
            self._write(writing, [token])

    def _logits(self, unread: list[list[int]], caches: list[DynamicCache]) -> torch.Tensor:
        self.passes += 1
        self.tokens_read += sum(map(len, unread))
        return joint_logits(self._model, unread, caches)

    def _write(self, writing: _Writing, tokens: list[int]) -> None:
        tokens = [token for token in tokens if token != self._tokenizer.eos_token_id]  # the end of the turn is not read
        writing.question.answer += tokens
        writing.unread += tokens


def _drawn(
    logits: torch.Tensor,
    allowed: Int[np.ndarray, " n"],
    weights: Float[np.ndarray, " n"],
    temperature: float,
    generator: torch.Generator,
) -> int:
    """One of the allowed tokens, by its probability at the temperature times its weight."""
    candidates, logs = torch.from_numpy(allowed), torch.from_numpy(weights).log().float()
    scores = logits[candidates]
    if temperature == 0:
        return int(candidates[(scores + logs).argmax()])
    shares = torch.softmax(scores / temperature + logs, dim=0)
    return int(candidates[torch.multinomial(shares, 1, generator=generator)])
