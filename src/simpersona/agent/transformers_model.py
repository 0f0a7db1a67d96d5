"""Language model: a Hugging Face checkpoint in this process, held to a JSON schema while it writes.

The schema becomes a grammar (llguidance) in the whitespace of `json.dumps`, which is what the model was trained on.
What the grammar forces is appended without asking the model, so that a reply costs one pass over the new part of the
prompt and one for each real choice: end or act, the digits of the node, what is typed, and the words of the reasoning.
The reasoning comes last and cannot change the action before it, but it stands in the progress log of the next steps.
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
    """One reply on its way."""

    prompt: list[int]
    schema: dict[str, Any]
    generator: torch.Generator
    answer: list[int] = field(default_factory=list)
    error: Exception | None = None
    done: bool = False


@dataclass
class _Writing:
    """A question that is being answered: its grammar, what the model has read, and what it has not."""

    question: _Question
    matcher: LLMatcher
    unread: list[int]
    cache: DynamicCache = field(default_factory=DynamicCache)
    allowed: Bool[np.ndarray, " vocabulary"] | None = None
    """What may come next."""
    ended: bool = False
    """By the model's own end of turn."""


class TransformersModel:
    """A checkpoint folder (or an adapter, or any name `load_backbone` knows) that samples the action at `temperature`; 0 is greedy.

    The reasoning is always the likeliest (REFERENCE 21: it is the action that must vary). Questions that wait are answered
    together, at most `together`: each prompt is read by itself, then every pass is one for all. Keys and values of
    `kept_tokens` tokens are kept (46 KiB each at 135 M parameters), so that a visitor pays only for what no visitor's
    prompt began with. Raises ConfigError if the model cannot be loaded.
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
        """Times that the model was run, and tokens that it read then, for all replies together."""

    async def reply(self, messages: list[Message], schema: dict[str, Any], seed: int) -> Reply:
        """An answer that is valid JSON under `schema`. The same model, messages and seed give the same text, up to the
        last bits of the logits, in which questions that are answered together may differ.

        Raises ModelError if the prompt is longer than the model's context, the schema cannot be held to, or the
        generation fails.
        """
        return await asyncio.to_thread(self._reply, messages, schema, seed)

    def _reply(self, messages: list[Message], schema: dict[str, Any], seed: int) -> Reply:
        started = time.perf_counter()
        question = _Question(prompt_ids(messages, self._tokenizer), schema, torch.Generator().manual_seed(seed))
        self._waiting.append(question)
        with self._lock:  # who comes first answers for all who wait
            while not question.done:
                some = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._together))]
                try:
                    self._answer(some)
                except (RuntimeError, ValueError, MemoryError, ModelError) as error:
                    for one in some:
                        one.error = one.error or error
                for one in some:
                    one.done = True
        if question.error is not None:
            raise ModelError(f"{self.name}: no answer: {question.error}") from question.error
        text = self._grammar_tokens.decode_bytes(question.answer).decode()
        return Reply(text, len(question.prompt), len(question.answer), time.perf_counter() - started)

    def _answer(self, questions: list[_Question]) -> None:
        """Answers the questions, or tells them why not."""
        writings = [writing for question in questions if (writing := self._begun(question)) is not None]
        with torch.inference_mode():
            writings = [one for one in writings if self._must_choose(one)]
            for one in writings:  # a prompt is long, and unlike the others
                prompt = one.question.prompt
                one.cache, known = self._prefixes.longest(prompt)
                one.unread = one.unread[known:]
                self._choose([one])
                self._prefixes.keep(prompt, one.cache)
            while writings := [one for one in writings if self._must_choose(one)]:
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

    def _must_choose(self, one: _Writing) -> bool:
        """Appends what the grammar forces; False where the answer is complete then, or cannot be completed."""
        question, matcher = one.question, one.matcher
        while not one.ended:
            forced = matcher.compute_ff_tokens()
            self._write(one, forced)
            if matcher.is_stopped():
                if matcher.is_error():
                    question.error = ModelError(f"the answer left its grammar: {matcher.get_error()}")
                return False
            size = len(question.answer)
            if size > MAX_REPLY_TOKENS or len(question.prompt) + size >= self._tokenizer.model_max_length:
                question.error = ModelError(f"the answer is not complete after {size} tokens.")
                return False
            one.allowed = self._allowed(matcher)
            if np.count_nonzero(one.allowed) > 1:
                return True
            if (only := int(one.allowed.argmax())) == self._tokenizer.eos_token_id:
                return False
            self._write(one, [only])
        return False

    def _choose(self, writings: list[_Writing]) -> None:
        """One pass: the next token of each, sampled, or the likeliest where the reasoning is written."""
        self.passes += 1
        unread = [one.unread for one in writings]
        self.tokens_read += sum(map(len, unread))
        logits = joint_logits(self._model, unread, [one.cache for one in writings]).float().cpu()
        for one, own in zip(writings, logits, strict=True):
            assert one.allowed is not None
            one.unread = []
            explains = _REASONING in self._grammar_tokens.decode_bytes(one.question.answer)
            temperature = 0 if explains else self._temperature
            token = _drawn(own, one.allowed, temperature, one.question.generator)
            if token == self._tokenizer.eos_token_id:
                one.ended = True
            else:
                self._write(one, [token])

    def _write(self, one: _Writing, tokens: list[int]) -> None:
        if tokens and not one.matcher.consume_tokens(tokens):
            raise ModelError(f"A token was refused by the grammar that allowed it: {one.matcher.get_error()}")
        one.question.answer += tokens
        one.unread += tokens

    def _matcher(self, schema: dict[str, Any]) -> LLMatcher:
        grammar = LLMatcher.grammar_from_json_schema(
            schema, overrides={"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
        )
        matcher = LLMatcher(self._grammar_tokens, grammar, log_level=0)
        if matcher.is_error():
            raise ModelError(f"this JSON schema cannot be held to: {matcher.get_error()}")
        return matcher

    def _allowed(self, matcher: LLMatcher) -> Bool[np.ndarray, " vocabulary"]:
        """Which tokens may come next: the grammar's, without persona tokens."""
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
