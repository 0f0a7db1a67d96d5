"""The language model in the stage `traces`: the goals it words, the replays it judges, and what is told of both."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from simpersona.contracts import Episode, RecordedSession, Verdict
from simpersona.ports import LanguageModel
from simpersona.shopper.goals import neutral_goal, replay_goal
from simpersona.shopper.rollout import episode_seed
from simpersona.stages.context import Run
from simpersona.traces.llm_judge import Judged, agreement, judge_episode
from simpersona.traces.llm_writer import WrittenGoals, write_goals

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Judging:
    """The verdicts of the rules, and those of the model where it was asked, by episode id."""

    rules: Mapping[str, Verdict]
    llm: Mapping[str, Judged]


def goals_of(run: Run, sessions: Sequence[RecordedSession], model: LanguageModel | None) -> list[WrittenGoals]:
    """Each session's goals, by the rules, or by the model where `traces.writer` says so. Raises ModelError."""
    if run.config.traces.writer == "rules" or model is None:
        return [WrittenGoals(replay_goal(session), neutral_goal(session), by_rules=True) for session in sessions]
    return in_turn(run, sessions, lambda session, seed: write_goals(model, session, seed), "goals worded")


def chosen_verdicts(
    run: Run, episodes: Sequence[Episode], by_rules: Mapping[str, Verdict], model: LanguageModel | None
) -> tuple[Mapping[str, Verdict], Judging]:
    """The verdicts of the judge that `traces.judge` names, by episode id, and those of both. Raises ModelError."""
    if run.config.traces.judge == "rules" or model is None:
        return by_rules, Judging(by_rules, {})
    judged = in_turn(run, episodes, lambda episode, seed: judge_episode(model, episode, seed), "replays judged")
    by_model = {episode.episode_id: one for episode, one in zip(episodes, judged, strict=True)}
    return {name: one.verdict for name, one in by_model.items()}, Judging(by_rules, by_model)


def traces_quality(
    run: Run, written: Sequence[WrittenGoals], judging: Judging
) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """What quality.json tells of the writer and the judge; the same in words for the stage's summary, and its figures."""
    settings = run.config.traces
    model = run.config.llm.model if run.config.asks_llm("traces") else None
    quality: dict[str, Any] = {"writer": {"by": settings.writer}, "judge": {"by": settings.judge}, "model": model}
    words, figures = "", {}
    if settings.writer == "llm":
        figures["goals_by_rules"] = sum(goals.by_rules for goals in written)
        quality["writer"] |= _writer_quality(written)
        words += f"; {model} worded {len(written) - figures['goals_by_rules']} of {len(written)} goals"
    if settings.judge == "llm":
        told = quality["judge"] = quality["judge"] | _judge_quality(judging)
        figures |= {"judges_agree": told["agreement"]["share"], "judges_kappa": told["agreement"]["kappa"]}
        kappa = "none" if figures["judges_kappa"] is None else f"{figures['judges_kappa']:.2f}"
        words += f"; {model} and the rules judge {figures['judges_agree']:.1%} alike, κ {kappa}"
    return quality, words, figures


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
    both = [(name, judging.rules[name], one.verdict) for name, one in judging.llm.items()]
    return {
        "agreement": asdict(agreement([one.verified for _, one, _ in both], [one.verified for _, _, one in both])),
        "verified_by_rules": sum(rules.verified for _, rules, _ in both),
        "verified_by_llm": sum(llm.verified for _, _, llm in both),
        "unusable": sum(not one.usable for one in judging.llm.values()),
        "disagreements": [
            {"episode_id": name, "rules": asdict(rules), "llm": asdict(llm)}
            for name, rules, llm in both
            if rules.verified != llm.verified
        ],
        "prompt_tokens": sum(one.prompt_tokens for one in judging.llm.values()),
        "reply_tokens": sum(one.reply_tokens for one in judging.llm.values()),
    }


def in_turn(run: Run, items: Sequence[T], question: Callable[[T, int], Awaitable[R]], note: str) -> list[R]:
    """The answers in the order of the items, `traces.concurrency` questions at once, each with a seed of its own."""
    free = asyncio.Semaphore(run.config.traces.concurrency)
    done = 0

    async def one(place: int, item: T) -> R:
        nonlocal done
        async with free:
            answer = await question(item, episode_seed(run.config.seed, place))
        done += 1
        run.progress(done, len(items), note)
        return answer

    async def all_of_them() -> list[R]:
        return list(await asyncio.gather(*(one(place, item) for place, item in enumerate(items))))

    return asyncio.run(all_of_them())
