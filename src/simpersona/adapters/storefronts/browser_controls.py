"""What a visitor can use on a page in the browser although its accessibility tree does not say so, added to the tree.

Text, pictures and list entries that listen to clicks or show a hand under the pointer become buttons, or links where they
show a product; labels stand for the radio buttons and checkboxes that hide behind them; controls without a name get one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from simpersona.adapters.storefronts.browser_looks import Looks
from simpersona.adapters.storefronts.control_names import AxNode, name_controls, text_below
from simpersona.adapters.storefronts.field_hints import HINTED, hinted
from simpersona.shopper.affordances import CHOSEN, CLICKED, TYPED
from simpersona.shopper.prices import has_amount

_CONTROLS = CLICKED | TYPED | CHOSEN
_NEVER = frozenset(
    {
        "html",
        "body",
        "main",
        "form",
        "iframe",
        "video",
        "audio",
        "object",
        "embed",
        "canvas",
        "option",
        "optgroup",
        "dialog",
    }
)
"""Elements that are no control themselves, whatever listens there."""
_NATIVE = frozenset({"input", "button", "select", "textarea", "summary", "details", "label"})
"""Elements that the tree shows as they are."""
_LISTS = frozenset({"ul", "ol", "menu", "dl", "tbody", "table", "thead", "tr", "nav", "section", "header", "footer"})
"""Elements that listen for their entries."""
MAX_TEXT_CHARS = 300
"""An element with more text is a part of the page, not a control, unless the pointer becomes a hand there."""
MAX_ICON_PIXELS = 100
_ROOTS = frozenset({"root", "app", "__next", "__nuxt", "___gatsby"})
"""Elements in which a framework draws the page and listens for all of it."""


def add_controls(ax_nodes: Sequence[AxNode], looks: Looks) -> None:
    """Changes the nodes of the tree that stand for what can be used."""
    page = _Page(ax_nodes, looks)
    page.hint_fields()
    page.mark_fields()
    page.show_labels()
    page.show_clickable()
    name_controls(ax_nodes, looks.clues)


class _Page:
    """A tree beside its looks."""

    def __init__(self, ax_nodes: Sequence[AxNode], looks: Looks) -> None:
        self._looks = looks
        self._ax_nodes = ax_nodes
        self._control_ids: frozenset[str] = frozenset()
        self._by_id = {node["nodeId"]: node for node in ax_nodes}
        self._by_element: dict[int, AxNode] = {}
        for node in ax_nodes:
            index = looks.index.get(node.get("backendDOMNodeId", -1))
            if index is not None:
                self._by_element.setdefault(index, node)

    # --- fields -------------------------------------------------------------------------------

    def hint_fields(self) -> None:
        """Lets fields for dates, times and colours say in their names what they take."""
        for index, node in self._by_element.items():
            if self._looks.tags[index] == "input" and (kind := self._looks.attributes(index).get("type", "")) in HINTED:
                node["name"] = {"value": hinted(str(node.get("name", {}).get("value") or ""), kind)}

    def mark_fields(self) -> None:
        """Marks the fields that the page calls invalid: not those that are only empty so far."""
        for index, node in self._by_element.items():
            if _is_control(node) and self._looks.attributes(index).get("aria-invalid", "false") not in ("", "false"):
                node["marked"] = True

    def show_labels(self) -> None:
        """Lets the visible label of a hidden radio button or checkbox stand for it."""
        looks = self._looks
        inputs = [index for index, tag in enumerate(looks.tags) if tag == "input"]
        hidden = [index for index in inputs if index not in looks.boxes and not self._is_read(index)]
        labels: dict[str, int] = {}
        for index in (index for index, tag in enumerate(looks.tags) if tag == "label") if hidden else ():
            if looks.is_drawn(index) and (named := looks.attributes(index).get("for")):
                labels.setdefault(named, index)
        for index in hidden:
            given = looks.attributes(index)
            if given.get("type") not in ("radio", "checkbox"):
                continue
            around = next((other for other in looks.around(index) if looks.tags[other] == "label"), None)
            label = labels.get(given.get("id", ""), around)
            node = self._by_element.get(label) if label is not None and looks.is_drawn(label) else None
            if node is None or label is None:
                continue
            own = looks.attributes(label)
            names = (
                self._text(node),
                own.get("aria-label"),
                own.get("title"),
                given.get("aria-label"),
                given.get("value"),
            )
            _become(node, given["type"], next(filter(None, names), ""))
            node["properties"] = [
                {"name": "checked", "value": {"value": "true" if index in looks.checked else "false"}},
                {"name": "disabled", "value": {"value": "disabled" in given}},
            ]

    def _is_read(self, index: int) -> bool:
        node = self._by_element.get(index)
        return node is not None and not node.get("ignored")

    # --- what is clicked ----------------------------------------------------------------------

    def show_clickable(self) -> None:
        """Makes controls of what reacts to clicks and is none."""
        controls = {index for index, node in self._by_element.items() if _is_control(node)}
        holds: set[int] = set()  # elements with a control inside
        for index in controls:
            for around in self._looks.around(index):
                if around in holds:
                    break
                holds.add(around)
        self._control_ids = frozenset(self._by_element[index]["nodeId"] for index in controls)
        found = [
            index
            for index in self._candidates()
            if index not in controls and not any(around in controls for around in self._looks.around(index))
        ]
        delegates = {around for index in found for around in self._looks.around(index)}
        added: set[int] = set()
        for index in found:
            node = self._by_element.get(index)
            if node is not None and not (index in delegates and not self._looks.points(index)):
                self._show(index, node, added, holds_control=index in holds)

    def _candidates(self) -> Iterator[int]:
        """Elements that react to clicks, in the order of the page; for a list that listens, its entries."""
        looks, seen = self._looks, set[int]()
        for index, tag in enumerate(looks.tags):
            points = looks.points(index)
            if tag in _NEVER | _NATIVE or tag[:1] in "#:" or not (points or index in looks.clickable):
                continue
            entries = [] if points else self._entries(index)
            for one in entries or [index]:
                if one not in seen and looks.is_drawn(one):
                    seen.add(one)
                    yield one

    def _entries(self, index: int) -> list[int]:
        """The entries of an element that listens for what is in it; none if it listens for itself."""
        looks = self._looks
        children = [
            child for child in looks.children(index) if looks.tags[child] not in ("script", "style", "template")
        ]
        shapes = {(looks.tags[child], looks.attributes(child).get("class", "").partition(" ")[0]) for child in children}
        is_list = looks.tags[index] in _LISTS or looks.attributes(index).get("role") in (
            "list",
            "listbox",
            "menu",
            "grid",
        )
        return children if is_list or (len(children) > 1 and len(shapes) == 1 and not self._inline(children)) else []

    def _inline(self, children: Sequence[int]) -> bool:
        """Whether the children are pieces of one text, not entries that are told apart by class or label."""
        attributes = [self._looks.attributes(child) for child in children]
        told_apart = all({"class", "tabindex", "role", "aria-label", "title"} & set(given) for given in attributes)
        tags = {self._looks.tags[child] for child in children}
        return not told_apart and tags <= {"span", "b", "i", "em", "strong", "svg", "img", "br", "p"}

    def _show(self, index: int, node: AxNode, added: set[int], *, holds_control: bool) -> None:
        looks = self._looks
        text, points, own = self._text(node), looks.points(index), looks.attributes(index)
        outer = next((around for around in looks.around(index) if around in added), None)
        if outer is not None and (index not in looks.clickable or text == self._by_element[outer]["name"]["value"]):
            return  # a part of what was added already
        if holds_control and (not points or not text or self._holds_link(node)):
            return  # what is in it is used
        if not points and (len(text) > MAX_TEXT_CHARS or own.get("id") in _ROOTS):
            return
        if not text and not self._is_icon(index):
            return
        name = own.get("aria-label") or text or own.get("title") or own.get("alt") or ""
        added.add(index)
        is_product = has_amount(text) or any(
            looks.tags[inner] in ("img", "picture", "h2", "h3", "h4") for inner in looks.inside(index)
        )
        _become(node, "link" if is_product and text else "button", name)
        if own.get("aria-disabled") == "true":
            node["properties"] = [*node.get("properties", ()), {"name": "disabled", "value": {"value": True}}]

    def _holds_link(self, node: AxNode) -> bool:
        for child in node.get("childIds", ()):
            inner = self._by_id.get(child)
            if inner is not None and (inner.get("role", {}).get("value") == "link" or self._holds_link(inner)):
                return True
        return False

    def _text(self, node: AxNode) -> str:
        """The text of a node without that of the controls in it."""
        return text_below(node, self._by_id, beside=self._control_ids)

    def _is_icon(self, index: int) -> bool:
        """Whether an element without text is a picture or small, not a surface that covers the page."""
        looks = self._looks
        _, _, width, height = looks.boxes[index]
        is_picture = any(looks.tags[one] in ("img", "svg") for one in (index, *looks.inside(index)))
        return is_picture or max(width, height) <= MAX_ICON_PIXELS


def _is_control(node: AxNode) -> bool:
    return not node.get("ignored") and node.get("role", {}).get("value") in _CONTROLS


def _become(node: AxNode, role: str, name: str) -> None:
    fields: dict[str, Any] = {"role": {"value": role}, "name": {"value": name}, "ignored": False}
    node.update(fields)
    node.pop("value", None)
