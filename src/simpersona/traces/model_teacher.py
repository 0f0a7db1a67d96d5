"""A language model as teacher: its goal is what a session did, and it repeats that on the live store (2.1.2)."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from simpersona.errors import ConfigError, ModelError
from simpersona.pages import Decision, Message
from simpersona.ports import LanguageModel
from simpersona.shopper.prompt import SYSTEM, action_text, messages, parse_reply, reply_schema
from simpersona.traces.voice import Voice
from simpersona.visits import Observation

TEACHER = (
    SYSTEM + "\n"
    "The main goal tells a visit that happened. Do what it tells, in its order, and nothing else: put nothing in the cart, take "
    "nothing out and order nothing that it does not name; then end the visit. Take the product with the nearest name for one that "
    "the store does not have. Fill in forms with shopper@example.com, Test Shopper, 1 Main Street, 10115 Berlin, Germany.\n"
    "reasoning: one short sentence on what you see on this page and want to do, as a shopper would think it, without a word of "
    "goals, tasks or instructions."
)
_REVEALING = re.compile(
    r"<\||\b(persona|personas|stratum|strata|goals?|tasks?|instruct(ed|ions?)|instruction)\b", re.IGNORECASE
)


class ModelTeacher:
    """Asks a language model for each step of a replay (Policy "model"). One policy per episode.

    The prompt has the replay goal, the whole history and the page, but neither the persona's token nor the stratum.
    Reasoning about goals or personas, which a shopper does not know, is replaced by a plain sentence on the action.
    """

    name = "model"

    def __init__(self, model: LanguageModel, seed: int) -> None:
        self._model, self._voice = model, Voice(seed)
        self._seeds = np.random.default_rng(seed)

    async def act(self, observation: Observation) -> Decision:
        """The model's decision and its cost. Raises ReplyError for an answer that cannot be used, and ConfigError, which
        ends the stage, for a model that cannot be asked.
        """
        seed, page = int(self._seeds.integers(2**31)), observation.page
        try:
            reply = await self._model.reply(teacher_messages(observation), reply_schema(page), seed)
        except ModelError as error:
            raise ConfigError(f"the teacher of traces cannot be asked: {error}") from error
        decision = parse_reply(reply.text, page)
        return replace(
            decision,
            reasoning=self._as_a_shopper(decision),
            prompt_tokens=reply.prompt_tokens,
            reply_tokens=reply.reply_tokens,
        )

    def _as_a_shopper(self, decision: Decision) -> str:
        reasoning = " ".join(decision.reasoning.split())
        if reasoning and not _REVEALING.search(reasoning):
            return reasoning
        if decision.action is None:
            return self._voice.say("leave")
        return self._voice.say("act", action_text(decision.action))


def teacher_messages(observation: Observation) -> list[Message]:
    """The model's prompt: a shopper's, but with the replay goal, the whole log and no persona."""
    _, user = messages(replace(observation, goal=replace(observation.goal, code=None)), last=None)
    return [{"role": "system", "content": TEACHER}, user]
