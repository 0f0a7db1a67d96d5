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

from playwright.async_api import BrowserContext, CDPSession, Dialog, Error, Request, Response
from playwright.async_api import Page as Tab
from playwright.async_api import TimeoutError as BrowserTimeoutError

from simpersona.adapters.storefronts.politeness import Politeness
from simpersona.adapters.storefronts.retry_after import asks_to_wait
from simpersona.adapters.storefronts.safety import StoreScope
from simpersona.pages import Trouble

QUIET_MS, MAX_UNQUIET_MS, MAX_FETCH_SECONDS = 30, 400, 2.0
"""A page has settled after this time without a change; a page that never settles is read as it is."""

_STATUS = "() => performance.getEntriesByType('navigation')[0]?.responseStatus ?? 0"
_QUIET = """([quiet, longest]) => new Promise(done => {
    let timer = setTimeout(done, quiet);
    const watch = new MutationObserver(() => { clearTimeout(timer); timer = setTimeout(done, quiet); });
    watch.observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
    setTimeout(done, longest);
})"""


class StoreTab:
    """A tab on a store; `open` makes one.

    `tab` and `cdp` are the browser's handles, `asked` is the method and the address of the last document, and `leaving`
    is set while the page navigates.
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
        self._scope, self._politeness, self._timeout_seconds = scope, politeness, timeout_seconds
        self._troubles = troubles  # the session's; faults are added to it
        self._turns, self._waited = 0, False  # requests that wait for their turn; whether any has waited
        self._main_frame = ""
        self._loaded = asyncio.Event()
        self._late = False  # the requested page did not come in time
        self._navigation: Request | None = None
        self.answered: tuple[int, dict[str, str]] = (0, {})  # status and headers of the last document
        self.on_limited: Callable[[str, str | None], None] = lambda _url, _retry_after: None
        self._fetching: set[Request] = set()
        self._loading_frames: set[str] = set()
        self._refusal: str | None = None  # why a requested page was not opened
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

    async def status(self) -> int:
        """The HTTP status of the page's document; 0 where it has none. Raises the browser's Error."""
        return await self.tab.evaluate(_STATUS)

    def forget(self) -> None:
        """Forgets what the last action caused, before the next one."""
        self._refusal = self._opened = None
        self.leaving.clear()
        self._fetching.clear()

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
                return self._scope.leads_away(url), "led_away"
            await self.goto(url)
            fault = await self.rest()
        if self._refusal is not None:
            refusal, self._refusal = self._refusal, None
            return refusal, "led_away"
        return fault

    async def rest(self) -> tuple[str | None, Trouble | None]:
        """As `settle`, for the page that is already loading. Raises the browser's Error if the tab is closed."""
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
                    await self.tab.evaluate(_QUIET, [QUIET_MS, MAX_UNQUIET_MS])
                    if self._fetching or self._loading_frames:
                        await self._fetched()
                        await self.tab.evaluate(_QUIET, [QUIET_MS, MAX_UNQUIET_MS])
                    status = await self.status()
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
            if (fault := self._fault(status)) is not None:
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

    async def _fetched(self) -> None:
        """Waits for frames and for requests of scripts since the action, at most two seconds besides the waits for a turn."""
        left = MAX_FETCH_SECONDS
        while left > 0 and (self._fetching or self._loading_frames):
            await asyncio.sleep(QUIET_MS / 1000)
            left -= 0 if self._turns else QUIET_MS / 1000

    async def _listen(self) -> None:
        tab, cdp = self.tab, self.cdp
        tab.on("domcontentloaded", lambda _: self._loaded.set())
        tab.on("download", lambda _: self._loaded.set())
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
        await cdp.send("Fetch.enable", {"patterns": [{"resourceType": "Document", "requestStage": "Request"}]})

    async def _on_dialog(self, dialog: Dialog) -> None:
        """Dismisses a dialog, but accepts to leave the page."""
        self._troubles.append("dialog")
        with contextlib.suppress(Error):
            await (dialog.accept() if dialog.type == "beforeunload" else dialog.dismiss())

    def _on_window_open(self, event: dict[str, Any]) -> None:
        self._opened = event["url"] or None

    def _on_frame_starts(self, event: dict[str, Any]) -> None:
        if event["frameId"] != self._main_frame:
            self._loading_frames.add(event["frameId"])

    def _on_frame_ends(self, event: dict[str, Any]) -> None:
        self._loading_frames.discard(event["frameId"])

    def _on_request(self, request: Request) -> None:
        if request.is_navigation_request():
            if request.frame.parent_frame is None:
                self._navigation, self.answered = request, (0, {})
        elif request.resource_type in ("fetch", "xhr"):
            self._fetching.add(request)

    def _on_response(self, response: Response) -> None:
        request = response.request
        if request is self._navigation:
            self.answered = response.status, response.headers
        elif response.status == 429 and request.resource_type in ("fetch", "xhr") and self._scope.holds(response.url):
            self.on_limited(response.url, response.headers.get("retry-after"))

    def _on_request_finished(self, request: Request) -> None:
        self._fetching.discard(request)

    def _on_request_failed(self, request: Request) -> None:
        self._fetching.discard(request)
        if request is self._navigation:  # not one that a later navigation has replaced
            self._loaded.set()

    async def _on_paused(self, event: dict[str, Any]) -> None:
        """Lets a document load in its turn, unless it is outside the scope or the store forbids it."""
        url, is_main = event["request"]["url"], event["frameId"] == self._main_frame
        request: dict[str, Any] = {"requestId": event["requestId"]}
        with contextlib.suppress(Error):
            refusal = self._scope.leads_away(url) if is_main and not self._scope.holds(url) else None
            if is_main and refusal is None:
                self._loaded.clear()
                self.leaving.set()
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
