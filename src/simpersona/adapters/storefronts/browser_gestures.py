"""The actions that touch the page, done as a visitor would: at a point, with the keyboard.

Each returns None when done, or the reason of the failure in a sentence for the model.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from playwright.async_api import Error

from simpersona.pages import Action

if TYPE_CHECKING:
    from playwright.async_api import CDPSession, Page

_ELEMENT = "const element = this.nodeType === 1 ? this : this.parentElement;"
_POINT = (
    "function () {" + _ELEMENT + """
    if (!element.isConnected) return null;
    element.addEventListener('click', () => { element.simpersonaClicked = true; }, {once: true, capture: true});
    element.scrollIntoView({block: 'center', inline: 'center', behavior: 'instant'});
    const box = Array.from(element.getClientRects()).find(r => r.width > 0 && r.height > 0);
    if (!box) return null;
    let x = box.x + box.width / 2, y = box.y + box.height / 2;
    const hit = element.getRootNode().elementFromPoint(x, y);
    const label = hit && hit.closest('label');
    for (let frame = element.ownerDocument.defaultView.frameElement; frame; ) {
        const edge = frame.getBoundingClientRect();
        x += edge.x + frame.clientLeft;
        y += edge.y + frame.clientTop;
        frame = frame.ownerDocument.defaultView.frameElement;
    }
    return {x, y, hit: !!hit && (element.contains(hit) || (!!label && label.control === element))};
}"""
)  # fmt: skip
_CLICK = (
    "function (times) {"
    + _ELEMENT
    + """
    for (let i = 0; i < times; i++) element.click();
    if (times > 1) element.dispatchEvent(new MouseEvent('dblclick', {bubbles: true}));
}"""
)
_FILL = (
    "function (text) {"
    + _ELEMENT
    + """
    element.focus();
    if (element.isContentEditable) {
        document.getSelection().selectAllChildren(element);
        return document.execCommand('insertText', false, text);
    }
    if (!('value' in element) || element.readOnly || element.disabled) return false;
    const kind = element instanceof HTMLTextAreaElement ? HTMLTextAreaElement : HTMLInputElement;
    Object.getOwnPropertyDescriptor(kind.prototype, 'value').set.call(element, text);
    element.dispatchEvent(new InputEvent('input', {bubbles: true, data: text, inputType: 'insertText'}));
    element.dispatchEvent(new Event('change', {bubbles: true}));
    return true;
}"""
)
_THERE = "function () {" + _ELEMENT + " return element.isConnected; }"
_REACHED = "function () {" + _ELEMENT + " return element.isConnected || !!element.simpersonaClicked; }"
_FOCUS = "function () {" + _ELEMENT + " element.focus(); return true; }"
_CHOOSE = (
    "function (label) {"
    + _ELEMENT
    + """
    if (!(element instanceof HTMLSelectElement)) return false;
    const spaced = text => text.trim().split(/\\s+/).join(' ');
    const option = Array.from(element.options).find(o => spaced(o.label || o.text) === label);
    if (!option) return false;
    element.focus();
    option.selected = true;
    element.dispatchEvent(new Event('input', {bubbles: true}));
    element.dispatchEvent(new Event('change', {bubbles: true}));
    return true;
}"""
)

GONE = "It is no longer there"
"""The page replaced or removed the node before the gesture reached it."""


@dataclass(frozen=True)
class Hand:
    """The shopper's hand on one page."""

    page: Page
    cdp: CDPSession
    leaving: asyncio.Event
    """Set when the page starts to navigate."""

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
        answer = await self.cdp.send(
            "Runtime.callFunctionOn",
            {
                "functionDeclaration": function,
                "objectId": element,
                "arguments": [{"value": value} for value in arguments],
                "returnByValue": True,
                "userGesture": True,
            },
        )
        return answer["result"].get("value")

    async def _click(self, element: str, times: int) -> str | None:
        point = await self._call(_POINT, element)
        if point and point["hit"]:
            await self.page.mouse.click(point["x"], point["y"], click_count=times)
            return None if await self._was_reached(element) else GONE
        # hidden behind its label, covered, or without a box
        await self._call(_CLICK, element, times)
        return None

    async def _was_reached(self, element: str) -> bool:
        """Whether a click reached the element. If the browser does not answer because a page loads, it did."""
        asked, left = asyncio.ensure_future(self._call(_REACHED, element)), asyncio.ensure_future(self.leaving.wait())
        await asyncio.wait((asked, left), return_when=asyncio.FIRST_COMPLETED)
        left.cancel()
        if asked.done():
            return asked.exception() is not None or bool(asked.result())
        asked.cancel()
        return True

    async def _enter(self, action: Action, element: str) -> str | None:
        text = action.arguments[0]
        match action.method:
            case "fill":
                return None if await self._call(_FILL, element, text) else "Nothing can be typed there"
            case "type":
                await self._call(_FOCUS, element)
                await self.page.keyboard.type(text)
            case "press":
                await self._call(_FOCUS, element)
                await self.page.keyboard.press(text)
            case _:
                return None if await self._call(_CHOOSE, element, text) else f"There is no option {text!r}"
        return None

    async def _point_at(self, element: str, *, move: bool) -> str | None:
        point = await self._call(_POINT, element)
        if point is None:
            return "It cannot be seen on the page"
        if move:
            await self.page.mouse.move(point["x"], point["y"])
        return None

    async def _drag(self, element: str, target: str) -> str | None:
        end, start = await self._call(_POINT, target), await self._call(_POINT, element)
        if start is None or end is None:
            return "It cannot be dragged there"
        await self.page.mouse.move(start["x"], start["y"])
        await self.page.mouse.down()
        await self.page.mouse.move(end["x"], end["y"], steps=5)
        await self.page.mouse.up()
        return None
