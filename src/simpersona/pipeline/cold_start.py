"""Stores without a history: a mix from the catalogue alone, for a new store and, as a check, for the held-out ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from simpersona.buyers.catalogue_vectors import catalogue_vectors, with_vectors
from simpersona.config.file import load_config
from simpersona.contracts import ASSIGNMENTS, BUYERS, MIX, PRODUCTS, STRATA, Metrics
from simpersona.errors import ConfigError
from simpersona.evaluation.cold_start import Predictions, cold_start_metrics
from simpersona.files import read_table
from simpersona.lab.storefront.serve_command import read_catalogue
from simpersona.personas.fitted import FittedPersonas
from simpersona.personas.mix_prediction import MixPredictor, TrainingStores, catalogue_vectors_by_shop
from simpersona.ports import Progress

if TYPE_CHECKING:
    from simpersona.personas.mix_prediction import MixPredictor

MOST_NAMED, LEAST_NAMED = 3, 0.01
"""Of the shops that a new one is like: how many are told, and the smallest weight."""


def cold_start_figures(run: Path, replicates: int, seed: int) -> Metrics:
    """The keys cold_start.* of a run with held-out shops; empty with fewer than two training shops."""
    fitted = FittedPersonas.load(run)
    names, catalogues = _catalogues(*_known_products(run))
    mixes = _mixes(read_table(run / "personas/mix.parquet", MIX), names, len(fitted.network.codebook))
    held = np.isin(names, fitted.held_out)
    if (~held).sum() < 2:
        return Metrics({}, {})
    stores = MixPredictor.fit(TrainingStores(catalogues[~held], mixes[~held]))
    predicted = np.array([stores.mix(one) for one in catalogues[held]]).reshape(-1, mixes.shape[1])
    ranges = [stores.bounds(one) for one in predicted]
    inside = [(low <= real) & (real <= high) for (low, high), real in zip(ranges, mixes[held], strict=True)]
    strata = _strata(run, names[~held], mixes.shape[1])
    found = Predictions(
        mixes[held], predicted, mixes[~held], stores.left_out, np.array(inside).reshape(predicted.shape), strata
    )
    return cold_start_metrics(found, replicates, seed)


def predict_mixes(run: Path, catalog: Path, out: Path, progress: Progress | None = None) -> Iterator[str]:
    """Writes the MIX of each shop of a catalogue (the products.parquet of stores without a history) to `out`, as parquet
    or CSV by its suffix; gives one line per shop in plain words, and one on how far off such a mix is.

    `buyers` is 0, `low` and `high` are where 95 % of the training shops' shares lay around what was predicted of them.
    Raises ConfigError for another suffix or a run with fewer than two training shops, SourceError for a catalogue that
    cannot be read.
    """
    if out.suffix not in {".parquet", ".csv"}:
        raise ConfigError(f"--out {out}: the name must end with .parquet or .csv")
    fitted, config = FittedPersonas.load(run), load_config(run / "config.toml")
    names, catalogues = _catalogues(*_known_products(run))
    kept = ~np.isin(names, fitted.held_out)
    if kept.sum() < 2:
        raise ConfigError(f"{run}: a mix is predicted from two training shops or more; this run has {kept.sum()}")
    mixes = _mixes(read_table(run / "personas/mix.parquet", MIX), names, len(fitted.network.codebook))
    stores = MixPredictor.fit(TrainingStores(catalogues[kept], mixes[kept]))
    products, _ = read_catalogue(catalog)
    asked, new = _catalogues(*with_vectors(products, catalogue_vectors(config.buyers, products, catalog, progress)))
    tables = [MIX.empty(), *(_mix_table(shop, stores, one) for shop, one in zip(asked.tolist(), new, strict=True))]
    table = MIX.check(pa.concat_tables(tables))
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix == ".csv":
        pyarrow.csv.write_csv(table, out)
    else:
        pq.write_table(table, out)
    for shop, one in zip(asked.tolist(), new, strict=True):
        yield f"{shop}: {_in_words(names[kept], stores.donors(one), table.filter(pc.equal(table['shop_id'], shop)))}"
    told = cold_start_figures(run, 1, 0).values
    yield (
        f"of the training shops, each predicted from the others: JS {told['cold_start.js_loo_mean']:.3f}, against "
        f"{told['cold_start.js_loo_global_mean']:.3f} of the mean mix; written to {out}"
    )


def _known_products(run: Path) -> tuple[pa.Table, np.ndarray]:
    return with_vectors(read_table(run / "events/products.parquet", PRODUCTS), np.load(run / "buyers/embeddings.npy"))


def _catalogues(products: pa.Table, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The shops with products, sorted, and the vector of each one's catalogue."""
    names, shop = np.unique(products["shop_id"].to_numpy().astype(str), return_inverse=True)
    return names, catalogue_vectors_by_shop(shop.ravel(), vectors, len(names))


def _mixes(mix: pa.Table, names: Sequence[str] | np.ndarray, codes: int) -> np.ndarray:
    mix = mix.filter(pc.is_in(mix["shop_id"], pa.array(list(map(str, names)))))
    table = np.zeros((len(names), codes))
    table[np.searchsorted(names, mix["shop_id"].to_numpy().astype(str)), mix["code"].to_numpy()] = mix[
        "share"
    ].to_numpy()
    return table


def _strata(run: Path, shops: np.ndarray, codes: int) -> np.ndarray:
    """Of each code the shares of the strata A to D among the buyers of these shops."""
    keys = ["shop_id", "buyer_id"]
    buyers = read_table(run / "buyers/buyers.parquet", BUYERS).select([*keys, "stratum"])
    buyers = buyers.filter(pc.is_in(buyers["shop_id"], pa.array(shops.tolist())))
    joined = buyers.join(read_table(run / "personas/assignments.parquet", ASSIGNMENTS), keys, join_type="inner")
    joined = joined.filter(pc.not_equal(joined["stratum"], "E"))
    counts = np.zeros((codes, 4))
    strata = np.searchsorted(STRATA[:4], joined["stratum"].to_numpy().astype(str))
    np.add.at(counts, (joined["code"].to_numpy(), strata), 1)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def _mix_table(shop: str, stores: MixPredictor, catalogue: np.ndarray) -> pa.Table:
    share = stores.mix(catalogue)
    low, high = stores.bounds(share)
    there = np.flatnonzero(share > 0)
    columns = {"shop_id": [shop] * len(there), "code": there, "share": share[there], "buyers": [0] * len(there)}
    return MIX.conform(pa.table(columns | {"low": low[there], "high": high[there]}))


def _in_words(names: np.ndarray, donors: np.ndarray, mix: pa.Table) -> str:
    first = np.argsort(-donors, kind="stable")[:MOST_NAMED]
    likest = [f"{donors[i]:.0%} {names[i]}" for i in first if donors[i] >= LEAST_NAMED]
    codes = mix.sort_by([("share", "descending")]).slice(0, MOST_NAMED).to_pylist()
    common = [f"{row['code']} ({row['share']:.1%}, {row['low']:.1%} to {row['high']:.1%})" for row in codes]
    return f"like {', '.join(likest)}; most common codes {', '.join(common)}"
