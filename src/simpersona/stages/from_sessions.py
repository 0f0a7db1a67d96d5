"""From recorded sessions to simulated ones: traces, agent, simulation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from ibis import _

from simpersona.artifacts import read_json, write_json, write_lines, write_table
from simpersona.contracts import EPISODES, MIX, SESSIONS, STEPS, Episode, Goal, RecordedSession
from simpersona.errors import ConfigError
from simpersona.pages import Example
from simpersona.stages.acting_policies import words_of
from simpersona.stages.context import Facts, Run
from simpersona.stages.pack import META, Pack
from simpersona.stages.screenshots import keep_pictures
from simpersona.stages.store_visits import Limits, play_episodes

REPLAY_STEPS = 120
"""A teacher's step limit: several actions per recorded event, and a checkout form to fill."""


def traces(run: Run, out: Path) -> Facts:
    """Replays sessions of the training shops on their storefronts; verified ones become examples."""
    from simpersona.shopper.records import episode_tables
    from simpersona.stages.llm_traces import chosen_verdicts, goals_of, traces_quality
    from simpersona.stages.served_model import served_model
    from simpersona.traces.draw import draw_sessions
    from simpersona.traces.examples import episode_examples
    from simpersona.traces.judge import judge
    from simpersona.traces.replay import ReplayPolicy

    config = run.config
    candidates = _sessions(run, held_out=False, per_cell=config.traces.sessions)
    drawn = draw_sessions(candidates, config.traces, config.seed)
    if not drawn:
        raise ConfigError(
            f"none of {len(candidates)} sessions can be replayed: each is longer than traces.max_actions = "
            f"{config.traces.max_actions} actions, or shows no product, collection or search"
        )
    drawn.sort(key=lambda session: session.shop_id)
    session_of = {_session_key(session): session for session in drawn}
    model = served_model(config.llm) if config.asks_llm("traces") else None
    written = goals_of(run, drawn, model)
    limits = Limits(REPLAY_STEPS, config.simulation.time_limit_seconds, config.traces.concurrency)
    episodes, events = play_episodes(
        run,
        [goals.replay for goals in written],
        lambda goal, seed: ReplayPolicy(session_of[_goal_key(goal)], seed),
        limits,
        "trace",
    )
    log = _rows_by_episode(events)
    by_rules = {
        episode.episode_id: judge(session_of[_goal_key(episode.goal)], log.get(episode.episode_id, []))
        for episode in episodes
    }
    verdicts, judging = chosen_verdicts(run, episodes, by_rules, model)
    episode_table, step_table = episode_tables(episodes, events, verdicts)
    write_table(out / "episodes.parquet", episode_table, EPISODES)
    write_table(out / "steps.parquet", step_table, STEPS)
    verified = [episode for episode in episodes if verdicts[episode.episode_id].verified]
    neutral = {_goal_key(goals.neutral): goals.neutral for goals in written}
    counts: dict[int, int] = {}
    for stage in (1, 2):
        examples: list[Example] = []
        for episode in verified:
            key = _goal_key(episode.goal)
            examples += episode_examples(episode, session_of[key], stage, neutral[key])
        write_lines(out / f"stage{stage}.jsonl", examples)
        counts[stage] = len(examples)
    summary = (
        f"{len(episodes)} of {len(candidates)} sessions replayed, {len(verified)} verified; "
        f"{counts[1]} examples per stage from {len({e.goal.code for e in verified})} codes"
    )
    quality, words, figures = traces_quality(run, written, judging)
    write_json(out / "quality.json", quality)
    keep_pictures(run.folder.work(run.stage), out)
    run.folder.forget_work(run.stage)
    figures |= {"verified": len(verified), "examples": counts[1]}
    return Facts(len(episodes), len(verified), summary + words, len(episodes) - len(verified), figures)


def agent(run: Run, out: Path) -> Facts:
    """Examples to a model that shops, for each of `agent.policies`."""
    from simpersona.stages.grounding import ground, take_trained, training_examples

    examples = training_examples(run)
    codebook = Pack.load(run.folder / "personas").personas.codebook
    figures: dict[str, int] = {}
    words: list[str] = []
    if "scorer" in run.config.agent.policies:
        told = _scorer(run, examples[2], codebook, out)
        figures["scorer"] = told["epochs"]
        words.append(
            f"scorer: {told['epochs']} epochs, held-out loss {told['loss']:.3f} ({told['loss_as_nobody']:.3f} without personas)"
        )
    stages = ground(run, examples, codebook) if "lm" in run.config.agent.policies else {}
    take_trained(run, out)
    for name, told in stages.items():
        figures[name] = told["steps"]
        held = told.get("held_out", {})
        on_held = (
            "; held out " + ", ".join(f"{loss:.3f} ({token} token)" for token, loss in held.items()) if held else ""
        )
        words.append(
            f"{name}: {told['steps']} steps, {told['tokens']:,} tokens, loss {_trend(told['losses'])}{on_held}"
        )
    write_json(out / "training.json", stages)
    return Facts(len(examples[2]), len(examples[2]), "; ".join(words), figures=figures)


def _scorer(run: Run, examples: list[Example], codebook: np.ndarray, out: Path) -> dict[str, Any]:
    from simpersona.stages.persona_funnel import persona_funnel
    from simpersona.stages.scorer_training import scorer_from_examples

    funnel = persona_funnel(run, len(codebook), training_shops(run))
    embedder = words_of(run.config.buyers)
    told = scorer_from_examples(examples, codebook, funnel, embedder, out / "scorer", run.config.seed, run.progress)
    write_json(out / "scorer/training.json", told)
    return told


def simulation(run: Run, out: Path) -> Facts:
    """Agents drawn from each held-out shop's mix (Eq. 4) browse its storefront, each acting policy with buyers of its own."""
    from simpersona.shopper.records import episode_tables
    from simpersona.stages.population_arms import arms_of, play_arm, told_of

    episodes: list[Episode] = []
    tables: list[pa.Table] = []
    arms = arms_of(run.config, *simulated_buyers(run))
    for arm in arms:
        played, events = play_arm(run, arm)
        episodes += played
        tables.append(events)
    if run.shard is not None:
        return Facts(
            sum(len(arm.goals) for arm in arms), len(episodes), f"shard {run.shard}: {len(episodes)} visits kept"
        )
    episode_table, step_table = episode_tables(episodes, pa.concat_tables(tables), {})
    write_table(out / "episodes.parquet", episode_table, EPISODES)
    write_table(out / "steps.parquet", step_table, STEPS)
    keep_pictures(run.folder.work(run.stage), out)
    told, summary = told_of(run.config, episode_table, step_table)
    write_json(out / "quality.json", told)
    run.folder.forget_work(run.stage)
    return Facts(sum(len(arm.goals) for arm in arms), len(episodes), summary, figures=told)


def simulated_shops(run: Run) -> list[str]:
    """The held-out shops; with a single shop, that one (its figures are then in-sample)."""
    held_out = read_json(run.folder / "personas" / META)["held_out"]
    return held_out or run.table("personas/mix.parquet", MIX)["shop_id"].unique().to_pylist()


def training_shops(run: Run) -> list[str]:
    """The shops that are not held out; with a single shop, that one."""
    shops = run.table("personas/mix.parquet", MIX)["shop_id"].unique().to_pylist()
    held_out = read_json(run.folder / "personas" / META)["held_out"]
    return sorted(shop for shop in shops if shop not in held_out)


def simulated_buyers(run: Run) -> tuple[pa.Table, list[RecordedSession]]:
    """MIX of the simulated shops, and the sessions of their buyers that visits may take their goals from."""
    mix = run.table("personas/mix.parquet", MIX)
    own = mix.filter(pc.is_in(mix["shop_id"], pa.array(simulated_shops(run))))
    return own, _sessions(run, held_out=True, per_cell=50)


def _sessions(run: Run, *, held_out: bool, per_cell: int) -> list[RecordedSession]:
    """At most `per_cell` recorded sessions of each (shop, code), drawn by a hash of their keys.

    Bouncers are left out, and sessions longer than a replay can be.
    """
    from simpersona.adapters.engine_duckdb import connect
    from simpersona.shopper.recorded import recorded_sessions

    shops = simulated_shops(run)
    engine = connect(run.folder / ".spill")
    sessions = engine.read_parquet(run.folder / "events/sessions.parquet")
    buyers = engine.read_parquet(run.folder / "buyers/buyers.parquet").select("shop_id", "buyer_id", "stratum")
    codes = engine.read_parquet(run.folder / "personas/assignments.parquet")
    joined = sessions.inner_join(buyers, ["shop_id", "buyer_id"]).inner_join(codes, ["shop_id", "buyer_id"])
    single_shop = sessions.shop_id.nunique().to_pyarrow().as_py() == 1
    wanted = _.shop_id.isin(shops) if held_out or single_shop else _.shop_id.notin(shops)
    usable = joined.filter(wanted, _.stratum != "E", _.event_count <= run.config.traces.max_actions)
    ranked = usable.mutate(draw=(_.session_id + _.buyer_id + str(run.config.seed)).hexdigest("md5")).mutate(
        rank=ibis.row_number().over(group_by=["shop_id", "code"], order_by=["draw", "session_id"])
    )
    few = ranked.filter(_["rank"] < per_cell).order_by(["shop_id", "code", "rank"])
    table = few.select(*SESSIONS.columns, "stratum", "code").to_pyarrow()
    engine.disconnect()
    return recorded_sessions(SESSIONS.conform(table), table.select(["shop_id", "buyer_id", "stratum"]), table)


def _trend(losses: Sequence[float]) -> str:
    """First and last quarter's mean: single batches of a few examples differ too much to be compared."""
    quarter = max(1, len(losses) // 4)
    return f"{np.mean(losses[:quarter]):.2f} → {np.mean(losses[-quarter:]):.2f}"


def _session_key(session: RecordedSession) -> tuple[str, str, str]:
    return session.shop_id, session.buyer_id, session.session_id


def _goal_key(goal: Goal) -> tuple[str, str, str]:
    return goal.shop_id, goal.buyer_id, goal.session_id


def _rows_by_episode(events: pa.Table) -> dict[str, list[dict]]:
    rows: dict[str, list[dict]] = {}
    for row in events.to_pylist():
        rows.setdefault(row["buyer_id"], []).append(row)
    return rows
