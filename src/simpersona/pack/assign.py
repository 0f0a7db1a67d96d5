"""Assigns new buyers to the codes of trained personas, and computes their stores' mixes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, cast

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
from platformdirs import user_data_path

from simpersona.adapters.engines.duckdb import connect
from simpersona.adapters.sources.open import open_source
from simpersona.adapters.sources.typed_log import TypedLog
from simpersona.buyers.aggregate import aggregate
from simpersona.buyers.catalogue_vectors import catalogue_vectors, embedder_name, with_vectors
from simpersona.config import BuyersConfig, EventsConfig
from simpersona.config.source import SourceConfig, TableSourceConfig
from simpersona.contracts import ASSIGNMENTS, PRODUCTS
from simpersona.errors import ConfigError, GeneralPathError, SourceError
from simpersona.events.cleaning import DUPLICATE, hashed
from simpersona.events.prepare import prepare
from simpersona.files import export_table, require_table_suffix, user_key
from simpersona.personas.fitted import FittedPersonas, assign_chunks, buyer_chunks
from simpersona.personas.mix import assignments, store_mix

if TYPE_CHECKING:
    from ibis.expr.types import StringColumn


@dataclass(frozen=True)
class AssignSettings:
    """The settings of a config that matter to new buyers: where their events are, how these are cleaned, the embedder."""

    source: SourceConfig
    events: EventsConfig
    buyers: BuyersConfig


@dataclass(frozen=True)
class Assigned:
    """ASSIGNMENTS of new buyers, the number of rows read and rejected, and whether the compiled path was used; `why` it did
    not take a log that is typed, and what the general path warns of.
    """

    table: pa.Table
    rows_in: int
    rejected: int
    fast: bool
    why: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class WrittenCodes:
    """A finished assignment: rows read, buyers written, a summary in one sentence, rejected rows, and warnings."""

    rows_in: int
    rows_out: int
    summary: str
    rejected: int
    warnings: tuple[str, ...] = ()


def assign_new_buyers(fitted: FittedPersonas, settings: AssignSettings, out: Path) -> WrittenCodes:
    """Writes ASSIGNMENTS to `out` and MIX to `NAME-mix` beside it, as parquet or CSV by the suffix.

    Raises ConfigError for another suffix, SourceError for unusable events.
    """
    require_table_suffix(out)
    assigned = assigned_buyers(fitted, settings)
    mix_path = out.with_name(f"{out.stem}-mix{out.suffix}")
    mix = store_mix(assigned.table)
    export_table(out, assigned.table)
    export_table(mix_path, mix)
    path = " (fast path)" if assigned.fast else f" (general path: {assigned.why})" if assigned.why else ""
    summary = (
        f"{assigned.rows_in:,} rows, {assigned.rejected:,} rejected; {assigned.table.num_rows:,} buyers in "
        f"{len(mix['shop_id'].unique())} shop(s) assigned{path}; codes in {out}, "
        f"mixes in {mix_path}"
    )
    return WrittenCodes(assigned.rows_in, assigned.table.num_rows, summary, assigned.rejected, assigned.warnings)


def assigned_buyers(fitted: FittedPersonas, settings: AssignSettings) -> Assigned:
    """The codes of the buyers in the raw events at `settings.source.path`.

    A log of typed parquet (`typed_log`) takes the compiled path where numba is installed; the result is the same. Raises
    ConfigError for settings that do not fit the personas, SourceError for unusable events.
    """
    path = settings.source.path
    if path is None:
        raise ConfigError("source.path is not set; it names the raw events of the new buyers (--events)")
    fitted.require_embedder(embedder_name(settings.buyers))
    log = _typed_log(path, settings)
    why = ""
    if log is not None:
        try:
            return Assigned(*_fast(fitted, log, settings), fast=True)
        except GeneralPathError as error:
            why = str(error)
    table, rows_in, rejected, warnings = _general(fitted, path, settings)
    return Assigned(table, rows_in, rejected, fast=False, why=why, warnings=warnings)


def _general(
    fitted: FittedPersonas, path: Path, settings: AssignSettings
) -> tuple[pa.Table, int, int, tuple[str, ...]]:
    """ASSIGNMENTS, the number of rows read and rejected, and warnings."""
    with TemporaryDirectory(prefix="simpersona-") as scratch:
        engine = connect(Path(scratch))
        raw = open_source(settings.source).read(path, engine)
        prepared = prepare(raw, settings.events, user_key(user_data_path("simpersona")))
        others = prepared.quality["stores_in_another_currency"]
        aggregated = aggregate(prepared.events, prepared.sessions, raw.has, settings.events, others)
        buyers = Path(scratch) / "buyers.parquet"
        aggregated.order_by(["shop_id", "buyer_id"]).to_parquet(buyers)
        products = PRODUCTS.check(raw.products.order_by(["shop_id", "product_id"]).to_pyarrow())
        quality = prepared.quality
        engine.disconnect()
        products, embeddings = with_vectors(products, catalogue_vectors(settings.buyers, products, path))
        count = pq.read_metadata(buyers).num_rows
        chunks = assign_chunks(fitted, buyer_chunks(buyers), products, embeddings, count)
        assigned = pa.concat_tables([ASSIGNMENTS.empty(), *(assignments(*chunk) for chunk in chunks)])
    return assigned, quality["rows_in"], quality["rows_rejected"], tuple(quality["warnings"])


def _typed_log(path: Path, settings: AssignSettings) -> TypedLog | None:
    plain = TableSourceConfig(path=settings.source.path)
    takes = settings.source == plain and settings.events.bots == "keep"
    return TypedLog.at(path) if takes and find_spec("numba") else None


def _fast(fitted: FittedPersonas, log: TypedLog, settings: AssignSettings) -> tuple[pa.Table, int, int]:
    """The result of `_general` for a typed log, by the compiled path."""
    from simpersona.pack.assign_typed import typed_codes  # noqa: PLC0415 - heavy

    products = PRODUCTS.check(pq.read_table(log.catalogue))
    products, embeddings = with_vectors(products, catalogue_vectors(settings.buyers, products, log.catalogue))
    key = user_key(user_data_path("simpersona"))
    tables: list[pa.Table] = []
    rejected: Counter[str] = Counter()
    with TemporaryDirectory(prefix="simpersona-") as scratch:
        engine = connect(Path(scratch))
        for shop in typed_codes(log, fitted, products, embeddings, settings.events):
            rejected += shop.rejected
            coded = ibis.memtable(pa.table({"buyer_id": shop.buyer_id, "code": shop.code}))
            if not settings.events.keep_ids:
                coded = coded.mutate(buyer_id=hashed(cast("StringColumn", coded.buyer_id), key))
            named = coded.mutate(shop_id=ibis.literal(shop.shop_id)).order_by("buyer_id")
            tables.append(ASSIGNMENTS.conform(engine.to_pyarrow(named)))
        engine.disconnect()
    malformed = rejected.total() - rejected[DUPLICATE]
    if malformed > settings.events.max_rejected_share * log.rows_in:
        reasons = ", ".join(f"{count} × {reason}" for reason, count in rejected.most_common())
        raise SourceError(
            f"{malformed} of {log.rows_in} rows are malformed: {reasons}. Correct the log, or set "
            "events.max_rejected_share (--set events.max_rejected_share=...)."
        )
    return pa.concat_tables(tables), log.rows_in, rejected.total()
