"""Stores without a browser: pages that the server makes, their links and forms, a visitor's cookies (Storefront).

No script runs and no style is read. What a page shows is put in the same words as the browser's window puts it.
"""

from __future__ import annotations

import asyncio
from math import isfinite
from types import TracebackType
from typing import Self
from urllib.parse import urlencode, urljoin, urlsplit

import httpx2
from lxml import html

from simpersona.adapters.store_browser_tree import Kept, kept_nodes, shown_part
from simpersona.adapters.store_http_tree import ax_nodes, chosen_option, form_of, option_words
from simpersona.adapters.store_manners import Manners
from simpersona.adapters.store_rules import RETRY_SECONDS, Grounds
from simpersona.adapters.store_trail import Trail
from simpersona.config import StoreConfig
from simpersona.errors import StorefrontError
from simpersona.pages import Action, Page, Trouble

MAX_REDIRECTS = 10
_HEADERS = {"Accept": "text/html,application/xhtml+xml", "Accept-Language": "en-US", "User-Agent": "simpersona"}
_ENTERED = frozenset({"text", "search", "email", "tel", "url", "password", "number"})
_NOT_SENT = frozenset({"button", "submit", "reset", "image", "file"})


class HttpVisitors:
    """What the windows of one run share: the connections. An async context manager.

    `may_pay` allows visitors to fill in a checkout and place an order: for the lab's own stores alone. `connections` are
    used instead of new ones.
    """

    def __init__(
        self, config: StoreConfig, *, may_pay: bool = False, connections: httpx2.AsyncBaseTransport | None = None
    ) -> None:
        self._config, self._may_pay = config, may_pay
        self._manners = None if may_pay else Manners(config.manners)
        self._given, self._connections = connections, connections

    async def __aenter__(self) -> Self:
        """Opens nothing yet."""
        self._connections = self._given or httpx2.AsyncHTTPTransport()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the connections."""
        if self._connections is not None:
            await self._connections.aclose()

    def visitor(self, url: str, visitor: str, *, within: str = "/") -> HttpWindow:
        """A new visitor's window on the store at `url`; the store knows it by the cookie `visitor`.

        The visitor stays on the host, and there below the path `within`, which ends with a slash.
        """
        return HttpWindow(self._connections, self._config, visitor, Grounds(url, within, self._may_pay), self._manners)


class HttpWindow:
    """One visitor's window: open, act, close (Storefront)."""

    def __init__(
        self,
        connections: httpx2.AsyncBaseTransport | None,
        config: StoreConfig,
        visitor: str,
        grounds: Grounds,
        manners: Manners | None,
    ) -> None:
        self._manners = manners
        self._connections, self._config, self._visitor, self._grounds = connections, config, visitor, grounds
        self._client: httpx2.AsyncClient | None = None
        self._address = grounds.url
        self._document: html.HtmlElement = html.document_fromstring("<html><body></body></html>")
        self._elements: list[html.HtmlElement] = []
        self._kept: dict[str, Kept] = {}
        self._part = 1
        self._trail = Trail()
        self._troubles: list[Trouble] = []

    async def open(self) -> Page:
        """The store's first page. Raises StorefrontError if the store does not answer, or with an error."""
        if self._connections is None:
            raise StorefrontError("the connections were not opened: use `async with HttpVisitors(config)`")
        if urlsplit(self._address).scheme not in ("http", "https"):
            raise StorefrontError(f"{self._address!r} is not an http(s) address of a store")
        # never closed itself: that would close the connections, which all visitors share
        self._client = httpx2.AsyncClient(
            transport=self._connections, timeout=self._config.action_timeout_seconds, headers=_HEADERS
        )
        home = urlsplit(self._address)
        self._client.cookies.set("visitor", self._visitor, domain=home.hostname or "", path=self._grounds.within)
        try:
            failure = await self._get(self._address)
        except (httpx2.HTTPError, StorefrontError) as error:
            raise StorefrontError(f"{self._address} does not answer: {error}") from error
        if failure:
            raise StorefrontError(f"{self._address}: {failure}")
        return self._look()

    async def act(self, action: Action) -> Page:
        """The page after the action, or the same page with the reason why it could not be done.

        Raises StorefrontError when the store answers no more.
        """
        if self._client is None:
            raise StorefrontError("the window is not open")
        self._troubles = []
        nodes = {name: kept.node for name, kept in self._kept.items()}
        failure = self._grounds.refused(action, nodes, self._address)
        if failure is None:
            failure = await self._do(action)
        return self._look(failure)

    async def close(self) -> None:
        """Forgets the visitor."""
        self._client = None

    # --- acting -------------------------------------------------------------------------------

    async def _do(self, action: Action) -> str | None:
        """The failure in words, or None."""
        element = self._elements[self._kept[action.node].backend_id]
        text = action.arguments[0] if action.arguments else ""
        failure: str | None = None
        match action.method:
            case "nextChunk" | "prevChunk":
                self._part += 1 if action.method == "nextChunk" else -1
            case "goto":
                before = self._trail.step_back()
                failure = "There is no page before this one" if before is None else await self._get(before)
            case "click" | "doubleClick":
                failure = await self._click(element)
            case "fill" | "type":
                failure = _enter(element, text if action.method == "fill" else _entered(element) + text)
            case "selectOptionFromDropdown":
                failure = _choose(element, text)
            case "press":
                failure = await self._press(element, text)
            case "dragAndDrop":
                failure = "Nothing can be dragged without a browser"
        return failure

    async def _click(self, element: html.HtmlElement) -> str | None:
        kind = (element.get("type") or "").lower()
        if element.tag == "a":
            return await self._follow(element.get("href") or "")
        if element.tag == "summary":
            details = element.getparent()
            if details is not None and details.attrib.pop("open", None) is None:
                details.set("open", "")
            return None
        if element.tag == "input" and kind in ("checkbox", "radio"):
            return _tick(element, self._document)
        if element.tag in ("button", "input") and kind not in ("button", "reset"):
            form = form_of(element)
            return None if form is None else await self._submit(form, element)
        return None

    async def _press(self, element: html.HtmlElement, key: str) -> str | None:
        if key != "Enter":
            return f"The key {key} does nothing without a browser"
        form = form_of(element)
        if form is None or element.tag == "textarea":
            return None
        return await self._submit(form, next((one for one in _controls(form) if _submits(one)), None))

    async def _follow(self, href: str) -> str | None:
        url = urljoin(self._base(), href.strip())
        scheme = urlsplit(url).scheme
        if scheme == "javascript":
            return "It needs a script, which this window does not run"
        here, there = self._address.partition("#")[0], url.partition("#")
        if href.startswith("#") or (there[1] and there[0] == here):
            return None  # further down on the same page
        return await self._get(url)

    async def _submit(self, form: html.HtmlElement, by: html.HtmlElement | None) -> str | None:
        if "novalidate" not in form.attrib and not all(_valid(control) for control in _controls(form)):
            return None  # a browser points at the field and sends nothing
        told = by.attrib if by is not None else {}
        url = urljoin(self._base(), told.get("formaction") or form.get("action") or self._address)
        pairs = urlencode(list(_sent(form, by)))
        if (told.get("formmethod") or form.get("method") or "get").lower() != "post":
            return await self._get(url.partition("#")[0].partition("?")[0] + "?" + pairs)
        return await self._load(
            "POST", url, content=pairs.encode(), headers={"Content-Type": "application/x-www-form-urlencoded"}
        )

    # --- the server ---------------------------------------------------------------------------

    def _base(self) -> str:
        return next(
            (urljoin(self._address, one.get("href") or "") for one in self._document.iter("base")), self._address
        )

    async def _get(self, url: str) -> str | None:
        return await self._load("GET", url)

    async def _load(
        self, method: str, url: str, *, content: bytes | None = None, headers: dict[str, str] | None = None
    ) -> str | None:
        """Puts the answer in the place of the page; what went wrong, in words. Raises StorefrontError."""
        assert self._client is not None
        if not self._grounds.holds(url):
            return self._grounds.leads_away(url)
        request = self._client.build_request(
            method, url, content=content, headers={"Referer": self._address, **(headers or {})}
        )
        for _ in range(MAX_REDIRECTS):
            if self._manners is not None and (refused := await self._manners.refused(str(request.url))):
                return refused
            response = await self._answer(self._client, request)
            if isinstance(response, str):
                return response
            if response.next_request is None:
                return self._show(response)
            request = response.next_request
            if not self._grounds.holds(str(request.url)):
                return self._grounds.leads_away(str(request.url))
        return f"The store sent the visitor on more than {MAX_REDIRECTS} times"

    async def _answer(self, client: httpx2.AsyncClient, request: httpx2.Request) -> httpx2.Response | str:
        """What the store answers, asked again while it fails; what a form sends is sent once. Else why there is no answer.

        Raises StorefrontError if the store answers no more.
        """
        found = await self._once(client, request)
        for pause in RETRY_SECONDS:
            if found[1] is None:
                break
            self._troubles.append(found[1])
            is_again = found[1] == "slow_page" and "slow_page" in self._troubles[:-1]
            if is_again or request.method != "GET":
                break
            await asyncio.sleep(pause)
            found = await self._once(client, request)
        else:
            if found[1] is not None:
                self._troubles.append(found[1])
        answer, trouble = found
        if trouble == "no_answer" and request.method == "GET":
            raise StorefrontError(f"the store does not answer any more ({answer})")
        return "The store did not answer" if trouble == "no_answer" else answer

    async def _once(
        self, client: httpx2.AsyncClient, request: httpx2.Request
    ) -> tuple[httpx2.Response | str, Trouble | None]:
        """The answer, or what there is instead of it in words; and what went wrong."""
        if self._manners is not None:
            await self._manners.turn(str(request.url))
            request.headers.update(self._manners.headers(str(request.url)))
        try:
            response = await client.send(request, follow_redirects=False)
        except httpx2.TimeoutException:
            return f"The page did not load within {self._config.action_timeout_seconds:g} s", "slow_page"
        except httpx2.HTTPError as error:
            return type(error).__name__, "no_answer"
        return response, "server_error" if response.status_code >= 500 else None

    def _show(self, response: httpx2.Response) -> str | None:
        kind = response.headers.get("Content-Type", "text/html").partition(";")[0].strip()
        if kind not in ("text/html", "application/xhtml+xml"):
            return f"It is a file ({kind}), not a page: not opened"
        self._address, self._part = str(response.url), 1
        self._document = html.document_fromstring(response.text.encode() or b"<html></html>", parser=_PARSER)
        return f"The store answered with an error ({response.status_code})" if response.status_code >= 500 else None

    def _look(self, failure: str | None = None) -> Page:
        self._elements = []
        tree = ax_nodes(self._document, self._address, self._elements)
        kept = kept_nodes(tree, self._config.max_name_chars)
        nodes, self._part = shown_part(kept, self._part, self._config.max_page_tokens)
        shown = {node.id for node in nodes}
        self._kept = {one.node.id: one for one in kept if one.node.id in shown}
        self._trail.seen(self._address)
        back = self._trail.before is not None
        return Page(self._address, tree[0]["name"]["value"], nodes, failure, back, tuple(self._troubles))


_PARSER = html.HTMLParser(encoding="utf-8")

# --- forms --------------------------------------------------------------------------------------


def _controls(form: html.HtmlElement) -> list[html.HtmlElement]:
    return [one for one in form.getroottree().iter("input", "select", "textarea", "button") if form_of(one) is form]


def _submits(control: html.HtmlElement) -> bool:
    if "disabled" in control.attrib:
        return False
    kind = (control.get("type") or "").lower()
    return (control.tag == "button" and kind in ("", "submit")) or (
        control.tag == "input" and kind in ("submit", "image")
    )


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if isfinite(value) else None


def _valid(control: html.HtmlElement) -> bool:
    """What a browser asks of a field before it sends a form: that it is filled, and a number within its limits."""
    text = _entered(control)
    if not text or control.tag != "input":
        return "required" not in control.attrib
    match (control.get("type") or "").lower():
        case "number":
            value, low, high = (_number(one) for one in (text, control.get("min"), control.get("max")))
            step = _number(control.get("step", "1"))
            return (
                value is not None
                and (low is None or value >= low)
                and (high is None or value <= high)
                and (not step or (value - (low or 0)) % step == 0)
            )
        case "email":
            return "@" in text[1:-1]
    return True


def _entered(control: html.HtmlElement) -> str:
    if control.tag == "select":
        chosen = chosen_option(control)
        return "" if chosen is None else chosen.get("value", option_words(chosen))
    return (control.text if control.tag == "textarea" else control.get("value")) or ""


def _sent(form: html.HtmlElement, by: html.HtmlElement | None) -> list[tuple[str, str]]:
    """Names and values that a form sends, in the order of the page."""
    pairs = []
    for control in _controls(form):
        name, kind = control.get("name"), (control.get("type") or "").lower()
        if not name or "disabled" in control.attrib:
            continue
        if control.tag == "button" or (control.tag == "input" and kind in _NOT_SENT):
            if control is by:
                pairs.append((name, control.get("value") or ""))
        elif kind in ("checkbox", "radio"):
            if "checked" in control.attrib:
                pairs.append((name, control.get("value", "on")))
        elif control.tag != "select" or chosen_option(control) is not None:
            pairs.append((name, _entered(control)))
    return pairs


def _enter(control: html.HtmlElement, text: str) -> str | None:
    if "readonly" in control.attrib:
        return "Nothing can be typed there"
    if control.tag == "textarea":
        control.text = text
    elif control.tag == "input" and (control.get("type") or "text").lower() in _ENTERED:
        control.set("value", text if control.get("type") != "number" or _number(text) is not None else "")
    else:
        return "Nothing can be typed there"
    return None


def _choose(select: html.HtmlElement, label: str) -> str | None:
    option = next((one for one in select.iter("option") if option_words(one) == label), None)
    if option is None:
        return f"There is no option {label!r}"
    for other in select.iter("option"):
        other.attrib.pop("selected", None)
    option.set("selected", "")
    return None


def _tick(control: html.HtmlElement, document: html.HtmlElement) -> None:
    if control.get("type", "").lower() == "radio":
        for other in document.iter("input"):
            if other.get("name") == control.get("name") and form_of(other) is form_of(control):
                other.attrib.pop("checked", None)
        control.set("checked", "")
    elif control.attrib.pop("checked", None) is None:
        control.set("checked", "")
