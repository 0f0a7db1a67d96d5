"""From examples to simulated sessions: agent, simulation."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from ibis import _

from simpersona.artifacts import read_json, write_json, write_table
from simpersona.contracts import EPISODES, MIX, SESSIONS, STEPS, Episode, Goal, RecordedSession
from simpersona.pages import Example
from simpersona.stages.acting_policies import words_of
from simpersona.stages.context import Facts, Run
from simpersona.stages.pack import META, Pack
from simpersona.stages.pack_folder import POLICIES, PackFolder
from simpersona.stages.screenshots import keep_pictures


def agent(run: Run, out: Path) -> Facts:
    """Examples to a model that shops, for each of `agent.policies`."""
    from simpersona.stages.grounding import ground, take_trained, training_examples

    wanted = run.config.agent.policies
    pack = None if run.config.pack is None else PackFolder.at(run.config.pack)
    taken = [policy for policy in wanted if pack is not None and pack.has(policy)]
    trained = [policy for policy in wanted if policy not in taken]
    examples = training_examples(run) if trained else {2: []}
    codebook = Pack.load(run.folder / "personas").personas.codebook
    figures: dict[str, int] = {}
    words: list[str] = []
    for policy in taken:
        assert pack is not None
        shutil.copytree(pack / policy, out / POLICIES[policy])
        words.append(f"{policy} of the pack")
    if "scorer" in trained:
        told = _scorer(run, examples[2], codebook, out)
        figures["scorer"] = told["epochs"]
        words.append(
            f"scorer: {told['epochs']} epochs, held-out loss {told['loss']:.3f} ({told['loss_as_nobody']:.3f} without personas)"
        )
    stages = ground(run, examples, codebook) if "lm" in trained else {}
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
    return own, sessions_by_code(run, held_out=True, per_cell=50)


def sessions_by_code(run: Run, *, held_out: bool, per_cell: int) -> list[RecordedSession]:
    """At most `per_cell` recorded sessions of each (shop, code), drawn by a hash of their keys.

    Bouncers are left out, and sessions longer than a replay can be; from the training shops also whoever is a buyer of a held-out one.
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
    if not held_out and not single_shop:  # one who buys in several shops is no stranger to the evaluation
        usable = usable.anti_join(buyers.filter(_.shop_id.isin(shops)).select("buyer_id"), "buyer_id")
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


def session_key(of: RecordedSession | Goal) -> tuple[str, str, str]:
    """What names a recorded session; a goal's is that of the session it was taken from."""
    return of.shop_id, of.buyer_id, of.session_id


def rows_by_episode(events: pa.Table) -> dict[str, list[dict]]:
    """A store's rows (EVENTS) by the visit that made them."""
    rows: dict[str, list[dict]] = {}
    for row in events.to_pylist():
        rows.setdefault(row["buyer_id"], []).append(row)
    return rows
