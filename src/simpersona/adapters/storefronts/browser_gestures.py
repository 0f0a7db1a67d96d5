"""The actions that touch the page, done as a visitor would: at a point, with the keyboard.

Each returns None when done, or the reason of the failure in a sentence for the model.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from playwright.async_api import Error

from simpersona.adapters.storefronts.browser_entry import (
    CHOOSE,
    ELEMENT,
    ENTERED,
    FILL,
    OPTION,
    SLIDE,
    type_keys,
)
from simpersona.adapters.storefronts.browser_pointing import POINT, Point
from simpersona.adapters.storefronts.field_hints import not_entered
from simpersona.adapters.storefronts.form_refusals import InvalidField, refused
from simpersona.pages import Action, Trouble

if TYPE_CHECKING:
    from playwright.async_api import CDPSession, Page

_CLICK = (
    "function (times) {"
    + ELEMENT
    + """
    for (let i = 0; i < times; i++) element.click();
    if (times > 1) element.dispatchEvent(new MouseEvent('dblclick', {bubbles: true}));
}"""
)
_THERE = "function () {" + ELEMENT + " return element.isConnected; }"
_DONE = (
    "function () {"
    + ELEMENT
    + """
    const state = element.ownerDocument.defaultView && element.ownerDocument.defaultView[Symbol.for('simpersona')];
    const spaced = text => (text || '').trim().split(/\\s+/).join(' ');
    const words = node => node.nodeType === 3 ? node.data : node.matches && node.matches('input, select, textarea, button') ? ''
        : [...node.childNodes].map(words).join('');
    const fault = validity => validity.valueMissing ? 'missing' : validity.typeMismatch || validity.badInput ? 'kind'
        : validity.rangeUnderflow || validity.rangeOverflow || validity.stepMismatch ? 'range'
        : validity.patternMismatch ? 'form' : validity.tooShort || validity.tooLong ? 'length' : 'other';
    const faulty = (state && state.invalid || []).filter((field, at, all) => field.type !== 'radio'
        || all.findIndex(other => other.type === 'radio' && other.name === field.name) === at);
    const invalid = faulty.map(field => ({
        label: spaced([...field.labels || []].map(words).join(' ') || field.getAttribute('aria-label')
            || field.placeholder || field.name),
        fault: fault(field.validity),
        detail: fault(field.validity) === 'other' ? spaced(field.validationMessage)
            : fault(field.validity) === 'form' ? spaced(field.title) : '',
    }));
    if (state) state.invalid = [];
    return {reached: element.isConnected || !!element.simpersonaClicked, pressed: !!element.simpersonaPressed, invalid};
}"""
)
_FOCUS = (
    "function () {"
    + ELEMENT
    + """
    const state = element.ownerDocument.defaultView[Symbol.for('simpersona')];
    if (state) state.invalid = [];
    element.focus();
    return true;
}"""
)

COVER_SECONDS, COVER_LOOKS = 0.3, 4
"""A cover that is gone after so many looks, with this pause between them, was a passing one."""
MAX_SLIDES = 200
GONE = "It is no longer there"
"""The page replaced or removed the node before the gesture reached it."""
PRESSED = "It has gone under the pointer"
"""The page replaced or removed the node while the button of the mouse was down: it may have done what it does."""


@dataclass(frozen=True)
class Hand:
    """The shopper's hand on one page."""

    page: Page
    cdp: CDPSession
    leaving: asyncio.Event
    """Set when the page starts to navigate."""
    troubles: list[Trouble]
    """The session's; faults are added to it."""
    listens: bool
    """Whether the page runs scripts, which may listen to keys."""

    async def do(self, action: Action, element: str, target: str | None) -> str | None:
        """Does the action on the element (an object id); `target` is where something is dropped.

        Returns GONE if the page replaced the element first. Raises the browser's Error if the page is closed.
        """
        match action.method:
            case "click":
                return await self._click(element, times=1)
            case "doubleClick":
                return await self._click(element, times=2)
            case "fill" | "type" | "press" | "selectOptionFromDropdown":
                return await self._enter(action, element)
            case "hover" | "scrollTo":
                return await self._point_at(element, move=action.method == "hover")
            case "dragAndDrop" if target is not None:
                return await self._drag(element, target)
        return f"{action.method} cannot be done here"

    async def reaches(self, element: str) -> bool:
        """Whether the element is still a part of the page."""
        with contextlib.suppress(Error):
            return bool(await self._call(_THERE, element))
        return False

    async def object_id(self, backend_id: int) -> str:
        """The browser's handle for a node of its tree."""
        resolved = await self.cdp.send("DOM.resolveNode", {"backendNodeId": backend_id})
        return resolved["object"]["objectId"]

    async def _call(self, function: str, element: str, *arguments: object) -> Any:
        return (await self._send(function, element, *arguments)).get("value")

    async def _send(self, function: str, element: str, *arguments: object, by_value: bool = True) -> dict[str, Any]:
        answer = await self.cdp.send(
            "Runtime.callFunctionOn",
            {
                "functionDeclaration": function,
                "objectId": element,
                "arguments": [{"value": value} for value in arguments],
                "returnByValue": by_value,
                "userGesture": True,
            },
        )
        return answer["result"]

    async def _find(self, element: str) -> Point | None:
        """Where the element is, None if it has left the page. What covers it for a moment only is waited for."""
        found = await self._call(POINT, element)
        for _ in range(COVER_LOOKS):
            if not found or found["found"] != "covered":
                break
            await asyncio.sleep(COVER_SECONDS)
            found = await self._call(POINT, element)
        return Point(**found) if found else None

    def _covered(self, point: Point) -> str | None:
        if point.refusal is not None:
            self.troubles.append("covered")
        return point.refusal

    async def _click(self, element: str, times: int) -> str | None:
        point = await self._find(element)
        if point is None:
            return GONE
        if (refusal := self._covered(point)) is not None:
            return refusal
        if point.found == "hidden":  # nothing to point at: as with the keyboard
            await self._call(_CLICK, element, times)
            return None
        await self.page.mouse.click(point.x, point.y, click_count=times)
        failure = await self._outcome(element)
        return None if failure in (GONE, PRESSED) and point.found == "around" else failure

    async def _outcome(self, element: str) -> str | None:
        """GONE or PRESSED if a gesture did not reach the element; why a form was not sent, if so.

        If the browser does not answer because a page loads, the gesture reached it.
        """
        asked, left = asyncio.ensure_future(self._call(_DONE, element)), asyncio.ensure_future(self.leaving.wait())
        await asyncio.wait((asked, left), return_when=asyncio.FIRST_COMPLETED)
        left.cancel()
        if not asked.done():
            asked.cancel()
            return None
        if asked.exception() is not None:
            return None
        outcome = asked.result()
        if not outcome["reached"]:
            return PRESSED if outcome["pressed"] else GONE
        return refused([InvalidField(**field) for field in outcome["invalid"]])

    async def _enter(self, action: Action, element: str) -> str | None:
        text = action.arguments[0]
        if action.method in ("type", "press"):
            await self._call(_FOCUS, element)
            await (self.page.keyboard.type(text) if action.method == "type" else self.page.keyboard.press(text))
            failure = await self._outcome(element) if text == "Enter" else None
            return None if failure in (GONE, PRESSED) else failure
        point = await self._find(element)
        if point is None:
            return GONE
        if (refusal := self._covered(point)) is not None:
            return refusal
        return await (self._fill(element, text) if action.method == "fill" else self._choose(element, text))

    async def _fill(self, element: str, text: str) -> str | None:
        answer = await self._call(FILL, element, text, self.listens)
        if answer == "keys":
            await type_keys(self.page, text)
            await self._call(ENTERED, element)
        return None if answer in ("", "keys") else not_entered(answer)

    async def _choose(self, element: str, label: str) -> str | None:
        if await self._call(CHOOSE, element, label):
            return None
        found = await self._send(OPTION, element, label, by_value=False)
        if (option := found.get("objectId")) is not None:
            failure = await self._click(option, times=1)
            return None if failure is PRESSED else failure
        return await self._slide(element, label)

    async def _slide(self, element: str, wanted: str) -> str | None:
        """Moves a slider that is no field to a value, key by key, until it no longer comes nearer."""
        last = key = await self._call(SLIDE, element, wanted)
        if not key:
            return f"There is no option {wanted!r}"
        for _ in range(MAX_SLIDES):
            await self.page.keyboard.press(key)
            if (key := await self._call(SLIDE, element, wanted)) != last:
                break
        return None

    async def _point_at(self, element: str, *, move: bool) -> str | None:
        point = await self._find(element)
        if point is None or (move and point.found == "hidden"):
            return "It cannot be seen on the page"
        if move and (refusal := self._covered(point)) is not None:
            return refusal
        if move:
            await self.page.mouse.move(point.x, point.y)
        return None

    async def _drag(self, element: str, target: str) -> str | None:
        end, start = await self._find(target), await self._find(element)
        if start is None or end is None or "hidden" in (start.found, end.found):
            return "It cannot be dragged there"
        if (refusal := self._covered(start) or self._covered(end)) is not None:
            return refusal
        await self.page.mouse.move(start.x, start.y)
        await self.page.mouse.down()
        await self.page.mouse.move(end.x, end.y, steps=5)
        await self.page.mouse.up()
        return None
