"""Ablation: the codes of the whole loss beside those without each of its terms, and beside the baselines."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.quiet import Quiet
from benchmarks.results import Section, Table
from simpersona.buyers.vectorizer import Vectorizer
from simpersona.buyers.vectors import BuyerVectors
from simpersona.config import BuyersConfig, Config, LabConfig, PersonasConfig, SplitConfig
from simpersona.contracts import BUYERS, PRODUCTS
from simpersona.evaluation.comparison import Judged, comparison_rows
from simpersona.files import read_table
from simpersona.personas.baselines import Coder, ablations, kmeans, mixture, plain_vqvae
from simpersona.personas.bins import HeadBins
from simpersona.personas.sample import balanced_sample, held_out_shops, split
from simpersona.personas.vqvae_training import train_vqvae
from simpersona.pipeline.run import run_pipeline
from simpersona.pipeline.run_folder import RunFolder

TERMS = {"head": "heads"}
"""How a term of the loss is called in the table, where not by its name."""


def section(
    lab: LabConfig | None = None,
    personas: PersonasConfig | None = None,
    embedder: str = "minilm",
    seeds: Sequence[int] = (0, 1, 2),
) -> Section:
    """The comparison on the world of `lab`."""
    settings = personas or PersonasConfig(codes=64)
    config = Config(
        lab=lab or LabConfig(shops=12, buyers=12_000),
        split=SplitConfig(held_out_share=0.5),
        personas=settings,
        buyers=BuyersConfig(embedder=embedder),  # pyright: ignore[reportArgumentType] - checked there
    )
    found: dict[str, list[dict[str, float | int | None]]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        world = run_pipeline(config.model_copy(update={"folder": Path(scratch)}), Quiet(), upto="buyers")
        for seed in seeds:
            train, validation, judged = drawn_buyers(world, config.model_copy(update={"seed": seed}))
            for name, coder in _coders(train, validation, settings, seed):
                found.setdefault(name, []).append(judged.figures(coder))
    what = (
        f"Generated: {config.lab.shops} stores (half of them are held-out stores) and {config.lab.buyers:,} buyers of "
        f"{config.lab.types} types, embedder {embedder}, K = {settings.codes} for all; {len(seeds)} seeds, each with other "
        "held-out stores, another sample, split and training."
    )
    note = (
        "Mean ± standard deviation over the seeds. The rows down to the codes in use are on the validation buyers; JS and R² "
        "on the held-out stores, with the codes' profiles from the training stores; planted types on all buyers. Bouncers are "
        "left out. Plain VQ-VAE: neither contrastive loss nor heads. Mixture: Gaussians with diagonal covariances."
    )
    table = Table(("", *found), comparison_rows(found))
    return Section("ablation", what, [(table, note)], ("torch", "scikit-learn"))


def _coders(
    train: BuyerVectors, validation: BuyerVectors, settings: PersonasConfig, seed: int
) -> Iterator[tuple[str, Coder]]:
    without = {f"no {TERMS.get(term, term)}": one for term, one in ablations(settings).items()}
    for name, one in ({"whole loss": settings} | without | {"plain VQ-VAE": plain_vqvae(settings)}).items():
        yield name, train_vqvae(train, validation, one, seed, lambda *_: None).assign
    yield "k-means", kmeans(train.x, settings.codes, seed)
    yield "mixture", mixture(train.x, settings.codes, seed)


def drawn_buyers(world: RunFolder, config: Config) -> tuple[BuyerVectors, BuyerVectors, Judged]:
    """The training and the validation buyers, and all that codes are judged on, as the stage `personas` draws them."""
    table = read_table(world / "buyers/buyers.parquet", BUYERS)
    products = read_table(world / "events/products.parquet", PRODUCTS)
    embeddings = np.load(world / "buyers/embeddings.npy")
    inside = ~np.isin(
        table["shop_id"].to_numpy(), held_out_shops(config.split, table["shop_id"].unique().to_pylist(), config.seed)
    )
    training = table.filter(pa.array(inside))
    rows = balanced_sample(training["shop_id"].to_numpy(), training["stratum"].to_numpy(), config.personas, config.seed)
    sample = training.take(pa.array(rows))
    seen, unseen = split(np.arange(len(rows)), config.personas.validation_share, config.seed)
    vectorizer = Vectorizer.fit(sample.take(pa.array(seen)), products, embeddings, config.buyers)
    vectors = vectorizer.transform(sample, products, embeddings)
    everybody = vectorizer.transform(table, products, embeddings)
    truth = pq.read_table(world / "world/truth/buyers.parquet", columns=["shop_id", "buyer_id", "type"]).to_pylist()
    type_of = {(row["shop_id"], row["buyer_id"]): row["type"] for row in truth}
    types = np.array([type_of[key] for key in zip(everybody.shop_id, everybody.buyer_id, strict=True)])
    train, validation = vectors.take(seen), vectors.take(unseen)
    labels = HeadBins.fit(train, config.personas).labels(validation)
    sides = [everybody.take(np.flatnonzero(side)) for side in (inside, ~inside)]
    return train, validation, Judged(validation, labels, *sides, (types[inside], types[~inside]))
