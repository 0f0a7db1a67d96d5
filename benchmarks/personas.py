"""Personas: what training and assigning cost, and their codes beside those of other clusterings on 81 stores."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from scipy.sparse import csr_array
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from benchmarks.ablation import drawn_buyers
from benchmarks.measure import Cost, Stopwatch, costs, median_cost, sgemm_flops
from benchmarks.quiet import Quiet
from benchmarks.results import Section, Table, number
from benchmarks.vq_library import library_epochs
from simpersona.buyers.vectors import BuyerVectors
from simpersona.config import BuyersConfig, Config, LabConfig, PersonasConfig, SplitConfig
from simpersona.config.file import load_config
from simpersona.contracts import CHANNELS, SCALARS
from simpersona.evaluation.comparison import comparison_rows
from simpersona.personas.baselines import Coder, kmeans, mixture
from simpersona.personas.codebook import Codebook
from simpersona.personas.folded import FoldedPersonas
from simpersona.personas.model import PersonaNetwork
from simpersona.personas.network import one_thread
from simpersona.personas.vqvae_training import train_vqvae
from simpersona.pipeline.run import run_pipeline

EPOCHS_TIMED = 2
PRODUCTS = 1_500
PAPER = Path(__file__).parents[1] / "configs/paper.toml"


def section(
    buyers: int = 44_559,
    codes: int = 256,
    lab: LabConfig | None = None,
    personas: PersonasConfig | None = None,
    embedder: str = "minilm",
    seeds: Sequence[int] = (0, 1, 2),
) -> Section:
    """Costs on `buyers` made-up vectors, and the comparison on the world of `lab`."""
    settings = personas or load_config(PAPER).personas
    config = Config(
        lab=lab or LabConfig(shops=81, buyers=200_000, products_per_shop=60, output="parquet"),
        split=SplitConfig(held_out_share=0.52),  # 42 of 81 shops
        personas=settings,
        buyers=BuyersConfig(embedder=embedder),  # pyright: ignore[reportArgumentType] - checked there
    )
    what = (
        f"Costs: {buyers:,} random buyer vectors (the paper's number) of 403 dimensions, K = {codes}, on one thread. Quality: the "
        f"generated world of {config.lab.shops} stores and {config.lab.buyers:,} buyers, embedder {embedder}, "
        f"K = {settings.codes}; {len(seeds)} seeds, each with other held-out stores, another sample, split and training."
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
    for batch in (128, 256, 1024):
        epochs = settings.model_copy(update={"codes": codes, "batch_size": batch, "epochs": EPOCHS_TIMED})
        laps, personas = _epochs(train, validation, epochs)
        per_buyer = 3 * 2 * _weights(personas)  # forward once, backward twice
        name = f"one epoch, batches of {batch}"
        lines.append(_line(f"{name}, validation of {len(validation):,} included", laps, buyers, per_buyer, bound))
        library = list(library_epochs(train, epochs))[-1]
        lines.append(_line(f"{name}, codebook of vector-quantize-pytorch", library, buyers, per_buyer, bound))
    z = torch.from_numpy(personas.encode(vectors.x))
    with one_thread():
        start, _ = costs(lambda: Codebook.start(z, codes, 256, 0), 3)
    lines.append(_line("k-means++ start", start, buyers, None, bound))
    assigning, _ = costs(lambda: personas.assign(vectors.x), 5)
    sizes = personas.network.sizes
    per_buyer = 2 * (sum(a * b for a, b in pairwise(sizes)) + codes * sizes[-1])
    lines.append(_line("assigning", assigning, buyers, per_buyer, bound))
    plain, folded, same = _assigning_bags(personas, vectors)
    lines.append(_line("assigning, of a catalogue's vectors", plain, buyers, per_buyer, bound))
    lines.append(_line("the same, folded into the catalogue", folded, buyers, None, bound))
    note = (
        f"Share of the bound: matrix products that the task needs, at the speed of numpy's float32 product of 1,024 × "
        f"1,024 matrices on one thread ({number(bound / 1e9)} GFLOP per CPU-second in this run), as a part of the time taken. Folded "
        f"into a catalogue of {PRODUCTS:,} products (1 to 3 per buyer and channel), codes take {plain.cpu / folded.cpu:.2f} times "
        f"less; {same:,} of {buyers:,} are the same."
    )
    return Table(("", "CPU-seconds", "buyers per CPU-second", "share of the bound"), lines), note


def _assigning_bags(personas: PersonaNetwork, vectors: BuyerVectors) -> tuple[Cost, Cost, int]:
    """What the codes of buyers cost whose channels are means of products: as vectors, and folded; how many are the same."""
    rng = np.random.default_rng(0)
    z, masks = vectors.x[:, : len(SCALARS)], vectors.x[:, -len(CHANNELS) :] > 0
    width = (vectors.x.shape[1] - len(SCALARS) - len(CHANNELS)) // len(CHANNELS)
    products = rng.normal(size=(PRODUCTS, width)).astype(np.float32)
    starts, rows, channels = [], [], []
    for present in masks.T:
        sizes = rng.integers(1, 4, len(z)) * present
        starts.append(np.concatenate([[0], np.cumsum(sizes)]))
        rows.append(rng.integers(0, PRODUCTS, starts[-1][-1]))
        share = np.repeat(1 / np.maximum(sizes, 1), sizes)
        bag = csr_array((share, rows[-1], starts[-1]), shape=(len(z), PRODUCTS))
        channels.append((bag @ products).astype(np.float32))
    x = np.hstack([z, *channels, masks.astype(np.float32)])
    fold = FoldedPersonas(personas, products)
    with threadpool_limits(1):
        fold.assign(z, tuple(starts), tuple(rows))  # compiles
        plain, codes = costs(lambda: personas.assign(x), 9)
        folded, found = costs(lambda: fold.assign(z, tuple(starts), tuple(rows)), 9)
    return plain, folded, int((codes == found).sum())


def _line(name: str, cost: Cost, buyers: int, flops_each: float | None, bound: float) -> list[str]:
    share = "–" if flops_each is None else f"{flops_each * buyers / bound / cost.cpu:.0%}"
    return [name, number(cost.cpu), number(buyers / cost.cpu), share]


def _epochs(train: BuyerVectors, validation: BuyerVectors, settings: PersonasConfig) -> tuple[Cost, PersonaNetwork]:
    """The median cost of the epochs after the first, which also pays for the start."""
    watch, laps = Stopwatch(), []
    personas = train_vqvae(train, validation, settings, 0, lambda *_: laps.append(watch.lap()))
    return median_cost(laps[1:EPOCHS_TIMED]), personas


def _weights(personas: PersonaNetwork) -> int:
    return sum(parameter.numel() for parameter in personas.network.parameters() if parameter.ndim == 2)


# --- quality ----------------------------------------------------------------------------------


def _quality(config: Config, seeds: Sequence[int]) -> tuple[Table, str]:
    found: dict[str, list[dict[str, float | int | None]]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        world = run_pipeline(config.model_copy(update={"folder": Path(scratch)}), Quiet(), upto="buyers")
        for seed in seeds:
            train, validation, judged = drawn_buyers(world, config.model_copy(update={"seed": seed}))
            for name, coder in _coders(train, validation, config.personas, seed):
                found.setdefault(name, []).append(judged.figures(coder))
    note = (
        "Mean ± standard deviation over the seeds. The rows down to the codes in use are on the validation buyers, as in "
        "Table 1 of the paper; JS and R² on the held-out stores, with the codes' profiles from the training stores; planted "
        "types on all buyers. Bouncers are left out. k-means: MiniBatch, as in the paper; Lloyd: k-means run until it converges; it minimises the denominator of the Calinski-Harabasz index. Mixture: Gaussians with diagonal covariances."
    )
    return Table(("", *found), comparison_rows(found)), note


def _coders(
    train: BuyerVectors, validation: BuyerVectors, settings: PersonasConfig, seed: int
) -> Iterator[tuple[str, Coder]]:
    yield "personas", train_vqvae(train, validation, settings, seed, lambda *_: None).assign
    yield "k-means", kmeans(train.x, settings.codes, seed)
    lloyd = KMeans(min(settings.codes, len(train)), n_init=1, max_iter=50, random_state=seed)
    yield "Lloyd", lloyd.fit(train.x).predict
    yield "mixture", mixture(train.x, settings.codes, seed)
