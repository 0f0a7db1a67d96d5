"""Real: the codes beside k-means on two public logs, and what these logs do not contain.

The logs are not part of the repository. $SIMPERSONA_REAL_DATA names the folder that holds rees46/ (any part of a month
of the REES46 multi-category store) and webshop/human_sessions.zip; what is not there is skipped, and said so.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.quiet import Quiet
from benchmarks.results import Section, Table, number
from simpersona.buyers.vectorizer import Vectorizer
from simpersona.config import Config
from simpersona.config.file import load_config
from simpersona.contracts import BUYERS, PRODUCTS, SCALARS, STRATA
from simpersona.evaluation.comparison import COMPARED, Judged, comparison_rows
from simpersona.files import read_json, read_table
from simpersona.personas.baselines import kmeans
from simpersona.personas.sample import balanced_sample, held_out_shops, split
from simpersona.personas.vqvae_training import train_vqvae
from simpersona.pipeline.run import run_pipeline
from simpersona.pipeline.run_folder import RunFolder

FOLDER = "SIMPERSONA_REAL_DATA"
EXAMPLES = Path(__file__).parent.parent / "examples"
LOGS = {"rees46": "rees46", "webshop": "webshop/human_sessions.zip"}
"""Where each log lies in the folder; examples/NAME.toml says how to read it."""
Figures = dict[str, float | int | None]


def section(data: Path | None = None, seeds: Sequence[int] = (0, 1, 2)) -> Section:
    """The comparison on each log of `data`, the folder that $SIMPERSONA_REAL_DATA names by default."""
    folder = data or (Path(os.environ[FOLDER]) if os.environ.get(FOLDER) else None)
    found = {name: folder / place for name, place in LOGS.items() if folder and (folder / place).exists()}
    missing = [name for name in LOGS if name not in found]
    skipped = f" Skipped, because ${FOLDER} names no folder that holds it: {', '.join(missing)}." if missing else ""
    what = (
        f"Real logs, {len(seeds)} seeds each (another sample, split and training; the held-out stores are those of the "
        f"example's settings).{skipped}"
    )
    tables = [table for name, log in found.items() for table in _log(name, log, seeds)]
    return Section("real", what, tables, ("torch", "scikit-learn"))


def _log(name: str, log: Path, seeds: Sequence[int]) -> list[tuple[Table, str]]:
    config = load_config(EXAMPLES / f"{name}.toml")
    source = config.source.model_copy(update={"path": log})
    figures: dict[str, list[Figures]] = {"VQ-VAE": [], "k-means": []}
    with tempfile.TemporaryDirectory() as scratch:
        config = config.model_copy(update={"source": source, "folder": Path(scratch)})
        run = run_pipeline(config, Quiet(), upto="buyers")
        buyers = read_table(run / "buyers/buyers.parquet", BUYERS)
        for seed in seeds:
            for method, values in _codes(run, buyers, config.model_copy(update={"seed": seed})):
                figures[method].append(values)
        quality = read_json(run / "events/quality.json")
    shown = [row for row in COMPARED if row.group != "planted"]
    table = Table((name, *figures), comparison_rows(figures, shown))
    note = (
        f"Real: {name}, K = {config.personas.codes}, held out: {', '.join(config.split.held_out)}. Mean ± standard deviation "
        "over the seeds; the rows down to the codes in use are on the validation buyers, JS and R² on the held-out stores "
        "with the codes' profiles from the training stores. A dash: the figure cannot be computed from this log; R² over "
        f"{len(config.split.held_out)} shops says little."
    )
    return [(_size(name, buyers, quality), _masks(buyers)), (table, note)]


def _size(name: str, buyers: pa.Table, quality: dict[str, object]) -> Table:
    strata = np.array(buyers["stratum"].to_pylist())
    counts = [number(int((strata == stratum).sum()), 6) for stratum in STRATA]
    shops = len(pc.unique(buyers["shop_id"]))
    cells = [f"{quality['rows_kept']:,} of {quality['rows_in']:,}", str(shops), f"{len(buyers):,}", *counts]
    return Table((f"{name}: rows kept", "stores", "buyers, each in one store", *STRATA), [cells])


def _masks(buyers: pa.Table) -> str:
    """Which of the 16 scalars the log does not contain."""
    unknown = [name for name in SCALARS if buyers[name].null_count == len(buyers)]
    names = ", ".join(name.replace("_", " ") for name in unknown)
    return f"Unknown for every buyer, and masked: {names}." if unknown else "No scalar is unknown for every buyer."


def _codes(run: RunFolder, table: pa.Table, config: Config) -> list[tuple[str, Figures]]:
    """The figures of both methods, on the sample and the split that the stage `personas` would draw."""
    products = read_table(run / "events/products.parquet", PRODUCTS)
    embeddings = np.load(run / "buyers/embeddings.npy")
    inside = ~np.isin(
        table["shop_id"].to_numpy(), held_out_shops(config.split, table["shop_id"].unique().to_pylist(), config.seed)
    )
    training = table.filter(pa.array(inside))
    settings, seed = config.personas, config.seed
    rows = balanced_sample(training["shop_id"].to_numpy(), training["stratum"].to_numpy(), settings, seed)
    sample = training.take(pa.array(rows))
    seen, unseen = split(np.arange(len(rows)), settings.validation_share, seed)
    vectorizer = Vectorizer.fit(sample.take(pa.array(seen)), products, embeddings, config.buyers)
    vectors, everybody = (vectorizer.transform(part, products, embeddings) for part in (sample, table))
    train, validation = vectors.take(seen), vectors.take(unseen)
    personas = train_vqvae(train, validation, settings, seed, lambda *_: None)
    sides = (everybody.take(np.flatnonzero(side)) for side in (inside, ~inside))
    judged = Judged(validation, personas.bins.labels(validation), *sides)
    coders = {"VQ-VAE": personas.assign, "k-means": kmeans(train.x, settings.codes, seed)}
    return [(name, judged.figures(coder)) for name, coder in coders.items()]
