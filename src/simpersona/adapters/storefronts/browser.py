"""Stores in a real browser: Chromium, with a separate context for each visitor.

A browser serves many visitors and is then replaced by a new one, which frees what it has accumulated.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from playwright.async_api import Browser as Chromium
from playwright.async_api import BrowserContext, Error, Playwright, async_playwright

from simpersona.adapters.storefronts.browser_guard import BrowserGuard
from simpersona.adapters.storefronts.browser_path import find_browser
from simpersona.adapters.storefronts.browser_session import BrowserSession, first_line
from simpersona.adapters.storefronts.guarded_visit import GuardedVisit
from simpersona.adapters.storefronts.payment_guard import PaymentGuard
from simpersona.adapters.storefronts.politeness import Politeness
from simpersona.adapters.storefronts.safety import StoreScope
from simpersona.config import StoreConfig
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
VIEWPORT_WIDTH, VIEWPORT_HEIGHT = 1280, 900


class Browser:
    """A running Chromium, which the sessions of one run share; an async context manager.

    `may_pay` allows visitors to fill in a checkout and place an order: only for the lab's stores.
    """

    def __init__(self, config: StoreConfig, *, may_pay: bool = False) -> None:
        self._config = config
        self._politeness = None if may_pay else Politeness(config.politeness)
        self._guard = None if may_pay else PaymentGuard(config.guard)
        self._guards: dict[Chromium, BrowserGuard] = {}
        self._playwright: Playwright | None = None
        self._chromium: Chromium | None = None
        self._visitors = 0  # contexts that the running browser has opened
        self._starting = asyncio.Lock()

    async def __aenter__(self) -> Self:
        """Starts the browser. Raises ConfigError if there is no browser, or it does not start."""
        path = find_browser(self._config)
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

    def visitor(self, url: str, visitor: str, *, within: str = "/") -> BrowserSession:
        """A session of a new visitor in the store at `url`; the store knows the visitor by the cookie `visitor`.

        The visitor stays on the host, and there below the path `within`, which ends with a slash.
        """
        guarded = None
        if self._guard is not None:
            guarded = GuardedVisit(self._guard, url), self._guard_of
        return BrowserSession(
            self.new_context, self._config, visitor, StoreScope(url, within), self._politeness, guarded
        )

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
            viewport={"width": VIEWPORT_WIDTH, "height": VIEWPORT_HEIGHT},
            locale="en-US",
            accept_downloads=False,
            service_workers="block",
        )

    async def _replace(self) -> None:
        retired = self._chromium
        await self._launch()
        if retired is not None:
            await _close_when_empty(retired)

    async def _launch(self, path: Path | None = None) -> None:
        path = path or find_browser(self._config)
        if self._playwright is None:
            raise StorefrontError("the browser was not started: use `async with Browser(config)`")
        images = [] if self._config.images else ["--blink-settings=imagesEnabled=false"]
        is_root = hasattr(os, "geteuid") and os.geteuid() == 0  # Chromium refuses its sandbox to root
        try:
            self._chromium = await self._playwright.chromium.launch(
                executable_path=str(path), chromium_sandbox=not is_root, args=[*FLAGS, *images]
            )
            if self._guard is not None:
                self._guards[self._chromium] = guard = BrowserGuard(self._guard)
                self._chromium.on("disconnected", self._forget_guard)
                await guard.start(self._chromium)
        except Error as error:
            raise ConfigError(
                f"{path} does not start: {first_line(error)}. Name another browser with store.browser_path."
            ) from error
        self._visitors = 0

    def _forget_guard(self, gone: Chromium) -> None:
        self._guards.pop(gone, None)


async def _close_when_empty(chromium: Chromium) -> None:
    """Closes a browser now, or together with its last context."""

    async def close_if_empty() -> None:
        if not chromium.contexts:
            with contextlib.suppress(Error):
                await chromium.close()

    for context in chromium.contexts:
        context.on("close", lambda _: close_if_empty())
    await close_if_empty()
