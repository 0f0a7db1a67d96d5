"""What a store did, as a browser's tab sees it: answers of the cart, events that the page reports, the content of the page.

It listens only: no request is held or changed here, and nothing in the page is.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from playwright.async_api import Error, Page, Request, Response

from simpersona.adapters.storefronts.analytics_events import READ_LAYER, collected, reported
from simpersona.adapters.storefronts.cart_requests import Answer, adds_to_cart, cart_effect
from simpersona.adapters.storefronts.page_content import content_of
from simpersona.adapters.storefronts.payment_guard import Asked
from simpersona.pages import Effect, PageContent

ANSWER_SECONDS, READ_SECONDS = 2.0, 3.0
"""The longest waits for the body of an answer, and for the markup of a page."""
_SENDING = frozenset({"document", "xhr", "fetch", "ping", "other"})
"""Kinds of requests that may change the cart; pictures, styles and scripts do not."""
_MARKUP = """() => {
    const roots = [];
    const walk = root => root.querySelectorAll('*').forEach(element => {
        if (element.shadowRoot) { roots.push(element.shadowRoot); walk(element.shadowRoot); }
    });
    walk(document);
    const page = document.documentElement;
    return roots.length && page.getHTML ? `<html>${page.getHTML({shadowRoots: roots})}</html>` : page.outerHTML;
}"""
"""The markup as it is now, with the open shadow trees in it."""


class TabEffects:
    """The effects in one tab since the last `take`."""

    def __init__(self, tab: Page) -> None:
        self._tab = tab
        self._effects: list[Effect] = []
        self._reading: set[asyncio.Task[None]] = set()
        self._origin = 0.0  # when the document began whose queues were read last
        self._read = {"layer": 0, "shopify": 0}
        tab.on("request", self._on_request)
        tab.on("response", self._on_response)
        tab.on("requestfailed", self._on_request_failed)

    async def take(self) -> tuple[tuple[Effect, ...], PageContent | None]:
        """The effects since the last call, and the content of the page; None where it cannot be read."""
        if self._reading:
            await asyncio.wait(self._reading, timeout=ANSWER_SECONDS)
        content = None
        with contextlib.suppress(Error, TimeoutError):
            async with asyncio.timeout(READ_SECONDS):
                self._add_reported(await self._tab.evaluate(READ_LAYER))
                content = content_of(await self._tab.evaluate(_MARKUP), self._tab.url)
        effects, self._effects = tuple(dict.fromkeys(self._effects)), []
        return effects, content

    def _add_reported(self, queues: dict[str, Any]) -> None:
        """Adds the entries that have come since the queues were read; a new document has new queues."""
        if queues["origin"] != self._origin:
            self._origin, self._read = queues["origin"], dict.fromkeys(self._read, 0)
        for name, seen in self._read.items():
            entries = queues[name]
            self._effects += reported(entries[seen:])
            self._read[name] = len(entries)

    def _on_request(self, request: Request) -> None:
        if "/collect" in request.url:
            self._effects += collected(request.url, _text(request))

    def _on_response(self, response: Response) -> None:
        asked = _asked(response.request)
        if response.request.resource_type in _SENDING and adds_to_cart(asked):
            task = asyncio.ensure_future(self._note(asked, response))
            self._reading.add(task)
            task.add_done_callback(self._reading.discard)

    def _on_request_failed(self, request: Request) -> None:
        """Notes an addition that got no answer; one that the next page cut off may have arrived."""
        asked = _asked(request)
        if request.resource_type in _SENDING and adds_to_cart(asked) and "ABORTED" not in (request.failure or ""):
            self._effects.append(cart_effect(asked, Answer(0)))

    async def _note(self, asked: Asked, response: Response) -> None:
        text = None  # the browser forgets the body when the page's script opens another page at once
        with contextlib.suppress(Error, TimeoutError, UnicodeDecodeError):
            async with asyncio.timeout(ANSWER_SECONDS):
                text = await response.text() if response.status < 300 else ""
        headers = response.headers
        answer = Answer(response.status, headers.get("content-type", ""), text, headers.get("location", ""))
        self._effects.append(cart_effect(asked, answer))


def _asked(request: Request) -> Asked:
    content_type = request.headers.get("content-type", "")
    return Asked(request.method, request.url, "script", _text(request).encode(), content_type)


def _text(request: Request) -> str:
    """The body of a request; empty where it has none, or one that is no text."""
    with contextlib.suppress(Error, UnicodeDecodeError):
        return request.post_data or ""
    return ""
