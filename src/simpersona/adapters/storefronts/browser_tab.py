"""One tab of a browser in a store: requests pages, and waits until they have loaded and settled.

The tab stays in the visitor's scope: a document outside it is not loaded. What would open in a new tab opens in this
one, and dialogs are dismissed.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any, Self
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, CDPSession, Dialog, Download, Error, Request, Response
from playwright.async_api import Page as Tab
from playwright.async_api import TimeoutError as BrowserTimeoutError

from simpersona.adapters.storefronts.browser_settling import (
    LOADING_SECONDS,
    MAX_CHAIN_SECONDS,
    MAX_FETCH_SECONDS,
    QUIET_MS,
    WATCH,
    OpenRequests,
    PageFacts,
    quiet,
)
from simpersona.adapters.storefronts.politeness import Politeness
from simpersona.adapters.storefronts.retry_after import asks_to_wait
from simpersona.adapters.storefronts.safety import StoreScope
from simpersona.pages import Trouble


class StoreTab:
    """A tab on a store; `open` makes one.

    `tab` and `cdp` are the browser's handles, `asked` is the method and the address of the last document, `leaving` is set
    while the page navigates, and `facts` are those of the page that settled last.
    """

    def __init__(
        self,
        tab: Tab,
        cdp: CDPSession,
        scope: StoreScope,
        politeness: Politeness | None,
        timeout_seconds: float,
        troubles: list[Trouble],
    ) -> None:
        self.tab, self.cdp = tab, cdp
        self.asked = ("GET", scope.url)
        self.leaving = asyncio.Event()
        self.facts = PageFacts()
        self._scope, self._politeness, self._timeout_seconds = scope, politeness, timeout_seconds
        self._troubles = troubles  # the session's; faults are added to it
        self._turns, self._waited = 0, False  # requests that wait for their turn; whether any has waited
        self._main_frame = ""
        self._loaded = asyncio.Event()
        self._late = False  # the requested page did not come in time
        self._navigation: Request | None = None
        self.answered: tuple[int, dict[str, str]] = (0, {})  # status and headers of the last document
        self.on_limited: Callable[[str, str | None], None] = lambda _url, _retry_after: None
        self._documents = self._settled_documents = 0  # requested so far; when the page settled last
        self._open = OpenRequests()
        self._loads_for_ever = False
        self._refusal: str | None = None  # why a requested page was not opened
        self._is_file = False  # because it is a file
        self.led_to: str | None = None  # the address outside the store to which the last action led
        self._opened: str | None = None  # an address that was to open in a new tab

    @classmethod
    async def open(
        cls,
        context: BrowserContext,
        scope: StoreScope,
        politeness: Politeness | None,
        timeout_seconds: float,
        troubles: list[Trouble],
    ) -> Self:
        """An empty tab of the context, which listens to the events that settling and the scope need.

        Raises the browser's Error.
        """
        tab = await context.new_page()
        opened = cls(tab, await context.new_cdp_session(tab), scope, politeness, timeout_seconds, troubles)
        await opened._listen()
        return opened

    @property
    def url(self) -> str:
        """The address of the page that the tab shows."""
        return self.tab.url

    @property
    def is_closed(self) -> bool:
        """Whether the tab is gone."""
        return self.tab.is_closed()

    @property
    def has_moved_on(self) -> bool:
        """Whether another page was requested since the page has settled: what was read meanwhile may be of neither."""
        return self._documents != self._settled_documents

    def forget(self) -> None:
        """Forgets what the last action caused, before the next one."""
        self._refusal = self._opened = self.led_to = None
        self._is_file = False
        self.leaving.clear()
        self._open.forget()

    async def goto(self, url: str) -> None:
        """Requests a page; `settle` reports if it does not come. Raises the browser's Error if the tab is closed."""
        await self.cdp.send("Page.stopLoading")  # a page that is still loading would end the wait for this one
        self._loaded.clear()
        self.asked = ("GET", url)
        try:
            await self.tab.goto(url, wait_until="domcontentloaded", timeout=self._timeout_seconds * 1000)
        except BrowserTimeoutError:
            self._late = not self._has_waited()
        except Error:
            if self.is_closed:
                raise
            self._loaded.set()

    async def settle(self) -> tuple[str | None, Trouble | None]:
        """Waits until the page has loaded and settled. Returns the fault as a sentence and by its name, or None twice.

        Raises the browser's Error if the tab is closed.
        """
        fault = await self.rest()
        if self._opened is not None:
            url, self._opened = self._opened, None
            self._troubles.append("new_tab")
            if not self._scope.holds(url):
                self.led_to = url
                return self._scope.leads_away(url), "led_away"
            await self.goto(url)
            fault = await self.rest()
        if self._refusal is not None:
            refusal, self._refusal = self._refusal, None
            is_file, self._is_file = self._is_file, False
            return refusal, None if is_file else "led_away"
        return fault

    async def rest(self) -> tuple[str | None, Trouble | None]:
        """As `settle`, for the page that is already loading. Raises the browser's Error if the tab is closed."""
        fault = await self._rest()
        self._settled_documents = self._documents
        return fault

    async def _rest(self) -> tuple[str | None, Trouble | None]:
        late = f"The page did not load within {self._timeout_seconds:g} s"
        if self._late:
            self._late = False
            self._loaded.set()
            return late, "slow_page"
        deadline = time.monotonic() + self._timeout_seconds
        while True:
            try:
                async with asyncio.timeout(deadline - time.monotonic()):
                    await self._loaded.wait()
                    self.facts = await self._quiet()
            except TimeoutError:
                if self._has_waited():
                    deadline = time.monotonic() + self._timeout_seconds
                    continue
                self._loaded.set()  # read as it is: the next action need not wait for it again
                return late, "slow_page"
            except Error:
                if self.is_closed:
                    raise
                continue  # the page was replaced while it was read
            if (fault := self._fault(self.facts.status)) is not None:
                return fault

    def _fault(self, status: int) -> tuple[str | None, Trouble | None] | None:
        """The fault of the page that has come, None twice if it has none; None while another page loads."""
        if asks_to_wait(*self.answered):
            return f"The store asks to come back later ({self.answered[0]})", "rate_limited"
        if self.url.startswith("chrome-error:"):
            return "The store did not answer", "no_answer"
        if not self._loaded.is_set():
            return None
        return (f"The store answered with an error ({status})", "server_error") if status >= 500 else (None, None)

    async def _quiet(self) -> PageFacts:
        """Waits until nothing changes and nothing is awaited. Raises the browser's Error if the page is replaced.

        A page that says that it is loading without a request is waited for too, until one has said so for all of the time.
        """
        left = min(MAX_CHAIN_SECONDS, self._timeout_seconds / 2)
        while True:
            facts = await quiet(self.tab)
            if not self._open:
                if not facts.is_loading or self._loads_for_ever:
                    return facts
                if left <= 0:
                    self._loads_for_ever = True
                    return facts
                await asyncio.sleep(LOADING_SECONDS)
                left -= LOADING_SECONDS + QUIET_MS / 1000
                continue
            if left <= 0:
                self._open.give_up(MAX_FETCH_SECONDS)
                return facts
            while self._open and left > 0:
                began, counts = time.monotonic(), not self._turns
                await self._open.change(left, counts=counts, is_loading=facts.is_loading)
                left -= time.monotonic() - began if counts else 0

    async def _listen(self) -> None:
        tab, cdp = self.tab, self.cdp
        tab.on("domcontentloaded", lambda _: self._loaded.set())
        tab.on("download", self._on_download)
        tab.on("request", self._on_request)
        tab.on("response", self._on_response)
        tab.on("requestfinished", self._on_request_finished)
        tab.on("requestfailed", self._on_request_failed)
        tab.on("dialog", self._on_dialog)
        tab.on("crash", lambda crashed: crashed.close())
        cdp.on("Fetch.requestPaused", self._on_paused)
        cdp.on("Page.windowOpen", self._on_window_open)
        cdp.on("Page.frameStartedLoading", self._on_frame_starts)
        for event in ("Page.frameStoppedLoading", "Page.frameDetached"):
            cdp.on(event, self._on_frame_ends)
        self._main_frame = (await cdp.send("Page.getFrameTree"))["frameTree"]["frame"]["id"]
        await cdp.send("Page.enable")
        await cdp.send("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
        await cdp.send("Fetch.enable", {"patterns": [{"resourceType": "Document", "requestStage": "Request"}]})

    def _on_download(self, download: Download) -> None:
        """A document that is no page is not kept; the page before stays."""
        self._refusal = f"It is a file ({download.suggested_filename}), not a page: not opened"
        self._is_file = True
        self._loaded.set()

    async def _on_dialog(self, dialog: Dialog) -> None:
        """Dismisses a dialog, but accepts to leave the page."""
        self._troubles.append("dialog")
        with contextlib.suppress(Error):
            await (dialog.accept() if dialog.type == "beforeunload" else dialog.dismiss())

    def _on_window_open(self, event: dict[str, Any]) -> None:
        self._opened = event["url"] or None

    def _on_frame_starts(self, event: dict[str, Any]) -> None:
        if event["frameId"] != self._main_frame:
            self._open.begin_frame(event["frameId"])

    def _on_frame_ends(self, event: dict[str, Any]) -> None:
        self._open.end_frame(event["frameId"])

    def _on_request(self, request: Request) -> None:
        if request.is_navigation_request():
            if request.frame.parent_frame is None:
                self._navigation, self.answered = request, (0, {})
        elif request.resource_type in ("fetch", "xhr") or self._is_late_script(request):
            self._open.begin(request)

    def _is_late_script(self, request: Request) -> bool:
        """Whether a request loads a part of the store's own script after the page: the page goes on when it is there."""
        is_script = request.resource_type == "script" and self._loaded.is_set()
        return is_script and urlsplit(request.url).netloc == urlsplit(self.url).netloc

    def _on_response(self, response: Response) -> None:
        request = response.request
        if request is self._navigation:
            self.answered = response.status, response.headers
        elif response.status == 429 and request.resource_type in ("fetch", "xhr") and self._scope.holds(response.url):
            self.on_limited(response.url, response.headers.get("retry-after"))

    def _on_request_finished(self, request: Request) -> None:
        self._open.end(request)

    def _on_request_failed(self, request: Request) -> None:
        self._open.end(request)
        if request is self._navigation:  # not one that a later navigation has replaced
            self._loaded.set()

    async def _on_paused(self, event: dict[str, Any]) -> None:
        """Lets a document load in its turn, unless it is outside the scope or the store forbids it."""
        url, is_main = event["request"]["url"], event["frameId"] == self._main_frame
        request: dict[str, Any] = {"requestId": event["requestId"]}
        with contextlib.suppress(Error):
            refusal = None
            if is_main and not self._scope.holds(url):
                refusal, self.led_to = self._scope.leads_away(url), url
            if is_main and refusal is None:
                self._loaded.clear()
                self.leaving.set()
                self._documents += 1
                self.asked = (event["request"]["method"], url)
            if refusal is None and self._politeness is not None and self._scope.holds(url):
                refusal = await self._politeness.refused(url)
                if refusal is None:
                    await self._take_turn(self._politeness, url)
                    headers = event["request"]["headers"] | self._politeness.headers(url)
                    request["headers"] = [{"name": name, "value": value} for name, value in headers.items()]
            if refusal is None:
                await self.cdp.send("Fetch.continueRequest", request)
                return
            if is_main:
                self._refusal = refusal
                self._loaded.set()
            await self.cdp.send("Fetch.failRequest", {**request, "errorReason": "Aborted"})

    async def _take_turn(self, politeness: Politeness, url: str) -> None:
        self._turns += 1
        try:
            self._waited = bool(await politeness.turn(url)) or self._waited
        finally:
            self._turns -= 1

    def _has_waited(self) -> bool:
        """Whether a request has waited for its turn since the last call: that time is not the store's."""
        waited, self._waited = self._waited or bool(self._turns), False
        return waited
