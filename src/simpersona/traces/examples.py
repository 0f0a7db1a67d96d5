"""A verified episode as training examples: one chat per step, the assistant's turn last (Figure 9)."""

from __future__ import annotations

from typing import Literal

from simpersona.contracts import Episode, Goal, RecordedSession, Step
from simpersona.pages import Example, Message
from simpersona.shopper.goals import intent_goal, neutral_goal
from simpersona.shopper.prompt import SUCCESS, answer, messages, progress


def episode_examples(
    episode: Episode, session: RecordedSession, stage: Literal[1, 2], neutral: Goal | None = None
) -> list[Example]:
    """The examples of one stage: what was seen and done stays, the goal is that of the stage.

    Stage 1 has the neutral goal, `neutral` or else the rules', stage 2 the goal with the intent. The end of the visit is an
    example too; an action that failed is not, but stays in the log of the steps after it.
    """
    goal = (neutral or neutral_goal(session)) if stage == 1 else intent_goal(session)
    if not episode.steps:
        return []
    first_url = episode.steps[0].page.url
    return [
        _example(
            episode, session, stage, step, messages(goal, progress(first_url, episode.steps[:position]), step.page)
        )
        for position, step in enumerate(episode.steps)
        if step.result == SUCCESS or (step.decision.ends and episode.ending == "goal_reached")
    ]


def _example(
    episode: Episode, session: RecordedSession, stage: Literal[1, 2], step: Step, asked: list[Message]
) -> Example:
    answered = answer(step.decision)
    return {
        "messages": [*asked, {"role": "assistant", "content": answered}],
        "loss_spans": [{"message": len(asked), "start": 0, "end": len(answered)}],
        "code": session.code,
        "shop_id": session.shop_id,
        "session_id": session.session_id,
        "episode_id": episode.episode_id,
        "step": step.number,
        "stage": stage,
        "goes_back": step.page.goes_back,
    }
