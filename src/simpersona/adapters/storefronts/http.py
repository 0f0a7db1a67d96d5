"""Stores without a browser: the sessions of one run share connections; each has cookies of its own."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import httpx2

from simpersona.adapters.storefronts.access import Access
from simpersona.adapters.storefronts.guarded_visit import GuardedVisit
from simpersona.adapters.storefronts.hidden_secrets import HiddenSecrets
from simpersona.adapters.storefronts.http_session import HttpSession
from simpersona.adapters.storefronts.payment_guard import PaymentGuard
from simpersona.adapters.storefronts.politeness import Politeness
from simpersona.adapters.storefronts.retry_after import StoreWaits
from simpersona.adapters.storefronts.safety import StoreScope
from simpersona.config import StoreConfig


class HttpVisitors:
    """The connections that the sessions of one run share; an async context manager.

    `may_pay` allows visitors to fill in a checkout and place an order: only for the lab's stores. `connections` are
    used instead of new ones.
    """

    def __init__(
        self, config: StoreConfig, *, may_pay: bool = False, connections: httpx2.AsyncBaseTransport | None = None
    ) -> None:
        self._config = config
        self._access = Access() if may_pay else Access.of(config)
        self._waits = StoreWaits(config.politeness.max_wait_seconds)
        self._guard = None if may_pay else PaymentGuard(config.guard)
        self._politeness = None if may_pay else Politeness(config.politeness, self._access, self._waits)
        self._given, self._connections = connections, connections

    async def __aenter__(self) -> Self:
        """Opens nothing yet."""
        self._connections = self._given or _connections(self._access)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the connections."""
        if self._connections is not None:
            await self._connections.aclose()

    def visitor(self, url: str, visitor: str, *, within: str = "/") -> HttpSession | HiddenSecrets:
        """A session of a new visitor in the store at `url`; the store knows the visitor by the cookie `visitor`.

        The visitor stays on the host, and there below the path `within`, which ends with a slash.
        """
        start = self._access.start(url)
        session = HttpSession(
            self._connections,
            self._config,
            visitor,
            StoreScope(start, within),
            self._waits,
            self._politeness,
            GuardedVisit(self._guard, start) if self._guard is not None else None,
            self._access,
        )
        return HiddenSecrets(session, self._access) if self._access.has_secrets else session


def _connections(access: Access) -> httpx2.AsyncHTTPTransport:
    proxy = None
    if access.proxy is not None:
        login = (access.proxy.user, access.proxy.password) if access.proxy.user else None
        proxy = httpx2.Proxy(access.proxy.url, auth=login)
    return httpx2.AsyncHTTPTransport(verify=not access.any_certificate, proxy=proxy)
