"""The valid answers of a page as a tree of tokens.

Training takes the real choices on the way to an answer from it, and a policy the tokens that may come next. Both see each
answer in one tokenization only: its text tokenized alone, then the end of the turn. A typed answer is the tokens of its
start, those of the typed text tokenized alone, those of TYPED_END, and the end of the turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int
from tokenizers import Tokenizer

from simpersona.shopper.affordances import MAX_TYPED_CHARS
from simpersona.shopper.short_prompt import NOT_TYPED, TYPED_END, ShortAnswer, typed_text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_BEFORE = "a"
"""A text before a token that is decoded, because some tokenizers drop the space at the start of a text."""


@dataclass(frozen=True)
class Branch:
    """A real choice on the way to an answer."""

    position: int
    """The place of the token that is chosen here, counted from the start of the answer."""
    tokens: Int[np.ndarray, " b"]
    """The tokens that may come here, at least two."""
    below: tuple[Int[np.ndarray, " _"], ...]
    """For each of them, the indices of the answers that continue with it."""


class AnswerTree:
    """The tree of some answers; `ids` are the tokens of each, without typed text and what follows it."""

    def __init__(self, answers: Sequence[ShortAnswer], tokenizer: PreTrainedTokenizerFast) -> None:
        self.answers, self.tokens = tuple(answers), answer_tokens(tokenizer)
        texts = self.tokens.ids([answer.text for answer in answers])
        self.ids = [
            ids if answer.typed else [*ids, self.tokens.end] for answer, ids in zip(self.answers, texts, strict=True)
        ]

    def path(self, answer: int) -> list[Branch]:
        """The real choices on the way to this answer, in their order. Places with one possible token are left out."""
        branches: list[Branch] = []
        members = list(range(len(self.answers)))
        for position, token in enumerate(self.ids[answer]):
            following = self.following(members, position)
            if len(following) > 1:
                below = tuple(np.array(indices, np.int64) for indices in following.values())
                branches.append(Branch(position, np.array(list(following), np.int64), below))
            members = following[token]
        return branches

    def following(self, members: Sequence[int], position: int) -> dict[int, list[int]]:
        """Which of the answers `members` continue with each token at this position; the tokens are in the answers' order."""
        following: dict[int, list[int]] = {}
        for member in members:
            following.setdefault(self.ids[member][position], []).append(member)
        return following

    def typed_ids(self, text: str) -> list[int]:
        """The tokens of a typed text, of TYPED_END and of the end of the turn. What cannot be typed is left out."""
        typed, end = self.tokens.ids([typed_text(text), TYPED_END])
        return [*typed, *end, self.tokens.end]

    def writer(self) -> Writer:
        """A new answer, to be written token by token."""
        return Writer(self)


class Writer:
    """An answer of a tree as it is written: what is forced, what may come, and what was chosen."""

    def __init__(self, tree: AnswerTree) -> None:
        self._tree = tree
        self._members = list(range(len(tree.answers)))
        self._position = 0
        self.typed_ids: list[int] = []
        self._ending = tree.typed_ids("")
        self._ended = False
        self.done = False
        """Whether the answer is complete, with the end of the turn."""
        self.likeliest = False
        """Every choice is drawn."""

    @property
    def answer(self) -> ShortAnswer:
        """The answer; of several with the same tokens it is the first."""
        return self._tree.answers[self._members[0]]

    @property
    def typed(self) -> str:
        """The typed text so far."""
        return self._tree.tokens.text(self.typed_ids)

    @property
    def text(self) -> str:
        """The whole answer."""
        return self.answer.text + (self.typed + TYPED_END if self.answer.typed else "")

    def forced(self) -> list[int]:
        """Takes the tokens that come without a choice, and returns them."""
        forced: list[int] = []
        while not self.done:
            if self._ended:
                self.done = True
                return forced + self._ending[1:]
            if len(allowed := self.allowed()) > 1:
                break
            forced.append(int(allowed[0]))
            self.add(forced[-1])
        return forced

    def allowed(self) -> Int[np.ndarray, " n"]:
        """The tokens that may come next."""
        if not self.in_typed_text:
            return np.array(list(self._tree.following(self._members, self._position)), np.int64)
        left = MAX_TYPED_CHARS - len(self.typed)
        tokens = self._tree.tokens.typed[self._tree.tokens.lengths <= left]
        return np.append(tokens, self._ending[0]) if self.typed_ids else tokens

    def weights(self) -> Float[np.ndarray, " n"]:
        """What the probabilities of the tokens `allowed` are multiplied by. An answer's weight counts once on the way to it, at
        the token that sets it apart from the answers that weigh more.
        """
        if self.in_typed_text:
            return np.ones(len(self.allowed()))
        following = self._tree.following(self._members, self._position).values()
        heaviest = np.array([max(self._tree.answers[member].weight for member in members) for members in following])
        return heaviest / heaviest.max()

    def add(self, token: int) -> None:
        """Takes the next token, one of those allowed."""
        if not self.in_typed_text:
            self._members = self._tree.following(self._members, self._position)[token]
            self._position += 1
            self.done = self._position == len(self._tree.ids[self._members[0]]) and not self.answer.typed
        elif token == self._ending[0]:
            self._ended = True
        else:
            self.typed_ids.append(token)

    @property
    def in_typed_text(self) -> bool:
        """Whether the next token belongs to the shopper's own text, or ends it."""
        return self._position == len(self._tree.ids[self._members[0]])


@dataclass(frozen=True)
class AnswerTokens:
    """A tokenizer for answers. The name of a special token is text to it: a store cannot make an answer contain one."""

    backend: Tokenizer
    typed: Int[np.ndarray, " n"]
    """The tokens that can be part of a typed text."""
    lengths: Int[np.ndarray, " n"]
    """The number of characters of each of them."""
    end: int
    """The end of the turn."""

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens of each text alone."""
        return [encoding.ids for encoding in self.backend.encode_batch_fast(list(texts), add_special_tokens=False)]

    def text(self, ids: Sequence[int]) -> str:
        """The text of some tokens."""
        return self.backend.decode([*self.ids([_BEFORE])[0], *ids], skip_special_tokens=False).removeprefix(_BEFORE)


@lru_cache(maxsize=4)
def answer_tokens(tokenizer: PreTrainedTokenizerFast) -> AnswerTokens:
    """The tokens of answers. Typed are those that decode to whole characters, no special and no added token."""
    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())  # a copy, because this setting is not per call
    backend.encode_special_tokens = True
    before = backend.encode(_BEFORE, add_special_tokens=False).ids
    size = backend.get_vocab_size(with_added_tokens=True)
    texts = backend.decode_batch([[*before, token] for token in range(size)], skip_special_tokens=False)
    lengths = {
        token: len(text) - len(_BEFORE)
        for token, text in enumerate(texts)
        if token not in tokenizer.added_tokens_decoder and len(text) > len(_BEFORE) and NOT_TYPED.search(text) is None
    }
    typed = np.array(list(lengths), np.int64)
    end: int = tokenizer.eos_token_id  # pyright: ignore[reportAssignmentType]
    return AnswerTokens(backend, typed, np.array(list(lengths.values()), np.int64), end)
