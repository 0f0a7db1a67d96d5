"""The stage `personas`: assigns buyers to codes of the VQ-VAE, and writes mixes and cards (2.2)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from simpersona.buyers.catalogue_vectors import embedder_name
from simpersona.buyers.vectors import BuyerVectors
from simpersona.config import PersonasConfig
from simpersona.contracts import ASSIGNMENTS, CARDS, MIX
from simpersona.evaluation.enough_data import few_per_code
from simpersona.files import write_table
from simpersona.pack.pack import Pack
from simpersona.personas.fitted import Trained, assign_chunks, buyer_chunks
from simpersona.personas.mix import assignments, store_mix
from simpersona.personas.sample import balanced_sample, held_out_shops, split
from simpersona.pipeline.stage import StageContext, StageResult


def run(context: StageContext, out: Path) -> StageResult:
    """Fits the vectors and the VQ-VAE on a balanced sample, then assigns a code to every buyer."""
    from simpersona.personas.training import CheckpointFile, train_personas  # noqa: PLC0415 - heavy
    from simpersona.pipeline.persona_cards import cards_of  # noqa: PLC0415 - heavy

    config = context.config
    buyers_path = context.folder / "buyers/buyers.parquet"
    table = pq.read_table(buyers_path, columns=["shop_id", "stratum"])
    products, embeddings = context.products()
    held_out = held_out_shops(config.split, table["shop_id"].unique().to_pylist(), config.seed)
    in_training = np.flatnonzero(~np.isin(table["shop_id"].to_numpy(), held_out))
    training = table.take(in_training)
    rows = balanced_sample(training["shop_id"].to_numpy(), training["stratum"].to_numpy(), config.personas, config.seed)
    sample = _rows_of(buyers_path, in_training[rows])
    checkpoint = CheckpointFile(context.folder / ".personas.training")  # remains after a killed run, unlike `out`
    embedder, shops = embedder_name(config.buyers), tuple(held_out)
    if config.pack is not None:
        trained = packed(config.pack, sample, config.personas, config.seed, embedder, shops)
    else:
        settings = config.personas, config.buyers
        trained = train_personas(
            sample, products, embeddings, settings, config.seed, context.progress, embedder, shops, checkpoint
        )
    fitted, model = trained.fitted, trained.fitted.network
    fitted.save(out)
    part = np.full(len(rows), "train", dtype=object)
    part[trained.validation] = "validation"
    pq.write_table(sample.select(["shop_id", "buyer_id"]).append_column("part", pa.array(part)), out / "sample.parquet")
    parts: list[BuyerVectors] = []
    tables, codes = [ASSIGNMENTS.empty()], [np.empty(0, np.int32)]
    for chunk, of_chunk in assign_chunks(fitted, buyer_chunks(buyers_path), products, embeddings, table.num_rows):
        parts.append(chunk.without_x())
        codes.append(of_chunk)
        tables.append(assignments(chunk, of_chunk))
    assigned, everybody = pa.concat_tables(tables), np.concatenate(codes)
    pq.write_table(assigned, out / "assignments.parquet")
    write_table(out / "mix.parquet", store_mix(assigned), MIX)
    write_table(out / "cards.parquet", cards_of(context, model, BuyerVectors.joined(parts), assigned), CARDS)
    used, kept = len(np.unique(everybody)), fitted.vectorizer.explained_variance
    least = config.personas.min_buyers_per_code
    merged = f", {trained.merged} with fewer than {least} training buyers merged" if trained.merged else ""
    learnt = (
        f"personas of the pack {config.pack}"
        if config.pack is not None
        else f"{len(trained.train):,} training buyers, {len(model.history)} epochs"
    )
    summary = (
        f"{learnt}; {table.num_rows:,} buyers on {used} of {len(model.codebook)} codes{merged}; "
        f"{kept:.0%} of the variance of products kept; held out: {', '.join(held_out) or 'none'}"
    )
    checkpoint.path.unlink(missing_ok=True)
    figures = {"codes_used": used, "codes_merged": trained.merged, "held_out": held_out, "explained_variance": kept}
    buyers_of = np.unique(everybody, return_counts=True)[1].tolist()
    # a pack's codes were trained on other buyers
    training = len(trained.train) if config.pack is None else len(model.codebook) * least
    few = few_per_code(training, len(model.codebook), least, buyers_of)
    return StageResult(table.num_rows, table.num_rows, summary, figures=figures, warnings=few)


def _rows_of(path: Path, rows: np.ndarray) -> pa.Table:
    """These rows of BUYERS, in this order; the file is read in chunks."""
    order, first, parts = np.sort(rows), 0, []
    for chunk in buyer_chunks(path):
        in_chunk = order[np.searchsorted(order, first) : np.searchsorted(order, first + len(chunk))]
        parts.append(chunk.take(pa.array(in_chunk - first)))
        first += len(chunk)
    return pa.concat_tables(parts).take(pa.array(np.argsort(np.argsort(rows))))


def packed(
    path: str, sample: pa.Table, settings: PersonasConfig, seed: int, embedder: str, held_out: tuple[str, ...]
) -> Trained:
    """The personas of the pack at `path`, without training. `sample` (BUYERS) is split as in `train_personas`, so that the
    same figures can be computed.

    Raises ConfigError for a folder without a pack, or a pack that was trained on vectors of another embedder.
    """
    fitted = Pack.at(path).personas
    fitted.require_embedder(embedder)
    parts = split(np.arange(sample.num_rows), settings.validation_share, seed)
    return Trained(replace(fitted, held_out=held_out), *parts, merged=0)
