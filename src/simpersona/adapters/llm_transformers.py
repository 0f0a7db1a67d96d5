"""Language model: a Hugging Face checkpoint in this process, held to a JSON schema while it writes.

The schema becomes a grammar (llguidance) in the whitespace of `json.dumps`, which is what the model was trained on.
What the grammar forces is appended without asking the model, so that a reply costs one pass over the new part of the
prompt and one for each real choice: end or act, the digits of the node, what is typed, and the words of the reasoning.
The reasoning comes last and cannot change the action before it, but it stands in the progress log of the next steps.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from llguidance import LLMatcher
from llguidance.hf import from_tokenizer
from transformers import Cache

from simpersona.agent.backbone import load_backbone
from simpersona.agent.masks import prompt_ids
from simpersona.agent.prefix_cache import PrefixCache
from simpersona.agent.tokens import persona_ids
from simpersona.errors import ModelError
from simpersona.pages import Message, Reply

MAX_REPLY_TOKENS = 512
"""A schema bounds its strings; this bounds a schema that does not."""
_REASONING = b'"reasoning":'
"""Where the reasoning begins; inside a JSON string these quotes would be escaped."""


class TransformersModel:
    """A checkpoint folder (or any name `load_backbone` knows) that samples the action at `temperature`; 0 is greedy.

    The reasoning is always the likeliest (REFERENCE 21: it is the action that must vary). One reply is generated at a
    time, in a worker thread; keys and values of `kept_tokens` tokens are kept (46 KiB each at 135 M parameters), so that a
    visitor pays only for what no visitor's prompt began with. Raises ConfigError if the model cannot be loaded.
    """

    def __init__(self, folder: str | Path, temperature: float = 1.0, *, kept_tokens: int = 16_384) -> None:
        self._model, self._tokenizer = load_backbone(str(folder))
        self._model.to("cuda" if torch.cuda.is_available() else "cpu")  # pyright: ignore[reportArgumentType]
        self._grammar_tokens = from_tokenizer(self._tokenizer, n_vocab=self._model.config.vocab_size)  # pyright: ignore[reportArgumentType]
        self._never = np.asarray(persona_ids(self._tokenizer), dtype=np.int64)
        self._temperature = temperature
        self._prefixes = PrefixCache(kept_tokens)
        self._lock = Lock()
        self.name = Path(folder).name
        self.passes = 0
        """Times that the model was run, all replies together."""

    async def reply(self, messages: list[Message], schema: dict[str, Any], seed: int) -> Reply:
        """An answer that is valid JSON under `schema`; the same model, messages and seed give the same text.

        Raises ModelError if the prompt is longer than the model's context, the schema cannot be held to, or the
        generation fails.
        """
        return await asyncio.to_thread(self._reply, messages, schema, seed)

    def _reply(self, messages: list[Message], schema: dict[str, Any], seed: int) -> Reply:
        with self._lock:
            started = time.perf_counter()
            try:
                prompt = prompt_ids(messages, self._tokenizer)
                answer = self._generate(prompt, schema, seed)
            except (RuntimeError, ValueError, MemoryError) as error:
                raise ModelError(f"{self.name}: no answer: {error}") from error
            seconds = time.perf_counter() - started
        return Reply(self._grammar_tokens.decode_bytes(answer).decode(), len(prompt), len(answer), seconds)

    def _generate(self, prompt: list[int], schema: dict[str, Any], seed: int) -> list[int]:
        context = self._tokenizer.model_max_length
        if len(prompt) >= context:
            raise ModelError(
                f"{self.name}: the prompt has {len(prompt)} tokens, the model reads at most {context}. Show less of a "
                "page (store.max_page_tokens) or use a model with a longer context."
            )
        matcher = self._matcher(schema)
        generator = torch.Generator().manual_seed(seed)
        answer: list[int] = []
        with torch.inference_mode():
            cache, known = self._prefixes.longest(prompt)
            unread = prompt[known:]
            while True:
                forced = matcher.compute_ff_tokens()
                _consume(matcher, forced)
                answer += forced
                unread += forced
                if matcher.is_stopped():
                    break
                if len(answer) > MAX_REPLY_TOKENS or len(prompt) + len(answer) >= context:
                    raise ModelError(f"{self.name}: the answer is not complete after {len(answer)} tokens.")
                allowed = self._allowed(matcher)
                if np.count_nonzero(allowed) == 1:
                    token = int(allowed.argmax())
                else:
                    explains = _REASONING in self._grammar_tokens.decode_bytes(answer)
                    token = self._choose(
                        self._logits(unread, cache), allowed, 0 if explains else self._temperature, generator
                    )
                    unread = []
                if token == self._tokenizer.eos_token_id:
                    break
                _consume(matcher, [token])
                answer.append(token)
                unread.append(token)
            self._prefixes.keep(prompt, cache)
        if matcher.is_error():
            raise ModelError(f"{self.name}: the answer left its grammar: {matcher.get_error()}")
        return answer

    def _matcher(self, schema: dict[str, Any]) -> LLMatcher:
        grammar = LLMatcher.grammar_from_json_schema(
            schema, overrides={"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
        )
        matcher = LLMatcher(self._grammar_tokens, grammar, log_level=0)
        if matcher.is_error():
            raise ModelError(f"{self.name}: this JSON schema cannot be held to: {matcher.get_error()}")
        return matcher

    def _allowed(self, matcher: LLMatcher) -> Bool[np.ndarray, " vocabulary"]:
        """Which tokens may come next: the grammar's, without persona tokens."""
        bits = np.unpackbits(np.frombuffer(matcher.compute_bitmask(), dtype=np.uint8), bitorder="little")
        allowed = bits[: self._model.config.vocab_size].astype(bool)
        allowed[self._never] = False
        return allowed

    def _logits(self, unread: list[int], cache: Cache) -> torch.Tensor:
        self.passes += 1
        ids = torch.tensor([unread], device=self._model.device)
        return self._model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[0, -1]

    @staticmethod
    def _choose(
        logits: torch.Tensor,
        allowed: Bool[np.ndarray, " vocabulary"],
        temperature: float,
        generator: torch.Generator,
    ) -> int:
        candidates = torch.from_numpy(np.flatnonzero(allowed))
        scores = logits.float().cpu()[candidates]
        if temperature == 0:
            return int(candidates[scores.argmax()])
        shares = torch.softmax(scores / temperature, dim=0)
        return int(candidates[torch.multinomial(shares, 1, generator=generator)])


def _consume(matcher: LLMatcher, tokens: list[int]) -> None:
    if tokens and not matcher.consume_tokens(tokens):
        raise ModelError(f"A token was refused by the grammar that allowed it: {matcher.get_error()}")
