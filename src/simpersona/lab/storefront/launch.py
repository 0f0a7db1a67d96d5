"""Storefronts with the catalogues of one shop or of many: built once, then started, stopped and reset."""

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
from simpersona.lab.storefront.store_folder import Look, StoreFolder, build, order, shop_in, unbuilt
from simpersona.lab.storefront.themes import THEMES
from simpersona.lab.variants import PLAIN, Variant

VARIED = "varied"


def looks(
    shops: Iterable[str], theme: str = VARIED, variant: Variant | Mapping[str, Variant] = PLAIN
) -> dict[str, Look]:
    """The look of each shop: of one theme, or with "varied" of all themes by turns, in the order of the shops' ids; in one
    variant, or each in its own, where it has one.
    """
    themes, names = THEMES if theme == VARIED else (theme,), sorted(shops)
    own = variant if isinstance(variant, Mapping) else dict.fromkeys(names, variant)
    return {shop_id: Look(one, own.get(shop_id, PLAIN)) for shop_id, one in zip(names, cycle(themes), strict=False)}


class _Served:
    """What has a server that ends with its `with` block."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._server = ServerProcess(self.folder / "server.log")

    def stop(self) -> None:
        """Ends the server and all its processes; may be called twice."""
        self._server.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class LabStore(_Served):
    """The storefront of one shop, kept in `folder`.

    with LabStore(folder) as store:
        store.build("shop-1", products, collections)
        url = store.start()
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._data = StoreFolder(self.folder)

    @property
    def events_log(self) -> Path:
        """What visitors did: one JSON object per line in the format of Shopify's Web Pixels events.

        Its folder also holds the catalogue, as the shopify event source reads it.
        """
        return self._data.events_log

    @property
    def url(self) -> str | None:
        """The store's address while it is served, else None."""
        return self._server.url

    def build(
        self,
        shop_id: str,
        products: pa.Table,
        collections: pa.Table,
        theme: str = "classic",
        variant: Variant = PLAIN,
    ) -> None:
        """Writes the store's data with the catalogue of `shop_id`, if this very store is not there yet.

        `products` and `collections` are in the shape of PRODUCTS and COLLECTIONS; rows of other shops
        are left out. A changed catalogue, theme or variant is built anew and the visits so far are dropped.
        Raises ConfigError for an unknown theme, ContractError for a broken or empty catalogue,
        StorefrontError if loading fails.
        """
        todo = unbuilt([order(self.folder, shop_id, Look(theme, variant), products, collections)])
        if todo:
            self.stop()
            build(todo)

    def start(self, port: int = 0) -> str:
        """Serves the store on the loopback interface and waits until it answers; the address.

        `port` 0 takes a free one. A store that is served already keeps its address.
        Raises ConfigError for a port that cannot be taken or a store that was never built,
        StorefrontError with the end of the server's log if it does not come up.
        """
        if not self._server.running:
            self._data.require_live()
        return self._server.start({"": self._data.live}, port)

    def reset(self) -> None:
        """Back to the clean state: no carts, no orders, no events. A served store goes on at its address.

        Raises ConfigError for a store that was never built.
        """
        self._data.reset()


class LabStores(_Served):
    """The storefronts of many shops in one process, kept in a folder each under `folder`.

    with LabStores(folder) as stores:
        stores.build({"shop-1": Look("classic"), "shop-2": Look("outlet")}, products, collections)
        urls = stores.start()  # {"shop-1": "http://127.0.0.1:PORT/shop-1/", ...}
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._served: frozenset[str] = frozenset()

    def build(self, looks: Mapping[str, Look], products: pa.Table, collections: pa.Table) -> None:
        """Writes the data of these shops' stores, by shop id, where this very store is not there yet.

        Otherwise as LabStore.build, which says what is raised.
        """
        orders = (order(self._place(shop_id), shop_id, look, products, collections) for shop_id, look in looks.items())
        todo = unbuilt(list(orders))
        if todo:
            self.stop()
            build(todo)

    def start(self, port: int = 0, shops: Iterable[str] | None = None) -> dict[str, str]:
        """Serves these shops, or all that were built here; their addresses by shop id, each with a slash at its end.

        Raises ConfigError as LabStore.start, and for a shop that was never built or is named twice.
        """
        asked = self.shops if shops is None else tuple(shops)
        if twice := {shop_id for shop_id in asked if asked.count(shop_id) > 1}:
            raise ConfigError(f"shops named more than once: {', '.join(sorted(twice))}")
        if not asked:
            raise ConfigError(f"{self.folder}: no store was built here. Call build(looks, products, collections).")
        folders = {slug(shop_id): self._data(shop_id) for shop_id in asked}
        if not self._server.running:
            for data in folders.values():
                data.require_live()
            self._served = frozenset(asked)
        elif more := sorted(set(asked) - self._served):
            raise ConfigError(f"{self._server.url} serves without {', '.join(more)}; stop it to serve other shops.")
        url = self._server.start({prefix: data.live for prefix, data in folders.items()}, port)
        return {shop_id: f"{url}/{slug(shop_id)}/" for shop_id in asked}

    def reset(self, shop_id: str | None = None) -> None:
        """One shop, or all, back to the clean state. A served one goes on at its address.

        Raises ConfigError for a store that was never built.
        """
        for each in self.shops if shop_id is None else (shop_id,):
            self._data(each).reset()

    def events_log(self, shop_id: str) -> Path:
        """What this shop's visitors did, as LabStore.events_log. Raises ConfigError for a store that was never built."""
        return self._data(shop_id).events_log

    @property
    def shops(self) -> tuple[str, ...]:
        """The ids of the shops that were built here, in order."""
        found = (shop_in(path) for path in self.folder.iterdir()) if self.folder.is_dir() else ()
        return tuple(sorted(shop_id for shop_id in found if shop_id is not None))

    def _data(self, shop_id: str) -> StoreFolder:
        if shop_in(self._place(shop_id)) != shop_id:
            raise ConfigError(
                f"{self.folder}: no store of shop {shop_id!r} was built here; there are {', '.join(self.shops) or 'none'}."
            )
        return StoreFolder(self._place(shop_id))

    def _place(self, shop_id: str) -> Path:
        return self.folder / slug(shop_id)
