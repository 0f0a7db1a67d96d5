"""A cache of the keys and values of prompts, as a tree of shared prefixes (a radix tree).

A prefix that several prompts share, such as a page that two visitors see, is stored once. If the tree exceeds its size,
the least recently used leaf is removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor, cat
from transformers import Cache, DynamicCache

KeysValues = list[tuple[Tensor, Tensor]]
"""Keys and values of each layer, of shape (1, heads, tokens, dim)."""


@dataclass
class _Branch:
    tokens: list[int]
    kept: KeysValues
    used: int = 0
    after: dict[int, _Branch] = field(default_factory=dict)
    """The branches that continue this one, by their first token."""

    def split(self, at: int) -> None:
        """Keeps the first `at` tokens here and moves the others to a new branch below."""
        rest = _Branch(self.tokens[at:], _part(self.kept, at, None), self.used, self.after)
        self.tokens, self.kept = self.tokens[:at], _part(self.kept, 0, at)
        self.after = {rest.tokens[0]: rest}


class PrefixCache:
    """Holds at most `max_tokens` tokens; 0 stores nothing."""

    def __init__(self, max_tokens: int) -> None:
        self._max = max_tokens
        self._root = _Branch([], [])
        self._clock = self.tokens = 0

    def longest(self, prompt: Sequence[int]) -> tuple[DynamicCache, int]:
        """A new cache with the longest known prefix of the prompt, and its number of tokens, at most all but the last one."""
        self._clock += 1
        parts: list[KeysValues] = []
        branch, known = self._root, 0
        while (following := branch.after.get(prompt[known])) is not None:
            common = _common(following.tokens, prompt[known:-1])
            if not common:
                break
            following.used = self._clock
            parts.append(_part(following.kept, 0, common))
            known += common
            if common < len(following.tokens):
                break
            branch = following
        cache = DynamicCache()
        for layer, pairs in enumerate(zip(*parts, strict=True)):
            keys, values = (cat(side, dim=2) for side in zip(*pairs, strict=True))
            cache.update(keys, values, layer)
        return cache, known

    def keep(self, prompt: Sequence[int], cache: Cache) -> None:
        """Stores the prompt, whose tokens are the first ones in `cache` (one row)."""
        if not self._max or cache.get_seq_length() < len(prompt):
            return  # the prompt is not in the cache if every token of the answer was forced
        branch, known = self._root, 0
        self._clock += 1
        while known < len(prompt):
            following = branch.after.get(prompt[known])
            if following is None:
                layers = _part(_layers(cache), known, len(prompt))
                branch.after[prompt[known]] = _Branch(list(prompt[known:]), layers, self._clock)
                self.tokens += len(prompt) - known
                break
            common = _common(following.tokens, prompt[known:])
            if common < len(following.tokens):
                following.split(common)
            following.used = self._clock
            branch, known = following, known + common
        while self.tokens > self._max and self._root.after:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        """Removes the least recently used leaf."""
        ends = [(end.used, first, above) for above, first, end in self._links() if not end.after]
        _, first, above = min(ends, key=lambda end: end[0])
        self.tokens -= len(above.after.pop(first).tokens)

    def _links(self) -> list[tuple[_Branch, int, _Branch]]:
        links: list[tuple[_Branch, int, _Branch]] = []
        to_see = [self._root]
        while to_see:
            above = to_see.pop()
            links += [(above, first, below) for first, below in above.after.items()]
            to_see += above.after.values()
        return links


def _layers(cache: Cache) -> KeysValues:
    layers: KeysValues = []
    for layer in cache.layers:
        assert layer.keys is not None
        assert layer.values is not None
        layers.append((layer.keys, layer.values))
    return layers


def _part(kept: KeysValues, start: int, stop: int | None) -> KeysValues:
    """Copies of the tokens from `start` to `stop`, so that the memory of the others can be freed."""
    return [(keys[..., start:stop, :].clone(), values[..., start:stop, :].clone()) for keys, values in kept]


def _common(left: Sequence[int], right: Sequence[int]) -> int:
    """The length of the common prefix."""
    for number, (token, other) in enumerate(zip(left, right, strict=False)):
        if token != other:
            return number
    return min(len(left), len(right))
