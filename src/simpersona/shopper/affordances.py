"""The actions that a node of a page allows, and their descriptions.

The model's reply schema, the replay teacher and the adapters share these rules, so that training examples, valid
answers and possible actions agree.
"""

from __future__ import annotations

from collections.abc import Iterator

from simpersona.pages import Method, Node, Page
from simpersona.shopper import store_words

DISCLOSURE = "DisclosureTriangle"
"""Chromium's role for a control that opens and closes a part of the page."""
CLICKED = frozenset(
    {
        "link",
        "button",
        "checkbox",
        "radio",
        "switch",
        "tab",
        "menuitem",
        "menuitemcheckbox",
        "menuitemradio",
        DISCLOSURE,
    }
)
TYPED = frozenset({"textbox", "searchbox", "spinbutton"})
CHOSEN = frozenset({"combobox", "listbox", "slider"})

ADD = store_words.ADD
MAX_TYPED_CHARS = 40
"""The longest text that the reply schema lets a shopper type."""
DISABLED = "(disabled)"
"""The value of a control that is shown but cannot be used."""

DESCRIPTIONS: dict[Method, str] = {
    "click": "Clicking on",
    "fill": "Typing into",
    "type": "Typing into",
    "press": "Pressing Enter in",
    "scrollTo": "Scrolling to",
    "selectOptionFromDropdown": "Choosing in",
    "hover": "Pointing at",
    "doubleClick": "Double-clicking on",
    "dragAndDrop": "Dragging",
}


def typed(node: Node) -> bool:
    """Whether text can be typed into the node; a combobox without a list of options is a text field. A field that is clicked
    instead opens a list or a calendar.
    """
    is_field = node.role in TYPED or (node.role == "combobox" and not node.options)
    return node.value != DISABLED and is_field and "click" not in node.methods


def usable(node: Node) -> bool:
    """Whether the node is a control that is not disabled."""
    return node.value != DISABLED and node.role in CLICKED | TYPED | CHOSEN


def part_words(part: int, parts: int) -> str:
    """The value of a page's first node when the page is shown in parts: "part 1 of 3"."""
    return f"part {part} of {parts}"


def part_shown(node: Node) -> tuple[int, int]:
    """The number of the part that is shown and the number of parts; (1, 1) for a page shown whole."""
    value = node.value.split() if node.role == "RootWebArea" else []
    return (int(value[1]), int(value[3])) if len(value) == 4 and value[0] == "part" else (1, 1)


def offered(node: Node) -> tuple[Method, ...]:
    """The methods that a language model is offered for the node: the smallest set that makes everything possible."""
    if node.role == "RootWebArea":
        part, parts = part_shown(node)
        return (*(("nextChunk",) if part < parts else ()), *(("prevChunk",) if part > 1 else ()))
    if not usable(node):
        return ()
    by_role = _by_role(node)
    return (*by_role, *(method for method in node.methods if method not in by_role))


def _by_role(node: Node) -> tuple[Method, ...]:
    if typed(node):
        return ("fill", "press") if node.value else ("fill",)  # Enter in an empty field leads nowhere
    if node.role in CHOSEN:
        return ("selectOptionFromDropdown",) if node.options else ()
    return ("click",) if node.role in CLICKED else ()


BACK = "back"
"""The one argument of `goto`."""


def choices(page: Page) -> Iterator[tuple[Node, Method]]:
    """Everything that a shopper is offered on a page, in the page's order; the way back, if there is one, with the root node."""
    for node in page.nodes:
        if page.goes_back and node is page.nodes[0]:
            yield node, "goto"
        for method in offered(node):
            yield node, method


def fits(node: Node, method: Method) -> bool:
    """Whether the method can be tried on the node at all; wider than `offered`."""
    if method in ("nextChunk", "prevChunk", "scrollTo", "hover", "goto"):
        return True
    if method in ("fill", "type"):
        return typed(node)
    if method == "selectOptionFromDropdown":
        return node.role in CHOSEN and node.value != DISABLED and bool(node.options)
    return usable(node)


def describe(node: Node, method: Method) -> str:
    """The description of an action, as in Figure 9: "Clicking on the Shop all Skirts link"."""
    if method == "nextChunk":
        return "Looking at the next part of the page"
    if method == "prevChunk":
        return "Looking at the previous part of the page"
    if method == "goto":
        return "Going back to the page before"
    return (
        f"{DESCRIPTIONS[method]} the {node.label} {node.role}"
        if node.label
        else f"{DESCRIPTIONS[method]} the {node.role}"
    )
