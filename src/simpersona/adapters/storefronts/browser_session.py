"""One visitor's session in a store, in a browser (Storefront).

The page is read from the browser's accessibility tree and shown in Stagehand's format. A visitor stays in the store, in
one tab, and pays only where that is allowed. Faults are repaired where possible: a page that fails is requested again, a
lost tab is opened again, and a node that was replaced is looked up again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from itertools import count
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, Error, WebSocketRoute
from playwright.async_api import Page as Tab
from playwright.async_api import TimeoutError as BrowserTimeoutError

from simpersona.adapters.storefronts.back_history import BackHistory
from simpersona.adapters.storefronts.bot_challenge import require_no_challenge
from simpersona.adapters.storefronts.browser_effects import TabEffects
from simpersona.adapters.storefronts.browser_fields import field_of, large_frames, page_fields
from simpersona.adapters.storefronts.browser_frames import PageFrames
from simpersona.adapters.storefronts.browser_gestures import GONE, PRESSED, Hand
from simpersona.adapters.storefronts.browser_guard import BrowserGuard, socket_message
from simpersona.adapters.storefronts.browser_reading import read_page
from simpersona.adapters.storefronts.browser_reveals import note_dull, note_exhausted, scroll_on
from simpersona.adapters.storefronts.browser_screenshot import screenshot
from simpersona.adapters.storefronts.browser_sockets import IN_PAGES
from simpersona.adapters.storefronts.browser_tab import StoreTab
from simpersona.adapters.storefronts.browser_tree import kept_nodes, shown_part, twin
from simpersona.adapters.storefronts.control_names import AxNode
from simpersona.adapters.storefronts.form_fields import shown_fields
from simpersona.adapters.storefronts.form_refusals import InvalidField, marked_fields, newly_refused
from simpersona.adapters.storefronts.guarded_visit import GuardedVisit
from simpersona.adapters.storefronts.kept import Kept, texts_of
from simpersona.adapters.storefronts.payment_guard import Asked
from simpersona.adapters.storefronts.politeness import Politeness
from simpersona.adapters.storefronts.retry_after import StoreWaits
from simpersona.adapters.storefronts.safety import RETRY_SECONDS, StoreScope, first_page_error
from simpersona.config import StoreConfig
from simpersona.errors import StorefrontError
from simpersona.pages import Action, Node, Page, PageKind, Trouble, node_text
from simpersona.shopper.affordances import part_shown
from simpersona.shopper.page_kinds import seen_page

MAX_LOSSES = 3
"""Number of tabs and browsers that one visit may lose before it fails."""
MAX_STALE = 3


class BrowserSession:
    """One visitor's session: open, act, close (Storefront). `new_context` opens a browser context without cookies.

    `waits` are shared by all visitors, `cookies` are those with which the visitor arrives. `guarded` is the state of the guard of payments and the function that gives the guard of a context's browser; None in
    the lab's stores.
    """

    def __init__(
        self,
        new_context: Callable[[], Awaitable[BrowserContext]],
        config: StoreConfig,
        visitor: str,
        scope: StoreScope,
        waits: StoreWaits,
        politeness: Politeness | None = None,
        guarded: tuple[GuardedVisit, Callable[[BrowserContext], BrowserGuard]] | None = None,
        cookies: Mapping[str, str] | None = None,
    ) -> None:
        self._waits, self._cookies = waits, {"visitor": visitor, **(cookies or {})}
        self._guarded = guarded
        self._visit = guarded[0] if guarded is not None else None
        self._new_context, self._config = new_context, config
        self._scope, self._politeness = scope, politeness
        self._context: BrowserContext | None = None
        self._tab: StoreTab | None = None
        self._effects: TabEffects | None = None
        self._frames: PageFrames | None = None
        self._tree: list[Kept] = []
        self._kept: dict[str, Kept] = {}
        self._shown: dict[str, Node] = {}
        self._part = 1
        self._is_at_end = False  # the last part is shown, and scrolling may bring more
        self._hovered: Kept | None = None
        self._marked: list[InvalidField] = []
        self._sends = False  # the last action may have sent a form
        self._history = BackHistory()
        self._is_first = True  # no page of the store has been seen yet
        self._troubles: list[Trouble] = []
        self._losses = 0

    async def open(self) -> Page:
        """The store's first page. Raises StorefrontError if the store does not answer, or with an error."""
        url = self._scope.url
        if urlsplit(url).scheme not in ("http", "https"):
            raise StorefrontError(f"{url!r} is not an http(s) address of a store")
        try:
            try:
                tab = await self._prepare()
                await tab.goto(url)
                failure = await self._arrive(tab)
            except Error:
                tab = await self._open_again()
                failure = await self._arrive(tab)
            page, status = await self._look(), tab.facts.status
        except Error as error:
            raise StorefrontError(f"{url} does not answer: {first_line(error)}") from error
        if failure is not None or status >= 400:
            raise StorefrontError(f"{url}: {failure or first_page_error(status)}")
        return page

    async def act(self, action: Action) -> Page:
        """The page after the action, or the same page with the reason why the action failed.

        A lost tab or browser is opened again on the page shown last. Raises StorefrontError if that fails, if it happened
        too often, or if the store no longer answers.
        """
        if self._tab is None:
            raise StorefrontError("the session is not open")
        self._troubles.clear()
        self._sends = action.method in ("click", "doubleClick", "press")
        try:
            failure = self._scope.refused(action, self._shown)
            if failure is None:
                failure = await self._do(action, self._tab)
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
        """Closes the context, and with it the visitor's cookies."""
        context, self._context, self._tab = self._context, None, None
        if context is not None:
            with contextlib.suppress(Error):
                await context.close()
        if self._guarded is not None and context is not None and context.browser is not None:
            with contextlib.suppress(KeyError):  # that browser is gone
                self._guarded[1](context).forget(self._guarded[0])

    # --- setting up ---------------------------------------------------------------------------

    async def _prepare(self) -> StoreTab:
        """A new tab, in a new context with the cookie if there is no context. Raises the browser's Error."""
        self._tab = None  # the tab that opens now is ours
        if self._context is None:
            context = await self._new_context()
            origin = "{0.scheme}://{0.netloc}".format(urlsplit(self._scope.url))
            store = origin + self._scope.within
            await context.add_cookies(
                [{"name": name, "value": value, "url": store} for name, value in self._cookies.items()]
            )
            context.on("page", self._on_new_tab)
            if self._visit is not None:
                await context.route_web_socket("**/*", self._on_socket)
                await context.add_init_script(IN_PAGES)
            self._context = context
        self._tab = await StoreTab.open(
            self._context, self._scope, self._politeness, self._config.action_timeout_seconds, self._troubles
        )
        self._tab.on_limited = self._on_limited
        self._frames = PageFrames(self._context, self._tab.tab, self._tab.cdp)
        if self._guarded is not None:
            visit, guard_of = self._guarded
            await guard_of(self._context).watch(self._tab.cdp, visit)
            self._effects = TabEffects(self._tab.tab)
        return self._tab

    def _on_limited(self, url: str, retry_after: str | None) -> None:
        """Notes that a script of the page was asked to come back later: the next page waits."""
        self._troubles.append("rate_limited")
        self._waits.asked(url, retry_after, 1, 0.0)

    def _on_socket(self, socket: WebSocketRoute) -> None:
        """Opens a web socket and passes on what the page sends over it, as far as the guard lets it."""
        visit = self._visit
        if visit is not None and visit.decide(Asked("GET", socket.url, "socket")) is not None:
            return  # the page sees an open one, which leads nowhere
        server = socket.connect_to_server()

        def pass_on(message: str | bytes) -> None:
            if visit is not None and visit.decide(socket_message(socket.url, message)) is None:
                server.send(message)

        socket.on_message(pass_on)

    async def _on_new_tab(self, tab: Tab) -> None:
        if self._tab is not None and tab is not self._tab.tab:
            with contextlib.suppress(Error):
                await tab.close()

    # --- acting -------------------------------------------------------------------------------

    async def _do(self, action: Action, tab: StoreTab) -> str | None:
        """The reason of a failure, or None; the page has settled afterwards."""
        if action.method == "nextChunk" and self._is_at_end:
            return await self._scroll(action, tab)
        if action.method in ("nextChunk", "prevChunk"):
            self._part += 1 if action.method == "nextChunk" else -1
            return None
        tab.forget()
        self._hovered = self._kept[action.node] if action.method == "hover" else None
        before = tab.url
        if action.method == "goto":
            if self._visit is not None:
                self._visit.begin(action, self._kept[action.node].node, link="", field=None)
            address = self._history.step_back()
            if address is None:
                return "There is no page before this one"
            await tab.goto(address)
            failure = None
        else:
            failure = await self._handle(action, tab)
        failure = await self._arrive(tab) or failure
        if tab.url != before:
            self._part = 1
        return failure

    async def _scroll(self, action: Action, tab: StoreTab) -> str | None:
        """Scrolls down for what the page still has. Returns the reason of a failure: also if nothing came."""
        tab.forget()
        if self._visit is not None:
            self._visit.begin(action, self._kept[action.node].node, link="", field=None)
        await scroll_on(tab.tab)
        failure = await self._arrive(tab)
        _, fresh = await self._read(tab)
        if texts_of(fresh) == texts_of(self._tree):
            await note_exhausted(tab.tab)
            tab.facts = replace(tab.facts, goes_on=False)
            return failure or "Nothing more comes when the page is scrolled"
        nodes, _ = shown_part(fresh, self._part, self._config.max_page_tokens)
        if [node_text(node) for node in nodes[1:]] == [node_text(node) for node in [*self._shown.values()][1:]]:
            self._part += 1
        return failure

    async def _handle(self, action: Action, tab: StoreTab) -> str | None:
        """Does the gesture. A node that the page has replaced meanwhile is looked up on the new page."""
        assert self._frames is not None
        targets = [self._kept[name] for name in (action.node, *action.arguments[: action.method == "dragAndDrop"])]
        if await self._frames.are_apart({target.tree_frame for target in targets}):
            return "Nothing can be dragged into or out of a frame of another site"
        for _ in range(MAX_STALE):
            hand = self._frames.hand(targets[0].tree_frame, tab.leaving, self._troubles, runs=tab.facts.runs)
            failure = await self._gesture(hand, action, targets, tab)
            if failure is not GONE and failure is not PRESSED:
                return failure
            await tab.rest()
            _, fresh = await self._read(tab)
            twins = [twin(target, self._tree, fresh) for target in targets]
            targets = [target for target in twins if target is not None]
            if len(targets) < len(twins) and failure is PRESSED:
                return None  # an entry that is chosen when the button goes down, and whose list closes then
            self._troubles.append("stale_node")
            if len(targets) < len(twins):
                return "It is no longer on the page"
            self._tree = fresh
        return "The page changes too quickly for that"

    async def _gesture(self, hand: Hand, action: Action, targets: list[Kept], tab: StoreTab) -> str | None:
        """The reason of a failure, GONE if the nodes have left the page. Raises the browser's Error if the tab is closed."""
        element = ""
        try:
            element, *target = [await hand.object_id(node.backend_id) for node in targets]
            if not await hand.reaches(element):
                return GONE
            if self._visit is not None:
                enters = action.method in ("fill", "type", "press", "selectOptionFromDropdown")
                field = await field_of(hand.cdp, element) if enters else None
                refusal = self._visit.begin(action, targets[0].node, link=targets[0].href, field=field)
                if refusal is not None:
                    return self._visit.not_done(refusal, self._troubles)
            return await hand.do(action, element, target[0] if target else None)
        except BrowserTimeoutError:
            raise
        except Error as error:
            if tab.is_closed:
                raise
            is_there = bool(element) and await hand.reaches(element)
            return f"It could not be done: {first_line(error)}" if is_there else GONE

    async def _arrive(self, tab: StoreTab) -> str | None:
        """Waits for the page, and requests it again if it failed. Returns the reason of the last failure.

        A form is never sent twice: if no answer came, the page before is shown. Raises StorefrontError if the store does
        not answer.
        """
        no_answer: str | None = None
        failure, trouble = await self._settled(tab)
        for pause in RETRY_SECONDS:
            if trouble is None:
                break
            self._troubles.append(trouble)
            method, url = tab.asked
            is_again = trouble == "slow_page" and "slow_page" in self._troubles[:-1]
            if is_again or trouble == "led_away" or (method != "GET" and trouble != "no_answer"):
                break
            if method != "GET":
                no_answer, url = "The store did not answer", self._history.here or self._scope.url
            await asyncio.sleep(pause)
            await tab.goto(url)
            failure, trouble = await self._settled(tab)
        else:
            if trouble is not None:
                self._troubles.append(trouble)
        if trouble == "no_answer":
            raise StorefrontError("the store no longer answers")
        return no_answer or failure

    async def _settled(self, tab: StoreTab) -> tuple[str | None, Trouble | None]:
        """As StoreTab.settle, after the waits that the store asks for. A form that it did not take is not sent again.

        Raises BusyStoreError if it asks for too much.
        """
        not_taken, waited = None, 0.0
        for attempt in count(1):
            failure, trouble = await tab.settle()
            if trouble != "rate_limited":
                return failure or not_taken, trouble
            self._troubles.append(trouble)
            method, url = tab.asked
            waited += await self._waits.wait(url, tab.answered[1].get("retry-after"), attempt, waited)
            if method != "GET":
                not_taken, url = failure, self._history.here or self._scope.url
            await tab.goto(url)
        raise AssertionError

    # --- looking ------------------------------------------------------------------------------

    async def _look(self, failure: str | None = None) -> Page:
        assert self._tab is not None
        ax_nodes, kept = await self._read(self._tab)
        for _ in range(MAX_STALE):
            if not self._tab.has_moved_on:
                break
            failure = await self._arrive(self._tab) or failure
            ax_nodes, kept = await self._read(self._tab)
        before, self._tree = self._tree, kept
        await self._forget_dull(before)
        marked = marked_fields(ax_nodes)
        if failure is None and self._sends and marked:
            failure = newly_refused(marked, self._marked, is_same=texts_of(before) == texts_of(self._tree))
        self._marked, self._sends = marked, False
        goes_on = self._tab.facts.goes_on
        nodes, self._part = shown_part(self._tree, self._part, self._config.max_page_tokens, goes_on=goes_on)
        part, parts = part_shown(nodes[0]) if nodes else (1, 1)
        self._is_at_end = goes_on and part == parts - 1
        self._shown = {node.id: node for node in nodes}
        self._kept = {kept.node.id: kept for kept in self._tree if kept.node.id in self._shown}
        self._history.seen(self._tab.url)
        title = str(ax_nodes[0].get("name", {}).get("value", "")) if ax_nodes else ""
        if self._visit is not None:
            frames = [frame.url for frame in self._tab.tab.frames[1:]]
            every_node = [kept.node for kept in self._tree]
            require_no_challenge(*self._tab.answered, title, every_node, frames, is_first=self._is_first)
            self._is_first = False
        if self._tab.facts.is_covered:
            self._troubles.append("overlay")
        effects, content = await self._effects.take() if self._effects is not None else ((), None)
        if self._visit is not None:
            kind = seen_page(Page(self._tab.url, title, nodes, content=content)).kind
            await self._show_to_guard(self._visit, self._tab, title, kind)
            failure, effects = self._visit.outcome(failure, self._troubles), (*effects, *self._visit.effects())
        return Page(
            self._tab.url,
            " ".join(title.split()),
            nodes,
            failure,
            self._history.before is not None,
            tuple(self._troubles),
            await screenshot(self._tab.cdp) if self._config.screenshots else None,
            effects,
            content,
        )

    async def _read(self, tab: StoreTab) -> tuple[list[AxNode], list[Kept]]:
        """The page's tree, and its nodes as a shopper is shown them, named by its markup."""
        assert self._frames is not None
        ax_nodes, markup = await read_page(self._frames, tab.facts)
        return ax_nodes, kept_nodes(ax_nodes, self._config.max_name_chars, markup)

    async def _forget_dull(self, before: list[Kept]) -> None:
        """No longer offers to point at what the visitor has pointed at in vain."""
        hovered, self._hovered = self._hovered, None
        if hovered is None or self._tab is None or texts_of(before) != texts_of(self._tree):
            return
        with contextlib.suppress(Error):
            await note_dull(self._tab.cdp, hovered.backend_id)
        self._tree = [
            replace(kept, node=replace(kept.node, methods=()))
            if kept.backend_id == hovered.backend_id and kept.node.methods == ("hover",)
            else kept
            for kept in self._tree
        ]

    async def _show_to_guard(self, visit: GuardedVisit, tab: StoreTab, title: str, kind: PageKind | None) -> None:
        """Notes the page's frames and fields: those of its markup, and those that only the accessibility tree has."""
        heading = next((kept.node.name for kept in self._tree if kept.node.role == "heading"), "")
        shown = shown_fields(kept.node for kept in self._tree)
        fields = [*await page_fields(tab.tab), *shown]
        visit.see(tab.url, (title, heading), fields, await large_frames(tab.tab), kind)
        if tab.led_to is not None:
            visit.lead_away(tab.led_to)

    async def _look_again(self, failure: str) -> Page:
        """The page, read again after a failure. A lost tab is opened again on the page shown last."""
        while True:
            try:
                if self._is_lost():
                    await self._open_again()
                return await self._look(failure)
            except Error as error:
                self._losses += 1
                if self._losses > MAX_LOSSES:
                    raise StorefrontError(f"the session was lost: {first_line(error)}") from error

    def _is_lost(self) -> bool:
        return self._tab is None or self._tab.is_closed

    async def _open_again(self) -> StoreTab:
        """A new tab, in a new context if the old context is gone too. Raises StorefrontError after too many losses."""
        self._losses += 1
        if self._losses > MAX_LOSSES:
            raise StorefrontError(f"the session was lost {self._losses} times")
        browser = self._context.browser if self._context is not None else None
        if browser is None or not browser.is_connected():
            self._troubles.append("browser_lost")
            self._context = None
        else:
            self._troubles.append("tab_lost")
        try:
            tab = await self._prepare()
        except Error:  # a browser that dies closes its contexts first
            self._context = None
            tab = await self._prepare()
        await tab.goto(self._history.here or self._scope.url)
        await self._arrive(tab)
        return tab


def first_line(error: Exception) -> str:
    """The first line of a browser's error, without the call log that follows."""
    return str(error).strip().partition("\n")[0].rstrip(" .")
