"""Stores in a real browser: one Chromium, one context of its own per visitor (Storefront).

The page is read from the browser's accessibility tree and shown in Stagehand's format. A visitor
stays in the store, in one tab, and pays only where that is allowed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from playwright.async_api import Browser as Chromium
from playwright.async_api import BrowserContext, CDPSession, Error, Playwright, Request, async_playwright
from playwright.async_api import Page as Tab
from playwright.async_api import TimeoutError as BrowserTimeoutError

from simpersona.adapters.browser_path import find_browser
from simpersona.adapters.store_browser_gestures import Hand
from simpersona.adapters.store_browser_tree import Kept, kept_nodes, shown_part
from simpersona.adapters.store_rules import Grounds
from simpersona.config import StoreConfig
from simpersona.errors import ConfigError, StorefrontError
from simpersona.pages import Action, Page

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
QUIET_MS, MAX_UNQUIET_MS, MAX_FETCH_SECONDS = 30, 400, 2.0
"""A page has settled after this long without a change; one that never rests is taken as it is."""

_STATUS = "() => performance.getEntriesByType('navigation')[0]?.responseStatus ?? 0"
_QUIET = """([quiet, longest]) => new Promise(done => {
    let timer = setTimeout(done, quiet);
    const watch = new MutationObserver(() => { clearTimeout(timer); timer = setTimeout(done, quiet); });
    watch.observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
    setTimeout(done, longest);
})"""


class Browser:
    """One running Chromium; an async context manager.

    `may_pay` allows visitors to fill in a checkout and place an order: for the lab's own stores alone.
    """

    def __init__(self, config: StoreConfig, *, may_pay: bool = False) -> None:
        self._config = config
        self._may_pay = may_pay
        self._playwright: Playwright | None = None
        self._chromium: Chromium | None = None
        self._starting = asyncio.Lock()

    async def __aenter__(self) -> Self:
        """Starts the browser. Raises ConfigError when there is none, or it does not start."""
        path = find_browser(self._config)
        self._playwright = await async_playwright().start()
        try:
            await self._launch(str(path))
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

    def visitor(self, url: str, visitor: str, *, within: str = "/") -> Window:
        """A new visitor's window on the store at `url`; the store knows it by the cookie `visitor`.

        The visitor stays on the host, and there below the path `within`, which ends with a slash.
        """
        return Window(self, self._config, url, visitor, within=within, may_pay=self._may_pay)

    async def new_context(self) -> BrowserContext:
        """A context with nothing in it; a browser that died is started again. Raises StorefrontError."""
        async with self._starting:
            try:
                if self._chromium is None or not self._chromium.is_connected():
                    await self._launch(str(find_browser(self._config)))
                assert self._chromium is not None
                return await self._chromium.new_context(
                    viewport={"width": VIEWPORT_WIDTH, "height": VIEWPORT_HEIGHT},
                    locale="en-US",
                    accept_downloads=False,
                    service_workers="block",
                )
            except (Error, ConfigError) as error:
                raise StorefrontError(f"the browser cannot open a window: {_first_line(error)}") from error

    async def _launch(self, path: str) -> None:
        if self._playwright is None:
            raise StorefrontError("the browser was not started: use `async with Browser(config)`")
        images = [] if self._config.images else ["--blink-settings=imagesEnabled=false"]
        is_root = hasattr(os, "geteuid") and os.geteuid() == 0  # Chromium refuses its sandbox to root
        try:
            self._chromium = await self._playwright.chromium.launch(
                executable_path=path, chromium_sandbox=not is_root, args=[*FLAGS, *images]
            )
        except Error as error:
            raise ConfigError(
                f"{path} does not start: {_first_line(error)}. Name another browser with store.browser_path."
            ) from error


class Window:
    """One visitor's window: open, act, close (Storefront)."""

    def __init__(
        self, browser: Browser, config: StoreConfig, url: str, visitor: str, *, within: str, may_pay: bool
    ) -> None:
        self._browser, self._config = browser, config
        self._url, self._visitor, self._grounds = url, visitor, Grounds(url, within, may_pay)
        self._timeout_ms = config.action_timeout_seconds * 1000
        self._context: BrowserContext | None = None
        self._tab: Tab | None = None
        self._cdp: CDPSession | None = None
        self._kept: dict[str, Kept] = {}
        self._part = 1
        self._main_frame = ""
        self._loaded = asyncio.Event()
        self._fetching: set[Request] = set()
        self._left_for: str | None = None  # an address that is not the store's and was asked for
        self._opened: str | None = None  # an address that was to open in a new tab

    async def open(self) -> Page:
        """The store's first page. Raises StorefrontError if the store does not answer, or with an error."""
        if urlsplit(self._url).scheme not in ("http", "https"):
            raise StorefrontError(f"{self._url!r} is not an http(s) address of a store")
        self._context = await self._browser.new_context()
        try:
            await self._prepare(self._context)
            assert self._tab is not None
            response = await self._tab.goto(self._url, wait_until="domcontentloaded", timeout=self._timeout_ms)
            if response is not None and not response.ok:
                raise StorefrontError(f"{self._url} answered {response.status} {response.status_text}")
            await self._settle()
            return await self._look()
        except Error as error:
            raise StorefrontError(f"{self._url} does not answer: {_first_line(error)}") from error

    async def act(self, action: Action) -> Page:
        """The page after the action, or the same page with the reason why it could not be done.

        Raises StorefrontError when the window is lost or the store answers no more.
        """
        if self._tab is None:
            raise StorefrontError("the window is not open")
        try:
            nodes = {name: kept.node for name, kept in self._kept.items()}
            failure = self._grounds.refused(action, nodes, self._tab.url)
            if failure is None:
                failure = await self._do(action)
            return await self._look(failure)
        except BrowserTimeoutError as error:
            return await self._look(f"The page did not answer in time: {_first_line(error)}")
        except Error as error:
            raise StorefrontError(f"the window was lost: {_first_line(error)}") from error

    async def close(self) -> None:
        """Closes the window and forgets the visitor."""
        context, self._context, self._tab = self._context, None, None
        if context is not None:
            with contextlib.suppress(Error):
                await context.close()

    # --- setting up ---------------------------------------------------------------------------

    async def _prepare(self, context: BrowserContext) -> None:
        """Cookie, tab, and the protocol's events that settle and the domain pin rest on."""
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(self._url))
        await context.add_cookies([{"name": "visitor", "value": self._visitor, "url": origin + self._grounds.within}])
        self._tab = tab = await context.new_page()
        self._cdp = cdp = await context.new_cdp_session(tab)
        context.on("page", self._on_new_tab)
        tab.on("domcontentloaded", lambda _: self._loaded.set())
        tab.on("download", lambda _: self._loaded.set())
        tab.on("request", self._on_request)
        tab.on("requestfinished", self._on_request_finished)
        tab.on("requestfailed", self._on_request_failed)
        cdp.on("Fetch.requestPaused", self._on_paused)
        cdp.on("Page.windowOpen", self._on_window_open)
        self._main_frame = (await cdp.send("Page.getFrameTree"))["frameTree"]["frame"]["id"]
        await cdp.send("Page.enable")
        await cdp.send("Fetch.enable", {"patterns": [{"resourceType": "Document", "requestStage": "Request"}]})

    async def _on_new_tab(self, tab: Tab) -> None:
        if tab is not self._tab:
            with contextlib.suppress(Error):
                await tab.close()

    def _on_window_open(self, event: dict[str, Any]) -> None:
        self._opened = event["url"] or None

    def _on_request(self, request: Request) -> None:
        if request.resource_type in ("fetch", "xhr"):
            self._fetching.add(request)

    def _on_request_finished(self, request: Request) -> None:
        self._fetching.discard(request)

    def _on_request_failed(self, request: Request) -> None:
        self._fetching.discard(request)
        if request.is_navigation_request() and request.frame.parent_frame is None:
            self._loaded.set()

    async def _on_paused(self, event: dict[str, Any]) -> None:
        """Lets a document load, unless it would take the tab to another store."""
        assert self._cdp is not None
        url, request = event["request"]["url"], {"requestId": event["requestId"]}
        with contextlib.suppress(Error):
            if event["frameId"] != self._main_frame or self._grounds.holds(url):
                if event["frameId"] == self._main_frame:
                    self._loaded.clear()
                await self._cdp.send("Fetch.continueRequest", request)
            else:
                self._left_for = url
                await self._cdp.send("Fetch.failRequest", {**request, "errorReason": "Aborted"})

    # --- acting -------------------------------------------------------------------------------

    async def _do(self, action: Action) -> str | None:
        """The failure in words, or None; the page has settled afterwards."""
        assert self._tab is not None
        assert self._cdp is not None
        if action.method in ("nextChunk", "prevChunk"):
            self._part += 1 if action.method == "nextChunk" else -1
            return None
        self._left_for = self._opened = None
        self._fetching.clear()
        before, hand = self._tab.url, Hand(self._tab, self._cdp)
        try:
            element = await hand.object_id(self._kept[action.node].backend_id)
            is_drag = action.method == "dragAndDrop"
            target = await hand.object_id(self._kept[action.arguments[0]].backend_id) if is_drag else None
            failure = await hand.do(action, element, target)
        except BrowserTimeoutError:
            raise
        except Error as error:
            if self._tab.is_closed():
                raise
            failure = f"It could not be done, the page may have changed: {_first_line(error)}"
        failure = await self._settle() or failure
        if self._tab.url != before:
            self._part = 1
        return failure

    async def _settle(self) -> str | None:
        """Waits until the page has loaded and rests; what went wrong on the way, in words."""
        failure = await self._rest()
        if self._opened is not None:
            url, self._opened = self._opened, None
            if not self._grounds.holds(url):
                return self._grounds.leads_away(url)
            assert self._tab is not None
            await self._tab.goto(url, wait_until="domcontentloaded", timeout=self._timeout_ms)
            failure = await self._rest()
        if self._left_for is not None:
            return self._grounds.leads_away(self._left_for)
        return failure

    async def _rest(self) -> str | None:
        assert self._tab is not None
        deadline = time.monotonic() + self._config.action_timeout_seconds
        while True:
            try:
                async with asyncio.timeout(deadline - time.monotonic()):
                    await self._loaded.wait()
                    await self._tab.evaluate(_QUIET, [QUIET_MS, MAX_UNQUIET_MS])
                    if self._fetching:
                        await self._fetched()
                        await self._tab.evaluate(_QUIET, [QUIET_MS, MAX_UNQUIET_MS])
                    status = await self._tab.evaluate(_STATUS)
            except TimeoutError:
                self._loaded.set()  # taken as it is: the next action need not wait for it again
                return f"The page did not load within {self._config.action_timeout_seconds:g} s"
            except Error:
                if self._tab.is_closed():
                    raise
                continue  # the page was replaced while it was looked at
            if self._tab.url.startswith("chrome-error:"):
                raise StorefrontError("the store does not answer any more")
            if self._loaded.is_set():
                return f"The store answered with an error ({status})" if status >= 500 else None

    async def _fetched(self) -> None:
        """Waits for what scripts have asked for since the action, at most two seconds."""
        for _ in range(int(MAX_FETCH_SECONDS * 1000 / QUIET_MS)):
            if not self._fetching:
                return
            await asyncio.sleep(QUIET_MS / 1000)

    # --- looking ------------------------------------------------------------------------------

    async def _look(self, failure: str | None = None) -> Page:
        assert self._tab is not None
        assert self._cdp is not None
        ax_nodes = (await self._cdp.send("Accessibility.getFullAXTree"))["nodes"]
        kept = kept_nodes(ax_nodes, self._config.max_name_chars)
        nodes, self._part = shown_part(kept, self._part, self._config.max_nodes)
        shown = {node.id for node in nodes}
        self._kept = {one.node.id: one for one in kept if one.node.id in shown}
        title = str(ax_nodes[0].get("name", {}).get("value", "")) if ax_nodes else ""
        return Page(self._tab.url, " ".join(title.split()), nodes, failure)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(" .")
