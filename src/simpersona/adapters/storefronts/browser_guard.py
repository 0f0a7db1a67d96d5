"""Holds back the requests of one running Chromium until the guard of payments has decided.

The browser's own session sees what every page, frame, worker and new window sends. Only documents and what scripts send
are held; pictures, styles and scripts are not, and the browser's cache stays in use.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser as Chromium
from playwright.async_api import CDPSession, Error

from simpersona.adapters.storefronts.access import Access
from simpersona.adapters.storefronts.browser_sockets import without_sockets
from simpersona.adapters.storefronts.guarded_visit import GuardedVisit
from simpersona.adapters.storefronts.payment_guard import Asked, PaymentGuard, RequestKind, Situation

_HELD = ("Document", "XHR", "Fetch", "Ping", "EventSource", "Other")
"""Kinds of requests that are held: the others are never anything but GET."""
_OF_BODY = frozenset({"content-length", "content-encoding", "transfer-encoding"})
"""Headers of an answer that do not hold for a body that is given as text."""
_UNKNOWN = Situation("https://store.invalid/checkout", gesture="acts")
"""The page of a request whose window is not known: it is judged as on a checkout."""


class BrowserGuard:
    """The guard of one running browser; `start` it before the first page opens.

    It also adds the secret headers of `access` to requests to the store. A browser that `is_shared` has pages of others,
    whose requests leave as they are.
    """

    def __init__(self, guard: PaymentGuard, access: Access | None = None, *, is_shared: bool = False) -> None:
        self._guard, self._access, self._is_shared = guard, access or Access(), is_shared
        self._visits: dict[str, GuardedVisit] = {}  # by the id of the visitor's browser context
        self._frames: dict[
            str, tuple[GuardedVisit, bool]
        ] = {}  # by the id of the frame; whether it is the visitor's page
        self._contexts: set[str] = set()  # all browser contexts of visitors, also of those that have ended
        self._deciding: set[asyncio.Task[None]] = set()
        self._session: CDPSession | None = None

    async def start(self, chromium: Chromium) -> str:
        """Holds all requests from now on. Returns the browser's own user agent. Raises the browser's Error."""
        self._session = await chromium.new_browser_cdp_session()
        self._session.on("Fetch.requestPaused", self._on_paused)
        # a store that asks for a header asks for it with its pictures and scripts too
        kinds = [{}] if self._access.headers else [{"resourceType": kind} for kind in _HELD]
        await self._session.send("Fetch.enable", {"patterns": [{**kind, "requestStage": "Request"} for kind in kinds]})
        return str((await self._session.send("Browser.getVersion"))["userAgent"])

    async def watch(self, tab: CDPSession, visit: GuardedVisit) -> None:
        """Makes the visit responsible for the requests of a tab and of all windows of its context."""
        target = (await tab.send("Target.getTargetInfo"))["targetInfo"]
        self._visits[target["browserContextId"]] = visit
        self._contexts.add(target["browserContextId"])
        self._frames[target["targetId"]] = visit, True

        def attached(event: dict[str, Any]) -> None:
            self._frames.setdefault(event["frameId"], (visit, False))

        def detached(event: dict[str, Any]) -> None:
            if event.get("reason") != "swap":
                self._frames.pop(event["frameId"], None)

        def navigated(event: dict[str, Any]) -> None:
            if "parentId" not in event["frame"]:
                visit.begin_document()

        tab.on("Page.frameNavigated", navigated)
        tab.on("Page.frameAttached", attached)
        tab.on("Page.frameDetached", detached)

    def forget(self, visit: GuardedVisit) -> None:
        """Forgets a visit that has ended; what its windows still send is judged as on a checkout."""
        self._visits = {name: other for name, other in self._visits.items() if other is not visit}
        self._frames = {name: other for name, other in self._frames.items() if other[0] is not visit}

    def _on_paused(self, event: dict[str, Any]) -> None:
        task = asyncio.ensure_future(self._decide(event))
        self._deciding.add(task)
        task.add_done_callback(self._deciding.discard)

    async def _decide(self, event: dict[str, Any]) -> None:
        assert self._session is not None
        with contextlib.suppress(Error):
            request: dict[str, Any] = {"requestId": event["requestId"]}
            if self._is_shared and await self._is_of_others(event["frameId"]):
                await self._session.send("Fetch.continueRequest", request)
                return
            visit, is_page = await self._visit_of(event["frameId"])
            if "responseStatusCode" in event:
                await self._answer(event)
                return
            is_refused = True
            try:
                is_refused = event["resourceType"] in _HELD and self._refuses(_asked(event, is_page=is_page), visit)
            finally:  # what cannot be judged is refused
                if is_refused:
                    await self._session.send("Fetch.failRequest", {**request, "errorReason": "Aborted"})
                else:
                    if event["resourceType"] == "Other":  # it may be the script of a worker
                        request["interceptResponse"] = True
                    await self._session.send("Fetch.continueRequest", request | self._with_access(event, visit))

    async def _answer(self, event: dict[str, Any]) -> None:
        """Passes on an answer; the script of a worker without web sockets. Raises the browser's Error."""
        assert self._session is not None
        request = {"requestId": event["requestId"]}
        headers = [header for header in event.get("responseHeaders", []) if header["name"].lower() not in _OF_BODY]
        kind = next((header["value"] for header in headers if header["name"].lower() == "content-type"), "")
        if event["responseStatusCode"] != 200 or "javascript" not in kind:
            await self._session.send("Fetch.continueRequest", request)
            return
        given = await self._session.send("Fetch.getResponseBody", request)
        script = base64.b64decode(given["body"]).decode("utf-8", "replace") if given["base64Encoded"] else given["body"]
        body = base64.b64encode(without_sockets(script).encode()).decode()
        changed = {"responseCode": 200, "responseHeaders": headers, "body": body}
        await self._session.send("Fetch.fulfillRequest", request | changed)

    def _refuses(self, asked: Asked, visit: GuardedVisit | None) -> bool:
        refusal = self._guard.refused(asked, _UNKNOWN) if visit is None else visit.decide(asked)
        return refusal is not None

    def _with_access(self, event: dict[str, Any], visit: GuardedVisit | None) -> dict[str, Any]:
        """The headers of a request to the visit's store with the secret ones; nothing for other requests."""
        given = event["request"]["headers"]
        further = {} if visit is None else self._access.headers_for(event["request"]["url"], visit.start, given)
        headers = [{"name": name, "value": value} for name, value in (given | further).items()]
        return {"headers": headers} if further else {}

    async def _is_of_others(self, frame: str) -> bool:
        """Whether a frame is in a context that no visitor has had: in a browser that others use too."""
        if frame in self._frames:
            return False
        assert self._session is not None
        with contextlib.suppress(Error):
            target = (await self._session.send("Target.getTargetInfo", {"targetId": frame}))["targetInfo"]
            return "browserContextId" in target and target["browserContextId"] not in self._contexts
        return False

    async def _visit_of(self, frame: str) -> tuple[GuardedVisit | None, bool]:
        """The visit that a frame belongs to, None if it is not known; and whether the frame is its page."""
        if frame in self._frames:
            return self._frames[frame]
        assert self._session is not None
        with contextlib.suppress(Error):
            target = (await self._session.send("Target.getTargetInfo", {"targetId": frame}))["targetInfo"]
            if (visit := self._visits.get(target.get("browserContextId", ""))) is not None:
                return visit, target["type"] == "page"
        return None, False


def _asked(event: dict[str, Any], *, is_page: bool) -> Asked:
    request = event["request"]
    kind: RequestKind = "script"
    if event["resourceType"] == "Document":
        kind = "page" if is_page else "frame"
    elif event["resourceType"] in ("Ping", "Other"):
        kind = "report"
    body: bytes | None = b""
    if request.get("hasPostData"):
        entries = request.get("postDataEntries") or []
        body = b"".join(base64.b64decode(entry["bytes"]) for entry in entries if "bytes" in entry)
        if not body or any("bytes" not in entry for entry in entries):  # a file, or too large to be passed on
            body = request["postData"].encode() if request.get("postData") else None
    headers = {name.lower(): value for name, value in request["headers"].items()}
    sent_as, referrer = headers.get("content-type", ""), headers.get("referer", "")
    return Asked(request["method"], request["url"], kind, body, sent_as, referrer)


def socket_message(url: str, message: str | bytes) -> Asked:
    """A message that a page is about to send over a web socket."""
    body = message.encode() if isinstance(message, str) else message
    return Asked("MESSAGE", urlsplit(url)._replace(query="").geturl(), "socket", body)
