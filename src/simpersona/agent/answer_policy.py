"""A shopper whose language model runs in this process and draws one of the page's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simpersona.pages import Decision
from simpersona.shopper.short_prompt import short_answers, short_messages
from simpersona.visits import Observation

if TYPE_CHECKING:
    from simpersona.agent.transformers_model import TransformersModel


class AnswerPolicy:
    """One episode's policy, in the prompt format "short": each step is one question to the model, with its own seed."""

    name = "lm"

    def __init__(self, model: TransformersModel, seed: int) -> None:
        self._model = model
        self._seeds = np.random.default_rng(seed)

    async def act(self, observation: Observation) -> Decision:
        """The model's decision and its cost. Raises ModelError."""
        seed = int(self._seeds.integers(2**31))
        return await self._model.decide(short_messages(observation), short_answers(observation.page), seed)
