"""Stores in a real browser: Chromium, with a separate context for each visitor.

A browser serves many visitors and is then replaced by a new one, which frees what it has accumulated.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from playwright.async_api import Browser as Chromium
from playwright.async_api import BrowserContext, Error, Playwright, async_playwright

from simpersona.adapters.storefronts.access import Access, query_of
from simpersona.adapters.storefronts.browser_guard import BrowserGuard
from simpersona.adapters.storefronts.browser_path import find_browser
from simpersona.adapters.storefronts.browser_session import BrowserSession, first_line
from simpersona.adapters.storefronts.devices import device_context, plain_context
from simpersona.adapters.storefronts.guarded_visit import GuardedVisit
from simpersona.adapters.storefronts.hidden_secrets import HiddenSecrets
from simpersona.adapters.storefronts.payment_guard import PaymentGuard
from simpersona.adapters.storefronts.politeness import Politeness
from simpersona.adapters.storefronts.retry_after import StoreWaits
from simpersona.adapters.storefronts.safety import StoreScope
from simpersona.config import StoreConfig
from simpersona.config.address import with_query
from simpersona.errors import ConfigError, StorefrontError

FLAGS = (
    "--disable-gpu",
    "--in-process-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PAUSES = (0.5, 2.0)
"""Seconds before a browser that did not start is tried again; a busy machine can be short of memory for a moment."""


class Browser:
    """A running Chromium, which the sessions of one run share; an async context manager.

    `may_pay` allows visitors to fill in a checkout and place an order: only for the lab's stores.
    """

    def __init__(self, config: StoreConfig, *, may_pay: bool = False) -> None:
        self._config = config
        self._access = Access() if may_pay else Access.of(config)
        self._grid_query = query_of("store.cdp_query_env", config.cdp_query_env)
        self._waits = StoreWaits(config.politeness.max_wait_seconds)
        self._politeness = None if may_pay else Politeness(config.politeness, self._access, self._waits)
        self._guard = None if may_pay else PaymentGuard(config.guard)
        self._guards: dict[Chromium, BrowserGuard] = {}
        self._own_agents: dict[Chromium, str] = {}  # the user agents of the browsers themselves
        self._playwright: Playwright | None = None
        self._chromium: Chromium | None = None
        self._visitors = 0  # contexts that the running browser has opened
        self._starting = asyncio.Lock()

    async def __aenter__(self) -> Self:
        """Starts the browser. Raises ConfigError if there is no browser, or it does not start."""
        path = None if self._config.cdp_url is not None else find_browser(self._config)
        self._playwright = await async_playwright().start()
        try:
            await self._launch(path)
        except ConfigError:
            await self._playwright.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops the browser and all that runs in it."""
        if self._chromium is not None:
            await self._chromium.close()
        if self._playwright is not None:
            await self._playwright.stop()

    def visitor(self, url: str, visitor: str, *, within: str = "/") -> BrowserSession | HiddenSecrets:
        """A session of a new visitor in the store at `url`; the store knows the visitor by the cookie `visitor`.

        The visitor stays on the host, and there below the path `within`, which ends with a slash.
        """
        guarded, start = None, self._access.start(url)
        if self._guard is not None:
            guarded = GuardedVisit(self._guard, start), self._guard_of
        scope = StoreScope(start, within)
        session = BrowserSession(
            self.new_context, self._config, visitor, scope, self._waits, self._politeness, guarded, self._access.cookies
        )
        return HiddenSecrets(session, self._access) if self._access.has_secrets else session

    def _guard_of(self, context: BrowserContext) -> BrowserGuard:
        """The guard of the browser in which a context is open."""
        assert context.browser is not None
        return self._guards[context.browser]

    async def new_context(self) -> BrowserContext:
        """An empty context. A browser that died or has served many visitors is replaced first. Raises StorefrontError."""
        async with self._starting:
            try:
                if self._chromium is None or not self._chromium.is_connected():
                    await self._launch()
                elif self._visitors >= self._config.visitors_per_browser:
                    await self._replace()
                try:
                    return await self._open_context()
                except Error:  # a browser that dies counts as connected for a moment
                    await self._replace()
                    return await self._open_context()
            except (Error, ConfigError) as error:
                raise StorefrontError(f"the browser cannot open a session: {first_line(error)}") from error

    async def _open_context(self) -> BrowserContext:
        assert self._chromium is not None
        self._visitors += 1
        return await self._chromium.new_context(
            accept_downloads=False, service_workers="block", **await self._context_options(self._chromium)
        )

    async def _context_options(self, chromium: Chromium) -> dict[str, Any]:
        """The device of a visitor and the access to the store; the lab's stores see a plain desktop."""
        if self._guard is None:
            return plain_context()
        assert self._playwright is not None
        access = self._access
        options = device_context(self._config, self._playwright, self._own_agents[chromium])
        if access.any_certificate:
            options["ignore_https_errors"] = True
        if access.state is not None:
            options["storage_state"] = {"cookies": access.state_cookies(), "origins": access.state["origins"]}
        if access.proxy is not None:
            options["proxy"] = {"server": access.proxy.url, **access.proxy.login}
        return options

    async def _replace(self) -> None:
        retired = self._chromium
        await self._launch()
        if retired is not None:
            await _close_when_empty(retired)

    async def _launch(self, path: Path | None = None) -> None:
        if self._playwright is None:
            raise StorefrontError("the browser was not started: use `async with Browser(config)`")
        if self._config.cdp_url is None:
            self._chromium = await self._start(self._playwright, path or find_browser(self._config))
        else:
            self._chromium = await self._connect(self._playwright, self._config.cdp_url)
        self._visitors = 0

    async def _start(self, playwright: Playwright, path: Path) -> Chromium:
        """A new Chromium on this machine; one that dies as it starts is tried again. Raises ConfigError."""
        for pause in PAUSES:
            with contextlib.suppress(Error):
                return await self._start_once(playwright, path)
            await asyncio.sleep(pause)
        try:
            return await self._start_once(playwright, path)
        except Error as error:
            raise ConfigError(
                f"{path} does not start: {first_line(error)}. Name another browser with store.browser_path."
            ) from error

    async def _start_once(self, playwright: Playwright, path: Path) -> Chromium:
        images = [] if self._config.images else ["--blink-settings=imagesEnabled=false"]
        is_root = hasattr(os, "geteuid") and os.geteuid() == 0  # Chromium refuses its sandbox to root
        chromium = await playwright.chromium.launch(
            executable_path=str(path), chromium_sandbox=not is_root, args=[*FLAGS, *images]
        )
        await self._guard_all(chromium)
        return chromium

    async def _connect(self, playwright: Playwright, address: str) -> Chromium:
        """A Chromium that runs already, or one of a grid. Raises ConfigError."""
        try:
            chromium = await playwright.chromium.connect_over_cdp(with_query(address, self._grid_query))
            await self._guard_all(chromium)
        except Error as error:
            # the browser's message holds the address with its secrets
            raise ConfigError(
                f"store.cdp_url = {address}: no Chromium answers there, or it refuses ({type(error).__name__}). Is it running "
                "with --remote-debugging-port, and are the parameters of store.cdp_query_env right?"
            ) from None
        return chromium

    async def _guard_all(self, chromium: Chromium) -> None:
        """Holds all requests of visitors, where the stores are not the lab's. Raises the browser's Error."""
        if self._guard is None:
            return
        guard = BrowserGuard(self._guard, self._access, is_shared=self._config.cdp_url is not None)
        self._guards[chromium] = guard
        chromium.on("disconnected", self._forget_guard)
        self._own_agents[chromium] = await guard.start(chromium)

    def _forget_guard(self, gone: Chromium) -> None:
        self._guards.pop(gone, None)
        self._own_agents.pop(gone, None)


async def _close_when_empty(chromium: Chromium) -> None:
    """Closes a browser now, or together with its last context."""

    async def close_if_empty() -> None:
        if not chromium.contexts:
            with contextlib.suppress(Error):
                await chromium.close()

    for context in chromium.contexts:
        context.on("close", lambda _: close_if_empty())
    await close_if_empty()
