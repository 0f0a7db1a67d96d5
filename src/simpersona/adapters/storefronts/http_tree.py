"""The accessibility tree of an HTML document, in the shape in which Chromium's protocol gives it.

For pages without scripts and for what their markup says: roles, names, values and what is hidden by HTML itself. Styles
are not read, so an element that only a style hides is shown.
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
    """A page, or what stands in a frame of one; `around` are the addresses of the documents that the frame is in."""

    root: HtmlElement
    address: str
    around: tuple[str, ...] = ()
    frames: dict[HtmlElement, Document] = field(default_factory=dict)
    """What stands in its frames, by their elements."""

    @property
    def base(self) -> str:
        """What its addresses are relative to."""
        return next((urljoin(self.address, one.get("href") or "") for one in self.root.iter("base")), self.address)

    def replace(self, root: HtmlElement, address: str) -> None:
        """Another document stands in its place, its frames still empty."""
        self.root, self.address, self.frames = root, address, {}


def parsed(text: str) -> HtmlElement:
    """The root of an HTML document."""
    return document_fromstring(text.encode() or b"<html></html>", parser=_PARSER)


def shown_frames(root: HtmlElement) -> Iterator[HtmlElement]:
    """The frames of a document that can be seen, in order."""
    for element in root.iter("iframe"):
        if not any(_hidden(one) for one in (element, *element.iterancestors())):
            yield element


def ax_nodes(page: Document, elements: list[tuple[HtmlElement, Document]]) -> Sequence[AxNode]:
    """The nodes of a page with the frames in it, the root first. A node's backend id is the place of its element in
    `elements`, which is filled, each with the document that it is in; that of a piece of text is the place of the element
    around it. A node's `frame` is the place of the frame's element, 0 for the page itself.
    """
    found: list[dict[str, Any]] = []
    titles = page.root.xpath("//title")
    elements.append((page.root, page))
    root = _node(found, "RootWebArea", titles[0].text_content() if titles else "", 0)
    # of a page without a body's own tag the parser leaves the first part in the head
    root["childIds"] = [*_children(page.root, _Reading(page, 0, elements, found))]
    return found


@dataclass(frozen=True)
class _Reading:
    """Of one document into the nodes of the whole page."""

    document: Document
    frame: int
    elements: list[tuple[HtmlElement, Document]]
    found: list[dict[str, Any]]


def form_of(element: HtmlElement) -> HtmlElement | None:
    """The form that a control belongs to."""
    named = element.get("form")
    if named is not None:
        return next((form for form in element.getroottree().iter("form") if form.get("id") == named), None)
    return next(element.iterancestors("form"), None)


def words(text: str | None) -> str:
    """With single spaces between words and none around."""
    return " ".join((text or "").split())


def option_words(option: HtmlElement) -> str:
    """What a dropdown shows for an option."""
    return words(option.get("label") or option.text_content())


def chosen_option(select: HtmlElement) -> HtmlElement | None:
    """The option that a dropdown stands at: the last one marked, else the first that can be chosen."""
    options = list(select.iter("option"))
    marked = [option for option in options if "selected" in option.attrib]
    return (marked or [option for option in options if "disabled" not in option.attrib] or options or [None])[
        -1 if marked else 0
    ]


def _node(found: list[dict[str, Any]], role: str, name: str, place: int, **extra: Any) -> dict[str, Any]:
    node = {
        "nodeId": str(len(found)),
        "ignored": False,
        "role": {"value": role},
        "name": {"value": words(name)},
        "backendDOMNodeId": place,
        "childIds": [],
        **extra,
    }
    found.append(node)
    return node


def _children(element: HtmlElement, reading: _Reading) -> Iterator[str]:
    place = len(reading.elements) - 1
    if words(element.text):
        yield _node(reading.found, "StaticText", element.text or "", place, frame=reading.frame)["nodeId"]
    closed = element.tag == "details" and "open" not in element.attrib
    summary = next((child for child in element if child.tag == "summary"), None)
    for child in element:
        if isinstance(child.tag, str) and not _hidden(child) and not (closed and child is not summary):
            reading.elements.append((child, reading.document))
            yield _element(child, reading)
        if words(child.tail) and not closed:
            yield _node(reading.found, "StaticText", child.tail or "", place, frame=reading.frame)["nodeId"]


def _element(element: HtmlElement, reading: _Reading) -> str:
    role, place = _role(element), len(reading.elements) - 1
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
    if role in ("textbox", "searchbox", "spinbutton"):
        value = element.text if element.tag == "textarea" else element.get("value")
        extra["value"] = {"value": value or ""}
    elif element.tag == "select" and (chosen := chosen_option(element)) is not None:
        extra["value"] = {"value": option_words(chosen)}
    node = _node(reading.found, role, _name(element, role, reading.document.root), place, frame=reading.frame, **extra)
    if element.tag != "iframe":
        node["childIds"] = [*_children(element, reading)]
    elif (inner := reading.document.frames.get(element)) is not None:
        reading.elements.append((inner.root, inner))
        node["childIds"] = [*_children(inner.root, replace(reading, document=inner, frame=place))]
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
    """The accessible name, as far as a shopper's page uses it."""
    ids = (element.get("aria-labelledby") or "").split()
    named = [other for one in ids for other in document.iter() if other.get("id") == one]
    given = " ".join(_content(other) for other in named) or element.get("aria-label") or ""
    return words(given) or words(_own_name(element, role, document)) or element.get("title") or ""


def _own_name(element: HtmlElement, role: str, document: HtmlElement) -> str:
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
    """Its text with that of named pictures; what is hidden and the values of controls are left out."""
    parts = [element.text or ""]
    for child in element:
        if isinstance(child.tag, str) and not _hidden(child) and child.tag not in ("input", "select", "textarea"):
            own = child.get("aria-label") or (child.get("alt") or "" if child.tag == "img" else _content(child))
            parts.append(f" {own} " if child.tag in _BLOCKS else own)
        parts.append(child.tail or "")
    return "".join(parts)
