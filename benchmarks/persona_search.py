"""What the paper leaves open of the training (REFERENCE 14), searched on the validation buyers of a finished run.

    python benchmarks/persona_search.py RUN_FOLDER --buyers N

The vectors of held-out stores are never made. Prints one line per setting as soon as it is known.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa

from simpersona.buyers.vectorizer import Vectorizer
from simpersona.config.file import load_config
from simpersona.contracts import BUYERS, PRODUCTS
from simpersona.evaluation.clusters import cluster_metrics
from simpersona.evaluation.metric_lookup import metric
from simpersona.files import read_table
from simpersona.personas.sample import balanced_sample, held_out_shops, split
from simpersona.personas.vqvae_training import train_vqvae
from simpersona.pipeline.run_folder import RunFolder

GRID = {
    "commitment_over": ("sum", "mean"),
    "batch_size": (128, 256, 1024),
    "learning_rate": (1e-3, 3e-3),
    "dropout": (0.0, 0.1),
    "epochs": (12,),
}
FIGURES = (
    "stratum_purity",
    "incompatible_codes",
    "incoherent_engagement",
    "incoherent_exploration",
    "incoherent_purchase",
    "calinski_harabasz",
    "codes_used",
)


def main() -> None:
    """One training per point of GRID, all with the run's own seed, split and K."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--buyers", type=int, help="training buyers at most; all without it")
    arguments = parser.parse_args()
    folder, config = RunFolder(arguments.run), load_config(arguments.run / "config.toml")
    table = read_table(folder / "buyers/buyers.parquet", BUYERS)
    held_out = held_out_shops(config.split, table["shop_id"].unique().to_pylist(), config.seed)
    training = table.filter(pa.array(~np.isin(table["shop_id"].to_numpy(), held_out)))
    shops, strata = (training[name].to_numpy() for name in ("shop_id", "stratum"))
    rows = balanced_sample(shops, strata, config.personas, config.seed)
    sample = training.take(pa.array(rows))
    seen, unseen = split(np.arange(len(rows)), config.personas.validation_share, config.seed)
    products = read_table(folder / "events/products.parquet", PRODUCTS)
    embeddings = np.load(folder / "buyers/embeddings.npy")
    vectorizer = Vectorizer.fit(sample.take(pa.array(seen)), products, embeddings, config.buyers)
    vectors = vectorizer.transform(sample, products, embeddings)
    train, validation = vectors.take(seen[: arguments.buyers]), vectors.take(unseen)
    for point in itertools.product(*GRID.values()):
        setting = dict(zip(GRID, point, strict=True))
        personas = train_vqvae(
            train, validation, config.personas.model_copy(update=setting), config.seed, lambda *_: None
        )
        codes, labels = personas.assign(validation.x), personas.bins.labels(validation)
        values = cluster_metrics("vqvae", validation, codes, labels).values
        loss = min(epoch["validation"]["loss"] for epoch in personas.history)
        told = [f"{name} {values[metric('clusters', 'vqvae', name).key]:.4g}" for name in FIGURES]
        sys.stdout.write(f"{setting}: validation loss {loss:.3f}, {', '.join(told)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
