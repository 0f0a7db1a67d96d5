"""The driver that opens visitors' sessions in stores, as the settings name it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol

from simpersona.adapters.named import Shipped, build, load
from simpersona.config import StoreConfig
from simpersona.ports import Storefront

if TYPE_CHECKING:
    from simpersona.adapters.storefronts.store_reader import StoreReader

_HERE = "simpersona.adapters.storefronts"
DRIVERS = {
    "browser": Shipped(f"{_HERE}.browser:Browser", extra="browser"),
    "http": Shipped(f"{_HERE}.http:HttpVisitors", extra="http"),
}
"""The drivers that come with the package."""
_READER = {"reader": Shipped(f"{_HERE}.store_reader:StoreReader", extra="http")}


class Visitors(AbstractAsyncContextManager["Visitors"], Protocol):
    """What the visitors of one run share, such as a running browser; entered before the first visit.

    It is made with the settings of [store] and `may_pay`, which allows visitors to fill in a checkout and place an order:
    only for the lab's stores.
    """

    def visitor(self, url: str, visitor: str, *, within: str = "/") -> Storefront:
        """A session of a new visitor in the store at `url`; the store knows the visitor by the cookie `visitor`.

        The visitor stays on the host, and there below the path `within`, which ends with a slash.
        """
        ...


def open_visitors(config: StoreConfig, driver: str, *, may_pay: bool) -> Visitors:
    """The visitors of a driver: "browser", "http", or an import path. Nothing is started before it is entered.

    Raises ConfigError if an import path leads to no driver, or a package is missing.
    """
    return build(Visitors, driver, DRIVERS, "store.driver", config, may_pay=may_pay)


def open_reader(config: StoreConfig, url: str) -> StoreReader:
    """What reads the store at `url` without a visitor. Raises ConfigError if a package or a secret is missing."""
    return load("reader", _READER, "store")(config, url)
