"""The stage `traces`: replays recorded sessions in their stores, judges the replays, and writes training examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from simpersona import __version__
from simpersona.adapters.models.open import open_model
from simpersona.contracts import EPISODES, MIX, SPLITS, STEPS, TRAINING_GOALS, RecordedSession
from simpersona.errors import ConfigError
from simpersona.files import read_json, write_json, write_lines, write_table, write_text
from simpersona.lab.variants import Variant
from simpersona.personas.fitted import META
from simpersona.pipeline.recorded import rows_by_episode, session_key, sessions_by_code
from simpersona.pipeline.stage import StageContext, StageResult
from simpersona.pipeline.visits import visit_setup
from simpersona.ports import LanguageModel, Policy
from simpersona.shopper.goals import intent_goal
from simpersona.shopper.records import episode_tables
from simpersona.shopper.screenshots import keep_pictures
from simpersona.simulation.visits import Limits, visit_stores
from simpersona.traces.coverage import code_coverage
from simpersona.traces.dataset_card import DATASETS, SPLIT_FOLDERS, Counted, Made, counted, dataset_card
from simpersona.traces.draw import candidates_per_cell, draw_sessions
from simpersona.traces.examples import MAX_INSTRUCTIONS_TOKENS, chat_example, training_goals, training_steps
from simpersona.traces.judge import judge, replaced_titles
from simpersona.traces.llm_traces import Asking, chosen_verdicts, goals_of, traces_quality
from simpersona.traces.llm_writer import WrittenGoals
from simpersona.traces.model_teacher import ModelTeacher
from simpersona.traces.replay import ReplayPolicy
from simpersona.visits import GOAL_KINDS, Episode, Goal, GoalKind

REPLAY_STEPS = 120
"""A teacher's step limit: several actions per recorded event, and a checkout form to fill."""
_Key = tuple[str, str, str]


def run(context: StageContext, out: Path) -> StageResult:
    """Replays sessions of the training stores on their storefronts; verified replays become examples, split by store."""
    config = context.config
    held_out = read_json(context.folder / "personas" / META)["held_out"]
    cells = _cells(context, held_out)
    codes = set(cells["code"].to_pylist())
    per_cell = candidates_per_cell(config.traces.sessions, len(codes), cells.num_rows)
    candidates = sessions_by_code(context, held_out=False, per_cell=per_cell)
    drawn = draw_sessions(candidates, config.traces, config.seed)
    sessions = sorted([*drawn.train, *drawn.validation], key=lambda session: session.shop_id)
    if not sessions:
        raise ConfigError(
            f"none of {len(candidates)} sessions can be replayed: each is longer than traces.max_actions = "
            f"{config.traces.max_actions} actions, or shows no product, collection or search"
        )
    session_of = {session_key(session): session for session in sessions}
    model = open_model(config.llm) if config.asks_llm("traces") else None
    asking = Asking(config.traces.concurrency, config.seed, context.progress)
    written = goals_of(sessions, config.traces.writer, model, asking)
    limits = Limits(REPLAY_STEPS, config.simulation.time_limit_seconds, config.traces.concurrency)
    episodes, events = _played(
        context, [goals.replay for goals in written], _teacher(context, session_of, model), limits
    )
    log = rows_by_episode(events)
    replaced = {episode.episode_id: replaced_titles(episode) for episode in episodes}
    by_rules = {
        name: judge(session_of[session_key(episode.goal)], log.get(name, []), replaced[name])
        for episode in episodes
        for name in (episode.episode_id,)
    }
    verdicts, judging = chosen_verdicts(episodes, by_rules, config.traces.judge, model, asking)
    episode_table, step_table = episode_tables(episodes, events, verdicts)
    write_table(out / "episodes.parquet", episode_table, EPISODES)
    write_table(out / "steps.parquet", step_table, STEPS)
    verified = [episode for episode in episodes if verdicts[episode.episode_id].verified]
    apart = {session_key(session) for session in drawn.validation}
    lessons = _lessons(verified, session_of, written, apart)
    write_table(out / "goals.parquet", _goal_table(lessons), TRAINING_GOALS)
    counts = _write_examples(out, lessons, SPLITS if apart else SPLITS[:1])
    trained_on, instructed = (
        {
            session_of[session_key(lesson.goal)].code
            for lesson in lessons
            if (lesson.split, lesson.kind) == ("train", kind)
        }
        for kind in ("neutral", "instructions")
    )
    coverage = code_coverage(codes, candidates, drawn.train, trained_on, instructed)
    quality, notes, figures = traces_quality(
        config.traces, config.llm.model if model is not None else None, written, judging
    )
    with_replaced = [replaced[episode.episode_id] for episode in verified if replaced[episode.episode_id]]
    spent = {name: pc.sum(episode_table[name]).as_py() for name in ("prompt_tokens", "reply_tokens")}
    quality["teacher"] = {"by": config.traces.teacher} | spent
    quality["replaced"] = {"verified_visits": len(with_replaced), "products": sum(map(len, with_replaced))}
    if with_replaced:
        notes += f"; {len(with_replaced)} verified replays use the nearest title for a product that the store lacks"
    with_instructions = sum(of_kind["instructions"].visits for of_kind in counts.values())
    quality["instructions"] = {
        "visits": with_instructions,
        "too_long": len(verified) - with_instructions,
        "max_tokens": MAX_INSTRUCTIONS_TOKENS,
    }
    write_json(out / "quality.json", quality | {"codes": coverage})
    made = Made(
        __version__, config.name, config.source.format, config.seed, config.traces, len(episodes), len(held_out)
    )
    write_text(out / "README.md", dataset_card(made, counts))
    keep_pictures(context.folder.work(context.stage), out)
    context.folder.forget_work(context.stage)
    examples = {split: of_kind["neutral"].examples for split, of_kind in counts.items()}
    kept_apart = f", {examples['validation']:,} more of other shops" if "validation" in examples else ""
    summary = (
        f"{len(episodes)} of {len(candidates)} sessions replayed, {len(verified)} verified; {examples['train']:,} examples "
        f"per stage ({counts['train']['instructions'].examples:,} with instructions) from {len(trained_on)} of "
        f"{coverage['of_training_shops']} codes{kept_apart}"
    )
    figures |= {"verified": len(verified), "examples": examples["train"]}
    return StageResult(len(episodes), len(verified), summary + notes, len(episodes) - len(verified), figures)


def _teacher(
    context: StageContext, session_of: Mapping[_Key, RecordedSession], model: LanguageModel | None
) -> Callable[[Goal, int], Policy]:
    """A function that makes the policy of each visit from its goal and its seed."""
    if context.config.traces.teacher == "replay" or model is None:
        return lambda goal, seed: ReplayPolicy(session_of[session_key(goal)], seed)
    return lambda _goal, seed: ModelTeacher(model, seed)


def _played(
    context: StageContext, goals: Sequence[Goal], teacher: Callable[[Goal, int], Policy], limits: Limits
) -> tuple[list[Episode], pa.Table]:
    """The visits and the stores' rows. Raises ConfigError if the teacher's model fails; finished visits are stored."""
    try:
        return visit_stores(visit_setup(context), goals, teacher, limits, "trace", variant=_recorded_variants(context))
    except ExceptionGroup as group:  # from concurrent visits
        error: Exception | None = group.subgroup(ConfigError)
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        if error is None:
            raise
        raise error from None


@dataclass(frozen=True)
class _Lesson:
    """A verified visit with one of the goals to learn from it."""

    episode: Episode
    goal: Goal
    kind: GoalKind
    split: str


def _lessons(
    verified: Sequence[Episode],
    session_of: Mapping[_Key, RecordedSession],
    written: Sequence[WrittenGoals],
    apart: set[_Key],
) -> list[_Lesson]:
    neutral = {session_key(goals.neutral): goals.neutral for goals in written}
    lessons: list[_Lesson] = []
    for episode in verified:
        key = session_key(episode.goal)
        split = "validation" if key in apart else "train"
        goals = training_goals(episode.goal, neutral[key], intent_goal(session_of[key]))
        lessons += [_Lesson(episode, goal, kind, split) for kind, goal in goals.items()]
    return lessons


def _goal_table(lessons: Sequence[_Lesson]) -> pa.Table:
    rows = [
        {
            "episode_id": lesson.episode.episode_id,
            "kind": lesson.kind,
            "split": lesson.split,
            "goal": lesson.goal.text,
            "intent": lesson.goal.intent,
            "wish": lesson.goal.wish,
        }
        for lesson in lessons
    ]
    return pa.Table.from_pylist(rows, TRAINING_GOALS.schema)


def _write_examples(out: Path, lessons: Sequence[_Lesson], splits: Sequence[str]) -> dict[str, dict[GoalKind, Counted]]:
    """Writes the files of each split, one for each kind of goal, and returns their sizes by split and kind."""
    counts: dict[str, dict[GoalKind, Counted]] = {}
    for split in splits:
        (out / SPLIT_FOLDERS[split]).mkdir(exist_ok=True)
        for kind in GOAL_KINDS:
            examples = [
                chat_example(step)
                for lesson in lessons
                if (lesson.split, lesson.kind) == (split, kind)
                for step in training_steps(lesson.episode, lesson.goal, kind)
            ]
            write_lines(out / SPLIT_FOLDERS[split] / f"{DATASETS[kind]}.jsonl", examples)
            counts.setdefault(split, {})[kind] = counted(examples)
    return counts


def _cells(context: StageContext, held_out: Sequence[str]) -> pa.Table:
    """The rows of MIX of the training stores: the codes of their buyers."""
    mix = context.table("personas/mix.parquet", MIX)
    return mix.filter(pc.invert(pc.is_in(mix["shop_id"], pa.array(held_out, pa.string()))))


def _recorded_variants(context: StageContext) -> dict[str, Variant]:
    """The variants of the lab's stores when their sessions were recorded. The catalogues already contain the prices."""
    if context.config.source.format != "lab":
        return {}
    names = ["free_shipping_notice", "hidden_search", "one_page_checkout"]
    shops = pq.read_table(context.folder / "world/truth/shops.parquet", columns=["shop_id", *names]).to_pylist()
    return {row.pop("shop_id"): Variant(**row) for row in shops}
