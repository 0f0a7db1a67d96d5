"""What an answer may look like, token by token: one interface for a JSON schema and for the answers of a page."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from jaxtyping import Float, Int
from llguidance import LLMatcher
from llguidance.hf import from_tokenizer

from simpersona.agent.tokens import persona_ids
from simpersona.errors import ModelError

if TYPE_CHECKING:
    from llguidance import LLTokenizer
    from transformers import PreTrainedTokenizerFast

_REASONING = b'"reasoning":'
"""Where the reasoning begins; inside a JSON string these quotes would be escaped."""


class Constraint(Protocol):
    """An answer as it is written."""

    @property
    def done(self) -> bool:
        """Whether the answer is complete."""
        ...

    @property
    def likeliest(self) -> bool:
        """Whether the next token is the most likely one instead of a drawn one."""
        ...

    @property
    def text(self) -> str:
        """The answer so far."""
        ...

    def forced(self) -> list[int]:
        """Takes the tokens that come without a choice, and returns them. Raises ModelError if no token may come."""
        ...

    def allowed(self) -> Int[np.ndarray, " n"]:
        """The tokens that may come next, at least two after `forced`."""
        ...

    def weights(self) -> Float[np.ndarray, " n"]:
        """What the model's own probabilities of the tokens `allowed` are multiplied by, before they are made to sum to one."""
        ...

    def add(self, token: int) -> None:
        """Takes the next token, one of those allowed."""
        ...


class JsonGrammars:
    """Makes the constraint of a JSON schema, with the whitespace of `json.dumps`, on which models were trained."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, rows: int) -> None:
        self._tokenizer, self._rows = tokenizer, rows

    @cached_property
    def _tokens(self) -> LLTokenizer:
        return from_tokenizer(self._tokenizer, n_vocab=self._rows)

    def constraint(self, schema: dict[str, Any]) -> JsonGrammar:
        """A new answer under `schema`. Raises ModelError or ValueError if the schema cannot be enforced."""
        grammar = LLMatcher.grammar_from_json_schema(
            schema, overrides={"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
        )
        matcher = LLMatcher(self._tokens, grammar, log_level=0)
        if matcher.is_error():
            raise ModelError(f"this JSON schema cannot be enforced: {matcher.get_error()}")
        never = np.asarray(persona_ids(self._tokenizer), dtype=np.int64)
        return JsonGrammar(matcher, self._tokens, self._rows, never)


class JsonGrammar:
    """An answer under a JSON schema (llguidance); no persona token is ever allowed."""

    def __init__(self, matcher: LLMatcher, tokens: LLTokenizer, rows: int, never: Int[np.ndarray, " codes"]) -> None:
        self._matcher, self._tokens, self._rows, self._never = matcher, tokens, rows, never
        self._written: list[int] = []
        self._allowed = np.array([], np.int64)
        self.done = False

    @property
    def likeliest(self) -> bool:
        """In the reasoning: only the action has to vary (REFERENCE 21)."""
        return _REASONING in self._tokens.decode_bytes(self._written)

    @property
    def text(self) -> str:
        """The answer so far."""
        return self._tokens.decode_bytes(self._written).decode()

    def forced(self) -> list[int]:
        """Takes the tokens that come without a choice, and returns them."""
        before = len(self._written)
        while not self.done:
            self._take(self._matcher.compute_ff_tokens())
            if self._matcher.is_stopped():
                if self._matcher.is_error():
                    raise ModelError(f"the answer left its grammar: {self._matcher.get_error()}")
                self.done = True
                break
            bits = np.unpackbits(np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8), bitorder="little")
            bits = bits[: self._rows].astype(bool)
            bits[self._never] = False
            self._allowed = np.flatnonzero(bits)
            if len(self._allowed) > 1:
                break
            if not len(self._allowed):
                raise ModelError("the grammar allows no token")
            self.add(int(self._allowed[0]))
        return self._written[before:]

    def allowed(self) -> Int[np.ndarray, " n"]:
        """The tokens that may come next."""
        return self._allowed

    def weights(self) -> Float[np.ndarray, " n"]:
        """All tokens weigh the same: a schema does not say what is beside the purchase."""
        return np.ones(len(self._allowed))

    def add(self, token: int) -> None:
        """Takes the next token; the end of the turn ends the answer."""
        if token == self._tokens.eos_token:
            self.done = True
        else:
            self._take([token])

    def _take(self, tokens: list[int]) -> None:
        if tokens and not self._matcher.consume_tokens(tokens):
            raise ModelError(f"A token was refused by the grammar that allowed it: {self._matcher.get_error()}")
        self._written += tokens
