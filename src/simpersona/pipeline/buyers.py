"""The stage `buyers`: aggregates sessions to one row per buyer and store, and embeds the catalogue (2.1.1)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from simpersona.adapters.engines.open import open_engine
from simpersona.buyers.aggregate import aggregate
from simpersona.buyers.catalogue_vectors import catalogue_vectors, with_vectors
from simpersona.contracts import PRODUCTS, Capabilities
from simpersona.evaluation.enough_data import buyers_with_behaviour, few_buyers
from simpersona.files import read_json
from simpersona.pipeline.stage import StageContext, StageResult, source_path


def run(context: StageContext, out: Path) -> StageResult:
    """Writes one row per buyer and store, and the catalogue's embeddings."""
    quality = read_json(context.folder / "events/quality.json")
    has, others = Capabilities(**quality["has"]), quality.get("stores_in_another_currency", ())
    settings = context.config.events
    with open_engine(settings.engine, context.folder / ".spill", settings.memory_gb) as engine:
        event_table = engine.read_parquet(context.folder / "events/events.parquet")
        sessions = engine.read_parquet(context.folder / "events/sessions.parquet")
        aggregate(event_table, sessions, has, settings, others).to_parquet(out / "buyers.parquet")
    rows_in = pq.read_metadata(context.folder / "events/sessions.parquet").num_rows
    table = context.table("events/products.parquet", PRODUCTS)
    embeddings = catalogue_vectors(context.config.buyers, table, source_path(context), context.progress)
    np.save(out / "embeddings.npy", embeddings)
    without = len(table) - len(with_vectors(table, embeddings)[0])
    strata = pc.value_counts(pq.read_table(out / "buyers.parquet", columns=["stratum"])["stratum"]).to_pylist()
    counts = {row["values"]: row["counts"] for row in sorted(strata, key=lambda row: row["values"])}
    shares = ", ".join(f"{stratum} {count:,}" for stratum, count in counts.items())
    total = sum(counts.values())
    summary = f"{total:,} buyer-shop pairs ({shares})"
    if without:
        summary += f"; {without:,} of {len(table):,} products without an embedding count as unknown"
    figures = {"strata": counts, "products_without_embedding": without}
    few = few_buyers(buyers_with_behaviour(counts))
    return StageResult(rows_in, total, summary, figures=figures, warnings=[few] if few else ())
