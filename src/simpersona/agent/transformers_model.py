"""Language model: a Hugging Face checkpoint in this process, constrained to a JSON schema.

The schema becomes a grammar (llguidance) with the whitespace of `json.dumps`, on which the model was trained. Tokens that
the grammar forces are appended without running the model. So a reply costs one pass over the new part of the prompt and
one for each real choice: end or act, the digits of the node, the typed text, and the reasoning. The reasoning comes last
and cannot change the action before it, but the progress log of the next steps contains it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from llguidance import LLMatcher
from llguidance.hf import from_tokenizer
from transformers import DynamicCache

from simpersona.agent.joint_pass import joint_logits
from simpersona.agent.masks import prompt_ids
from simpersona.agent.persona_adapter import load_grounded
from simpersona.agent.prefix_cache import PrefixCache
from simpersona.agent.tokens import persona_ids
from simpersona.errors import ModelError
from simpersona.pages import Message, Reply

MAX_REPLY_TOKENS = 512
"""A schema bounds its strings; this bounds a schema that does not."""
_REASONING = b'"reasoning":'
"""Where the reasoning begins; inside a JSON string these quotes would be escaped."""


@dataclass
class _Question:
    """A reply that is requested or being written."""

    prompt: list[int]
    schema: dict[str, Any]
    generator: torch.Generator
    answer: list[int] = field(default_factory=list)
    error: Exception | None = None
    done: bool = False


@dataclass
class _Writing:
    """The state of an answer: its grammar, the cache of the tokens read, and the tokens not read yet."""

    question: _Question
    matcher: LLMatcher
    unread: list[int]
    cache: DynamicCache = field(default_factory=DynamicCache)
    allowed: Bool[np.ndarray, " vocabulary"] | None = None
    """The tokens that may come next."""
    ended: bool = False
    """Whether the model ended its turn."""


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
        self._model, self._tokenizer = load_grounded(folder)
        self._model.to("cuda" if torch.cuda.is_available() else "cpu")  # pyright: ignore[reportArgumentType]
        self._grammar_tokens = from_tokenizer(self._tokenizer, n_vocab=self._model.config.vocab_size)  # pyright: ignore[reportArgumentType]
        self._never = np.asarray(persona_ids(self._tokenizer), dtype=np.int64)
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
        return await asyncio.to_thread(self._reply, messages, schema, seed)

    def _reply(self, messages: list[Message], schema: dict[str, Any], seed: int) -> Reply:
        started = time.perf_counter()
        question = _Question(prompt_ids(messages, self._tokenizer), schema, torch.Generator().manual_seed(seed))
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
        if question.error is not None:
            raise ModelError(f"{self.name}: no answer: {question.error}") from question.error
        text = self._grammar_tokens.decode_bytes(question.answer).decode()
        return Reply(text, len(question.prompt), len(question.answer), time.perf_counter() - started)

    def _answer(self, questions: list[_Question]) -> None:
        """Writes the answer of each question, or the error that prevents it."""
        writings = [writing for question in questions if (writing := self._begun(question)) is not None]
        with torch.inference_mode():
            writings = [writing for writing in writings if self._must_choose(writing)]
            for writing in writings:  # prompts are long and differ in length, so each is read alone
                prompt = writing.question.prompt
                writing.cache, known = self._prefixes.longest(prompt)
                writing.unread = writing.unread[known:]
                self._choose([writing])
                self._prefixes.keep(prompt, writing.cache)
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
            return _Writing(question, self._matcher(question.schema), list(question.prompt))
        except (ModelError, ValueError) as error:
            question.error = error
            return None

    def _must_choose(self, writing: _Writing) -> bool:
        """Appends the tokens that the grammar forces. Returns False if the answer is then complete or cannot be completed."""
        question, matcher = writing.question, writing.matcher
        while not writing.ended:
            forced = matcher.compute_ff_tokens()
            self._write(writing, forced)
            if matcher.is_stopped():
                if matcher.is_error():
                    question.error = ModelError(f"the answer left its grammar: {matcher.get_error()}")
                return False
            size = len(question.answer)
            if size > MAX_REPLY_TOKENS or len(question.prompt) + size >= self._tokenizer.model_max_length:
                question.error = ModelError(f"the answer is not complete after {size} tokens.")
                return False
            writing.allowed = self._allowed(matcher)
            if np.count_nonzero(writing.allowed) > 1:
                return True
            if (only := int(writing.allowed.argmax())) == self._tokenizer.eos_token_id:
                return False
            self._write(writing, [only])
        return False

    def _choose(self, writings: list[_Writing]) -> None:
        """Adds the next token of each answer in one pass: a sampled one, or the most likely one in the reasoning."""
        self.passes += 1
        unread = [writing.unread for writing in writings]
        self.tokens_read += sum(map(len, unread))
        logits = joint_logits(self._model, unread, [writing.cache for writing in writings]).float().cpu()
        for writing, row in zip(writings, logits, strict=True):
            assert writing.allowed is not None
            writing.unread = []
            explains = _REASONING in self._grammar_tokens.decode_bytes(writing.question.answer)
            temperature = 0 if explains else self._temperature
            token = _drawn(row, writing.allowed, temperature, writing.question.generator)
            if token == self._tokenizer.eos_token_id:
                writing.ended = True
            else:
                self._write(writing, [token])

    def _write(self, writing: _Writing, tokens: list[int]) -> None:
        if tokens and not writing.matcher.consume_tokens(tokens):
            raise ModelError(f"A token was refused by the grammar that allowed it: {writing.matcher.get_error()}")
        writing.question.answer += tokens
        writing.unread += tokens

    def _matcher(self, schema: dict[str, Any]) -> LLMatcher:
        grammar = LLMatcher.grammar_from_json_schema(
            schema, overrides={"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
        )
        matcher = LLMatcher(self._grammar_tokens, grammar, log_level=0)
        if matcher.is_error():
            raise ModelError(f"this JSON schema cannot be enforced: {matcher.get_error()}")
        return matcher

    def _allowed(self, matcher: LLMatcher) -> Bool[np.ndarray, " vocabulary"]:
        """The tokens that may come next: those of the grammar, without persona tokens."""
        bits = np.unpackbits(np.frombuffer(matcher.compute_bitmask(), dtype=np.uint8), bitorder="little")
        allowed = bits[: self._model.config.vocab_size].astype(bool)
        allowed[self._never] = False
        return allowed


def _drawn(
    logits: torch.Tensor, allowed: Bool[np.ndarray, " vocabulary"], temperature: float, generator: torch.Generator
) -> int:
    candidates = torch.from_numpy(np.flatnonzero(allowed))
    scores = logits[candidates]
    if temperature == 0:
        return int(candidates[scores.argmax()])
    shares = torch.softmax(scores / temperature, dim=0)
    return int(candidates[torch.multinomial(shares, 1, generator=generator)])
