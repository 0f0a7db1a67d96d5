"""The language model in the stage `traces`: the goals that it writes, the replays that it judges, and the figures of both."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeVar

from simpersona.config import TracesConfig
from simpersona.contracts import RecordedSession
from simpersona.ports import LanguageModel, Progress
from simpersona.shopper.goals import neutral_goal, replay_goal
from simpersona.shopper.rollout import episode_seed
from simpersona.traces.llm_judge import Judged, agreement, judge_episode
from simpersona.traces.llm_writer import WrittenGoals, write_goals
from simpersona.visits import Episode, Verdict

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Judging:
    """The verdicts of the rules, and those of the model where it was asked, by episode id."""

    rules: Mapping[str, Verdict]
    llm: Mapping[str, Judged]


@dataclass(frozen=True)
class Asking:
    """How a model is asked about many items: concurrently, each question with its own seed."""

    concurrency: int
    seed: int
    progress: Progress

    def in_turn(self, items: Sequence[T], question: Callable[[T, int], Awaitable[R]], note: str) -> list[R]:
        """The answers in the order of the items."""
        free = asyncio.Semaphore(self.concurrency)
        done = 0

        async def ask_one(index: int, item: T) -> R:
            nonlocal done
            async with free:
                answer = await question(item, episode_seed(self.seed, index))
            done += 1
            self.progress(done, len(items), note)
            return answer

        async def all_of_them() -> list[R]:
            return list(await asyncio.gather(*(ask_one(index, item) for index, item in enumerate(items))))

        return asyncio.run(all_of_them())


def goals_of(
    sessions: Sequence[RecordedSession], writer: Literal["rules", "llm"], model: LanguageModel | None, asking: Asking
) -> list[WrittenGoals]:
    """Each session's goals, by the rules, or by the model where `traces.writer` says so. Raises ModelError."""
    if writer == "rules" or model is None:
        return [WrittenGoals(replay_goal(session), neutral_goal(session), by_rules=True) for session in sessions]
    return asking.in_turn(sessions, lambda session, seed: write_goals(model, session, seed), "goals worded")


def chosen_verdicts(
    episodes: Sequence[Episode],
    by_rules: Mapping[str, Verdict],
    by: Literal["rules", "llm"],
    model: LanguageModel | None,
    asking: Asking,
) -> tuple[Mapping[str, Verdict], Judging]:
    """The verdicts of the judge that `by` names, by episode id, and those of both. Raises ModelError."""
    if by == "rules" or model is None:
        return by_rules, Judging(by_rules, {})
    judged = asking.in_turn(episodes, lambda episode, seed: judge_episode(model, episode, seed), "replays judged")
    by_model = {episode.episode_id: result for episode, result in zip(episodes, judged, strict=True)}
    return {name: result.verdict for name, result in by_model.items()}, Judging(by_rules, by_model)


def traces_quality(
    settings: TracesConfig, model: str | None, written: Sequence[WrittenGoals], judging: Judging
) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """The entries of quality.json on the writer and the judge, the same as text for the stage's summary, and its figures."""
    quality: dict[str, Any] = {"writer": {"by": settings.writer}, "judge": {"by": settings.judge}, "model": model}
    text, figures = "", {}
    if settings.writer == "llm":
        figures["goals_by_rules"] = sum(goals.by_rules for goals in written)
        quality["writer"] |= _writer_quality(written)
        text += f"; {model} worded {len(written) - figures['goals_by_rules']} of {len(written)} goals"
    if settings.judge == "llm":
        judge = quality["judge"] = quality["judge"] | _judge_quality(judging)
        figures |= {"judges_agree": judge["agreement"]["share"], "judges_kappa": judge["agreement"]["kappa"]}
        kappa = "none" if figures["judges_kappa"] is None else f"{figures['judges_kappa']:.2f}"
        text += f"; {model} and the rules judge {figures['judges_agree']:.1%} alike, κ {kappa}"
    return quality, text, figures


def _writer_quality(written: Sequence[WrittenGoals]) -> dict[str, Any]:
    return {
        "sessions": len(written),
        "asked_again": sum(bool(goals.wrong) for goals in written),
        "by_rules": sum(goals.by_rules for goals in written),
        "wrong": [fault for goals in written for fault in goals.wrong],
        "prompt_tokens": sum(goals.prompt_tokens for goals in written),
        "reply_tokens": sum(goals.reply_tokens for goals in written),
    }


def _judge_quality(judging: Judging) -> dict[str, Any]:
    both = [(name, judging.rules[name], judged.verdict) for name, judged in judging.llm.items()]
    return {
        "agreement": asdict(agreement([rules.verified for _, rules, _ in both], [llm.verified for _, _, llm in both])),
        "verified_by_rules": sum(rules.verified for _, rules, _ in both),
        "verified_by_llm": sum(llm.verified for _, _, llm in both),
        "unusable": sum(not judged.usable for judged in judging.llm.values()),
        "disagreements": [
            {"episode_id": name, "rules": asdict(rules), "llm": asdict(llm)}
            for name, rules, llm in both
            if rules.verified != llm.verified
        ],
        "prompt_tokens": sum(judged.prompt_tokens for judged in judging.llm.values()),
        "reply_tokens": sum(judged.reply_tokens for judged in judging.llm.values()),
    }
