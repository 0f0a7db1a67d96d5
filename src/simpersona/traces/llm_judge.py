"""A language model as judge of replays (2.1.2), and how far two judges agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simpersona.pages import Message
from simpersona.ports import LanguageModel
from simpersona.shopper.prompt import action_text
from simpersona.traces.llm_question import Form, ask
from simpersona.visits import Episode, Verdict

SYSTEM = (
    "You judge whether a shopper's visit of an online store did what its goal asked.\n"
    "You are given the goal and the steps: the page's title, what was done on it, and what came of it. Steps that only find "
    "the way are allowed: looking at other pages, searching, filling in forms. Everything that the goal asks for must have "
    "happened, in its order, and nothing may have been put in the cart, taken out or ordered that it does not ask for. A product that "
    "the store does not have may have been replaced by the one with the nearest title.\n"
    "Answer with a JSON object {reason, verified}: first the reason in one sentence, then true or false."
)


@dataclass(frozen=True)
class Judged:
    """A model's verdict and its cost. `usable` is False where no answer could be used: the visit is then not verified."""

    verdict: Verdict
    usable: bool
    prompt_tokens: int
    reply_tokens: int


@dataclass(frozen=True)
class Agreement:
    """Of two judges over the same episodes: the share judged alike, and Cohen's κ.

    κ is None where chance alone would make them agree: each always says the same. Both are None without episodes.
    """

    episodes: int
    share: float | None
    kappa: float | None


class _Judgement(Form):
    reason: str
    verified: bool


async def judge_episode(model: LanguageModel, episode: Episode, seed: int) -> Judged:
    """The model's verdict on whether the episode did what its goal says. An answer that cannot be used is asked for once more.

    Raises ModelError if the model cannot be asked.
    """
    asked = await ask(model, judge_messages(episode), _Judgement, seed, _fault)
    if asked.answer is None:
        verdict = Verdict(verified=False, reason=f"the judge gave no answer that can be used: {asked.wrong[-1]}")
    else:
        verdict = Verdict(asked.answer.verified, " ".join(asked.answer.reason.split()))
    return Judged(verdict, asked.answer is not None, asked.prompt_tokens, asked.reply_tokens)


def judge_messages(episode: Episode) -> list[Message]:
    """The model's prompt: the goal, and each step's action and result, without the shopper's reasoning and persona."""
    lines = []
    for number, step in enumerate(episode.steps, start=1):
        action = step.decision.action
        done = step.result if action is None else f"{action_text(action)}: {step.result}"
        if step.decision.stands_for is not None:
            done += f" (the store does not have {step.decision.stands_for!r}: this is the nearest title)"
        lines.append(f"{number}. On the page {step.page.title!r}: {done}")
    parts = ["<Goal>", episode.goal.text, "</Goal>", "<Steps>", *lines, "</Steps>"]
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "\n".join(parts)}]


def agreement(first: Sequence[bool], second: Sequence[bool]) -> Agreement:
    """Share and Cohen's κ = (p_o - p_e) / (1 - p_e). Raises ValueError if the lengths differ."""
    pairs = list(zip(first, second, strict=True))
    if not pairs:
        return Agreement(0, None, None)
    observed = sum(left == right for left, right in pairs) / len(pairs)
    yes, also = sum(first) / len(pairs), sum(second) / len(pairs)
    by_chance = yes * also + (1 - yes) * (1 - also)
    kappa = None if by_chance == 1 else (observed - by_chance) / (1 - by_chance)
    return Agreement(len(pairs), observed, kappa)


def _fault(judgement: _Judgement) -> str | None:
    return None if judgement.reason.strip() else "the reason is empty"
