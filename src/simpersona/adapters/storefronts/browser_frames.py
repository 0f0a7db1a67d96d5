"""The accessibility tree of a page with the frames in it, as one tree; frames of other sites too.

A frame of another site runs in a separate process, which has a session of its own: `PageFrames` keeps these sessions.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import Any

from playwright.async_api import BrowserContext, CDPSession, Error, Frame, Page, Request
from playwright.async_api import TimeoutError as BrowserTimeoutError

from simpersona.adapters.storefronts.browser_gestures import Hand
from simpersona.pages import Trouble

MAX_OTHER_SITES = 10
"""Frames of other sites that are read on one page; the others stay empty."""
FRAME_SECONDS = 2.0
"""Longest wait for the frames of other sites that are loading."""
STILL_SECONDS, MAX_STILL_SECONDS = 0.05, 1.0
"""A frame stands still if it is at the same point after this time; it is waited for at most so long."""
_ERROR_PAGE = "chrome-error:"
_SEES_OUT = "function () { return !!this.defaultView.frameElement; }"


@dataclass(frozen=True)
class _Place:
    """A frame of the tree: the frame around it, its element there, the session that reaches it, and its document."""

    around: int
    element: int
    session: CDPSession
    document: int


class PageFrames:
    """The frames of one tab, numbered as in the tree read last; 0 is the page itself."""

    def __init__(self, context: BrowserContext, tab: Page, cdp: CDPSession) -> None:
        self._context, self._tab, self._cdp = context, tab, cdp
        self._sessions: dict[Frame, CDPSession] = {}
        self._places: dict[int, _Place] = {}
        self._loading: set[Request] = set()
        self._arrived = asyncio.Event()  # no document of a frame is on its way
        self._arrived.set()
        tab.on("request", self._on_request)
        tab.on("requestfinished", self._on_request_end)
        tab.on("requestfailed", self._on_request_end)
        tab.on("framedetached", self._on_detached)

    async def tree(self) -> list[dict[str, Any]]:
        """What the protocol's Accessibility.getFullAXTree gives, the root first, with each frame's tree below its element.

        `frame` of a node is the frame's number, 0 for the page itself, and `process` the number of the outermost frame in its
        process. A frame that shows no page, such as one that the guard
        of payments refused, stays empty. Raises the browser's Error if the page cannot be read.
        """
        nodes: list[dict[str, Any]] = (await self._cdp.send("Accessibility.getFullAXTree"))["nodes"]
        self._places, number = {}, 0
        others: dict[str, CDPSession] | None = None
        for element in nodes:  # grows meanwhile, so that frames in frames are reached
            if element.get("role", {}).get("value") != "Iframe" or element.get("ignored"):
                continue
            number += 1
            others = await self._of_other_sites() if others is None else others
            with contextlib.suppress(Error, KeyError):
                inner = await self._inner_tree(element, number, others)
                nodes += _numbered(inner, number, self._process(number))
                element["childIds"] = [inner[0]["nodeId"]] if inner else []
        return nodes

    async def _inner_tree(
        self, element: dict[str, Any], number: int, others: dict[str, CDPSession]
    ) -> list[dict[str, Any]]:
        """The tree of the frame in an element. Raises the browser's Error or KeyError if the frame has none."""
        around, owner = element.get("frame", 0), element["backendDOMNodeId"]
        session = self._session(around)
        frame = (await session.send("DOM.describeNode", {"backendNodeId": owner}))["node"]["frameId"]
        if frame in others:
            session = others[frame]
            asked: dict[str, Any] = {}
        else:
            asked = {"frameId": frame}
        inner: list[dict[str, Any]] = (await session.send("Accessibility.getFullAXTree", asked))["nodes"]
        if inner:
            self._places[number] = _Place(around, owner, session, inner[0]["backendDOMNodeId"])
        return inner

    @property
    def session(self) -> CDPSession:
        """The session of the page itself."""
        return self._cdp

    @property
    def processes(self) -> dict[int, CDPSession]:
        """The sessions of the other processes that have a frame of the page, by the number of their outermost frame."""
        return {self._process(frame): place.session for frame, place in self._places.items() if self._process(frame)}

    def _process(self, frame: int) -> int:
        """The number of the outermost frame in a frame's process; 0 for the page's own process."""
        if frame not in self._places:
            return 0
        while frame and self._session(frame) is self._session(self._places[frame].around):
            frame = self._places[frame].around
        return frame

    def hand(self, frame: int, leaving: asyncio.Event, troubles: list[Trouble], *, runs: bool) -> Hand:
        """The hand for the nodes of a frame; its arguments are those of Hand."""
        if frame == 0:
            return Hand(self._tab, self._cdp, leaving, troubles, runs)
        return FrameHand(self._tab, self._session(frame), leaving, troubles, runs, self, frame)

    async def are_apart(self, frames: set[int]) -> bool:
        """Whether no gesture goes from one of these frames to another: some are of other sites. Raises the browser's Error."""
        return len(frames) > 1 and any([await self.corner(frame) != (0.0, 0.0) for frame in frames])

    async def corner(self, frame: int) -> tuple[float, float]:
        """Where the points count from that a frame's own script gives, on the page. Raises the browser's Error.

        A script counts from the corner of the outermost frame that it may look at: of its own origin.
        """
        while frame and await self._sees_out(frame):
            frame = self._places[frame].around
        x = y = 0.0
        while frame:
            place = self._places[frame]
            box = await self._session(place.around).send("DOM.getBoxModel", {"backendNodeId": place.element})
            x, y = x + box["model"]["content"][0], y + box["model"]["content"][1]
            frame = place.around
            while frame and self._session(frame) is self._session(self._places[frame].around):
                frame = self._places[frame].around  # the box counts from the outermost frame of the process
        return x, y

    async def _sees_out(self, frame: int) -> bool:
        """Whether a frame's script may look at the frame around it."""
        place = self._places[frame]
        document = (await place.session.send("DOM.resolveNode", {"backendNodeId": place.document}))["object"][
            "objectId"
        ]
        answer = await place.session.send(
            "Runtime.callFunctionOn",
            {"functionDeclaration": _SEES_OUT, "objectId": document, "returnByValue": True},
        )
        return bool(answer["result"].get("value"))

    def _session(self, frame: int) -> CDPSession:
        return self._places[frame].session if frame else self._cdp

    async def _of_other_sites(self) -> dict[str, CDPSession]:
        """The sessions of the frames with a process of their own, by the protocol's id, once all frames have loaded."""
        deadline = time.monotonic() + FRAME_SECONDS
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FRAME_SECONDS):
                await self._arrived.wait()
        self._loading.clear()  # what takes longer is not waited for again
        self._arrived.set()
        found: dict[str, CDPSession] = {}
        for frame in self._tab.frames[1:]:
            if len(found) == MAX_OTHER_SITES:
                break
            if frame.url.startswith(_ERROR_PAGE) or (session := await self._session_of(frame)) is None:
                continue
            with contextlib.suppress(BrowserTimeoutError):
                left = max(deadline - time.monotonic(), STILL_SECONDS)
                await frame.wait_for_load_state("domcontentloaded", timeout=left * 1000)
            with contextlib.suppress(Error):
                found[(await session.send("Page.getFrameTree"))["frameTree"]["frame"]["id"]] = session
        return found

    async def _session_of(self, frame: Frame) -> CDPSession | None:
        """The session of a frame's process; None if the frame is in the process of the page around it."""
        known = self._sessions.get(frame)
        if known is not None:
            with contextlib.suppress(Error):  # the frame has gone to another process
                await known.send("Page.getFrameTree")
                return known
        self._sessions.pop(frame, None)
        with contextlib.suppress(Error):
            self._sessions[frame] = session = await self._context.new_cdp_session(frame)
            return session
        return None

    def _on_request(self, request: Request) -> None:
        with contextlib.suppress(Error):  # a request whose frame is gone
            if request.is_navigation_request() and request.frame.parent_frame is not None:
                self._loading.add(request)
                self._arrived.clear()

    def _on_request_end(self, request: Request) -> None:
        self._loading.discard(request)
        if not self._loading:
            self._arrived.set()

    def _on_detached(self, frame: Frame) -> None:
        self._sessions.pop(frame, None)
        for request in [request for request in self._loading if request.frame == frame]:
            self._on_request_end(request)


@dataclass(frozen=True)
class FrameHand(Hand):
    """The shopper's hand in a frame, whose scripts may not know where it is on the page."""

    frames: PageFrames
    frame: int

    async def _call(self, function: str, element: str, *arguments: object) -> Any:
        answer = await super()._call(function, element, *arguments)
        if isinstance(answer, dict) and {"x", "y"} <= answer.keys():
            x, y = await self._still_corner()
            return answer | {"x": answer["x"] + x, "y": answer["y"] + y}
        return answer

    async def _still_corner(self) -> tuple[float, float]:
        """The frame's corner, once the page no longer scrolls to it: that is done by another process."""
        deadline, corner = time.monotonic() + MAX_STILL_SECONDS, await self.frames.corner(self.frame)
        while corner != (0.0, 0.0) and time.monotonic() < deadline:
            await asyncio.sleep(STILL_SECONDS)
            before, corner = corner, await self.frames.corner(self.frame)
            if corner == before:
                break
        return corner


def _numbered(nodes: list[dict[str, Any]], frame: int, process: int) -> list[dict[str, Any]]:
    """A frame's nodes with ids that differ from the page's; its root is a part of the page like any other."""
    for index, node in enumerate(nodes):
        node["nodeId"] = f"{frame}:{node['nodeId']}"
        node["childIds"] = [f"{frame}:{child}" for child in node.get("childIds", ())]
        node["frame"], node["process"] = frame, process
        if index == 0:
            node["role"] = {"value": "generic"}
    return nodes
