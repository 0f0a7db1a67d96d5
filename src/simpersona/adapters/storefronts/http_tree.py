"""The accessibility tree of an HTML document, in the shape of Chromium's protocol.

It reads the markup of pages without scripts: roles, names, values and what HTML itself hides. Style sheets are not read,
so an element that only a style hides is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urljoin

from lxml.html import HtmlElement, HTMLParser, document_fromstring

from simpersona.adapters.storefronts.browser_tree import AxNode
from simpersona.shopper.affordances import DISCLOSURE

_ROLES = {
    "article": "article",
    "aside": "complementary",
    "button": "button",
    "dd": "definition",
    "details": "group",
    "dt": "term",
    "fieldset": "group",
    "figure": "figure",
    "iframe": "Iframe",
    "footer": "contentinfo",
    "header": "banner",
    "img": "image",
    "label": "LabelText",
    "legend": "Legend",
    "li": "listitem",
    "main": "main",
    "nav": "navigation",
    "ol": "list",
    "option": "option",
    "p": "paragraph",
    "summary": DISCLOSURE,
    "table": "table",
    "td": "cell",
    "textarea": "textbox",
    "th": "columnheader",
    "tr": "row",
    "ul": "list",
    **{f"h{level}": "heading" for level in range(1, 7)},
}
_INPUTS = {
    "button": "button",
    "checkbox": "checkbox",
    "image": "button",
    "number": "spinbutton",
    "radio": "radio",
    "reset": "button",
    "search": "searchbox",
    "submit": "button",
}
_TEXTS = frozenset({"email", "password", "tel", "text", "url"})
_UNSEEN = frozenset({"base", "link", "meta", "noscript", "script", "style", "template", "title"})
_BLOCKS = frozenset({"address", "blockquote", "br", "div", "dl", "form", "hr", "pre", "section"}) | {
    tag for tag in _ROLES if tag not in {"button", "img", "label", "textarea", "option"}
}
_NAMED_BY_CONTENT = frozenset({"button", "heading", "link", "option", DISCLOSURE})


_PARSER = HTMLParser(encoding="utf-8")


@dataclass
class Document:
    """A page, or the document in a frame; `around` are the addresses of the documents that the frame is in."""

    root: HtmlElement
    address: str
    around: tuple[str, ...] = ()
    frames: dict[HtmlElement, Document] = field(default_factory=dict)
    """The documents in its frames, by the elements of the frames."""

    @property
    def base(self) -> str:
        """The address that relative addresses refer to."""
        bases = (urljoin(self.address, base.get("href") or "") for base in self.root.iter("base"))
        return next(bases, self.address)

    def replace(self, root: HtmlElement, address: str) -> None:
        """Replaces the document; the frames of the new one are still empty."""
        self.root, self.address, self.frames = root, address, {}


def parsed(text: str) -> HtmlElement:
    """The root of an HTML document."""
    return document_fromstring(text.encode() or b"<html></html>", parser=_PARSER)


def shown_frames(root: HtmlElement) -> Iterator[HtmlElement]:
    """The frames of a document that can be seen, in order."""
    for element in root.iter("iframe"):
        if not any(_hidden(around) for around in (element, *element.iterancestors())):
            yield element


def ax_nodes(page: Document, elements: list[tuple[HtmlElement, Document]]) -> Sequence[AxNode]:
    """The nodes of a page with the frames in it, the root first. A node's backend id is the index of its element in
    `elements`, which this function fills with each element and its document; a piece of text has the index of the element
    around it. A node's `frame` is the index of the frame's element, 0 for the page itself.
    """
    nodes: list[dict[str, Any]] = []
    titles = page.root.xpath("//title")
    elements.append((page.root, page))
    root = _node(nodes, "RootWebArea", titles[0].text_content() if titles else "", 0)
    # in a page without a body tag the parser leaves the first part in the head
    root["childIds"] = [*_children(page.root, _Reading(page, 0, elements, nodes))]
    return nodes


@dataclass(frozen=True)
class _Reading:
    """The state while one document is read into the nodes of the whole page."""

    document: Document
    frame: int
    elements: list[tuple[HtmlElement, Document]]
    nodes: list[dict[str, Any]]


def form_of(element: HtmlElement) -> HtmlElement | None:
    """The form that a control belongs to."""
    named = element.get("form")
    if named is not None:
        return next((form for form in element.getroottree().iter("form") if form.get("id") == named), None)
    return next(element.iterancestors("form"), None)


def spaced(text: str | None) -> str:
    """The text with single spaces inside and none around it."""
    return " ".join((text or "").split())


def option_text(option: HtmlElement) -> str:
    """The text that a dropdown shows for an option."""
    return spaced(option.get("label") or option.text_content())


def chosen_option(select: HtmlElement) -> HtmlElement | None:
    """The chosen option of a dropdown: the last one marked, else the first that can be chosen."""
    options = list(select.iter("option"))
    marked = [option for option in options if "selected" in option.attrib]
    return (marked or [option for option in options if "disabled" not in option.attrib] or options or [None])[
        -1 if marked else 0
    ]


def _node(nodes: list[dict[str, Any]], role: str, name: str, index: int, **extra: Any) -> dict[str, Any]:
    node = {
        "nodeId": str(len(nodes)),
        "ignored": False,
        "role": {"value": role},
        "name": {"value": spaced(name)},
        "backendDOMNodeId": index,
        "childIds": [],
        **extra,
    }
    nodes.append(node)
    return node


def _children(element: HtmlElement, reading: _Reading) -> Iterator[str]:
    index = len(reading.elements) - 1
    if spaced(element.text):
        yield _node(reading.nodes, "StaticText", element.text or "", index, frame=reading.frame)["nodeId"]
    closed = element.tag == "details" and "open" not in element.attrib
    summary = next((child for child in element if child.tag == "summary"), None)
    for child in element:
        if isinstance(child.tag, str) and not _hidden(child) and not (closed and child is not summary):
            reading.elements.append((child, reading.document))
            yield _element(child, reading)
        if spaced(child.tail) and not closed:
            yield _node(reading.nodes, "StaticText", child.tail or "", index, frame=reading.frame)["nodeId"]


def _element(element: HtmlElement, reading: _Reading) -> str:
    role, index = _role(element), len(reading.elements) - 1
    properties: list[dict[str, Any]] = []
    extra: dict[str, Any] = {"properties": properties}
    if role == "link":
        url = urljoin(reading.document.address, element.get("href"))
        properties.append({"name": "url", "value": {"value": url}})
    if "disabled" in element.attrib:
        properties.append({"name": "disabled", "value": {"value": True}})
    if role in ("checkbox", "radio"):
        checked = "true" if "checked" in element.attrib else "false"
        properties.append({"name": "checked", "value": {"value": checked}})
    if element.get("aria-pressed") == "true":
        properties.append({"name": "pressed", "value": {"value": "true"}})
    if role in ("textbox", "searchbox", "spinbutton"):
        value = (element.text if element.tag == "textarea" else element.get("value")) or ""
        is_secret = (element.get("type") or "").lower() == "password"
        extra["value"] = {"value": "•" * len(value) if is_secret else value}
    elif element.tag == "select" and (chosen := chosen_option(element)) is not None:
        extra["value"] = {"value": option_text(chosen)}
    node = _node(reading.nodes, role, _name(element, role, reading.document.root), index, frame=reading.frame, **extra)
    if element.tag != "iframe":
        node["childIds"] = [*_children(element, reading)]
    elif (inner := reading.document.frames.get(element)) is not None:
        reading.elements.append((inner.root, inner))
        node["childIds"] = [*_children(inner.root, replace(reading, document=inner, frame=index))]
    return node["nodeId"]


def _hidden(element: HtmlElement) -> bool:
    style = (element.get("style") or "").replace(" ", "").lower()
    return (
        element.tag in _UNSEEN
        or "hidden" in element.attrib
        or element.get("aria-hidden") == "true"
        or "display:none" in style
        or "visibility:hidden" in style
        or (element.tag == "input" and (element.get("type") or "").lower() == "hidden")
    )


def _role(element: HtmlElement) -> str:
    if given := (element.get("role") or "").split():
        return given[0]
    match element.tag:
        case "a":
            return "link" if "href" in element.attrib else "generic"
        case "input":
            kind = (element.get("type") or "text").lower()
            return "textbox" if kind in _TEXTS else _INPUTS.get(kind, "textbox")
        case "select":
            return "listbox" if "multiple" in element.attrib or int(element.get("size") or 1) > 1 else "combobox"
        case "header" | "footer" if any(
            ancestor.tag in ("article", "aside", "main", "nav", "section") for ancestor in element.iterancestors()
        ):
            return "generic"
    return _ROLES.get(str(element.tag), "generic")


def _name(element: HtmlElement, role: str, document: HtmlElement) -> str:
    """The accessible name, by the rules that matter on a shopper's page."""
    ids = (element.get("aria-labelledby") or "").split()
    named = [other for label in ids for other in document.iter() if other.get("id") == label]
    given = " ".join(_content(other) for other in named) or element.get("aria-label") or ""
    return spaced(given) or spaced(_content_name(element, role, document)) or element.get("title") or ""


def _content_name(element: HtmlElement, role: str, document: HtmlElement) -> str:
    if element.tag == "input" and role == "button":
        return element.get("value") or element.get("alt") or {"reset": "Reset"}.get(element.get("type", ""), "Submit")
    if element.tag in ("input", "select", "textarea"):
        labels = [label for label in document.iter("label") if _labels(label, element)]
        return " ".join(_content(label) for label in labels) or element.get("placeholder") or ""
    if role == "image":
        return element.get("alt") or ""
    return _content(element) if role in _NAMED_BY_CONTENT else ""


def _labels(label: HtmlElement, control: HtmlElement) -> bool:
    if "for" in label.attrib:
        return label.get("for") == control.get("id")
    return any(ancestor is label for ancestor in control.iterancestors())


def _content(element: HtmlElement) -> str:
    """The text of an element and the names of its pictures, without hidden elements and the values of controls."""
    parts = [element.text or ""]
    for child in element:
        if isinstance(child.tag, str) and not _hidden(child) and child.tag not in ("input", "select", "textarea"):
            text = child.get("aria-label") or (child.get("alt") or "" if child.tag == "img" else _content(child))
            parts.append(f" {text} " if child.tag in _BLOCKS else text)
        parts.append(child.tail or "")
    return "".join(parts)
