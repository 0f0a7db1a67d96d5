"""From buyers, codes and episodes to figures and the report: evaluation, report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from simpersona.buyers.vectors import BuyerVectors
from simpersona.contracts import ASSIGNMENTS, BUYERS, EPISODES, SESSIONS, Metrics
from simpersona.evaluation.ablation import ablation_metrics
from simpersona.evaluation.alignment import conversion_metrics, eligible_pairs
from simpersona.evaluation.by_shop import pairs_table, shop_figures
from simpersona.evaluation.clusters import cluster_metrics
from simpersona.evaluation.depth import depth_metrics
from simpersona.evaluation.metrics import complete, of_policy, serialise
from simpersona.evaluation.outcomes import outcome_metrics
from simpersona.evaluation.planted import planted_metrics
from simpersona.evaluation.privacy import membership_metrics, smallest_code
from simpersona.evaluation.rates import shopper_sessions
from simpersona.evaluation.recovery import population_metrics
from simpersona.evaluation.resampling import adjusted_tests
from simpersona.evaluation.separation import separation_metrics
from simpersona.evaluation.tables import SHOP_FIGURES, TOKEN_PAIRS
from simpersona.files import write_json, write_table
from simpersona.personas.baselines import kmeans
from simpersona.personas.fitted import FittedPersonas, assign_buyers
from simpersona.pipeline.cold_start import cold_start_figures
from simpersona.pipeline.recorded import simulated_shops
from simpersona.pipeline.stage import StageContext, StageResult
from simpersona.pipeline.tasks import task_figures


def run(context: StageContext, out: Path) -> StageResult:
    """Every table and figure that this run's data allows, as metrics.json."""
    context.progress(0, 3, "persona figures")
    metrics = _persona_metrics(context, out)
    context.progress(1, 3, "planted types")
    metrics |= _planted_metrics(context)
    metrics |= cold_start_figures(context.folder.path, context.config.evaluation.bootstrap, context.config.seed)
    context.progress(2, 3, "simulated against real buyers")
    figures, others = _episode_metrics(context, out)
    done, doers = task_figures(context)
    source, policy = context.config.source.format, context.config.simulation.policy
    metrics = complete(metrics | figures | done, source=source, policy=policy, others=others, doers=doers)
    write_json(out / "metrics.json", serialise(metrics))
    known = sum(value is not None for value in metrics.values.values())
    summary = f"{known} of {len(metrics.values)} figures; the others are null, with the reason in `notes`"
    return StageResult(len(metrics.values), known, summary)


def _persona_metrics(context: StageContext, out: Path) -> Metrics:

    pack = FittedPersonas.load(context.folder / "personas")
    products, embeddings = context.products()
    table = context.table("buyers/buyers.parquet", BUYERS)
    _, codes, vectors = assign_buyers(pack, table, products, embeddings)
    train, validation = (_rows_of(context, vectors, part) for part in ("train", "validation"))
    held = vectors.take(validation)
    np.save(out / "vectors.npy", held.x)
    labels = pack.personas.bins.labels(held)
    codebook = pack.personas.codebook
    baseline = kmeans(vectors.x[train], len(codebook), context.config.seed)(held.x)
    in_training = ~np.isin(vectors.shop_id, pack.held_out)
    member, stranger = (
        np.linalg.norm(pack.personas.encode(vectors.x[rows]) - codebook[codes[rows]], axis=1)
        for rows in (train, validation)
    )
    return (
        cluster_metrics("vqvae", held, codes[validation], labels)
        | cluster_metrics("kmeans", held, baseline, labels)
        | population_metrics(
            vectors.take(in_training),
            codes[in_training],
            vectors.take(~in_training),
            codes[~in_training],
            len(codebook),
            context.config.evaluation.bootstrap,
            context.config.seed,
        )
        | membership_metrics(member, stranger)
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
    """Agreement of the codes with the lab's planted types, on all buyers but the bouncers."""
    truth = context.folder / "world/truth/buyers.parquet"
    if context.config.source.format != "lab" or not truth.exists():
        return Metrics({}, {})
    keys = ["shop_id", "buyer_id"]
    strata = context.table("buyers/buyers.parquet", BUYERS).select([*keys, "stratum"])
    joined = context.table("personas/assignments.parquet", ASSIGNMENTS).join(strata, keys)
    joined = joined.join(pq.read_table(truth), keys, join_type="inner")
    joined = joined.filter(pc.not_equal(joined["stratum"], "E"))
    return planted_metrics(joined["code"].to_numpy(), joined["type"].to_numpy())


def _episode_metrics(context: StageContext, out: Path) -> tuple[Metrics, list[str]]:
    """The figures of the policy that the run is named after, those of the others under keys of their own, and the others'
    names; pairs.parquet and shop_figures.parquet hold what they are the means of.
    """
    episodes, headline = context.table("simulation/episodes.parquet", EPISODES), context.config.simulation.policy
    others = sorted({*episodes["policy"].unique().to_pylist()} - {headline})
    truth = _Truth.of(context)
    metrics, tables = Metrics({}, {}), []
    for name in (headline, *others):
        own = episodes.filter(pc.equal(episodes["policy"], name))
        figures, *found = _policy_figures(context, truth, name, own)
        metrics |= figures if name == headline else of_policy(name, figures)
        tables.append(found)
    for name, contract, parts in zip(
        ("pairs", "shop_figures"), (TOKEN_PAIRS, SHOP_FIGURES), zip(*tables, strict=True), strict=True
    ):
        write_table(out / f"{name}.parquet", pa.concat_tables(parts), contract)
    return metrics, others


@dataclass(frozen=True)
class _Truth:
    """The real side: all sessions (SESSIONS), those of the simulated shops without bouncers', and who the buyers are."""

    sessions: pa.Table
    shoppers: pa.Table
    buyers: pa.Table
    assignments: pa.Table
    train_shops: list[str]
    levels: np.ndarray

    @classmethod
    def of(cls, context: StageContext) -> Self:

        sessions, buyers = sessions_without_timeline(context), context.table("buyers/buyers.parquet", BUYERS)
        simulated = simulated_shops(context)
        return cls(
            sessions,
            shopper_sessions(sessions, buyers, simulated),
            buyers,
            context.table("personas/assignments.parquet", ASSIGNMENTS),
            [shop for shop in buyers["shop_id"].unique().to_pylist() if shop not in simulated],
            FittedPersonas.load(context.folder / "personas").personas.head_levels(),
        )


def _policy_figures(
    context: StageContext, truth: _Truth, policy: str, episodes: pa.Table
) -> tuple[Metrics, pa.Table, pa.Table]:
    """All figures of one policy's episodes, and its TOKEN_PAIRS and SHOP_FIGURES."""
    settings, seed = context.config.evaluation, context.config.seed
    pairs = eligible_pairs(episodes, truth.sessions, truth.buyers, truth.assignments, truth.train_shops, settings, seed)
    played = episodes["shop_id"].unique()
    shoppers = truth.shoppers.filter(pc.is_in(truth.shoppers["shop_id"], played))
    tested = separation_metrics(episodes, truth.levels, settings, seed) | depth_metrics(
        episodes, shoppers, truth.buyers, settings.bootstrap, seed
    )
    metrics = (
        conversion_metrics(pairs, episodes, shoppers, truth.train_shops, settings, seed)
        | tested
        | adjusted_tests(tested)
        | outcome_metrics(episodes, training="two_stage")
        | ablation_metrics(episodes)
    )
    return metrics, pairs_table(policy, pairs), shop_figures(policy, episodes, shoppers)


def sessions_without_timeline(context: StageContext) -> pa.Table:
    """The numeric columns of SESSIONS; the timelines, most of the file, stay on disk."""
    names = [name for name in SESSIONS.columns if name != "timeline"]
    table = pq.read_table(context.folder / "events/sessions.parquet", columns=names)
    empty = pa.nulls(table.num_rows, SESSIONS.schema.field("timeline").type)
    return SESSIONS.conform(table.append_column("timeline", empty))
