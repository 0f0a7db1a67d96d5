"""From examples to simulated sessions: agent, simulation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from ibis import _

from simpersona.artifacts import read_json, read_lines, write_json, write_table
from simpersona.config import BuyersConfig
from simpersona.contracts import EPISODES, MIX, SESSIONS, STEPS, Episode, Goal, RecordedSession
from simpersona.errors import ConfigError
from simpersona.lab.variants import Variant
from simpersona.pages import Example
from simpersona.ports import Embedder, Policy
from simpersona.stages.context import Facts, Run
from simpersona.stages.pack import META, Pack
from simpersona.stages.store_visits import Limits, play_episodes


def agent(run: Run, out: Path) -> Facts:
    """Examples to a model that shops, for each of `agent.policies`."""
    examples: dict[int, list[Example]] = {
        stage: read_lines(run.folder / f"traces/stage{stage}.jsonl") for stage in (1, 2)
    }
    if not all(examples.values()):
        raise ConfigError("no replay was verified, so there is nothing to train on; see traces/episodes.parquet")
    codebook = Pack.load(run.folder / "personas").personas.codebook
    figures: dict[str, int] = {}
    words: list[str] = []
    if "scorer" in run.config.agent.policies:
        told = _scorer(run, examples[2], codebook, out)
        figures["scorer"] = told["epochs"]
        words.append(
            f"scorer: {told['epochs']} epochs, held-out loss {told['loss']:.3f} ({told['loss_as_nobody']:.3f} without personas)"
        )
    stages = _language_model(run, examples, codebook, out) if "lm" in run.config.agent.policies else {}
    for name, told in stages.items():
        figures[name] = told["steps"]
        words.append(f"{name}: {told['steps']} steps, {told['tokens']:,} tokens, loss {_trend(told['losses'])}")
    write_json(out / "training.json", stages)
    return Facts(len(examples[2]), len(examples[2]), "; ".join(words), figures=figures)


def _scorer(run: Run, examples: list[Example], codebook: np.ndarray, out: Path) -> dict[str, Any]:
    from simpersona.stages.scorer_training import scorer_from_examples

    told = scorer_from_examples(
        examples, codebook, _words(run.config.buyers), out / "scorer", run.config.seed, run.progress
    )
    write_json(out / "scorer/training.json", told)
    return told


def _language_model(run: Run, examples: dict[int, list[Example]], codebook: np.ndarray, out: Path) -> dict[str, Any]:
    """Stage 1 trains the persona rows alone, stage 2 everything."""
    from simpersona.agent.finetune import finetune

    config = run.config
    start: str | Path = config.agent.model
    told: dict[str, dict] = {}
    for stage in (1, 2):
        folder = out / f"stage{stage}"
        told[f"stage{stage}"] = finetune(
            start, examples[stage], stage, config.agent, len(codebook), codebook, folder, config.seed, run.progress
        )
        start = folder
    return told


def _words(config: BuyersConfig) -> Embedder:
    """What turns the texts of pages into vectors for the scorer: the catalogue's embedder where that is one for any text."""
    if config.embedder == "hashing":
        from simpersona.adapters.embed_hashing import HashingEmbedder

        return HashingEmbedder()
    from simpersona.adapters.embed_minilm import MiniLmEmbedder

    return MiniLmEmbedder()


def simulation(run: Run, out: Path) -> Facts:
    """Agents drawn from each held-out shop's mix (Eq. 4) browse its storefront."""
    from simpersona.shopper.records import episode_tables, trouble_counts
    from simpersona.simulation.population import draw_population, without_tokens

    settings = run.config.simulation
    mix = _mix_of_simulated_shops(run)
    sessions = sessions_by_code(run, held_out=True, per_cell=50)
    goals = draw_population(mix, sessions, settings.episodes, run.config.seed)
    blind = without_tokens(goals[: settings.no_token_episodes])
    make_policy = _policies(run)
    limits = Limits(settings.max_steps, settings.time_limit_seconds, settings.concurrency)
    variant = Variant(**run.config.store.variant.model_dump())
    episodes: list[Episode] = []
    tables: list[pa.Table] = []
    for arm, prefix in ((goals, "sim"), (blind, "no-token")):
        played, events = play_episodes(run, arm, make_policy, limits, prefix, settings.store_url, variant)
        episodes += played
        tables.append(events)
    episode_table, step_table = episode_tables(episodes, pa.concat_tables(tables), {})
    write_table(out / "episodes.parquet", episode_table, EPISODES)
    write_table(out / "steps.parquet", step_table, STEPS)
    run.folder.forget_work(run.stage)
    endings = ", ".join(
        f"{ending} {sum(episode.ending == ending for episode in episodes)}"
        for ending in dict.fromkeys(episode.ending for episode in episodes)
    )
    steps, troubles = step_table.num_rows, trouble_counts(step_table)
    summary = f"{len(episodes)} episodes in {len({g.shop_id for g in goals})} store(s), {steps} steps: {endings}"
    if troubles:
        summary += "; survived: " + ", ".join(f"{kind} {times}" for kind, times in troubles.items())
    return Facts(len(goals) + len(blind), len(episodes), summary, figures={"steps": steps} | troubles)


def _policies(run: Run) -> Callable[[Goal, int], Policy]:
    """What makes each episode's policy."""
    settings = run.config.simulation
    if settings.policy == "scorer":
        from simpersona.shopper.scorer_policy import ScorerPolicy
        from simpersona.stages.scorer_training import load_score

        score = load_score(run.folder / "agent/scorer", _words(run.config.buyers))
        return lambda _goal, seed: ScorerPolicy(score, seed, settings.temperature)
    from simpersona.shopper.model_policy import LanguageModelPolicy

    if settings.model == "llm":
        from simpersona.stages.served_model import served_model

        model = served_model(run.config.llm, settings.temperature)
    else:
        from simpersona.adapters.llm_transformers import TransformersModel

        model = TransformersModel(run.folder / "agent/stage2", settings.temperature)
    return lambda _goal, seed: LanguageModelPolicy(model, seed)


def simulated_shops(run: Run) -> list[str]:
    """The held-out shops; with a single shop, that one (its figures are then in-sample)."""
    held_out = read_json(run.folder / "personas" / META)["held_out"]
    return held_out or run.table("personas/mix.parquet", MIX)["shop_id"].unique().to_pylist()


def _mix_of_simulated_shops(run: Run) -> pa.Table:
    mix = run.table("personas/mix.parquet", MIX)
    return mix.filter(pc.is_in(mix["shop_id"], pa.array(simulated_shops(run))))


def sessions_by_code(run: Run, *, held_out: bool, per_cell: int) -> list[RecordedSession]:
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
