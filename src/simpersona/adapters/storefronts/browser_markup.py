"""The markup of a page in Chromium, by the browser's own numbers of nodes."""

from __future__ import annotations

from typing import Any

from playwright.async_api import CDPSession

from simpersona.adapters.storefronts.markup import Element, Markup

_ELEMENT, _TEXT = 1, 3
"""Types of nodes (DOM)."""


Snapshot = dict[str, Any]
"""What the protocol's DOMSnapshot.captureSnapshot gives."""


async def snapshot_of(cdp: CDPSession) -> Snapshot:
    """The elements of the page and of the frames in its process. Raises the browser's Error if the page cannot be read."""
    return await cdp.send("DOMSnapshot.captureSnapshot", {"computedStyles": ["cursor"]})


def browser_markup(snapshot: Snapshot) -> Markup:
    """The markup of a page with its frames and shadow trees."""
    elements: dict[int, Element] = {}
    data: list[str] = []
    for document in snapshot["documents"]:
        _read(document["nodes"], snapshot["strings"], elements, data)
    return Markup(elements, tuple(data))


def _read(nodes: dict[str, Any], strings: list[str], elements: dict[int, Element], data: list[str]) -> None:
    """Adds the elements of one document, and its structured data."""
    around: list[Element | None] = []  # the element of each node: its own, or the nearest around it
    for number, (kind, up) in enumerate(zip(nodes["nodeType"], nodes["parentIndex"], strict=True)):
        parent = around[up] if up >= 0 else None
        if kind == _ELEMENT:
            names: list[str] = [strings[index] for index in nodes["attributes"][number]]
            attributes = dict(zip(names[::2], names[1::2], strict=True))
            around.append(Element(strings[nodes["nodeName"][number]].lower(), attributes, parent))
        else:
            around.append(parent)
            is_data = parent is not None and parent.tag == "script" and parent.get("type") == "application/ld+json"
            if kind == _TEXT and is_data:
                data.append(strings[nodes["nodeValue"][number]])
        if (element := around[-1]) is not None:
            elements[nodes["backendNodeId"][number]] = element
