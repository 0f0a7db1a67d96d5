"""The markup of a page without a browser."""

from __future__ import annotations

from collections.abc import Sequence

from lxml.html import HtmlElement

from simpersona.adapters.storefronts.http_tree import Document
from simpersona.adapters.storefronts.markup import Element, Markup


def http_markup(elements: Sequence[tuple[HtmlElement, Document]]) -> Markup:
    """The markup behind the nodes that `http_tree.ax_nodes` made; their numbers are the indices of `elements`."""
    made: dict[HtmlElement, Element] = {}
    data: list[str] = []
    for root in dict.fromkeys(document.root for _, document in elements):
        for element in root.iter("*"):
            parent = made.get(element.getparent())  # pyright: ignore[reportArgumentType] - None is in no table
            made[element] = Element(element.tag, dict(element.items()), parent)
            if element.tag == "script" and element.get("type") == "application/ld+json":
                data.append(element.text or "")
    return Markup({number: made[element] for number, (element, _) in enumerate(elements)}, tuple(data))
