"""What each persona would do on a page: the scorer's distribution over the page's answers.

A recorded session shows one draw of one persona. The scorer knows the probabilities of every persona for everything that
the page offers, so one page teaches a language model about many personas at once, without sampling noise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float

from simpersona.agent.scorer import Scorer
from simpersona.agent.scorer_training import Texts, choices_of
from simpersona.personas.network import one_thread
from simpersona.shopper.affordances import describe
from simpersona.shopper.candidates import Candidate, Situation, as_action, situation
from simpersona.shopper.short_prompt import ShortAnswer
from simpersona.visits import Observation

Shares = Callable[[Observation, Sequence[ShortAnswer], Sequence[int]], Float[np.ndarray, "personas answers"]]
"""The probability of each answer for each code; a negative code is a buyer without a persona. Rows sum to one."""
NOBODY = -1
"""The code of a buyer without a persona."""


class Counterfactual:
    """The distributions of all personas over the answers of a page."""

    def __init__(self, scorer: Scorer, texts: Texts) -> None:
        self._scorer, self._texts = scorer, texts

    def shares(
        self, observation: Observation, answers: Sequence[ShortAnswer], codes: Sequence[int]
    ) -> Float[np.ndarray, "personas answers"]:
        """See `Shares`."""
        choice = situation(observation)
        with one_thread(), torch.inference_mode():
            choices = choices_of([choice] * len(codes), [None if code < 0 else code for code in codes], self._texts)
            scores = self._scorer(choices).double().numpy().reshape(len(codes), -1)
        shares = np.exp(choice.with_asides(scores)) @ answers_of(choice, answers)
        return shares / shares.sum(axis=1, keepdims=True)


def answers_of(choice: Situation, answers: Sequence[ShortAnswer]) -> Float[np.ndarray, "candidates answers"]:
    """Which answer each candidate is, with its share: several nodes with one description are one answer, and the options of
    a dropdown share evenly, without the one that is chosen already, as `as_action` draws them.
    """
    places: dict[tuple[str, str | None], list[int]] = {}
    for place, answer in enumerate(answers):
        places.setdefault((answer.description, answer.method), []).append(place)
    table = np.zeros((len(choice.candidates), len(answers)))
    for row, candidate in zip(table, choice.candidates, strict=True):
        same = [0] if candidate.node is None else places.get((_description(candidate), candidate.method), [])
        row[_drawn(candidate, answers, same)] = 1 / max(len(_drawn(candidate, answers, same)), 1)
    return table


def _drawn(candidate: Candidate, answers: Sequence[ShortAnswer], same: list[int]) -> list[int]:
    """Of the answers with a candidate's description, those that `as_action` can draw."""
    node = candidate.node
    if node is None or candidate.method != "selectOptionFromDropdown":
        return same
    others = {option for option in node.options if option != node.value}
    return [place for place in same if answers[place].option in others] or same


def _description(candidate: Candidate) -> str:
    assert candidate.node is not None
    assert candidate.method is not None
    return describe(candidate.node, candidate.method)


def typed_by_scorer(observation: Observation, answer: ShortAnswer) -> str:
    """What a shopper of the scorer types for this answer."""
    node = observation.page.node(answer.node or "")
    assert node is not None
    action = as_action(Candidate(node, answer.method), observation.goal, np.random.default_rng(0))
    assert action is not None
    return action.arguments[0]
