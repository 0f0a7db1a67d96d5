"""The kind of move that an action is, from its method and the role and name of its control.

The kinds are the steps of a store's funnel and the ways between them. They apply to any store whose controls name what
they do; they use neither a store's addresses nor its looks.
"""

from __future__ import annotations

import re
from typing import Literal, get_args

from simpersona.pages import Method, Node
from simpersona.shopper.affordances import ADD
from simpersona.visits import Step

Move = Literal[
    "leave",
    "product",  # a link with a price: a product of a list
    "link",  # another link, or what opens a menu: collections, home, the shelves
    "page",  # further products of a list, or another part of a long page
    "back",
    "search",  # typing into the search field, or the way to it
    "submit",  # Enter in the search field
    "option",  # of a product, or how a list is sorted
    "add",
    "cart",
    "remove",
    "checkout",
    "field",  # an empty field of a form
    "refill",  # a field that holds something already
    "onward",  # the next step of a form
    "order",
    "button",  # another button
]
MOVES: tuple[Move, ...] = get_args(Move)

_SEARCH = re.compile(r"\b(search|find|looking for)\b", re.IGNORECASE)
_CART = re.compile(r"\b(cart|basket|bag)\b", re.IGNORECASE)
_PRESSED: dict[Move, re.Pattern[str]] = {  # the first that matches the name of a button or link
    "add": ADD,
    "order": re.compile(
        r"\b(place|complete|submit|confirm) (the |my |your |and )*(order|purchase)\b|^pay\b", re.IGNORECASE
    ),
    "remove": re.compile(r"^(remove|delete|take out|drop)\b", re.IGNORECASE),
    "checkout": re.compile(r"\bcheck ?out\b", re.IGNORECASE),
}
_BUTTONS: dict[Move, re.Pattern[str]] = {
    **_PRESSED,
    "onward": re.compile(r"^(continue|next|proceed|review|submit|confirm)\b(?!.*\bshopping\b)", re.IGNORECASE),
    "cart": _CART,
}
_LINKS: dict[Move, re.Pattern[str]] = {
    # only a product has a name so long that it is cut
    "product": re.compile(
        r"^[$€£]\s?\d|(?<!under )(?<!over )(?<!below )(?<!above )[$€£]\s?\d[\d.,]*$|…$", re.IGNORECASE
    ),
    **_PRESSED,
    "cart": _CART,
    "search": re.compile(r"^(search|find)\b", re.IGNORECASE),
    "page": re.compile(r"^((next|previous)\b|more$)", re.IGNORECASE),
}
_NAMED: dict[Move, dict[Move, re.Pattern[str]]] = {"button": _BUTTONS, "link": _LINKS}
_DONE: dict[Method, Move] = {
    "goto": "back",
    "nextChunk": "page",
    "prevChunk": "page",
    "selectOptionFromDropdown": "option",
}


def move_of(node: Node | None, method: Method | None) -> Move:
    """The kind of a node with a method; without both it is leaving."""
    if node is None or method is None:
        return "leave"
    return _move(method, node.role, node.name, filled=bool(node.value))


def past_move(step: Step) -> Move:
    """The kind of the move that a step made; "button" if its node is not on its page.

    The history does not say what a field held before: a field that is filled in counts as empty, so that correcting an
    entry is the kind "field" here and "refill" among the candidates.
    """
    action = step.decision.action
    if action is None:
        return "leave"
    node = step.page.node(action.node)
    return "button" if node is None else _move(action.method, node.role, node.name, filled=False)


def _move(method: Method, role: str, name: str, *, filled: bool) -> Move:
    if method in _DONE:
        return _DONE[method]
    if method == "press":
        return "submit" if _searches(role, name) else "refill"
    if method in ("fill", "type"):
        return "search" if _searches(role, name) else "refill" if filled or role == "spinbutton" else "field"
    other: Move = "button" if role == "button" else "link"
    for move, pattern in _NAMED[other].items():
        if pattern.search(name):
            return move
    return other


def _searches(role: str, name: str) -> bool:
    return role == "searchbox" or bool(_SEARCH.search(name))
