"""The steps of verified visits as typed records to learn from, and their rendering as chat examples.

    tables (EPISODES, STEPS, TRAINING_GOALS) -> TrainingStep -> chat example (Figure 9 or short), or the scorer's situation

Every kind of agent learns from the same records.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pyarrow as pa

from simpersona.pages import Decision, Example, Message, estimated_tokens
from simpersona.shopper.prompt import answer, messages
from simpersona.shopper.records import read_episodes
from simpersona.shopper.short_prompt import short_answer, short_decision, short_messages
from simpersona.visits import GOAL_KINDS, Episode, Goal, GoalKind, Observation

MAX_INSTRUCTIONS_TOKENS = 200
"""Estimated tokens. Longer instructions would take the page's part of a prompt. In the lab 3 % of the replayed visits have them,
and each of these takes more steps than the longest task of `tasks.actions`."""


@dataclass(frozen=True)
class TrainingStep:
    """One step of a verified visit: what a shopper with a goal of this kind would know, and what the teacher decided."""

    observation: Observation
    decision: Decision
    visit_id: str
    number: int
    kind: GoalKind

    @property
    def goal(self) -> Goal:
        """The goal of this kind, with the persona."""
        return self.observation.goal


def training_goals(replayed: Goal, neutral: Goal, intent: Goal) -> dict[GoalKind, Goal]:
    """The goals with which a visit is learned, by kind. The instructions are the goal that it was replayed with, if not too long."""
    goals: dict[GoalKind, Goal] = {"neutral": neutral, "intent": intent}
    if estimated_tokens(replayed.text) <= MAX_INSTRUCTIONS_TOKENS:
        goals["instructions"] = replayed
    return goals


def training_steps(episode: Episode, goal: Goal, kind: GoalKind) -> list[TrainingStep]:
    """The steps of a verified visit to learn from, with a goal of this kind in place of the one that it was replayed with.

    The end of the visit is a training step too. An action that failed is not, but it stays in the history of the steps
    after it.
    """
    visit = replace(episode, goal=goal)
    return [
        TrainingStep(
            replace(visit.observation(number), refused=None), step.decision, episode.episode_id, step.number, kind
        )
        for number, step in enumerate(episode.steps)
        if step.succeeded or (step.decision.ends and episode.ending == "goal_reached")
    ]


def read_training_steps(
    episodes: pa.Table, steps: pa.Table, goals: pa.Table, split: str = "train"
) -> dict[GoalKind, list[TrainingStep]]:
    """The training steps of a split by the kind of their goal, in the order of the visits, from EPISODES, STEPS and TRAINING_GOALS."""
    visits = {episode.episode_id: episode for episode in read_episodes(episodes, steps)}
    by_kind: dict[GoalKind, list[TrainingStep]] = {kind: [] for kind in GOAL_KINDS}
    for row in goals.to_pylist():
        if row["split"] == split:
            visit = visits[row["episode_id"]]
            goal = replace(visit.goal, text=row["goal"], intent=row["intent"], wish=row["wish"])
            by_kind[row["kind"]] += training_steps(visit, goal, row["kind"])
    return by_kind


def chat_example(step: TrainingStep) -> Example:
    """The step as the chat of Figure 9, the assistant's turn last."""
    return _example(step, messages(step.observation), answer(step.decision))


def short_example(step: TrainingStep) -> Example | None:
    """The step in the short form; None if the page does not offer its action."""
    decision = short_decision(step.decision, step.observation.page)
    return None if decision is None else _example(step, short_messages(step.observation), short_answer(decision))


def _example(step: TrainingStep, prompt: list[Message], answered: str) -> Example:
    goal = step.goal
    assert goal.code is not None  # recorded sessions have a persona
    return {
        "messages": [*prompt, {"role": "assistant", "content": answered}],
        "loss_spans": [{"message": len(prompt), "start": 0, "end": len(answered)}],
        "code": goal.code,
        "shop_id": goal.shop_id,
        "session_id": goal.session_id,
        "episode_id": step.visit_id,
        "step": step.number,
        "kind": step.kind,
        "goes_back": step.observation.page.goes_back,
    }
