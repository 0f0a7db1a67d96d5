"""Personas: what training and assigning cost, and the codes beside those of k-means on the default world."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from benchmarks.measure import Cost, Stopwatch, costs, median_cost, sgemm_flops
from benchmarks.quiet import Quiet
from benchmarks.results import Section, Table, number
from simpersona.buyers.vectorizer import Vectorizer
from simpersona.config import BuyersConfig, Config, LabConfig, PersonasConfig
from simpersona.contracts import BUYERS, CHANNELS, HEADS, PRODUCTS, SCALARS, Metrics
from simpersona.evaluation.clusters import cluster_metrics
from simpersona.evaluation.planted import planted_metrics
from simpersona.evaluation.recovery import population_metrics
from simpersona.personas.baselines import kmeans
from simpersona.personas.codebook import Codebook
from simpersona.personas.learn import learn
from simpersona.personas.model import Personas
from simpersona.personas.network import one_thread
from simpersona.personas.sample import balanced_sample, split
from simpersona.pipeline import run_pipeline
from simpersona.stages.from_events import held_out_shops
from simpersona.vectors import BuyerVectors

FIGURES = {
    "stratum purity": "clusters.{}.stratum_purity",
    "incompatible codes": "clusters.{}.incompatible_codes",
    **{f"incoherent: {head}": f"clusters.{{}}.incoherent_{head}" for head in HEADS},
    "pairwise cosine": "clusters.{}.pairwise_cosine",
    "Calinski-Harabasz": "clusters.{}.calinski_harabasz",
    "codes in use": "clusters.{}.codes_used",
    "JS, held-out shops": "population.js_mean",
    "JS, one code for everybody": "population.one_code.js_mean",
    "planted types, adjusted Rand": "planted.adjusted_rand",
}
EPOCHS_TIMED = 2


def section(
    buyers: int = 44_559,
    codes: int = 256,
    lab: LabConfig | None = None,
    personas: PersonasConfig | None = None,
    embedder: str = "minilm",
    seeds: Sequence[int] = (0, 1, 2),
) -> Section:
    """Costs on `buyers` made-up vectors, and the comparison on the world of `lab`."""
    settings = personas or PersonasConfig()
    config = Config(
        lab=lab or LabConfig(),
        personas=settings,
        buyers=BuyersConfig(embedder=embedder),  # pyright: ignore[reportArgumentType] - checked there
    )
    what = (
        f"Costs: {buyers:,} made-up buyers (the paper's number) of 403 dimensions, K = {codes}, on one thread. Quality: the "
        f"generated world of {config.lab.shops} shops and {config.lab.buyers:,} buyers, embedder {embedder}, "
        f"K = {settings.codes}; {len(seeds)} seeds, each with other held-out shops, another sample, split and training."
    )
    tables = [_costs(buyers, codes, settings), _quality(config, seeds)]
    return Section("personas", what, tables, ("torch", "numpy", "scikit-learn"))


# --- costs ------------------------------------------------------------------------------------


def made_up(buyers: int, seed: int = 0, channel_dim: int = 128) -> BuyerVectors:
    """Buyers without meaning but with the shape, sparsity and raw counts that training asks for."""
    rng = np.random.default_rng(seed)
    sessions = 1 + rng.poisson(2, buyers)
    raw = {name: rng.gamma(1, 50, buyers) for name in SCALARS}
    depth = rng.choice(4, buyers, p=[0.6, 0.2, 0.1, 0.1])  # views, cart, checkout, purchase
    for name, least in (("add_to_cart", 1), ("checkout_start", 2), ("purchase", 3)):
        raw[f"{name}_session_count"] = np.where(depth >= least, rng.integers(1, sessions + 1), 0)
    raw |= {name: rng.binomial(sessions, 0.5) for name in ("search_session_count", "collection_session_count")}
    raw["product_view_session_count"] = raw["session_count"] = sessions
    scalars = np.column_stack([raw[name] for name in SCALARS]).astype(float)
    logs = np.log1p(scalars)
    masks = np.column_stack([depth >= least for least in (0, 1, 3)])
    channels = [rng.normal(size=(buyers, channel_dim)) * masks[:, [row]] for row in range(len(CHANNELS))]
    return BuyerVectors(
        np.full(buyers, "shop"),
        np.arange(buyers).astype(str),
        np.array(list("DCBA"))[depth],
        np.hstack([(logs - logs.mean(0)) / logs.std(0), *channels, masks]).astype(np.float32),
        scalars,
    )


def _costs(buyers: int, codes: int, settings: PersonasConfig) -> tuple[Table, str]:
    vectors = made_up(buyers)
    rows = np.arange(buyers)
    train, validation = vectors.take(rows[buyers // 20 :]), vectors.take(rows[: buyers // 20])
    bound = sgemm_flops()
    lines: list[list[str]] = []
    for batch in (64, 256):
        epochs = settings.model_copy(update={"codes": codes, "batch_size": batch, "epochs": EPOCHS_TIMED})
        laps, personas = _epochs(train, validation, epochs)
        per_buyer = 3 * 2 * _weights(personas)  # forward once, backward twice
        lines.append(
            _line(
                f"one epoch, batches of {batch}, validation of {len(validation):,} included",
                laps,
                buyers,
                per_buyer,
                bound,
            )
        )
    z = torch.from_numpy(personas.encode(vectors.x))
    with one_thread():
        start, _ = costs(lambda: Codebook.start(z, codes, 256, 0), 3)
    lines.append(_line("k-means++ start", start, buyers, None, bound))
    assigning, _ = costs(lambda: personas.assign(vectors.x), 5)
    sizes = personas.network.sizes
    per_buyer = 2 * (sum(a * b for a, b in pairwise(sizes)) + codes * sizes[-1])
    lines.append(_line("assigning", assigning, buyers, per_buyer, bound))
    note = (
        f"Share of the bound: matrix products that the task needs, at the speed of numpy's float32 product of 1,024 × "
        f"1,024 matrices on one thread ({number(bound / 1e9)} GFLOP per CPU-second in this run), as a part of the time taken."
    )
    return Table(("", "CPU-seconds", "buyers per CPU-second", "share of the bound"), lines), note


def _line(name: str, cost: Cost, buyers: int, flops_each: float | None, bound: float) -> list[str]:
    share = "–" if flops_each is None else f"{flops_each * buyers / bound / cost.cpu:.0%}"
    return [name, number(cost.cpu), number(buyers / cost.cpu), share]


def _epochs(train: BuyerVectors, validation: BuyerVectors, settings: PersonasConfig) -> tuple[Cost, Personas]:
    """The median cost of the epochs after the first, which also pays for the start."""
    watch, laps = Stopwatch(), []
    personas = learn(train, validation, settings, 0, lambda *_: laps.append(watch.lap()))
    return median_cost(laps[1:EPOCHS_TIMED]), personas


def _weights(personas: Personas) -> int:
    return sum(parameter.numel() for parameter in personas.network.parameters() if parameter.ndim == 2)


# --- quality ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _World:
    """All buyers of the world, their catalogue, and their planted types."""

    buyers: pa.Table
    products: pa.Table
    embeddings: np.ndarray
    types: dict[tuple[str, str], int]


def _quality(config: Config, seeds: Sequence[int]) -> tuple[Table, str]:
    found: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        world = _world(config.model_copy(update={"folder": Path(scratch)}))
    for seed in seeds:
        for name, values in _figures(world, config, seed):
            found.setdefault(name, []).append(values)
    rows = [
        [figure, *(_spread([values.get(figure) for values in found[name]]) for name in found)] for figure in FIGURES
    ]
    note = (
        "Mean ± standard deviation over the seeds. The first eight rows are on the validation buyers, as in Table 1 of the "
        "paper; JS is the mean Jensen-Shannon divergence of the strata predicted for the held-out shops (lower is better), "
        "beside what the strata of the training shops alone would predict. Bouncers are left out."
    )
    return Table(("", *found), rows), note


def _world(config: Config) -> _World:
    folder = run_pipeline(config, Quiet(), upto="buyers")
    truth = pq.read_table(folder / "world/truth/buyers.parquet")
    keys = zip(truth["shop_id"].to_pylist(), truth["buyer_id"].to_pylist(), strict=True)
    return _World(
        BUYERS.conform(pq.read_table(folder / "buyers/buyers.parquet")),
        PRODUCTS.conform(pq.read_table(folder / "events/products.parquet")),
        np.load(folder / "buyers/embeddings.npy"),
        dict(zip(keys, truth["type"].to_pylist(), strict=True)),
    )


def _figures(world: _World, config: Config, seed: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Column by column, as the stages `personas` and `evaluation` do it."""
    settings = config.personas
    held_out = held_out_shops(config.model_copy(update={"seed": seed}), world.buyers["shop_id"].unique().to_pylist())
    training = world.buyers.filter(pc.invert(pc.is_in(world.buyers["shop_id"], pa.array(held_out, pa.string()))))
    sample = training.take(
        balanced_sample(training["shop_id"].to_numpy(), training["stratum"].to_numpy(), settings, seed)
    )
    train_rows, validation_rows = split(np.arange(sample.num_rows), settings.validation_share, seed)
    vectorizer = Vectorizer.fit(sample.take(train_rows), world.products, world.embeddings, config.buyers)
    vectors = vectorizer.transform(sample, world.products, world.embeddings)
    everybody = vectorizer.transform(world.buyers, world.products, world.embeddings)
    train, validation = vectors.take(train_rows), vectors.take(validation_rows)
    types = np.array([world.types[key] for key in zip(everybody.shop_id, everybody.buyer_id, strict=True)])
    inside = ~np.isin(everybody.shop_id, held_out)

    def judged(kind: str, of_validation: np.ndarray, of_all: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
        kept = everybody.stratum != "E"
        sides = everybody.take(np.flatnonzero(inside)), everybody.take(np.flatnonzero(~inside))
        one = population_metrics(sides[0], of_all[inside] * 0, sides[1], of_all[~inside] * 0, 1)
        metrics = (
            cluster_metrics(kind, validation, of_validation, labels)
            | population_metrics(sides[0], of_all[inside], sides[1], of_all[~inside], settings.codes)
            | planted_metrics(of_all[kept], types[kept])
            | Metrics({"population.one_code.js_mean": one.values["population.js_mean"]}, {})
        )
        return {figure: metrics.values[key.format(kind)] for figure, key in FIGURES.items()}

    for batch in (64, 256):
        personas = learn(train, validation, settings.model_copy(update={"batch_size": batch}), seed, lambda *_: None)
        labels = personas.bins.labels(validation)
        yield (
            f"VQ-VAE, batch {batch}",
            judged("vqvae", personas.assign(validation.x), personas.assign(everybody.x), labels),
        )
    both = kmeans(train.x, settings.codes, seed)(np.concatenate([validation.x, everybody.x]))
    yield "k-means", judged("kmeans", both[: len(validation)], both[len(validation) :], labels)


def _spread(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    digits = 3 if max(map(abs, known)) < 1 else 1
    spread = f" ± {stdev(known):.{digits}f}" if len(known) > 1 else ""
    return f"{mean(known):.{digits}f}{spread}"
