"""Builds, starts, stops and resets the storefronts of one shop or of many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import cycle
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa

from simpersona.errors import ConfigError
from simpersona.lab.storefront.addresses import slug
from simpersona.lab.storefront.server_process import ServerProcess
from simpersona.lab.storefront.store_folder import Look, StoreFolder, build, build_request, built_shop_id, unbuilt
from simpersona.lab.storefront.themes import THEMES
from simpersona.lab.variants import PLAIN, Variant

VARIED = "varied"


def looks(
    shops: Iterable[str], theme: str = VARIED, variant: Variant | Mapping[str, Variant] = PLAIN
) -> dict[str, Look]:
    """The theme and variant of each shop.

    With the theme "varied", the shops cycle through all themes in the order of their ids. `variant` is one variant for
    all shops, or a mapping by shop id; shops missing from the mapping get the plain store.
    """
    themes, shop_ids = THEMES if theme == VARIED else (theme,), sorted(shops)
    variants = variant if isinstance(variant, Mapping) else dict.fromkeys(shop_ids, variant)
    return {
        shop_id: Look(shop_theme, variants.get(shop_id, PLAIN))
        for shop_id, shop_theme in zip(shop_ids, cycle(themes), strict=False)
    }


class _StoreServer:
    """Base of the stores: a context manager with a server process that stops at the end of the `with` block."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._server = ServerProcess(self.folder / "server.log")

    def stop(self) -> None:
        """Stops the server and all its processes; a second call does nothing."""
        self._server.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class LabStore(_StoreServer):
    """The storefront of one shop with its data in `folder`.

    with LabStore(folder) as store:
        store.build("shop-1", products, collections)
        url = store.start()
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._data = StoreFolder(self.folder)

    @property
    def events_log(self) -> Path:
        """The log of the visitors' events: one JSON object per line in the format of Shopify's Web Pixels events.

        Its folder also contains the catalogue in the form that the shopify event source reads.
        """
        return self._data.events_log

    @property
    def url(self) -> str | None:
        """The store's address while it is running, else None."""
        return self._server.url

    def build(
        self,
        shop_id: str,
        products: pa.Table,
        collections: pa.Table,
        theme: str = "classic",
        variant: Variant = PLAIN,
    ) -> None:
        """Writes the store's data with the catalogue of `shop_id`, unless the same store is already built.

        `products` (PRODUCTS) and `collections` (COLLECTIONS) may contain rows of other shops, which are ignored. After a
        change of catalogue, theme or variant the store is rebuilt and its events are deleted.

        Raises ConfigError for an unknown theme, ContractError for an invalid or empty catalogue, StorefrontError if
        loading fails.
        """
        requests = unbuilt([build_request(self.folder, shop_id, Look(theme, variant), products, collections)])
        if requests:
            self.stop()
            build(requests)

    def start(self, port: int = 0) -> str:
        """Starts the store on the loopback interface, waits until it answers, and returns its address.

        `port` 0 selects a free port. A running store keeps its address.

        Raises ConfigError if the port is not available or the store was never built, StorefrontError with the end of
        the server's log if the server does not start.
        """
        if not self._server.running:
            self._data.require_live()
        return self._server.start({"": self._data.live}, port)

    def reset(self) -> None:
        """Resets the store to the clean state without carts, orders and events. A running store keeps its address.

        Raises ConfigError if the store was never built.
        """
        self._data.reset()


class LabStores(_StoreServer):
    """The storefronts of many shops in one server process, with their data in folders under `folder`.

    with LabStores(folder) as stores:
        stores.build({"shop-1": Look("classic"), "shop-2": Look("outlet")}, products, collections)
        urls = stores.start()  # {"shop-1": "http://127.0.0.1:PORT/shop-1/", ...}
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._served: frozenset[str] = frozenset()

    def build(self, looks: Mapping[str, Look], products: pa.Table, collections: pa.Table) -> None:
        """Writes the data of the stores in `looks` (by shop id), unless the same store is already built.

        It raises the same errors as `LabStore.build`.
        """
        requests = unbuilt(
            [
                build_request(self._store_folder(shop_id), shop_id, look, products, collections)
                for shop_id, look in looks.items()
            ]
        )
        if requests:
            self.stop()
            build(requests)

    def start(self, port: int = 0, shops: Iterable[str] | None = None) -> dict[str, str]:
        """Starts the stores of `shops`, by default of all built shops; returns their addresses by shop id.

        Each address ends with a slash. Raises the errors of `LabStore.start`, and ConfigError for a shop that was never
        built or is named twice.
        """
        shop_ids = self.shops if shops is None else tuple(shops)
        if repeated := {shop_id for shop_id in shop_ids if shop_ids.count(shop_id) > 1}:
            raise ConfigError(f"shops named more than once: {', '.join(sorted(repeated))}")
        if not shop_ids:
            raise ConfigError(f"{self.folder}: no store was built here. Call build(looks, products, collections).")
        folders = {slug(shop_id): self._data(shop_id) for shop_id in shop_ids}
        if not self._server.running:
            for data in folders.values():
                data.require_live()
            self._served = frozenset(shop_ids)
        elif missing := sorted(set(shop_ids) - self._served):
            raise ConfigError(
                f"the server at {self._server.url} runs without {', '.join(missing)}. Stop it to serve other shops."
            )
        url = self._server.start({prefix: data.live for prefix, data in folders.items()}, port)
        return {shop_id: f"{url}/{slug(shop_id)}/" for shop_id in shop_ids}

    def reset(self, shop_id: str | None = None) -> None:
        """Resets one shop, by default all shops, to the clean state. A running store keeps its address.

        Raises ConfigError if the store was never built.
        """
        for each in self.shops if shop_id is None else (shop_id,):
            self._data(each).reset()

    def events_log(self, shop_id: str) -> Path:
        """The event log of a shop; see `LabStore.events_log`. Raises ConfigError if the store was never built."""
        return self._data(shop_id).events_log

    @property
    def shops(self) -> tuple[str, ...]:
        """The ids of the shops that were built in this folder, sorted."""
        shop_ids = (built_shop_id(path) for path in self.folder.iterdir()) if self.folder.is_dir() else ()
        return tuple(sorted(shop_id for shop_id in shop_ids if shop_id is not None))

    def _data(self, shop_id: str) -> StoreFolder:
        folder = self._store_folder(shop_id)
        if built_shop_id(folder) != shop_id:
            raise ConfigError(
                f"{self.folder}: no store of shop {shop_id!r} was built here. Built shops: {', '.join(self.shops) or 'none'}."
            )
        return StoreFolder(folder)

    def _store_folder(self, shop_id: str) -> Path:
        return self.folder / slug(shop_id)
