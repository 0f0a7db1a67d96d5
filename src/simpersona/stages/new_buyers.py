"""New buyers with a trained pack: their codes and their stores' mixes; nothing is trained."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from platformdirs import user_data_path

from simpersona.artifacts import user_key
from simpersona.config import Config
from simpersona.contracts import BUYERS, PRODUCTS
from simpersona.errors import ConfigError, SourceError
from simpersona.stages.context import Facts
from simpersona.stages.from_events import embed_texts, open_embedder, open_source
from simpersona.stages.pack import Pack, assign_buyers


def assign_new_buyers(pack_folder: Path, config: Config, out: Path) -> Facts:
    """Writes ASSIGNMENTS to `out` and MIX to `NAME-mix` beside it, as parquet or CSV by the suffix.

    Raises ConfigError for a folder without a pack or another suffix, SourceError for unusable events.
    """
    from simpersona.adapters.engine_duckdb import connect
    from simpersona.buyers.aggregate import aggregate
    from simpersona.events.prepare import prepare
    from simpersona.personas.mix import store_mix

    if out.suffix not in {".parquet", ".csv"}:
        raise ConfigError(f"--out {out}: the name must end with .parquet or .csv")
    path = config.source.path
    if path is None or not path.exists():
        raise SourceError(f"{path}: no such file or folder (--events)")
    pack = Pack.load(pack_folder)
    embedder = open_embedder(config.buyers)
    if embedder.name != pack.embedder:
        raise ConfigError(
            f"the pack was trained on vectors of {pack.embedder}, this run embeds with {embedder.name}; "
            "set buyers.embedder accordingly (--set buyers.embedder=...)"
        )
    with TemporaryDirectory(prefix="simpersona-") as scratch:
        engine = connect(Path(scratch))
        raw = open_source(config.source).read(path, engine)
        prepared = prepare(raw, config.events, user_key(user_data_path("simpersona")))
        aggregated = aggregate(prepared.events, prepared.sessions, raw.has, config.events)
        buyers = BUYERS.check(aggregated.order_by(["shop_id", "buyer_id"]).to_pyarrow())
        products = PRODUCTS.check(raw.products.order_by(["shop_id", "product_id"]).to_pyarrow())
        quality = prepared.quality
        engine.disconnect()
    assigned, _, _ = assign_buyers(pack, buyers, products, embed_texts(embedder, products["text"]))
    mix_path = out.with_name(f"{out.stem}-mix{out.suffix}")
    mix = store_mix(assigned)
    for place, table in ((out, assigned), (mix_path, mix)):
        _write(place, table)
    summary = (
        f"{quality['rows_in']:,} rows, {quality['rows_rejected']:,} rejected; {assigned.num_rows:,} buyers in "
        f"{len(mix['shop_id'].unique())} shop(s) assigned; codes in {out}, mixes in {mix_path}"
    )
    return Facts(quality["rows_in"], assigned.num_rows, summary, quality["rows_rejected"])


def _write(place: Path, table: pa.Table) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.suffix == ".csv":
        pyarrow.csv.write_csv(table, place)
    else:
        pq.write_table(table, place)
