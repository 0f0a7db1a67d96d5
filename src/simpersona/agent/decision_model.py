"""Many personas on one page in one pass.

The base model reads the part of a prompt before "Buyer:" once, without the adapter: it is the same for all personas. The
rest of the prompt and the answers of all personas are packed into one row after it. A mask lets each persona see the page
and its own tokens only, so the result is that of reading each persona alone.

    | page, goal, what was done (read once) | "Buyer:" | persona 4, its answer | persona 17, its answer | …
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformers import DynamicCache

from simpersona.agent.decision_draws import PAGES_AT_ONCE
from simpersona.agent.decision_lessons import Lesson
from simpersona.agent.decision_loss import TextTokens, decision_losses
from simpersona.agent.persona_adapter import adapter_off, lora_layers
from simpersona.agent.tokens import PersonaEmbedding


@dataclass(frozen=True)
class _Layout:
    """The packed row of some lessons."""

    ids: Int[Tensor, "1 tokens"]
    positions: Int[Tensor, "1 tokens"]
    visible: Bool[Tensor, "1 1 tokens all"]
    """What each token sees of the prefixes and of the row."""
    wanted: Int[Tensor, " targets"]
    """The tokens after which the targets come."""


class DecisionModel(nn.Module):
    """A language model with persona rows, and the loss of lessons.

    If `frozen`, the part before "Buyer:" is read without a gradient and without the adapter. Otherwise the whole model
    learns from it. A single lesson at a time is best on a CPU: the keys and values of the last pages are kept, and serve the next lessons too.
    Several are read in one pass, which fills a GPU.
    """

    def __init__(self, model: nn.Module, ids: range, text: TextTokens, *, frozen: bool) -> None:
        super().__init__()
        self.model, self.ids, self.text, self.frozen = model, ids, text, frozen
        self._adapter_layers = lora_layers(model)
        self._pages: dict[tuple[int, ...], DynamicCache] = {}

    def forward(self, lessons: Sequence[Lesson]) -> Float[Tensor, ""]:
        """The mean loss of the lessons. That of a lesson is the mean over its personas, each weighted; that of a persona is
        the sum over its choices.
        """
        logits = self.logits(lessons)
        targets = [target for lesson in lessons for block in lesson.blocks for target in block.targets]
        losses = decision_losses(logits, targets, self.ids, self.text)
        shares = [
            block.weight / len(lesson.blocks) / len(lessons)
            for lesson in lessons
            for block in lesson.blocks
            for _ in block.targets
        ]
        return (losses * torch.tensor(shares, device=losses.device)).sum()

    def logits(self, lessons: Sequence[Lesson]) -> Float[Tensor, "targets vocabulary"]:
        """The logits at each target, in the order of lessons, blocks and targets."""
        prefixes = self._prefixes(lessons)
        layout = _layout(lessons, [prefix.get_seq_length() for prefix in prefixes], self._device)
        return self.model(
            input_ids=layout.ids,
            attention_mask=layout.visible,
            position_ids=layout.positions,
            past_key_values=_joined(prefixes),
            use_cache=True,
            logits_to_keep=layout.wanted,
        ).logits[0]

    @property
    def embedding(self) -> PersonaEmbedding:
        """The input embedding, with the persona rows."""
        embedding = self.model.get_input_embeddings()  # pyright: ignore[reportCallIssue]
        assert isinstance(embedding, PersonaEmbedding)
        return embedding

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device

    def _prefixes(self, lessons: Sequence[Lesson]) -> list[DynamicCache]:
        """The keys and values of the tokens before "Buyer:" of each lesson."""
        if not self.frozen:
            return self._read_all([lesson.page + lesson.goal for lesson in lessons])
        with torch.no_grad(), adapter_off(self._adapter_layers):
            if len(lessons) > 1:
                return self._read_all([lesson.page + lesson.goal for lesson in lessons])
            (lesson,) = lessons
            return [self._read(lesson.goal, _copy(self._page(lesson.page)))]

    def _read_all(self, texts: Sequence[list[int]]) -> list[DynamicCache]:
        """The keys and values of some texts, read in one pass; no token sees the padding, which comes after it."""
        size = max(map(len, texts))
        ids = torch.tensor([text + [0] * (size - len(text)) for text in texts], device=self._device)
        cache = DynamicCache()
        self.model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return [_row(cache, row, len(text)) for row, text in enumerate(texts)]

    def _page(self, ids: list[int]) -> DynamicCache:
        """The keys and values of a page. It is always read apart from what follows, so that the result does not depend on
        what was kept: a training that was killed continues with the same losses.
        """
        page = self._pages.pop(tuple(ids), None) or self._read(ids, DynamicCache())
        self._pages[tuple(ids)] = page
        if len(self._pages) > PAGES_AT_ONCE:
            self._pages.pop(next(iter(self._pages)))
        return page

    def _read(self, ids: list[int], cache: DynamicCache) -> DynamicCache:
        row = torch.tensor([ids], device=self._device)
        self.model(input_ids=row, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return cache


def _layout(lessons: Sequence[Lesson], known: Sequence[int], device: torch.device) -> _Layout:
    """The row of the lessons; `known` are the lengths of their prefixes, which stand before the row in this order."""
    before, size = sum(known), sum(map(_size, lessons))
    ids: list[int] = []
    positions: list[int] = []
    wanted: list[int] = []
    visible = torch.zeros(size, before + size, dtype=torch.bool)
    first = 0  # of the lesson's prefix
    for lesson, length in zip(lessons, known, strict=True):
        common = slice(before + len(ids), before + len(ids) + len(lesson.common))
        for part, after in [(lesson.common, 0), *((block.ids, len(lesson.common)) for block in lesson.blocks)]:
            rows = slice(len(ids), len(ids) + len(part))
            visible[rows, first : first + length] = True
            visible[rows, common] = True
            own = slice(before + rows.start, before + rows.stop)
            visible[rows, own] = torch.ones(len(part), len(part), dtype=torch.bool).tril()
            ids += part
            positions += range(length + after, length + after + len(part))
        first += length
        start = common.stop - before
        for block in lesson.blocks:
            wanted += [start + block.answer_at + target.position - 1 for target in block.targets]
            start += len(block.ids)
    return _Layout(
        torch.tensor([ids], device=device),
        torch.tensor([positions], device=device),
        visible[None, None].to(device),
        torch.tensor(wanted, dtype=torch.long, device=device),
    )


def _size(lesson: Lesson) -> int:
    return len(lesson.common) + sum(len(block.ids) for block in lesson.blocks)


def _copy(cache: DynamicCache) -> DynamicCache:
    """A cache with the same keys and values, that can grow by itself."""
    return _row(cache, 0, cache.get_seq_length())


def _row(cache: DynamicCache, row: int, tokens: int) -> DynamicCache:
    """The first tokens of one row of a cache."""
    part = DynamicCache()
    for number, layer in enumerate(cache.layers):
        assert layer.keys is not None
        assert layer.values is not None
        part.update(layer.keys[row : row + 1, :, :tokens], layer.values[row : row + 1, :, :tokens], number)
    return part


def _joined(prefixes: Sequence[DynamicCache]) -> DynamicCache:
    """The prefixes' keys and values one after the other, in a cache that the pass may extend."""
    if len(prefixes) == 1:
        return prefixes[0]
    joined = DynamicCache()
    for number, layers in enumerate(zip(*(prefix.layers for prefix in prefixes), strict=True)):
        sides = [torch.cat([getattr(layer, side) for layer in layers], dim=2) for side in ("keys", "values")]
        joined.update(sides[0], sides[1], number)
    return joined
