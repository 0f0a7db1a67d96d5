"""A situation with its targets: the own persona's recorded action, and what further personas would do there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simpersona.agent.counterfactual import NOBODY, Shares, typed_by_scorer
from simpersona.agent.decision_examples import DecisionEncoder, DecisionExample, Recorded
from simpersona.agent.decision_loss import Target, branch_targets, typed_targets

WITHOUT_TOKEN = 0.1
"""The share of the personas of a situation that have no token, so that the model also acts without a persona."""
FOLLOWERS = 2
"""Instructions decide what is done, not the persona: this many further personas have the recorded action as their target."""


@dataclass(frozen=True)
class Block:
    """What is read for one persona: the end of the prompt, and an answer up to its last choice."""

    ids: list[int]
    """From the first token that differs between personas on."""
    answer_at: int
    """The number of tokens before the answer."""
    targets: list[Target]
    weight: float


@dataclass(frozen=True)
class Lesson:
    """One situation to learn from."""

    page: list[int]
    """The tokens of the prompt up to the page's end."""
    goal: list[int]
    """The tokens from there to "Buyer:": the goal and what was done."""
    common: list[int]
    """The tokens from "Buyer:" on that are the same for everyone."""
    blocks: list[Block]


class LessonMaker:
    """Makes the lesson of a recorded step. `shares_of` is what any persona would do there; None to learn from the recorded
    action alone.
    """

    def __init__(self, encoder: DecisionEncoder, shares_of: Shares | None, codes: int, personas: int) -> None:
        self._encoder, self._shares_of, self._codes = encoder, shares_of, codes
        self._personas = min(personas, codes)

    def lesson(self, step: Recorded, seed: Sequence[int]) -> Lesson:
        """The lesson of a step; the same seed gives the same one."""
        rng = np.random.default_rng(seed)
        example = self._encoder.encode(step)
        others = [int(code) for code in rng.permutation(self._codes) if code != step.code]
        if step.kind == "instructions" or self._shares_of is None:
            followers = others[:FOLLOWERS] if step.kind == "instructions" else []
            own = NOBODY if not followers and rng.random() < WITHOUT_TOKEN else step.code
            codes = [own, *followers]
            if followers and rng.random() < WITHOUT_TOKEN * len(codes):
                codes[-1] = NOBODY
            blocks = [recorded_block(example, code, step.weight) for code in codes]
        else:
            codes = others[: self._personas - 1]
            if rng.random() < WITHOUT_TOKEN * self._personas:
                codes[-1:] = [NOBODY]
            blocks = [recorded_block(example, step.code, step.weight)]
            blocks += self._soft_blocks(example, codes, rng)
        return lesson_of(example, blocks)

    def _soft_blocks(self, example: DecisionExample, codes: Sequence[int], rng: np.random.Generator) -> list[Block]:
        assert self._shares_of is not None
        if not codes:
            return []
        tree = example.tree
        blocks: list[Block] = []
        for code, shares in zip(codes, self._shares_of(example.observation, tree.answers, codes), strict=True):
            answer = int(rng.choice(len(shares), p=shares))
            targets = branch_targets(tree, answer, shares, example.rare)
            text = typed_by_scorer(example.observation, tree.answers[answer]) if tree.answers[answer].typed else ""
            blocks.append(block(example, code, answer, text, targets, 1.0))
        return blocks


def lesson_of(example: DecisionExample, blocks: list[Block]) -> Lesson:
    """A lesson with these blocks."""
    page = example.before[: example.page_tokens], example.before[example.page_tokens :]
    return Lesson(*page, example.after(NOBODY)[: example.common], blocks)


def recorded_block(example: DecisionExample, code: int, weight: float) -> Block:
    """The block whose target is the recorded action."""
    shares = np.zeros(len(example.tree.answers))
    shares[example.recorded] = 1
    targets = branch_targets(example.tree, example.recorded, shares, example.rare)
    return block(example, code, example.recorded, example.typed, targets, weight)


def block(example: DecisionExample, code: int, answer: int, typed: str, targets: list[Target], weight: float) -> Block:
    """A block for a persona and an answer, with the targets of the answer's branches; those of typed text are added."""
    tree = example.tree
    ids = list(tree.ids[answer])
    if tree.answers[answer].typed and typed:
        targets = targets + typed_targets(tree, answer, typed)
        ids += tree.typed_ids(typed)
    start = example.after(code)[example.common :]
    last = max((target.position for target in targets), default=0)
    return Block(start + ids[:last], len(start), targets, weight)
