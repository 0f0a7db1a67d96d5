"""From raw events to personas: world, events, buyers, personas."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from platformdirs import user_data_path

from simpersona.artifacts import read_json, user_key, write_json, write_table
from simpersona.config import Config
from simpersona.config_source import SourceConfig
from simpersona.contracts import ASSIGNMENTS, CARDS, COLLECTIONS, MIX, PRODUCTS, REJECTED, Capabilities
from simpersona.errors import ConfigError
from simpersona.ports import EventSource
from simpersona.stages.catalogue_vectors import catalogue_vectors, embedder_name, with_vectors
from simpersona.stages.context import Facts, Run
from simpersona.stages.pack import assign_chunks, buyer_chunks
from simpersona.vectors import BuyerVectors


def world(run: Run, out: Path) -> Facts:
    """Generates the lab's world: catalogues, events and the truth about its buyers."""
    from simpersona.lab.world import generate_world

    lab = run.config.lab
    count = generate_world(out, lab, run.progress)
    return Facts(0, count, f"{lab.shops} generated shops, {lab.buyers} buyers, {count:,} events")


def events(run: Run, out: Path) -> Facts:
    """Raw log to clean events and enriched sessions."""
    from simpersona.events.prepare import prepare
    from simpersona.stages.table_engine import read_log, table_engine, write_sessions

    config, spill = run.config, run.folder / ".spill"
    path = _source_path(run)
    source = open_source(config.source, as_parquet=config.lab.output == "parquet")
    settings = config.events
    if config.source.format == "lab":  # generated ids are nobody's, and the truth is looked up by them
        settings = settings.model_copy(update={"keep_ids": True})
    with table_engine(settings.engine, spill, settings.memory_gb) as engine:
        raw = read_log(source, path, engine, spill)
        prepared = prepare(raw, settings, user_key(user_data_path("simpersona")))
        prepared.events.to_parquet(out / "events.parquet")
        run.progress(1, 3, "sessions")
        write_sessions(prepared, out / "sessions.parquet")
        run.progress(2, 3, "catalogue")
        write_table(out / "rejected.parquet", prepared.rejected.to_pyarrow(), REJECTED)
        write_table(out / "products.parquet", raw.products.order_by(["shop_id", "product_id"]).to_pyarrow(), PRODUCTS)
        collections = raw.collections.order_by(["shop_id", "collection_id"]).to_pyarrow()
        write_table(out / "collections.parquet", collections, COLLECTIONS)
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
    return Facts(quality["rows_in"], kept, summary, rejected, {"sessions": sessions})


def buyers(run: Run, out: Path) -> Facts:
    """Sessions to one row per buyer and shop, and the catalogue's embeddings."""
    from simpersona.buyers.aggregate import aggregate
    from simpersona.stages.table_engine import table_engine

    has = Capabilities(**read_json(run.folder / "events/quality.json")["has"])
    settings = run.config.events
    with table_engine(settings.engine, run.folder / ".spill", settings.memory_gb) as engine:
        event_table = engine.read_parquet(run.folder / "events/events.parquet")
        sessions = engine.read_parquet(run.folder / "events/sessions.parquet")
        aggregate(event_table, sessions, has, settings).to_parquet(out / "buyers.parquet")
    rows_in = pq.read_metadata(run.folder / "events/sessions.parquet").num_rows
    table = run.table("events/products.parquet", PRODUCTS)
    embeddings = catalogue_vectors(run.config.buyers, table, _source_path(run), run.progress)
    np.save(out / "embeddings.npy", embeddings)
    without = len(table) - len(with_vectors(table, embeddings)[0])
    strata = pc.value_counts(pq.read_table(out / "buyers.parquet", columns=["stratum"])["stratum"]).to_pylist()
    counts = {row["values"]: row["counts"] for row in sorted(strata, key=lambda row: row["values"])}
    shares = ", ".join(f"{stratum} {count:,}" for stratum, count in counts.items())
    total = sum(counts.values())
    summary = f"{total:,} buyer-shop pairs ({shares})"
    if without:
        summary += f"; {without:,} of {len(table):,} products without an embedding count as unknown"
    return Facts(rows_in, total, summary, figures={"strata": counts, "products_without_embedding": without})


def personas(run: Run, out: Path) -> Facts:
    """Buyers to codes: fits the vectors and the VQ-VAE on a balanced sample, then assigns everybody."""
    from simpersona.personas.mix import assignments, store_mix
    from simpersona.personas.sample import balanced_sample
    from simpersona.stages.persona_cards import cards_of
    from simpersona.stages.persona_training import CheckpointFile, packed, train_pack

    config = run.config
    place = run.folder / "buyers/buyers.parquet"
    table = pq.read_table(place, columns=["shop_id", "stratum"])
    products, embeddings = run.products()
    held_out = held_out_shops(config, table["shop_id"].unique().to_pylist())
    in_training = np.flatnonzero(~np.isin(table["shop_id"].to_numpy(), held_out))
    training = table.take(in_training)
    rows = balanced_sample(training["shop_id"].to_numpy(), training["stratum"].to_numpy(), config.personas, config.seed)
    sample = _rows_of(place, in_training[rows])
    checkpoint = CheckpointFile(run.folder / ".personas.training")  # outlives a killed run, unlike `out`
    embedder, shops = embedder_name(config.buyers), tuple(held_out)
    if config.pack is not None:
        trained = packed(config.pack, sample, config.personas, config.seed, embedder, shops)
    else:
        settings = config.personas, config.buyers
        trained = train_pack(
            sample, products, embeddings, settings, config.seed, run.progress, embedder, shops, checkpoint
        )
    pack, model = trained.pack, trained.pack.personas
    pack.save(out)
    part = np.full(len(rows), "train", dtype=object)
    part[trained.validation] = "validation"
    pq.write_table(sample.select(["shop_id", "buyer_id"]).append_column("part", pa.array(part)), out / "sample.parquet")
    parts: list[BuyerVectors] = []
    tables, codes = [ASSIGNMENTS.empty()], [np.empty(0, np.int32)]
    for chunk, of_chunk in assign_chunks(pack, buyer_chunks(place), products, embeddings, table.num_rows):
        parts.append(chunk.without_x())
        codes.append(of_chunk)
        tables.append(assignments(chunk, of_chunk))
    assigned, everybody = pa.concat_tables(tables), np.concatenate(codes)
    pq.write_table(assigned, out / "assignments.parquet")
    write_table(out / "mix.parquet", store_mix(assigned), MIX)
    write_table(out / "cards.parquet", cards_of(run, model, BuyerVectors.joined(parts), assigned), CARDS)
    used, kept = len(np.unique(everybody)), pack.vectorizer.explained_variance
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
    return Facts(table.num_rows, table.num_rows, summary, figures=figures)


def open_source(config: SourceConfig, *, as_parquet: bool = False) -> EventSource:  # noqa: PLR0911 (one each)
    """The adapter for a source's format; `as_parquet` says that the lab's world was written so."""
    match config.format:
        case "lab" if as_parquet:
            from simpersona.adapters.events_table import TableSource

            return TableSource()
        case "table":
            from simpersona.adapters.events_table import TableSource

            return TableSource(config.shop, config.columns, config.events, config.time_format, config.time_zone)
        case "ga4":
            from simpersona.adapters.events_ga4 import Ga4Source

            return Ga4Source(config.shop)
        case "segment":
            from simpersona.adapters.events_segment import SegmentSource

            return SegmentSource(config.shop)
        case "snowplow":
            from simpersona.adapters.events_snowplow import SnowplowSource

            return SnowplowSource(config.shop)
        case "rees46":
            from simpersona.adapters.events_rees46 import Rees46Source

            return Rees46Source(shop_by=config.shop_by)
        case "retailrocket":
            from simpersona.adapters.events_retailrocket import RetailRocketSource

            return RetailRocketSource(shop_by=config.shop_by)
        case "webshop":
            from simpersona.adapters.events_webshop import WebshopSource

            return WebshopSource()
        case "shopify" | "lab":
            from simpersona.adapters.events_shopify import ShopifySource

            return ShopifySource(config.shop)
    raise ConfigError(f'source.format = "{config.format}" cannot be read yet')


def _rows_of(place: Path, rows: np.ndarray) -> pa.Table:
    """These rows of BUYERS, in this order, without reading all into memory."""
    order, first, found = np.sort(rows), 0, []
    for chunk in buyer_chunks(place):
        here = order[np.searchsorted(order, first) : np.searchsorted(order, first + len(chunk))]
        found.append(chunk.take(pa.array(here - first)))
        first += len(chunk)
    return pa.concat_tables(found).take(pa.array(np.argsort(np.argsort(rows))))


def held_out_shops(config: Config, shops: list[str]) -> list[str]:
    """The shops that nothing is trained on: named in the settings, else a seeded draw (3.2).

    Raises ConfigError if a named shop does not exist or no shop is left to train on.
    """
    named = config.split.held_out
    if unknown := [shop for shop in named if shop not in shops]:
        raise ConfigError(f"split.held_out names {', '.join(unknown)}; the shops are {', '.join(sorted(shops))}")
    if named and len(set(named)) == len(shops):
        raise ConfigError("split.held_out names every shop; at least one must be left to train on")
    if named or len(shops) < 2:
        return sorted(named)
    count = min(max(1, round(config.split.held_out_share * len(shops))), len(shops) - 1)
    drawn = np.random.default_rng(config.seed).choice(sorted(shops), count, replace=False)
    return sorted(str(shop) for shop in drawn)


def _source_path(run: Run) -> Path:
    source = run.config.source
    if source.format == "lab":
        return run.folder / "world/events"
    if source.path is None:
        raise ConfigError(f'source.format = "{source.format}" needs source.path (or --input FILE)')
    return source.path
