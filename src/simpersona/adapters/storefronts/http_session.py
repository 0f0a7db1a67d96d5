"""One visitor's session in a store, without a browser: pages that the server makes, their links and forms (Storefront).

No script runs and no style is read. A page is shown in the same form as in the browser.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from urllib.parse import urlencode, urljoin, urlsplit

import httpx2
from lxml.html import HtmlElement

from simpersona.adapters.storefronts.access import Access
from simpersona.adapters.storefronts.back_history import BackHistory
from simpersona.adapters.storefronts.bot_challenge import require_no_challenge
from simpersona.adapters.storefronts.browser_tree import kept_nodes, shown_part
from simpersona.adapters.storefronts.cart_requests import Answer, adds_to_cart, cart_effect
from simpersona.adapters.storefronts.form_fields import FormField
from simpersona.adapters.storefronts.form_refusals import InvalidField, marked_fields, newly_refused, refused
from simpersona.adapters.storefronts.guarded_visit import GuardedVisit
from simpersona.adapters.storefronts.http_forms import (
    choose,
    controls,
    described,
    enter,
    entered,
    invalid_field,
    leading_option,
    sent,
    submits,
    tick,
)
from simpersona.adapters.storefronts.http_frames import large_frames
from simpersona.adapters.storefronts.http_markup import http_markup
from simpersona.adapters.storefronts.http_requests import StoreRequests
from simpersona.adapters.storefronts.http_tree import (
    Document,
    ax_nodes,
    form_of,
    hidden_box,
    parsed,
    shown_frames,
)
from simpersona.adapters.storefronts.kept import Kept, texts_of
from simpersona.adapters.storefronts.page_content import page_content
from simpersona.adapters.storefronts.payment_guard import Asked
from simpersona.adapters.storefronts.politeness import Politeness
from simpersona.adapters.storefronts.retry_after import StoreWaits
from simpersona.adapters.storefronts.safety import StoreScope, first_page_error
from simpersona.adapters.storefronts.user_agent import AGENT, visitor_headers
from simpersona.config import StoreConfig
from simpersona.errors import BusyStoreError, StorefrontError
from simpersona.pages import Action, Effect, Node, Page, Trouble
from simpersona.shopper.page_kinds import seen_page

MAX_REDIRECTS = 10
_HEADERS = {"Accept": "text/html,application/xhtml+xml", "Accept-Language": "en-US", "User-Agent": AGENT}
MAX_FRAMES, MAX_FRAME_DEPTH = 10, 3
"""Limits on the frames of one page that are opened, and on frames in frames."""
NEEDS_SCRIPT = "It needs a script, which this window does not run"
_OUTSIDE = frozenset({"_top", "_parent", "_blank"})
"""Targets of a link or a form in a frame that change the page, not the frame."""


class HttpSession:
    """One visitor's session: open, act, close (Storefront)."""

    def __init__(
        self,
        connections: httpx2.AsyncBaseTransport | None,
        config: StoreConfig,
        visitor: str,
        scope: StoreScope,
        waits: StoreWaits,
        politeness: Politeness | None,
        visit: GuardedVisit | None,
        access: Access,
    ) -> None:
        self._access = access
        self._requests = StoreRequests(scope.url, config.action_timeout_seconds, waits, politeness, access)
        self._status = 0  # of the page
        self._answer_headers: Mapping[str, str] = {}
        self._politeness, self._visit = politeness, visit
        self._connections, self._config, self._visitor, self._scope = connections, config, visitor, scope
        self._client: httpx2.AsyncClient | None = None
        self._document = Document(parsed(""), scope.url)
        self._elements: list[tuple[HtmlElement, Document]] = []
        self._kept: dict[str, Kept] = {}
        self._shown: dict[str, Node] = {}
        self._part = 1
        self._history = BackHistory()
        self._is_first = True  # no page of the store has been seen yet
        self._troubles: list[Trouble] = []
        self._effects: list[Effect] = []
        self._marked: list[InvalidField] = []
        self._read: list[Kept] = []
        self._sends = False  # the last action may have sent a form

    async def open(self) -> Page:
        """The store's first page. Raises StorefrontError if the store does not answer, or with an error."""
        if self._connections is None:
            raise StorefrontError("the connections were not opened: use `async with HttpVisitors(config)`")
        url = self._scope.url
        if urlsplit(url).scheme not in ("http", "https"):
            raise StorefrontError(f"{url!r} is not an http(s) address of a store")
        # never closed: that would close the connections, which all visitors share
        self._client = httpx2.AsyncClient(
            transport=self._connections,
            timeout=self._config.action_timeout_seconds,
            headers=_HEADERS if self._visit is None else _HEADERS | visitor_headers(self._config),
            cookies=self._access.jar(url, self._scope.within, {"visitor": self._visitor}),
        )
        try:
            failure = await self._get(url, self._document)
        except BusyStoreError:
            raise
        except (httpx2.HTTPError, StorefrontError) as error:
            raise StorefrontError(f"{url} does not answer: {error}") from error
        page = self._look()
        if failure or self._status >= 400:
            raise StorefrontError(f"{url}: {failure or first_page_error(self._status)}")
        return page

    async def act(self, action: Action) -> Page:
        """The page after the action, or the same page with the reason why the action failed.

        Raises StorefrontError if the store no longer answers.
        """
        if self._client is None:
            raise StorefrontError("the session is not open")
        self._troubles, self._effects = [], []
        self._sends = action.method in ("click", "doubleClick", "press")
        failure = self._scope.refused(action, self._shown) or self._not_allowed(action)
        if failure is None:
            failure = await self._do(action)
        return self._look(failure)

    async def close(self) -> None:
        """Forgets the visitor."""
        self._client = None

    # --- acting -------------------------------------------------------------------------------

    async def _do(self, action: Action) -> str | None:
        """The reason of a failure, or None."""
        element, document = self._elements[self._kept[action.node].backend_id]
        text = action.arguments[0] if action.arguments else ""
        failure: str | None = None
        match action.method:
            case "nextChunk" | "prevChunk":
                self._part += 1 if action.method == "nextChunk" else -1
            case "goto":
                before = self._history.step_back()
                failure = (
                    "There is no page before this one" if before is None else await self._get(before, self._document)
                )
            case "click":
                failure = await self._click(element, document)
            case "doubleClick":
                failure = await self._click_twice(element, document)
            case "fill" | "type":
                failure = enter(element, text if action.method == "fill" else entered(element) + text)
            case "selectOptionFromDropdown":
                leading = leading_option(element, text)
                failure = choose(element, text) if leading is None else await self._click(leading, document)
            case "press":
                failure = await self._press(element, document, text)
            case "dragAndDrop":
                failure = "Nothing can be dragged without a browser"
            case "hover":
                failure = "Nothing is shown on pointing at it without a browser"
        return failure

    def _not_allowed(self, action: Action) -> str | None:
        """Why the action is not done in a store where nothing may be ordered; None if it may be done."""
        if self._visit is None:
            return None
        kept = self._kept[action.node]
        field = described(self._elements[kept.backend_id][0])
        refusal = self._visit.begin(action, kept.node, link=kept.href, field=field)
        return None if refusal is None else self._visit.not_done(refusal, self._troubles)

    async def _click(self, element: HtmlElement, document: Document) -> str | None:
        if element.tag == "label" and (box := hidden_box(element)) is not None:
            element = box
        kind = (element.get("type") or "").lower()
        if element.tag == "a" and "href" in element.attrib:
            return await self._follow(element, document)
        if element.tag == "summary":
            details = element.getparent()
            if details is not None and details.attrib.pop("open", None) is None:
                details.set("open", "")
            return None
        if element.tag == "input" and kind in ("checkbox", "radio"):
            return tick(element)
        form = form_of(element) if element.tag in ("button", "input") else None
        if form is not None and kind not in ("button", "reset"):
            return await self._submit(form, element, document)
        return NEEDS_SCRIPT

    async def _click_twice(self, element: HtmlElement, document: Document) -> str | None:
        """Clicks twice; only once if the first click changes the page."""
        before = self._document.root, document.root
        failure = await self._click(element, document)
        if failure is None and (self._document.root, document.root) == before:
            failure = await self._click(element, document)
        return failure

    async def _press(self, element: HtmlElement, document: Document, key: str) -> str | None:
        if key != "Enter":
            return f"The key {key} does nothing without a browser"
        form = form_of(element)
        if form is None or element.tag == "textarea":
            return None
        return await self._submit(
            form, next((control for control in controls(form) if submits(control)), None), document
        )

    async def _follow(self, link: HtmlElement, document: Document) -> str | None:
        href = link.get("href") or ""
        url = urljoin(document.base, href.strip())
        scheme = urlsplit(url).scheme
        if scheme == "javascript":
            return NEEDS_SCRIPT
        page, sign, _ = url.partition("#")
        if href.startswith("#") or (sign and page == document.address.partition("#")[0]):
            return None  # further down on the same page
        return await self._get(url, self._target(link, document))

    def _target(self, element: HtmlElement, document: Document) -> Document:
        """The document that a link or a form changes: its frame, or the page."""
        return self._document if (element.get("target") or "").lower() in _OUTSIDE else document

    async def _submit(self, form: HtmlElement, by: HtmlElement | None, document: Document) -> str | None:
        if "novalidate" not in form.attrib and not (by is not None and "formnovalidate" in by.attrib):
            faults = [fault for control in controls(form) if (fault := invalid_field(control)) is not None]
            if faults:
                return refused(faults)  # a browser points at the field and sends nothing
        button = by.attrib if by is not None else {}
        url = urljoin(document.base, button.get("formaction") or form.get("action") or document.address)
        pairs, into = urlencode(list(sent(form, by))), self._target(form, document)
        if (button.get("formmethod") or form.get("method") or "get").lower() != "post":
            return await self._get(url.partition("#")[0].partition("?")[0] + "?" + pairs, into)
        return await self._load(
            "POST", url, into, content=pairs.encode(), headers={"Content-Type": "application/x-www-form-urlencoded"}
        )

    # --- the server ---------------------------------------------------------------------------

    async def _get(self, url: str, into: Document) -> str | None:
        return await self._load("GET", url, into)

    async def _load(
        self,
        method: str,
        url: str,
        into: Document,
        *,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> str | None:
        """Shows the answer as the page, or in a frame. Returns the reason of a failure. Raises StorefrontError."""
        assert self._client is not None
        if not self._scope.holds(url):
            return self._led_away(url, into)
        request = self._client.build_request(
            method, url, content=content, headers={"Referer": self._document.address, **(headers or {})}
        )
        for _ in range(MAX_REDIRECTS):
            if (refused := await self._refused(request, into)) is not None:
                return refused
            response = await self._requests.answer(self._client, request, self._troubles)
            if isinstance(response, str):
                return response
            self._note(request, response)
            if response.next_request is None:
                failure = self._show(response, into)
                await self._open_frames(into)
                return failure
            request = response.next_request
            await request.aread()  # what is sent on is read before it is judged
            if not self._scope.holds(str(request.url)):
                return self._led_away(str(request.url), into)
        return f"The store sent the visitor on more than {MAX_REDIRECTS} times"

    def _led_away(self, url: str, into: Document) -> str:
        """The reason why an address outside the store is not opened."""
        if self._visit is not None and into is self._document:
            self._visit.lead_away(url)
        return self._scope.leads_away(url)

    def _note(self, request: httpx2.Request, response: httpx2.Response) -> None:
        """Notes what the store did, if it is not the lab's, whose log records it."""
        if self._visit is None:
            return
        asked = Asked(
            request.method, str(request.url), "page", request.content, request.headers.get("Content-Type", "")
        )
        if adds_to_cart(asked):
            kind, leads_to = (response.headers.get(name, "") for name in ("Content-Type", "Location"))
            self._effects.append(cart_effect(asked, Answer(response.status_code, kind, response.text, leads_to)))

    async def _refused(self, request: httpx2.Request, into: Document) -> str | None:
        """Why a request may not be sent; empty where the guarded visit reports the reason."""
        if self._visit is not None:
            kind = "page" if into is self._document else "frame"
            content_type = request.headers.get("Content-Type", "")
            asked = Asked(request.method, str(request.url), kind, request.content, content_type)
            if self._visit.decide(asked) is not None:
                return ""
        return await self._politeness.refused(str(request.url)) if self._politeness is not None else None

    async def _open_frames(self, document: Document) -> None:
        """Loads the frames of a document. A frame that fails, or is of another site, stays empty."""
        around = (*document.around, document.address)
        for element in list(shown_frames(document.root))[:MAX_FRAMES]:
            given, url = element.get("srcdoc"), urljoin(document.base, element.get("src") or "about:blank")
            if element in document.frames or len(around) > MAX_FRAME_DEPTH:
                continue
            if given is not None:
                document.frames[element] = inner = Document(parsed(given), document.address, around)
                await self._open_frames(inner)
            elif self._scope.holds(url) and around.count(url) < 2:  # as Chromium does
                inner = Document(parsed(""), url, around)
                with contextlib.suppress(StorefrontError):
                    await self._get(url, inner)
                document.frames[element] = inner

    def _show(self, response: httpx2.Response, into: Document) -> str | None:
        kind = response.headers.get("Content-Type", "text/html").partition(";")[0].strip()
        if kind not in ("text/html", "application/xhtml+xml"):
            return f"It is a file ({kind}), not a page: not opened"
        if into is self._document:
            self._part = 1
            self._status = response.status_code
            self._answer_headers = response.headers
        into.replace(parsed(response.text), str(response.url))
        return f"The store answered with an error ({response.status_code})" if response.status_code >= 500 else None

    def _look(self, failure: str | None = None) -> Page:
        self._elements = []
        tree = ax_nodes(self._document, self._elements)
        markup = http_markup(self._elements)
        kept = kept_nodes(tree, self._config.max_name_chars, markup)
        markup.release()
        marked = marked_fields(tree)
        if failure is None and self._sends and marked:
            failure = newly_refused(marked, self._marked, is_same=texts_of(kept) == texts_of(self._read))
        self._marked, self._read, self._sends = marked, kept, False
        nodes, self._part = shown_part(kept, self._part, self._config.max_page_tokens)
        self._shown = {node.id: node for node in nodes}
        self._kept = {item.node.id: item for item in kept if item.node.id in self._shown}
        address, content = self._document.address, None
        if self._visit is not None:
            frames = [
                urljoin(self._document.base, frame.get("src") or "") for frame in self._document.root.iter("iframe")
            ]
            seen = [item.node for item in kept]
            title = tree[0]["name"]["value"]
            require_no_challenge(self._status, self._answer_headers, title, seen, frames, is_first=self._is_first)
            self._is_first = False
            heading = next((item.node.name for item in kept if item.node.role == "heading"), "")
            content = page_content(self._document.root, address)
            kind = seen_page(Page(address, title, nodes, content=content)).kind
            frames = large_frames(self._document)
            self._visit.see(address, (title, heading), self._fields(self._document), frames, kind)
            failure = self._visit.outcome(failure, self._troubles)
            self._effects += self._visit.effects()
        self._history.seen(address)
        return Page(
            address,
            tree[0]["name"]["value"],
            nodes,
            failure,
            self._history.before is not None,
            tuple(self._troubles),
            effects=tuple(self._effects),
            content=content,
        )

    def _fields(self, document: Document) -> list[FormField]:
        """The fields of a document and of the frames in it."""
        found = [described(control) for control in document.root.iter("input", "select", "textarea")]
        for inner in document.frames.values():
            found += self._fields(inner)
        return found
