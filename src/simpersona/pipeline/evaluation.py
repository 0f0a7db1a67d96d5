"""The stage `evaluation`: computes the figures of buyers, codes and visits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from simpersona.buyers.vectors import BuyerVectors
from simpersona.config import Config
from simpersona.contracts import ASSIGNMENTS, BUYERS, EPISODES, PRODUCTS, SESSIONS, Metrics
from simpersona.evaluation.ablation import ablation_metrics
from simpersona.evaluation.alignment import conversion_metrics, eligible_pairs
from simpersona.evaluation.by_shop import pairs_table, shop_figures
from simpersona.evaluation.clusters import cluster_metrics
from simpersona.evaluation.depth import depth_metrics
from simpersona.evaluation.enough_data import strata_without_pairs
from simpersona.evaluation.goal_following import goal_following_metrics
from simpersona.evaluation.measurable import purchase_is, with_inferred_notes
from simpersona.evaluation.metrics_file import complete, of_policy, serialise
from simpersona.evaluation.outcomes import Training, outcome_metrics
from simpersona.evaluation.planted import planted_metrics
from simpersona.evaluation.privacy import membership_metrics, smallest_code
from simpersona.evaluation.rates import BUYER, shopper_sessions
from simpersona.evaluation.recovery import population_metrics
from simpersona.evaluation.resampling import adjusted_tests
from simpersona.evaluation.separation import separation_metrics
from simpersona.evaluation.tables import SHOP_FIGURES, TOKEN_PAIRS
from simpersona.files import read_table, write_json, write_table
from simpersona.pack.pack import Pack
from simpersona.personas.baselines import kmeans
from simpersona.personas.fitted import FittedPersonas, assign_buyers
from simpersona.pipeline.cold_start import cold_start_figures
from simpersona.pipeline.recorded import simulated_shops
from simpersona.pipeline.stage import StageContext, StageResult
from simpersona.pipeline.tasks import task_figures


def run(context: StageContext, out: Path) -> StageResult:
    """Writes the figures that the run's data allows: metrics.json, pairs.parquet, shop_figures.parquet."""
    config = context.config
    context.progress(0, 3, "persona figures")
    metrics = _persona_metrics(context, out)
    context.progress(1, 3, "planted types")
    metrics |= _planted_metrics(context)
    metrics |= cold_start_figures(context.folder.path, config.evaluation.bootstrap, config.seed)
    context.progress(2, 3, "simulated against real buyers")
    policies = _policies(context)
    metrics |= _visit_metrics(context, policies, out)
    metrics_of_tasks, doers = task_figures(context)
    metrics |= metrics_of_tasks
    metrics = complete(metrics, source=config.source.format, policy=policies[0], others=policies[1:], doers=doers)
    write_json(out / "metrics.json", serialise(metrics))
    known = sum(value is not None for value in metrics.values.values())
    summary = f"{known} of {len(metrics.values)} figures; the others are null, with the reason in `notes`"
    return StageResult(len(metrics.values), known, summary, warnings=_too_few_pairs(context, policies[0], out))


def _too_few_pairs(context: StageContext, policy: str, out: Path) -> list[str]:
    """A sentence on the strata that no pair of the policy stands for; none without visits."""
    settings = context.config.evaluation
    episodes = context.table("simulation/episodes.parquet", EPISODES)
    if not pc.any(pc.equal(episodes["policy"], policy)).as_py():
        return []
    pairs = read_table(out / "pairs.parquet", TOKEN_PAIRS)
    strata = set(pairs.filter(pc.equal(pairs["policy"], policy))["stratum"].to_pylist())
    sentence = strata_without_pairs(strata, settings.min_sessions, settings.min_episodes)
    return [sentence] if sentence else []


# --- personas -----------------------------------------------------------------------------------------------------
def _persona_metrics(context: StageContext, out: Path) -> Metrics:
    """Table 1, App. B and the membership attack; writes the validation buyers' vectors."""
    fitted = FittedPersonas.load(context.folder / "personas")
    products, embeddings = context.products()
    buyers = context.table("buyers/buyers.parquet", BUYERS)
    _, codes, vectors = assign_buyers(fitted, buyers, products, embeddings)
    train, validation = (_rows_of(context, vectors, part) for part in ("train", "validation"))
    validation_buyers = vectors.take(validation)
    np.save(out / "vectors.npy", validation_buyers.x)
    labels = fitted.network.bins.labels(validation_buyers)
    codebook = fitted.network.codebook
    kmeans_codes = kmeans(vectors.x[train], len(codebook), context.config.seed)(validation_buyers.x)
    in_training = ~np.isin(vectors.shop_id, fitted.held_out)
    train_distances, validation_distances = (
        np.linalg.norm(fitted.network.encode(vectors.x[rows]) - codebook[codes[rows]], axis=1)
        for rows in (train, validation)
    )
    return (
        cluster_metrics("vqvae", validation_buyers, codes[validation], labels)
        | cluster_metrics("kmeans", validation_buyers, kmeans_codes, labels)
        | population_metrics(
            vectors.take(in_training),
            codes[in_training],
            vectors.take(~in_training),
            codes[~in_training],
            len(codebook),
            context.config.evaluation.bootstrap,
            context.config.seed,
        )
        | membership_metrics(train_distances, validation_distances)
        | smallest_code(codes[train], len(codebook))
    )


def _rows_of(context: StageContext, vectors: BuyerVectors, part: str) -> np.ndarray:
    """Rows of one part ("train" or "validation") of the balanced sample."""
    sample = pq.read_table(context.folder / "personas/sample.parquet")
    sample = sample.filter(pc.equal(sample["part"], part))
    row_of = {key: row for row, key in enumerate(zip(vectors.shop_id, vectors.buyer_id, strict=True))}
    keys = zip(sample["shop_id"].to_pylist(), sample["buyer_id"].to_pylist(), strict=True)
    return np.array([row_of[key] for key in keys], dtype=np.int64)


def _planted_metrics(context: StageContext) -> Metrics:
    """Agreement of the codes with the lab's planted types, over all buyers without bouncers."""
    truth = context.folder / "world/truth/buyers.parquet"
    if context.config.source.format != "lab" or not truth.exists():
        return Metrics({}, {})
    strata = context.table("buyers/buyers.parquet", BUYERS).select([*BUYER, "stratum"])
    joined = context.table("personas/assignments.parquet", ASSIGNMENTS).join(strata, BUYER)
    joined = joined.join(pq.read_table(truth), BUYER, join_type="inner")
    joined = joined.filter(pc.not_equal(joined["stratum"], "E"))
    return planted_metrics(joined["code"].to_numpy(), joined["type"].to_numpy())


# --- visits -------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Real:
    """The recorded data: all sessions (SESSIONS), the `shoppers` (sessions of the simulated stores without bouncers), those that
    `gave_goals` to visits (the only ones with their timelines), the catalogue, buyers.
    """

    sessions: pa.Table
    shoppers: pa.Table
    gave_goals: pa.Table
    products: pa.Table
    buyers: pa.Table
    assignments: pa.Table
    train_shops: list[str]
    head_levels: np.ndarray

    @classmethod
    def of(cls, context: StageContext, episodes: pa.Table) -> Self:
        """Reads the tables of the run with these visits (EPISODES)."""
        sessions, buyers = sessions_without_timeline(context), context.table("buyers/buyers.parquet", BUYERS)
        simulated = simulated_shops(context)
        return cls(
            sessions,
            shopper_sessions(sessions, buyers, simulated),
            sessions_of_goals(context, episodes),
            context.table("events/products.parquet", PRODUCTS),
            buyers,
            context.table("personas/assignments.parquet", ASSIGNMENTS),
            [shop for shop in buyers["shop_id"].unique().to_pylist() if shop not in simulated],
            FittedPersonas.load(context.folder / "personas").network.head_levels(),
        )


def _policies(context: StageContext) -> list[str]:
    """The policies that made visits; the one that the run is named after comes first."""
    made_visits = context.table("simulation/episodes.parquet", EPISODES)["policy"].unique().to_pylist()
    headline = context.config.simulation.policy
    return [headline, *sorted({*made_visits} - {headline})]


def _visit_metrics(context: StageContext, policies: Sequence[str], out: Path) -> Metrics:
    """The figures of each policy, and the tables of pairs and stores that they are means of."""
    episodes = context.table("simulation/episodes.parquet", EPISODES)
    real = _Real.of(context, episodes)
    metrics, pairs, shops = Metrics({}, {}), [], []
    for policy in policies:
        visits = episodes.filter(pc.equal(episodes["policy"], policy))
        figures, policy_pairs, policy_shops = _policy_metrics(context.config, real, policy, visits)
        metrics |= figures if policy == policies[0] else of_policy(policy, figures)
        pairs.append(policy_pairs)
        shops.append(policy_shops)
    write_table(out / "pairs.parquet", pa.concat_tables(pairs), TOKEN_PAIRS)
    write_table(out / "shop_figures.parquet", pa.concat_tables(shops), SHOP_FIGURES)
    return metrics


def _policy_metrics(config: Config, real: _Real, policy: str, episodes: pa.Table) -> tuple[Metrics, pa.Table, pa.Table]:
    """All figures of one policy's episodes, and its TOKEN_PAIRS and SHOP_FIGURES."""
    settings, seed = config.evaluation, config.seed
    pairs = eligible_pairs(episodes, real.sessions, real.buyers, real.assignments, real.train_shops, settings, seed)
    visited = episodes["shop_id"].unique()
    shoppers = real.shoppers.filter(pc.is_in(real.shoppers["shop_id"], visited))
    tested = separation_metrics(episodes, real.head_levels, settings, seed) | depth_metrics(
        episodes, shoppers, real.buyers, settings.bootstrap, seed
    )
    training, remark = training_of(config, policy)
    metrics = (
        conversion_metrics(pairs, episodes, shoppers, real.train_shops, settings, seed)
        | tested
        | adjusted_tests(tested)
        | outcome_metrics(episodes, training, remark)
        | goal_following_metrics(episodes, real.gave_goals, real.products, settings.bootstrap, seed)
        | ablation_metrics(episodes)
    )
    pair_rows = pairs_table(policy, pairs, purchase_is(episodes))
    return with_inferred_notes(metrics, episodes), pair_rows, shop_figures(policy, episodes, shoppers)


def training_of(config: Config, policy: str) -> tuple[Training, str]:
    """The row of outcomes.* for a policy's visits, and a remark where the policy has no such training.

    A language model has the training of `agent.training`, or that of the pack it comes from. This includes a served model,
    which is expected to be the run's model. Visits of the scorer, and of a model that the run did not train, are reported
    under two_stage, the row of a default run.
    """
    if policy == "scorer":
        return "two_stage", "the scorer has no such training; its visits stand under two_stage"
    if policy not in config.agent.policies:
        return "two_stage", "this run did not train the served model; its visits stand under two_stage"
    pack = None if config.pack is None else Pack.at(config.pack)
    if pack is not None and policy in pack.policies:
        return pack.config.agent.training, ""
    return config.agent.training, ""


def sessions_without_timeline(context: StageContext) -> pa.Table:
    """The numeric columns of SESSIONS; the timelines, most of the file, stay on disk."""
    names = [name for name in SESSIONS.columns if name != "timeline"]
    table = pq.read_table(context.folder / "events/sessions.parquet", columns=names)
    empty = pa.nulls(table.num_rows, SESSIONS.schema.field("timeline").type)
    return SESSIONS.conform(table.append_column("timeline", empty))


def sessions_of_goals(context: StageContext, episodes: pa.Table) -> pa.Table:
    """The sessions (SESSIONS) that gave the visits (EPISODES) their goals, with their timelines, and a few others of their buyers."""
    # by all parts of the key: a source may count the sessions of each buyer from 1
    shop, buyer, session = (pc.field(name).isin(episodes[name].unique()) for name in SESSIONS.key)
    return SESSIONS.conform(pq.read_table(context.folder / "events/sessions.parquet", filters=shop & buyer & session))
