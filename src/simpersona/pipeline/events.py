"""The stage `events`: cleans raw logs and divides them into enriched sessions (2.1)."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
from platformdirs import user_data_path

from simpersona.adapters.engines.open import open_engine, read_log, write_sessions
from simpersona.adapters.sources.open import open_source
from simpersona.contracts import COLLECTIONS, PRODUCTS, REJECTED
from simpersona.events.prepare import prepare
from simpersona.events.summary_lines import summary_lines
from simpersona.files import user_key, write_json, write_table
from simpersona.pipeline.stage import StageContext, StageResult, source_path


def run(context: StageContext, out: Path) -> StageResult:
    """Writes clean events, enriched sessions, rejected rows and the catalogue."""
    config, spill = context.config, context.folder / ".spill"
    path = source_path(context)
    source = open_source(config.source, as_parquet=config.lab.output == "parquet")
    settings = config.events
    if config.source.format == "lab":  # generated ids are not personal, and the truth is joined by them
        settings = settings.model_copy(update={"keep_ids": True})
    with open_engine(settings.engine, spill, settings.memory_gb) as engine:
        raw = read_log(source, path, engine, spill)
        prepared = prepare(raw, settings, user_key(user_data_path("simpersona")))
        prepared.events.to_parquet(out / "events.parquet")
        context.progress(1, 3, "sessions")
        write_sessions(prepared, out / "sessions.parquet")
        context.progress(2, 3, "catalogue")
        write_table(out / "rejected.parquet", prepared.rejected.to_pyarrow(), REJECTED)
        write_table(out / "products.parquet", raw.products.order_by(["shop_id", "product_id"]).to_pyarrow(), PRODUCTS)
        collections = raw.collections.order_by(["shop_id", "collection_id"]).to_pyarrow()
        write_table(out / "collections.parquet", collections, COLLECTIONS)
    lines = summary_lines(prepared.quality)
    quality = prepared.quality | {"has": vars(raw.has), "source": config.source.format}
    write_json(out / "quality.json", quality)
    sessions = pq.read_metadata(out / "sessions.parquet").num_rows
    kept, rejected = quality["rows_kept"], quality["rows_rejected"]
    kinds = {name: quality[f"rows_{name}"] for name in ("malformed", "duplicate", "ignored", "bot")}
    why = ", ".join(f"{count:,} {name}" for name, count in kinds.items() if count)
    summary = (
        f"{kept:,} of {quality['rows_in']:,} rows kept, {rejected:,} rejected{f' ({why})' if why else ''}; "
        f"{sessions:,} sessions"
    )
    figures = {"sessions": sessions}
    return StageResult(quality["rows_in"], kept, summary, rejected, figures, lines, quality["warnings"])
