"""One visitor's window on a store in a browser (Storefront).

The page is read from the browser's accessibility tree and shown in Stagehand's format. A visitor stays in the store, in
one tab, and pays only where that is allowed. What goes wrong on the way to a page is put right where it can be: a page
that fails is asked for again, a tab that is lost is opened again, a node that was replaced is found again.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, CDPSession, Dialog, Error, Request
from playwright.async_api import Page as Tab
from playwright.async_api import TimeoutError as BrowserTimeoutError

from simpersona.adapters.store_browser_frames import whole_tree
from simpersona.adapters.store_browser_gestures import GONE, Hand
from simpersona.adapters.store_browser_tree import Kept, kept_nodes, shown_part, twin
from simpersona.adapters.store_manners import Manners
from simpersona.adapters.store_rules import RETRY_SECONDS, Grounds
from simpersona.adapters.store_trail import Trail
from simpersona.config import StoreConfig
from simpersona.errors import StorefrontError
from simpersona.pages import Action, Node, Page, Trouble

if TYPE_CHECKING:
    from simpersona.adapters.store_browser import Browser

QUIET_MS, MAX_UNQUIET_MS, MAX_FETCH_SECONDS = 30, 400, 2.0
"""A page has settled after this long without a change; one that never rests is taken as it is."""
MAX_LOSSES = 3
"""Tabs and browsers that one visit may lose before it is given up."""
MAX_STALE = 3
SHOT_SCALE, SHOT_QUALITY, SHOT_SECONDS = 0.5, 60, 5

_STATUS = "() => performance.getEntriesByType('navigation')[0]?.responseStatus ?? 0"
_QUIET = """([quiet, longest]) => new Promise(done => {
    let timer = setTimeout(done, quiet);
    const watch = new MutationObserver(() => { clearTimeout(timer); timer = setTimeout(done, quiet); });
    watch.observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
    setTimeout(done, longest);
})"""


class Window:
    """One visitor's window: open, act, close (Storefront)."""

    def __init__(
        self, browser: Browser, config: StoreConfig, visitor: str, grounds: Grounds, manners: Manners | None = None
    ) -> None:
        self._manners = manners
        self._turns, self._waited = 0, False  # requests that wait for their turn; one has waited
        self._browser, self._config, self._visitor, self._grounds = browser, config, visitor, grounds
        self._timeout_ms = config.action_timeout_seconds * 1000
        self._context: BrowserContext | None = None
        self._tab: Tab | None = None
        self._cdp: CDPSession | None = None
        self._tree: list[Kept] = []
        self._kept: dict[str, Kept] = {}
        self._shown: dict[str, Node] = {}
        self._part = 1
        self._trail = Trail()
        self._troubles: list[Trouble] = []
        self._losses = 0
        self._main_frame = ""
        self._asked = ("GET", grounds.url)  # the method and the address of the last document
        self._loaded, self._leaving = asyncio.Event(), asyncio.Event()
        self._late = False  # the page that was asked for did not come in time
        self._navigation: Request | None = None
        self._fetching: set[Request] = set()
        self._loading_frames: set[str] = set()
        self._refusal: str | None = None  # why a page that was asked for was not opened
        self._opened: str | None = None  # an address that was to open in a new tab

    async def open(self) -> Page:
        """The store's first page. Raises StorefrontError if the store does not answer, or with an error."""
        url = self._grounds.url
        if urlsplit(url).scheme not in ("http", "https"):
            raise StorefrontError(f"{url!r} is not an http(s) address of a store")
        try:
            try:
                await self._prepare()
                await self._goto(url)
                failure = await self._arrive()
            except Error:
                await self._open_again()
                failure = await self._arrive()
            assert self._tab is not None
            status = await self._tab.evaluate(_STATUS)
            if failure is not None or status >= 400:
                raise StorefrontError(f"{url}: {failure or f'the store answered with an error ({status})'}")
            return await self._look()
        except Error as error:
            raise StorefrontError(f"{url} does not answer: {first_line(error)}") from error

    async def act(self, action: Action) -> Page:
        """The page after the action, or the same page with the reason why it could not be done.

        A tab or a browser that is lost is opened again on the page shown last. Raises StorefrontError when that cannot
        be done, or was done too often, or when the store answers no more.
        """
        if self._tab is None:
            raise StorefrontError("the window is not open")
        self._troubles = []
        try:
            failure = self._grounds.refused(action, self._shown, self._tab.url)
            if failure is None:
                failure = await self._do(action)
            return await self._look(failure)
        except BrowserTimeoutError as error:
            failure = f"The page did not answer in time: {first_line(error)}"
        except Error as error:
            if not self._is_lost():
                failure = f"It could not be done, the page has changed: {first_line(error)}"
            else:
                failure = "The page was lost and has been opened again"
        return await self._look_again(failure)

    async def close(self) -> None:
        """Closes the window and forgets the visitor."""
        context, self._context, self._tab = self._context, None, None
        if context is not None:
            with contextlib.suppress(Error):
                await context.close()

    # --- setting up ---------------------------------------------------------------------------

    async def _prepare(self) -> None:
        """Context and cookie where there are none, a tab, and the protocol's events that settle and the domain pin rest on."""
        if self._context is None:
            self._context = await self._browser.new_context()
            origin = "{0.scheme}://{0.netloc}".format(urlsplit(self._grounds.url))
            await self._context.add_cookies(
                [{"name": "visitor", "value": self._visitor, "url": origin + self._grounds.within}]
            )
            self._context.on("page", self._on_new_tab)
        self._fetching.clear()
        self._loading_frames.clear()
        self._tab = None  # the tab that opens now is ours
        tab = await self._context.new_page()
        self._tab = tab
        self._cdp = cdp = await self._context.new_cdp_session(tab)
        tab.on("domcontentloaded", lambda _: self._loaded.set())
        tab.on("download", lambda _: self._loaded.set())
        tab.on("request", self._on_request)
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

    async def _on_new_tab(self, tab: Tab) -> None:
        if self._tab is not None and tab is not self._tab:
            with contextlib.suppress(Error):
                await tab.close()

    async def _on_dialog(self, dialog: Dialog) -> None:
        """Dismissed, but for the question whether to leave the page."""
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
                self._navigation = request
        elif request.resource_type in ("fetch", "xhr"):
            self._fetching.add(request)

    def _on_request_finished(self, request: Request) -> None:
        self._fetching.discard(request)

    def _on_request_failed(self, request: Request) -> None:
        self._fetching.discard(request)
        if request is self._navigation:  # not one that a later one has taken the place of
            self._loaded.set()

    async def _on_paused(self, event: dict[str, Any]) -> None:
        """Lets a document load when it is its turn, unless it would take the tab to another store or is not to be opened."""
        assert self._cdp is not None
        url, is_main = event["request"]["url"], event["frameId"] == self._main_frame
        request: dict[str, Any] = {"requestId": event["requestId"]}
        with contextlib.suppress(Error):
            refusal = self._grounds.leads_away(url) if is_main and not self._grounds.holds(url) else None
            if is_main and refusal is None:
                self._loaded.clear()
                self._leaving.set()
                self._asked = (event["request"]["method"], url)
            if refusal is None and self._manners is not None and self._grounds.holds(url):
                refusal = await self._manners.refused(url)
                if refusal is None:
                    await self._take_turn(self._manners, url)
                    headers = event["request"]["headers"] | self._manners.headers(url)
                    request["headers"] = [{"name": name, "value": value} for name, value in headers.items()]
            if refusal is None:
                await self._cdp.send("Fetch.continueRequest", request)
                return
            if is_main:
                self._refusal = refusal
                self._loaded.set()
            await self._cdp.send("Fetch.failRequest", {**request, "errorReason": "Aborted"})

    async def _take_turn(self, manners: Manners, url: str) -> None:
        self._turns += 1
        try:
            self._waited = bool(await manners.turn(url)) or self._waited
        finally:
            self._turns -= 1

    def _has_waited(self) -> bool:
        """Whether time went by that is not the store's, since this was last asked."""
        waited, self._waited = self._waited or bool(self._turns), False
        return waited

    # --- acting -------------------------------------------------------------------------------

    async def _do(self, action: Action) -> str | None:
        """The failure in words, or None; the page has settled afterwards."""
        assert self._tab is not None
        if action.method in ("nextChunk", "prevChunk"):
            self._part += 1 if action.method == "nextChunk" else -1
            return None
        self._refusal = self._opened = None
        self._leaving.clear()
        self._fetching.clear()
        before = self._tab.url
        if action.method == "goto":
            address = self._trail.step_back()
            if address is None:
                return "There is no page before this one"
            await self._goto(address)
            failure = None
        else:
            failure = await self._handle(action)
        failure = await self._arrive() or failure
        if self._tab.url != before:
            self._part = 1
        return failure

    async def _handle(self, action: Action) -> str | None:
        """The gesture; a node that the page has replaced meanwhile is looked for on the fresh page."""
        assert self._tab is not None
        assert self._cdp is not None
        hand = Hand(self._tab, self._cdp, self._leaving)
        held = [self._kept[name] for name in (action.node, *action.arguments[: action.method == "dragAndDrop"])]
        for _ in range(MAX_STALE):
            failure = await self._gesture(hand, action, held)
            if failure is not GONE:
                return failure
            self._troubles.append("stale_node")
            await self._rest()
            fresh = kept_nodes(await whole_tree(self._cdp), self._config.max_name_chars)
            twins = [twin(one, self._tree, fresh) for one in held]
            held = [one for one in twins if one is not None]
            if len(held) < len(twins):
                return "It is no longer on the page"
            self._tree = fresh
        return "The page changes too quickly for that"

    async def _gesture(self, hand: Hand, action: Action, held: list[Kept]) -> str | None:
        """Why it could not be done, GONE if the nodes are no longer there. Raises the browser's Error with the tab."""
        assert self._tab is not None
        element = ""
        try:
            element, *target = [await hand.object_id(one.backend_id) for one in held]
            if not await hand.reaches(element):
                return GONE
            return await hand.do(action, element, target[0] if target else None)
        except BrowserTimeoutError:
            raise
        except Error as error:
            if self._tab.is_closed():
                raise
            is_there = bool(element) and await hand.reaches(element)
            return f"It could not be done: {first_line(error)}" if is_there else GONE

    async def _goto(self, url: str) -> None:
        """Asks for a page; that it does not come is seen by who waits for it. Raises the browser's Error with the tab."""
        assert self._tab is not None
        assert self._cdp is not None
        await self._cdp.send("Page.stopLoading")  # a page that is still awaited would end the wait for this one
        self._loaded.clear()
        self._asked = ("GET", url)
        try:
            await self._tab.goto(url, wait_until="domcontentloaded", timeout=self._timeout_ms)
        except BrowserTimeoutError:
            self._late = not self._has_waited()
        except Error:
            if self._tab.is_closed():
                raise
            self._loaded.set()

    async def _arrive(self) -> str | None:
        """Waits for the page, and asks for it again when it failed; what went wrong at last, in words.

        What was sent with a form is not sent twice: if no answer came, the page before is shown. Raises StorefrontError
        if the store does not answer.
        """
        told: str | None = None
        failure, trouble = await self._settle()
        for pause in RETRY_SECONDS:
            if trouble is None:
                break
            self._troubles.append(trouble)
            method, url = self._asked
            is_again = trouble == "slow_page" and "slow_page" in self._troubles[:-1]
            if is_again or trouble == "led_away" or (method != "GET" and trouble != "no_answer"):
                break
            if method != "GET":
                told, url = "The store did not answer", self._trail.here or self._grounds.url
            await asyncio.sleep(pause)
            await self._goto(url)
            failure, trouble = await self._settle()
        else:
            if trouble is not None:
                self._troubles.append(trouble)
        if trouble == "no_answer":
            raise StorefrontError("the store does not answer any more")
        return told or failure

    async def _settle(self) -> tuple[str | None, Trouble | None]:
        """Waits until the page has loaded and rests; what went wrong on the way, in words and by its name."""
        found = await self._rest()
        if self._opened is not None:
            url, self._opened = self._opened, None
            self._troubles.append("new_tab")
            if not self._grounds.holds(url):
                return self._grounds.leads_away(url), "led_away"
            await self._goto(url)
            found = await self._rest()
        if self._refusal is not None:
            refusal, self._refusal = self._refusal, None
            return refusal, "led_away"
        return found

    async def _rest(self) -> tuple[str | None, Trouble | None]:
        assert self._tab is not None
        late = f"The page did not load within {self._config.action_timeout_seconds:g} s"
        if self._late:
            self._late = False
            self._loaded.set()
            return late, "slow_page"
        deadline = time.monotonic() + self._config.action_timeout_seconds
        while True:
            try:
                async with asyncio.timeout(deadline - time.monotonic()):
                    await self._loaded.wait()
                    await self._tab.evaluate(_QUIET, [QUIET_MS, MAX_UNQUIET_MS])
                    if self._fetching or self._loading_frames:
                        await self._fetched()
                        await self._tab.evaluate(_QUIET, [QUIET_MS, MAX_UNQUIET_MS])
                    status = await self._tab.evaluate(_STATUS)
            except TimeoutError:
                if self._has_waited():
                    deadline = time.monotonic() + self._config.action_timeout_seconds
                    continue
                self._loaded.set()  # taken as it is: the next action need not wait for it again
                return late, "slow_page"
            except Error:
                if self._tab.is_closed():
                    raise
                continue  # the page was replaced while it was looked at
            if self._tab.url.startswith("chrome-error:"):
                return "The store did not answer", "no_answer"
            if self._loaded.is_set():
                return (
                    (f"The store answered with an error ({status})", "server_error") if status >= 500 else (None, None)
                )

    async def _fetched(self) -> None:
        """Waits for frames, and for what scripts have asked for since the action, at most two seconds without those of waiting for a turn."""
        left = MAX_FETCH_SECONDS
        while left > 0 and (self._fetching or self._loading_frames):
            await asyncio.sleep(QUIET_MS / 1000)
            left -= 0 if self._turns else QUIET_MS / 1000

    # --- looking ------------------------------------------------------------------------------

    async def _look(self, failure: str | None = None) -> Page:
        assert self._tab is not None
        assert self._cdp is not None
        ax_nodes = await whole_tree(self._cdp)
        self._tree = kept_nodes(ax_nodes, self._config.max_name_chars)
        nodes, self._part = shown_part(self._tree, self._part, self._config.max_page_tokens)
        self._shown = {node.id: node for node in nodes}
        self._kept = {one.node.id: one for one in self._tree if one.node.id in self._shown}
        self._trail.seen(self._tab.url)
        title = str(ax_nodes[0].get("name", {}).get("value", "")) if ax_nodes else ""
        return Page(
            self._tab.url,
            " ".join(title.split()),
            nodes,
            failure,
            self._trail.before is not None,
            tuple(self._troubles),
            await self._screenshot() if self._config.screenshots else None,
        )

    async def _screenshot(self) -> bytes | None:
        """What the window shows, as a JPEG at half the size; None if the browser gives none, which harms no visit."""
        assert self._cdp is not None
        with contextlib.suppress(Error, TimeoutError):
            async with asyncio.timeout(SHOT_SECONDS):
                view = (await self._cdp.send("Page.getLayoutMetrics"))["cssVisualViewport"]
                corner = {"x": view["pageX"], "y": view["pageY"]}
                clip = corner | {"width": view["clientWidth"], "height": view["clientHeight"], "scale": SHOT_SCALE}
                shot = await self._cdp.send(
                    "Page.captureScreenshot", {"format": "jpeg", "quality": SHOT_QUALITY, "clip": clip}
                )
                return base64.b64decode(shot["data"])
        return None

    async def _look_again(self, failure: str) -> Page:
        """The page after a look that failed; a tab that is gone is opened again on the page shown last."""
        while True:
            try:
                if self._is_lost():
                    await self._open_again()
                return await self._look(failure)
            except Error as error:
                self._losses += 1
                if self._losses > MAX_LOSSES:
                    raise StorefrontError(f"the window was lost: {first_line(error)}") from error

    def _is_lost(self) -> bool:
        return self._tab is None or self._tab.is_closed()

    async def _open_again(self) -> None:
        """A new tab, in a new context if the old one is gone too. Raises StorefrontError when there were too many."""
        self._losses += 1
        if self._losses > MAX_LOSSES:
            raise StorefrontError(f"the window was lost {self._losses} times")
        browser = self._context.browser if self._context is not None else None
        if browser is None or not browser.is_connected():
            self._troubles.append("browser_lost")
            self._context = None
        else:
            self._troubles.append("tab_lost")
        try:
            await self._prepare()
        except Error:  # a browser that dies closes its contexts first
            self._context = None
            await self._prepare()
        await self._goto(self._trail.here or self._grounds.url)
        await self._arrive()


def first_line(error: Exception) -> str:
    """What a browser's error says, without the call log that follows."""
    return str(error).strip().partition("\n")[0].rstrip(" .")
