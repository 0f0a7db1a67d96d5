"""Stores without a history: predicts the mix of a new store, or of a held-out store as a check, from its catalogue."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simpersona.buyers.catalogue_vectors import catalogue_vectors, with_vectors
from simpersona.config.file import load_config
from simpersona.contracts import ASSIGNMENTS, BUYERS, MIX, PRODUCTS, STRATA, Metrics
from simpersona.errors import ConfigError
from simpersona.evaluation.cold_start import Predictions, cold_start_metrics
from simpersona.files import export_table, read_table, require_table_suffix
from simpersona.lab.storefront.serve_command import read_catalogue
from simpersona.personas.fitted import FittedPersonas
from simpersona.personas.mix_prediction import MixPredictor, TrainingStores, catalogue_vectors_by_shop
from simpersona.ports import Progress

if TYPE_CHECKING:
    from simpersona.personas.mix_prediction import MixPredictor

MOST_NAMED, LEAST_NAMED = 3, 0.01
"""The number of similar stores that are named, and their smallest weight."""


def cold_start_figures(run: Path, replicates: int, seed: int) -> Metrics:
    """The keys cold_start.* of a run; no keys with fewer than two training stores."""
    fitted = FittedPersonas.load(run)
    names, catalogues = _catalogues(*_known_products(run))
    mixes = _mixes(read_table(run / "personas/mix.parquet", MIX), names, len(fitted.network.codebook))
    held = np.isin(names, fitted.held_out)
    if (~held).sum() < 2:
        return Metrics({}, {})
    stores = MixPredictor.fit(TrainingStores(catalogues[~held], mixes[~held]))
    predicted = np.array([stores.mix(catalogue) for catalogue in catalogues[held]]).reshape(-1, mixes.shape[1])
    ranges = [stores.bounds(mix) for mix in predicted]
    inside = [(low <= real) & (real <= high) for (low, high), real in zip(ranges, mixes[held], strict=True)]
    strata = _strata(run, names[~held], mixes.shape[1])
    predictions = Predictions(
        mixes[held], predicted, mixes[~held], stores.left_out, np.array(inside).reshape(predicted.shape), strata
    )
    return cold_start_metrics(predictions, replicates, seed)


def predict_mixes(run: Path, catalog: Path, out: Path, progress: Progress | None = None) -> Iterator[str]:
    """Writes the MIX of each store of a catalogue (the products.parquet of stores without a history) to `out`, as parquet or
    CSV by the suffix. Yields one line of text per store, and one on the error of such a mix.

    `buyers` is 0; `low` and `high` contain 95 % of the training stores' shares around their predictions.
    Raises ConfigError for another suffix or a run with fewer than two training shops, SourceError for a catalogue that
    cannot be read.
    """
    require_table_suffix(out)
    fitted, config = FittedPersonas.load(run), load_config(run / "config.toml")
    names, catalogues = _catalogues(*_known_products(run))
    kept = ~np.isin(names, fitted.held_out)
    if kept.sum() < 2:
        raise ConfigError(f"{run}: a mix is predicted from two training shops or more; this run has {kept.sum()}")
    mixes = _mixes(read_table(run / "personas/mix.parquet", MIX), names, len(fitted.network.codebook))
    stores = MixPredictor.fit(TrainingStores(catalogues[kept], mixes[kept]))
    products, _ = read_catalogue(catalog)
    shops, new = _catalogues(*with_vectors(products, catalogue_vectors(config.buyers, products, catalog, progress)))
    tables = [
        MIX.empty(),
        *(_mix_table(shop, stores, of_shop) for shop, of_shop in zip(shops.tolist(), new, strict=True)),
    ]
    table = MIX.check(pa.concat_tables(tables))
    export_table(out, table)
    for shop, of_shop in zip(shops.tolist(), new, strict=True):
        mix = table.filter(pc.equal(table["shop_id"], shop))
        yield f"{shop}: {_description(names[kept], stores.donors(of_shop), mix)}"
    figures = cold_start_figures(run, 1, 0).values
    yield (
        "error if each training store is predicted from the others: JS divergence "
        f"{figures['cold_start.js_loo_mean']:.3f}, of the mean mix {figures['cold_start.js_loo_global_mean']:.3f}; "
        f"written to {out}"
    )


def _known_products(run: Path) -> tuple[pa.Table, np.ndarray]:
    return with_vectors(read_table(run / "events/products.parquet", PRODUCTS), np.load(run / "buyers/embeddings.npy"))


def _catalogues(products: pa.Table, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sorted ids of the stores with products, and the vector of each store's catalogue."""
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
    """The shares of the strata A to D among each code's buyers in these stores."""
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
    codes = np.flatnonzero(share > 0)
    columns = {"shop_id": [shop] * len(codes), "code": codes, "share": share[codes], "buyers": [0] * len(codes)}
    return MIX.conform(pa.table(columns | {"low": low[codes], "high": high[codes]}))


def _description(names: np.ndarray, donors: np.ndarray, mix: pa.Table) -> str:
    first = np.argsort(-donors, kind="stable")[:MOST_NAMED]
    likest = [f"{donors[i]:.0%} {names[i]}" for i in first if donors[i] >= LEAST_NAMED]
    codes = mix.sort_by([("share", "descending")]).slice(0, MOST_NAMED).to_pylist()
    common = [f"{row['code']} ({row['share']:.1%}, {row['low']:.1%} to {row['high']:.1%})" for row in codes]
    return f"like {', '.join(likest)}; most common codes {', '.join(common)}"
