"""The accessibility tree of an HTML document, in the shape of Chromium's protocol.

It reads the markup of pages without scripts: roles, names, values and what HTML itself hides. Style sheets are not read,
so an element that only a style hides is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any
from urllib.parse import urljoin

from lxml.html import HtmlElement, HTMLParser, document_fromstring

from simpersona.adapters.storefronts.browser_tree import AxNode
from simpersona.adapters.storefronts.control_names import MAX_INSIDE, Clues, clues_of, name_controls
from simpersona.adapters.storefronts.field_hints import hinted
from simpersona.adapters.storefronts.tree_repairs import repair
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
    "svg": "image",
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
    "range": "slider",
    "reset": "button",
    "search": "searchbox",
    "submit": "button",
}
_TEXTS = frozenset({"email", "password", "tel", "text", "url"})
_UNSEEN = frozenset({"base", "link", "meta", "noscript", "script", "style", "template", "title"})
_BLOCKS = frozenset({"address", "blockquote", "br", "div", "dl", "form", "hr", "pre", "section"}) | {
    tag for tag in _ROLES if tag not in {"button", "img", "label", "svg", "textarea", "option"}
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
    repair(nodes)
    name_controls(nodes, lambda index: _clues(elements[index][0]))
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
    index = len(reading.elements) - 1
    hidden = hidden_box(element) if element.tag == "label" else None
    box = element if hidden is None else hidden
    role = _role(box if hidden is not None else element)
    name = _name(element, role) if hidden is None else _box_name(element, hidden)
    extra: dict[str, Any] = {"properties": [*_properties(element, box, role, reading)]}
    if (value := _value(element, role)) is not None:
        extra["value"] = {"value": value}
    if (element.get("aria-invalid") or "false") != "false":
        extra |= {"marked": True, "description": {"value": _description(element)}}
    node = _node(reading.nodes, role, name, index, frame=reading.frame, **extra)
    if element.tag not in ("iframe", "svg"):
        node["childIds"] = [*_children(element, reading)]
    elif (inner := reading.document.frames.get(element)) is not None:
        reading.elements.append((inner.root, inner))
        node["childIds"] = [*_children(inner.root, replace(reading, document=inner, frame=index))]
    return node["nodeId"]


def _properties(element: HtmlElement, box: HtmlElement, role: str, reading: _Reading) -> Iterator[dict[str, Any]]:
    """The properties of an element; `box` is the hidden box that a label stands for, else the element itself."""
    given: dict[str, Any] = {}
    if role == "link":
        given["url"] = urljoin(reading.document.address, element.get("href"))
    if _is_disabled(box) or element.get("aria-disabled") == "true":
        given["disabled"] = True
    if role in ("checkbox", "radio"):
        given["checked"] = "true" if "checked" in box.attrib else "false"
    if element.get("aria-pressed") == "true":
        given["pressed"] = "true"
    if role == "combobox" and element.tag in ("input", "textarea"):
        given["editable"] = "plaintext"
    if element.tag in ("input", "textarea") and "readonly" in element.attrib:
        given["readonly"] = True
    if role == "slider":
        given["valuemin"], given["valuemax"] = _limits(element)
    for name, value in given.items():
        yield {"name": name, "value": {"value": value}}


def _value(element: HtmlElement, role: str) -> str | None:
    """The value of a field; None for another element."""
    if element.tag == "textarea":
        return element.text or ""
    if element.tag == "select":
        chosen = chosen_option(element)
        return None if chosen is None else option_text(chosen)
    if role == "slider":
        low, high = _limits(element)
        return element.get("value") or element.get("aria-valuenow") or f"{low + (high - low) / 2:g}"
    if role in ("textbox", "searchbox", "spinbutton", "combobox") and element.tag == "input":
        kind, value = (element.get("type") or "").lower(), element.get("value") or ""
        return "•" * len(value) if kind == "password" else value or ("#000000" if kind == "color" else "")
    return None


def _is_disabled(element: HtmlElement) -> bool:
    """Whether an element, or the fieldset around a field, is disabled."""
    is_field = element.tag in ("input", "select", "textarea", "button")
    groups = element.iterancestors("fieldset") if is_field else ()
    return "disabled" in element.attrib or any("disabled" in group.attrib for group in groups)


def hidden_box(label: HtmlElement) -> HtmlElement | None:
    """The radio button or checkbox that cannot be seen and that a label stands for."""
    named = label.get("for")
    boxes = (
        box for box in label.getroottree().iter("input") if (box.get("type") or "").lower() in ("radio", "checkbox")
    )
    for box in boxes:
        is_its = box.get("id") == named if named is not None else any(around is label for around in box.iterancestors())
        if is_its:
            return box if any(map(_hidden, (box, *box.iterancestors()))) else None
    return None


def _box_name(label: HtmlElement, box: HtmlElement) -> str:
    names = (content_of(label), label.get("aria-label"), label.get("title"), box.get("aria-label"), box.get("value"))
    return next(filter(None, map(spaced, names)), "")


def _description(element: HtmlElement) -> str:
    ids = (element.get("aria-errormessage") or element.get("aria-describedby") or "").split()
    named = [other for name in ids for other in element.getroottree().iter() if other.get("id") == name]
    return " ".join(spaced(content_of(other)) for other in named)


def _limits(slider: HtmlElement) -> tuple[float, float]:
    """The smallest and the largest value of a slider."""

    def limit(name: str, default: float) -> float:
        try:
            return float(slider.get(name) or slider.get(f"aria-value{name}") or default)
        except ValueError:
            return default

    return limit("min", 0), limit("max", 100)


def _clues(element: HtmlElement) -> Clues:
    inner = [other for other in islice(element.iterdescendants(), MAX_INSIDE) if isinstance(other.tag, str)]
    return clues_of(dict(element.attrib), [(str(other.tag), dict(other.attrib)) for other in inner])


def _hidden(element: HtmlElement) -> bool:
    style = (element.get("style") or "").replace(" ", "").lower()
    return (
        element.tag in _UNSEEN
        or "hidden" in element.attrib
        or "inert" in element.attrib
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
            return _input_role(element)
        case "select":
            return "listbox" if "multiple" in element.attrib or int(element.get("size") or 1) > 1 else "combobox"
        case "header" | "footer" if any(
            ancestor.tag in ("article", "aside", "main", "nav", "section") for ancestor in element.iterancestors()
        ):
            return "generic"
    return _ROLES.get(str(element.tag), "generic")


def _input_role(element: HtmlElement) -> str:
    kind = (element.get("type") or "text").lower()
    if "list" in element.attrib and kind in _TEXTS | {"search"}:
        return "combobox"  # with suggestions
    return "textbox" if kind in _TEXTS else _INPUTS.get(kind, "textbox")


def _name(element: HtmlElement, role: str) -> str:
    """The accessible name, by the rules that matter on a shopper's page."""
    ids = (element.get("aria-labelledby") or "").split()
    named = [other for label in ids for other in element.getroottree().iter() if other.get("id") == label]
    given = " ".join(content_of(other) for other in named) or element.get("aria-label") or ""
    name = spaced(given) or spaced(_content_name(element, role)) or element.get("title") or ""
    return hinted(name, (element.get("type") or "").lower()) if element.tag == "input" else name


def _content_name(element: HtmlElement, role: str) -> str:
    if element.tag == "input" and role == "button":
        return element.get("value") or element.get("alt") or {"reset": "Reset"}.get(element.get("type", ""), "Submit")
    if element.tag in ("input", "select", "textarea"):
        labels = labels_of(element)
        return " ".join(content_of(label) for label in labels) or element.get("placeholder") or ""
    if element.tag == "svg":
        return _svg_title(element)
    if role == "image":
        return element.get("alt") or ""
    return content_of(element) if role in _NAMED_BY_CONTENT else ""


def labels_of(control: HtmlElement) -> list[HtmlElement]:
    """The labels of a field, in the order of the page."""
    return [label for label in control.getroottree().iter("label") if _labels(label, control)]


def _labels(label: HtmlElement, control: HtmlElement) -> bool:
    if "for" in label.attrib:
        return label.get("for") == control.get("id")
    return any(ancestor is label for ancestor in control.iterancestors())


def content_of(element: HtmlElement) -> str:
    """The text of an element and the names of its pictures, without hidden elements and the values of controls."""
    parts = [element.text or ""]
    for child in element:
        if isinstance(child.tag, str) and not _hidden(child) and child.tag not in ("input", "select", "textarea"):
            text = child.get("aria-label") or _inner_text(child)
            parts.append(f" {text} " if child.tag in _BLOCKS else text)
        parts.append(child.tail or "")
    return "".join(parts)


def _inner_text(element: HtmlElement) -> str:
    if element.tag == "svg":
        return _svg_title(element)
    return element.get("alt") or "" if element.tag == "img" else content_of(element)


def _svg_title(picture: HtmlElement) -> str:
    return next((child.text or "" for child in picture if child.tag == "title"), "")
