"""From buyers, codes and episodes to figures and the report: evaluation, report."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from simpersona.artifacts import read_json, write_json, write_table, write_text
from simpersona.contracts import ASSIGNMENTS, BUYERS, CARDS, EPISODES, MIX, SESSIONS, STEPS, STRATA, Metrics
from simpersona.contracts_results import SHOP_FIGURES, TOKEN_PAIRS
from simpersona.stages.context import Facts, Run
from simpersona.stages.from_sessions import simulated_shops
from simpersona.stages.pack import Pack, assign_buyers
from simpersona.stages.screenshots import pictures_of
from simpersona.vectors import BuyerVectors


def evaluation(run: Run, out: Path) -> Facts:
    """Every table and figure that this run's data allows, as metrics.json."""
    from simpersona.evaluation.metrics import complete, serialise
    from simpersona.stages.cold_start import cold_start_figures
    from simpersona.stages.shopping_tasks import task_figures

    run.progress(0, 3, "persona figures")
    metrics = _persona_metrics(run, out)
    run.progress(1, 3, "planted types")
    metrics |= _planted_metrics(run)
    metrics |= cold_start_figures(run.folder.path, run.config.evaluation.bootstrap, run.config.seed)
    run.progress(2, 3, "simulated against real buyers")
    figures, others = _episode_metrics(run, out)
    done, doers = task_figures(run)
    source, policy = run.config.source.format, run.config.simulation.policy
    metrics = complete(metrics | figures | done, source=source, policy=policy, others=others, doers=doers)
    write_json(out / "metrics.json", serialise(metrics))
    known = sum(value is not None for value in metrics.values.values())
    summary = f"{known} of {len(metrics.values)} figures; the others are null, with the reason in `notes`"
    return Facts(len(metrics.values), known, summary)


def _persona_metrics(run: Run, out: Path) -> Metrics:
    from simpersona.evaluation.clusters import cluster_metrics
    from simpersona.evaluation.privacy import membership_metrics, smallest_code
    from simpersona.evaluation.recovery import population_metrics
    from simpersona.personas.baselines import kmeans

    pack = Pack.load(run.folder / "personas")
    products, embeddings = run.products()
    table = run.table("buyers/buyers.parquet", BUYERS)
    _, codes, vectors = assign_buyers(pack, table, products, embeddings)
    train, validation = (_rows_of(run, vectors, part) for part in ("train", "validation"))
    held = vectors.take(validation)
    np.save(out / "vectors.npy", held.x)
    labels = pack.personas.bins.labels(held)
    codebook = pack.personas.codebook
    baseline = kmeans(vectors.x[train], len(codebook), run.config.seed)(held.x)
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
            run.config.evaluation.bootstrap,
            run.config.seed,
        )
        | membership_metrics(member, stranger)
        | smallest_code(codes[train], len(codebook))
    )


def _rows_of(run: Run, vectors: BuyerVectors, part: str) -> np.ndarray:
    """Rows of one part ("train" or "validation") of the balanced sample."""
    sample = pq.read_table(run.folder / "personas/sample.parquet")
    sample = sample.filter(pc.equal(sample["part"], part))
    row_of = {key: row for row, key in enumerate(zip(vectors.shop_id, vectors.buyer_id, strict=True))}
    keys = zip(sample["shop_id"].to_pylist(), sample["buyer_id"].to_pylist(), strict=True)
    return np.array([row_of[key] for key in keys], dtype=np.int64)


def _planted_metrics(run: Run) -> Metrics:
    """Agreement of the codes with the lab's planted types, on all buyers but the bouncers."""
    from simpersona.evaluation.planted import planted_metrics

    truth = run.folder / "world/truth/buyers.parquet"
    if run.config.source.format != "lab" or not truth.exists():
        return Metrics({}, {})
    keys = ["shop_id", "buyer_id"]
    strata = run.table("buyers/buyers.parquet", BUYERS).select([*keys, "stratum"])
    joined = run.table("personas/assignments.parquet", ASSIGNMENTS).join(strata, keys)
    joined = joined.join(pq.read_table(truth), keys, join_type="inner")
    joined = joined.filter(pc.not_equal(joined["stratum"], "E"))
    return planted_metrics(joined["code"].to_numpy(), joined["type"].to_numpy())


def _episode_metrics(run: Run, out: Path) -> tuple[Metrics, list[str]]:
    """The figures of the policy that the run is named after, those of the others under keys of their own, and the others'
    names; pairs.parquet and shop_figures.parquet hold what they are the means of.
    """
    from simpersona.evaluation.metrics import of_policy

    episodes, headline = run.table("simulation/episodes.parquet", EPISODES), run.config.simulation.policy
    others = sorted({*episodes["policy"].unique().to_pylist()} - {headline})
    truth = _Truth.of(run)
    metrics, tables = Metrics({}, {}), []
    for name in (headline, *others):
        own = episodes.filter(pc.equal(episodes["policy"], name))
        figures, *found = _policy_figures(run, truth, name, own)
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
    def of(cls, run: Run) -> Self:
        from simpersona.evaluation.rates import shopper_sessions

        sessions, buyers = sessions_without_timeline(run), run.table("buyers/buyers.parquet", BUYERS)
        simulated = simulated_shops(run)
        return cls(
            sessions,
            shopper_sessions(sessions, buyers, simulated),
            buyers,
            run.table("personas/assignments.parquet", ASSIGNMENTS),
            [shop for shop in buyers["shop_id"].unique().to_pylist() if shop not in simulated],
            Pack.load(run.folder / "personas").personas.head_levels(),
        )


def _policy_figures(run: Run, truth: _Truth, policy: str, episodes: pa.Table) -> tuple[Metrics, pa.Table, pa.Table]:
    """All figures of one policy's episodes, and its TOKEN_PAIRS and SHOP_FIGURES."""
    from simpersona.evaluation.ablation import ablation_metrics
    from simpersona.evaluation.alignment import conversion_metrics, eligible_pairs
    from simpersona.evaluation.by_shop import pairs_table, shop_figures
    from simpersona.evaluation.depth import depth_metrics
    from simpersona.evaluation.outcomes import outcome_metrics
    from simpersona.evaluation.resampling import adjusted_tests
    from simpersona.evaluation.separation import separation_metrics

    settings, seed = run.config.evaluation, run.config.seed
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


def sessions_without_timeline(run: Run) -> pa.Table:
    """The numeric columns of SESSIONS; the timelines, most of the file, stay on disk."""
    names = [name for name in SESSIONS.columns if name != "timeline"]
    table = pq.read_table(run.folder / "events/sessions.parquet", columns=names)
    empty = pa.nulls(table.num_rows, SESSIONS.schema.field("timeline").type)
    return SESSIONS.conform(table.append_column("timeline", empty))


def report(run: Run, out: Path) -> Facts:
    """One self-contained HTML file."""
    from simpersona.evaluation.recovery import predicted_strata
    from simpersona.report.page import ReportInputs, render_report

    pack = Pack.load(run.folder / "personas")
    metrics = read_json(run.folder / "evaluation/metrics.json")
    buyers = run.table("buyers/buyers.parquet", BUYERS)
    assignments = run.table("personas/assignments.parquet", ASSIGNMENTS)
    train_shops = set(buyers["shop_id"].unique().to_pylist()) - set(pack.held_out)
    steps = run.table("simulation/steps.parquet", STEPS)
    html = render_report(
        ReportInputs(
            metrics={key: value for key, value in metrics.items() if key != "notes"},
            notes=metrics["notes"],
            config=run.config.model_dump(mode="json"),
            stages=[vars(record) for record in run.folder.records.values()],
            quality=read_json(run.folder / "events/quality.json"),
            strata_by_shop=_strata_by_shop(buyers),
            predicted_strata=predicted_strata(buyers, assignments, train_shops),
            cards=run.table("personas/cards.parquet", CARDS),
            mix=run.table("personas/mix.parquet", MIX),
            persona_history=pack.personas.history,
            codebook=pack.personas.codebook,
            trace_episodes=run.table("traces/episodes.parquet", EPISODES),
            simulated_episodes=run.table("simulation/episodes.parquet", EPISODES),
            steps=steps,
            training=read_json(run.folder / "agent/training.json"),
            held_out_shops=list(pack.held_out),
            shop_figures=_shop_figures(run),
            pictures=partial(pictures_of, run.folder / "simulation"),
            folder=str(run.folder.path),
        )
    )
    write_text(out / "index.html", html)
    return Facts(len(metrics), 1, f"{len(html) / 1e6:.1f} MB, {steps.num_rows} recorded steps")


def _shop_figures(run: Run) -> list[dict]:
    """Rows of evaluation/shop_figures.parquet; none where it was not written."""
    place = run.folder / "evaluation/shop_figures.parquet"
    return pq.read_table(place).to_pylist() if place.exists() else []


def _strata_by_shop(buyers: pa.Table) -> dict[str, dict[str, int]]:
    counts = buyers.group_by(["shop_id", "stratum"]).aggregate([([], "count_all")]).to_pylist()
    shops: dict[str, dict[str, int]] = {}
    for row in sorted(counts, key=lambda row: row["shop_id"]):
        shops.setdefault(row["shop_id"], dict.fromkeys(STRATA, 0))[row["stratum"]] = row["count_all"]
    return shops
