"""A shopper without a language model: the candidates are scored and one is drawn. A surrogate, and labelled so."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from simpersona.pages import Decision
from simpersona.shopper.candidates import Situation, as_action, situation
from simpersona.visits import Observation

Score = Callable[[Situation, int | None], Float[np.ndarray, " n"]]
"""Log-probabilities of a situation's candidates for a persona's code, or without a persona."""


class ScorerPolicy:
    """One episode's policy: each step draws from the scores at the given temperature, with its own generator."""

    name = "scorer"

    def __init__(self, score: Score, seed: int, temperature: float = 1.0) -> None:
        self._score, self._temperature = score, temperature
        self._rng = np.random.default_rng(seed)

    async def act(self, observation: Observation) -> Decision:
        """An action that the page offers, or the end; always one that can be tried."""
        choice = situation(observation)
        logits = self._score(choice, observation.goal.code) / self._temperature
        shares = np.exp(logits - logits.max())
        drawn = int(self._rng.choice(len(shares), p=shares / shares.sum()))
        return Decision(as_action(choice.candidates[drawn], observation.goal, self._rng), "")
