"""A shopper without a language model: what can be done is scored, and one thing is drawn. A surrogate, and labelled so."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from simpersona.contracts import Goal
from simpersona.pages import Decision, Page
from simpersona.shopper.candidates import Situation, as_action, done_actions, situation

Score = Callable[[Situation, int | None], Float[np.ndarray, " n"]]
"""Log-probabilities of a situation's candidates for a persona's code, or for nobody's."""


class ScorerPolicy:
    """One episode's policy: each step draws from the scores at the given temperature, with a generator of its own."""

    name = "scorer"

    def __init__(self, score: Score, seed: int, temperature: float = 1.0) -> None:
        self._score, self._temperature = score, temperature
        self._rng = np.random.default_rng(seed)

    async def act(self, page: Page, goal: Goal, log: Sequence[str]) -> Decision:
        """An action that the page offers, or the end; always one that can be tried."""
        choice = situation(page, goal.text, done_actions(log))
        logits = self._score(choice, goal.code) / self._temperature
        shares = np.exp(logits - logits.max())
        drawn = int(self._rng.choice(len(shares), p=shares / shares.sum()))
        return Decision(as_action(choice.candidates[drawn], goal.text, self._rng), "")
