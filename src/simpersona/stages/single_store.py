"""One storefront for a person to look at: `simpersona lab store`."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from platformdirs import user_cache_path

from simpersona.artifacts import fingerprint
from simpersona.contracts import COLLECTIONS, PRODUCTS
from simpersona.errors import ConfigError, SourceError
from simpersona.stages.store_visits import folder_name


def serve_store(catalog: Path, shop: str | None, port: int, say: Callable[[str], None]) -> None:
    """Serves one shop of a catalogue until Ctrl-C. Collections are read from beside the catalogue.

    Raises SourceError if the catalogue cannot be read, ConfigError for an unknown shop or a port in use.
    """
    from simpersona.lab.storefront.launch import LabStore

    if not catalog.is_file():
        raise SourceError(f"{catalog}: no such file. --catalog takes the products.parquet of a run or of a world.")
    try:
        products = PRODUCTS.check(pq.read_table(catalog))
    except pa.ArrowInvalid as error:
        raise SourceError(f"{catalog}: not a parquet file: {error}") from error
    shops = sorted(products["shop_id"].unique().to_pylist())
    if not shops:
        raise SourceError(f"{catalog}: the catalogue has no products")
    chosen = shop or shops[0]
    if chosen not in shops:
        raise ConfigError(f"no shop {chosen!r} in {catalog}; there are {', '.join(shops)}")
    beside = catalog.with_name("collections.parquet")
    collections = COLLECTIONS.check(pq.read_table(beside)) if beside.is_file() else COLLECTIONS.empty()

    def of_shop(table: pa.Table) -> pa.Table:
        return table.filter(pc.equal(table["shop_id"], chosen))

    folder = user_cache_path("simpersona") / "stores" / f"{folder_name(chosen)}-{fingerprint(str(catalog.resolve()))}"
    store = LabStore(folder)
    store.build(chosen, of_shop(products), of_shop(collections))
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stop the store's process, too
    with store:
        say(f"{chosen} at {store.start(port)}  (Ctrl-C stops it; events in {store.events_log})")
        while True:
            signal.pause()
