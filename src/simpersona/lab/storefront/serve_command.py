"""Serves storefronts until Ctrl-C, for the command `simpersona lab store`."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from platformdirs import user_cache_path

from simpersona.contracts import COLLECTIONS, PRODUCTS
from simpersona.errors import ConfigError, SourceError
from simpersona.files import fingerprint
from simpersona.lab.storefront.launch import LabStore, LabStores, looks
from simpersona.lab.variants import Variant


def serve_store(
    catalog: Path, shop: str | None, port: int, theme: str, variant: Variant, say: Callable[[str], None]
) -> None:
    """Serves one shop of a catalogue, or all shops, until Ctrl-C.

    Collections are read from `collections.parquet` beside the catalogue. `say` prints a line for the user. Raises
    SourceError if the catalogue cannot be read, ConfigError for an unknown shop or theme, or a port in use.
    """
    products, collections = read_catalogue(catalog)
    shops = sorted(products["shop_id"].unique().to_pylist())
    if shop is not None and shop not in shops:
        raise ConfigError(f"{catalog} has no shop {shop!r}; its shops are {', '.join(shops)}")
    look = looks(shops, theme, variant)
    folder = user_cache_path("simpersona") / "stores" / fingerprint([str(catalog.resolve()), shop])
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that SIGTERM also stops the store's process
    if shop is not None or len(shops) == 1:
        chosen = shop or shops[0]
        with LabStore(folder) as store, contextlib.suppress(KeyboardInterrupt):
            store.build(chosen, products, collections, look[chosen].theme, variant)
            say(
                f"{chosen} ({look[chosen].theme}) at {store.start(port)}/  (Ctrl-C stops it; events in {store.events_log})"
            )
            _wait()
        return
    with LabStores(folder) as stores, contextlib.suppress(KeyboardInterrupt):
        stores.build(look, products, collections)
        for each, address in stores.start(port, shops).items():
            say(f"{each} ({look[each].theme}) at {address}")
        say(f"(Ctrl-C stops them; events in {folder}/SHOP/live/events.jsonl)")
        _wait()


def read_catalogue(catalog: Path) -> tuple[pa.Table, pa.Table]:
    """Reads the products (PRODUCTS) and, from beside them, the collections (COLLECTIONS) of all shops.

    Raises SourceError if the file is missing, unreadable or empty.
    """
    if not catalog.is_file():
        found = "a folder" if catalog.is_dir() else "no such file"
        raise SourceError(f"{catalog}: {found}. --catalog expects the products.parquet of a run or of a world.")
    try:
        products = PRODUCTS.check(pq.read_table(catalog))
    except pa.ArrowInvalid as error:
        raise SourceError(f"{catalog}: not a parquet file: {error}") from error
    if not products.num_rows:
        raise SourceError(f"{catalog}: the catalogue has no products")
    beside = catalog.with_name("collections.parquet")
    return products, COLLECTIONS.check(pq.read_table(beside)) if beside.is_file() else COLLECTIONS.empty()


def _wait() -> None:
    while True:
        signal.pause()
