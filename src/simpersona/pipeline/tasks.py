"""The benchmark of shopping tasks: policies follow instructions from recorded sessions, and the stores' logs judge them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from simpersona.adapters.models.open import open_model
from simpersona.contracts import EPISODES, STEPS, Metrics, RecordedSession
from simpersona.errors import ConfigError
from simpersona.evaluation.tables import TASKS
from simpersona.evaluation.task_success import task_metrics
from simpersona.files import read_json, write_json, write_table
from simpersona.pipeline.recorded import rows_by_episode, session_key, sessions_by_code
from simpersona.pipeline.stage import StageContext, StageResult
from simpersona.pipeline.visits import policy_maker, visit_setup
from simpersona.ports import Policy
from simpersona.shopper.goals import replay_goal
from simpersona.shopper.records import episode_tables
from simpersona.simulation.visits import Limits, visit_stores
from simpersona.traces.judge import judge
from simpersona.traces.llm_judge import judge_episode
from simpersona.traces.llm_traces import Asking
from simpersona.traces.replay import ReplayPolicy
from simpersona.traces.tasks import draw_tasks
from simpersona.visits import Episode, Goal

PER_CELL = 200
"""The most sessions of each (store, code) from which tasks are drawn."""

Sessions = Mapping[tuple[str, str, str], RecordedSession]


def run(context: StageContext, out: Path) -> StageResult:
    """Every policy of `tasks.policies` does the tasks from the held-out stores' sessions; none by default (`tasks.count`)."""
    settings = context.config.tasks
    drawn = []
    if settings.count:
        candidates = sessions_by_code(context, held_out=True, per_cell=PER_CELL)
        drawn = draw_tasks(candidates, settings.count, settings.actions, context.config.seed)
        if not drawn:
            raise ConfigError(
                f"none of {len(candidates)} sessions of the held-out shops makes a task: expected sessions with an addition to "
                f"the cart that take {settings.actions[0]} to {settings.actions[1]} actions. Set tasks.actions, or tasks.count = 0."
            )
    drawn.sort(key=lambda task: task.session.shop_id)
    session_of = {session_key(task.session): task.session for task in drawn}
    goals = [replay_goal(task.session) for task in drawn]
    rows = [
        {
            "task_id": f"task-{number:03d}",
            **{name: getattr(task.session, name) for name in ("shop_id", "buyer_id", "session_id", "code")},
            "kind": task.kind,
            "actions": task.actions,
            "goal": goal.text,
        }
        for number, (task, goal) in enumerate(zip(drawn, goals, strict=True))
    ]
    episodes: list[Episode] = []
    events = []
    for name in settings.policies if drawn else ():
        played, recorded = _play(context, name, goals, session_of)
        episodes += played
        events.append(recorded)
    log = rows_by_episode(pa.concat_tables(events)) if events else {}
    verdicts = {
        episode.episode_id: judge(session_of[session_key(episode.goal)], log.get(episode.episode_id, []))
        for episode in episodes
    }
    judged = _judged_by_model(context, episodes)
    all_events = pa.concat_tables(events) if events else None
    tables = (EPISODES.empty(), STEPS.empty()) if all_events is None else episode_tables(episodes, all_events, verdicts)
    write_table(out / "tasks.parquet", pa.Table.from_pylist(rows, TASKS.schema), TASKS)
    write_table(out / "episodes.parquet", tables[0], EPISODES)
    write_table(out / "steps.parquet", tables[1], STEPS)
    write_json(out / "judged.json", judged)
    context.folder.forget_work(context.stage)
    verified = {
        name: sum(verdicts[episode.episode_id].verified for episode in episodes if episode.policy == name)
        for name in dict.fromkeys(episode.policy for episode in episodes)
    }
    counts = ", ".join(
        f"{name} {count} of {sum(episode.policy == name for episode in episodes)}" for name, count in verified.items()
    )
    summary = f"{len(drawn)} tasks; completed: {counts}" if drawn else "no tasks (tasks.count is 0; the paper has 70)"
    return StageResult(len(drawn), len(episodes), summary, figures=verified)


def task_figures(context: StageContext) -> tuple[Metrics, list[str]]:
    """The keys tasks.*, and the policies that did tasks; both are empty if the run has no tasks."""
    settings = context.config.tasks
    tasks = context.table("tasks/tasks.parquet", TASKS)
    if not tasks.num_rows:
        return Metrics({}, {}), []
    episodes = context.table("tasks/episodes.parquet", EPISODES)
    judged = read_json(context.folder / "tasks/judged.json")
    metrics = Metrics(
        {
            "tasks.count": tasks.num_rows,
            "tasks.repetitions": settings.repetitions,
            "tasks.actions": [pc.min(tasks["actions"]).as_py(), pc.max(tasks["actions"]).as_py()],
        },
        {},
    )
    for name in settings.policies:
        played = episodes.filter(pc.equal(episodes["policy"], name))
        metrics |= task_metrics(name, tasks, played, judged, context.config.evaluation.bootstrap, context.config.seed)
    return metrics, list(settings.policies)


def _play(
    context: StageContext, name: str, goals: Sequence[Goal], session_of: Sessions
) -> tuple[list[Episode], pa.Table]:
    """One policy pursues each goal, `tasks.repetitions` times (a replay once), in the lab's storefronts over HTTP.

    Returns the episodes, whose policy is `name`, and the stores' EVENTS rows.
    """
    settings = context.config.tasks
    repetitions = 1 if name == "replay" else settings.repetitions
    limits = Limits(settings.max_steps, context.config.simulation.time_limit_seconds, settings.concurrency)
    repeated = [goal for goal in goals for _ in range(repetitions)]
    played, events = visit_stores(
        visit_setup(context), repeated, _policy(context, name, session_of), limits, f"task-{name}", driver="http"
    )
    return [replace(episode, policy=name) for episode in played], events


def _policy(context: StageContext, name: str, session_of: Sessions) -> Callable[[Goal, int], Policy]:
    if name == "replay":
        return lambda goal, seed: ReplayPolicy(session_of[session_key(goal)], seed)
    if name == "llm":
        return policy_maker(context, "lm", "llm")
    return policy_maker(context, "scorer" if name == "scorer" else "lm")


def _judged_by_model(context: StageContext, episodes: Sequence[Episode]) -> dict[str, dict]:
    """The verdicts of the model of [llm] by episode id; empty unless `tasks.judge` is "llm"."""
    if context.config.tasks.judge != "llm" or not episodes:
        return {}

    model = open_model(context.config.llm)
    asking = Asking(context.config.traces.concurrency, context.config.seed, context.progress)
    judged = asking.in_turn(episodes, lambda episode, seed: judge_episode(model, episode, seed), "visits judged")
    return {episode.episode_id: asdict(answer.verdict) for episode, answer in zip(episodes, judged, strict=True)}
