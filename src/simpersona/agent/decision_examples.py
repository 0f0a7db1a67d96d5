"""A training step as the tokens of a decision: the prompt up to "Buyer:", the prompt from there on, and the answer tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool

from simpersona.agent.answer_tree import AnswerTree
from simpersona.agent.decision_loss import RARE
from simpersona.agent.invocation import split
from simpersona.agent.masks import prompt_ids
from simpersona.agent.persona_funnel import PersonaFunnel, visit_weights
from simpersona.agent.tokens import persona_ids
from simpersona.errors import ConfigError
from simpersona.pages import Decision, Page, node_text
from simpersona.shopper.affordances import describe
from simpersona.shopper.moves import Move, move_of, past_move
from simpersona.shopper.short_prompt import ShortAnswer, answer_of, short_answers, short_messages
from simpersona.traces.examples import TrainingStep
from simpersona.visits import Goal, GoalKind, Observation

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

TIMES_DRAWN: dict[Move, int] = {"add": 3, "checkout": 6, "field": 8, "onward": 8, "order": 12}
"""How often a page that offers one of these is drawn; other pages are drawn once. Few pages are forms or carts, and a model
that has read few of them does not get to an order."""
TIMES_AFTER_ORDER = 12
"""How often a page after an order is drawn: a visit has one or two, and a model that has read few of them shops on."""


@dataclass(frozen=True)
class Recorded:
    """A step that the page offers, before it is tokenized: the observation and the page's own description of the action."""

    observation: Observation
    decision: Decision
    visit_id: str
    kind: GoalKind
    weight: float
    """The weight of its recorded action; 1 on average."""
    times: int
    """How often its page is drawn."""
    page_text: str

    @property
    def code(self) -> int:
        """The buyer's persona."""
        assert self.observation.goal.code is not None  # recorded sessions have a persona
        return self.observation.goal.code


@dataclass(frozen=True)
class DecisionExample:
    """A recorded step as tokens."""

    observation: Observation
    """With the page that the prompt shows."""
    before: list[int]
    """The tokens of the prompt before "Buyer:"."""
    page_tokens: int
    """How many of them are the same for every goal on the page."""
    tree: AnswerTree
    rare: Bool[np.ndarray, " answers"]
    """Which answers are rare steps of the funnel."""
    recorded: int
    """The answer that was recorded."""
    typed: str
    _with_persona: list[int]
    _without: list[int]
    _persona_ids: range

    def after(self, code: int) -> list[int]:
        """The tokens of the prompt from "Buyer:" on for a persona; a negative code is a buyer without one."""
        if code < 0:
            return self._without
        ids = self._persona_ids
        return [ids.start + code if token in ids else token for token in self._with_persona]

    @property
    def common(self) -> int:
        """The number of tokens from "Buyer:" on that are the same for everyone."""
        return _common(self._with_persona, self._without)


def recorded_steps(
    steps: Mapping[GoalKind, Sequence[TrainingStep]], funnel: PersonaFunnel | None
) -> tuple[dict[GoalKind, list[Recorded]], int]:
    """The steps whose action their page offers (a teacher can do more), by kind, and the number of the others.

    `funnel` weights the visits, as for the scorer.
    """
    pages: dict[int, _Offer] = {}
    found: dict[GoalKind, list[Recorded]] = {}
    left_out = 0
    weights = {} if funnel is None else visit_weights([step for some in steps.values() for step in some], funnel)
    for kind, some in steps.items():
        found[kind] = []
        for step in some:
            page = step.observation.page
            if id(page) not in pages:
                pages[id(page)] = _offer(page)
            offer = pages[id(page)]
            if (decision := offer.decision(step.decision)) is None:
                left_out += 1
                continue
            times = TIMES_AFTER_ORDER if has_ordered(step.observation) else offer.times
            weight = weights.get(step.visit_id, 1.0) / times
            found[kind].append(Recorded(step.observation, decision, step.visit_id, kind, weight, times, offer.text))
        drawn = sum(one.times for one in found[kind])
        scale = drawn / max(sum(one.weight * one.times for one in found[kind]), 1e-9)
        found[kind] = [replace(one, weight=one.weight * scale) for one in found[kind]]
    return found, left_out


@dataclass(frozen=True)
class _Offer:
    """What a page offers; it is the same in all steps on the page."""

    page: Page
    answers: list[ShortAnswer]
    text: str
    times: int

    def decision(self, decision: Decision) -> Decision | None:
        """The decision with the page's own description; None if the page does not offer it, or offers nothing else."""
        action = decision.action
        if action is not None:
            node = self.page.node(action.node)
            description = "" if node is None else describe(node, action.method)
            decision = replace(decision, action=replace(action, description=description))
        return decision if len(self.answers) > 1 and answer_of(decision, self.answers) is not None else None


def _offer(page: Page) -> _Offer:
    answers = short_answers(page)
    times = max((TIMES_DRAWN.get(answer_move(page, answer), 1) for answer in answers), default=1)
    return _Offer(page, answers, "\n".join(map(node_text, page.nodes)), times)


def has_ordered(observation: Observation) -> bool:
    """Whether the visit has placed an order."""
    return any(step.succeeded and past_move(step) == "order" for step in observation.steps)


def answer_move(page: Page, answer: ShortAnswer) -> Move:
    """The kind of move that an answer is."""
    return move_of(None if answer.node is None else page.node(answer.node), answer.method)


class DecisionEncoder:
    """Makes the tokens of recorded steps, at most `max_tokens` long with the answer."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, max_tokens: int) -> None:
        self.tokenizer, self._max_tokens = tokenizer, max_tokens
        self._persona_ids = persona_ids(tokenizer)
        self._tree = lru_cache(maxsize=64)(self._new_tree)

    def encode(self, step: Recorded) -> DecisionExample:
        """The step as tokens. If it is too long, its page loses nodes from the end, but never the node that is acted on.

        Raises ConfigError if the step is too long even without its page.
        """
        example = self._encode(step, step.observation.page)
        if self._size(example) <= self._max_tokens:
            return example
        page = step.observation.page
        fits, too_many = 0, len(page.nodes)
        while too_many - fits > 1:
            middle = (fits + too_many) // 2
            example = self._encode(step, _shortened(page, middle, step.decision))
            fits, too_many = (middle, too_many) if self._size(example) <= self._max_tokens else (fits, middle)
        example = self._encode(step, _shortened(page, fits, step.decision))
        if self._size(example) > self._max_tokens:
            raise ConfigError(
                f"agent.max_tokens = {self._max_tokens}: a step of visit {step.visit_id!r} has {self._size(example)} "
                f"tokens even without its page. Set agent.max_tokens to {self._size(example)} or more."
            )
        return example

    def _encode(self, step: Recorded, page: Page) -> DecisionExample:
        observation = replace(step.observation, page=page)
        before, with_persona = self._prompt(replace(observation, goal=replace(observation.goal, code=0)))
        _, without = self._prompt(replace(observation, goal=replace(observation.goal, code=None)))
        tree, rare, alike = self._tree(page)
        answer = answer_of(step.decision, tree.answers)
        assert answer is not None  # recorded_steps has checked it, and the node stays on a shortened page
        return DecisionExample(
            observation, before, _common(alike, before), tree, rare, *answer, with_persona, without, self._persona_ids
        )

    def _prompt(self, observation: Observation) -> tuple[list[int], list[int]]:
        return split(prompt_ids(short_messages(observation), self.tokenizer), self.tokenizer)

    def _new_tree(self, page: Page) -> tuple[AnswerTree, Bool[np.ndarray, " answers"], list[int]]:
        """The page's answers, which of them are rare, and the tokens of a prompt with another goal."""
        tree = AnswerTree(short_answers(page), self.tokenizer)
        rare = np.array([answer_move(page, answer) in RARE for answer in tree.answers])
        return tree, rare, self._prompt(Observation(page, Goal("", "", "", "", None)))[0]

    def _size(self, example: DecisionExample) -> int:
        tree = example.tree
        typed = len(tree.typed_ids(example.typed)) if tree.answers[example.recorded].typed else 0
        return len(example.before) + len(example.after(0)) + len(tree.ids[example.recorded]) + typed


def _shortened(page: Page, kept: int, decision: Decision) -> Page:
    """The page with its first nodes, and with the node that is acted on."""
    target = None if decision.action is None else decision.action.node
    return replace(
        page, nodes=tuple(node for place, node in enumerate(page.nodes) if place < kept or node.id == target)
    )


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """The length of the common start."""
    pairs = zip(one, other, strict=False)
    return next((place for place, (left, right) in enumerate(pairs) if left != right), min(len(one), len(other)))
