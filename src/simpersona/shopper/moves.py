"""The kind of move that an action is: from what its control is for, by the page's structure, and then from its role and name.

The kinds are the steps of a store's funnel and the ways between them. A product is what the page's structure shows as one, or a
link with a title and a price in any currency; what controls are called is known in six languages (`store_words`), and the
structure speaks for those that have other names.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, get_args

from simpersona.pages import Method, Node, Purpose
from simpersona.shopper import store_words as words
from simpersona.shopper.prices import is_priced_title
from simpersona.shopper.store_words import KEPT
from simpersona.visits import Step

Move = Literal[
    "leave",
    "product",  # a product of a list
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

_PRESSED: dict[Move, re.Pattern[str]] = {  # the first that matches the name of a button or link
    "add": words.ADD,
    "order": words.ORDER,
    "remove": words.REMOVE,
    "checkout": words.CHECKOUT,
}
_BUTTONS: dict[Move, re.Pattern[str]] = {
    **_PRESSED,
    "onward": words.ONWARD,
    "cart": words.CART,
    "page": words.LOAD_MORE,
}
_LINKS: dict[Move, re.Pattern[str]] = {
    **_PRESSED,
    "cart": words.CART,
    "search": words.SEARCH_LINK,
    "page": words.PAGE,
}
_NAMED: dict[Move, dict[Move, re.Pattern[str]]] = {"button": _BUTTONS, "link": _LINKS}
_CERTAIN: dict[Purpose, Move] = {"product": "product", "link": "link"}
"""What the structure shows better than a name."""
_LIKELY: dict[Purpose, Move] = {
    "add": "add", "cart": "cart", "search": "search", "remove": "remove", "checkout": "checkout", "order": "order", "page": "page",
}  # fmt: skip
"""What the structure shows of a control whose name says nothing."""
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
    return _move(method, node, filled=bool(node.value))


def past_move(step: Step) -> Move:
    """The kind of the move that a step made; "button" if its node is not on its page.

    The history does not say what a field held before: a field that is filled in counts as empty, so that correcting an
    entry is the kind "field" here and "refill" among the candidates.
    """
    action = step.decision.action
    if action is None:
        return "leave"
    node = step.page.node(action.node)
    return "button" if node is None else _move(action.method, node, filled=False)


def searches(node: Node) -> bool:
    """Whether what is typed into the field searches the store."""
    return node.role == "searchbox" or node.purpose == "search" or bool(words.SEARCH_FIELD.search(node.name))


def _move(method: Method, node: Node, *, filled: bool) -> Move:
    if method in _DONE:
        return _DONE[method]
    if method == "press":
        return "submit" if searches(node) else "refill"
    if method in ("fill", "type"):
        return "search" if searches(node) else "refill" if filled or node.role == "spinbutton" else "field"
    if node.purpose in _CERTAIN:
        return _CERTAIN[node.purpose]
    other: Move = "button" if node.role == "button" else "link"
    named = _named(node.name, other, may_be_product=node.purpose is None)
    return _LIKELY.get(node.purpose, other) if named is None and node.purpose is not None else named or other


@lru_cache(maxsize=KEPT)
def _named(name: str, other: Move, *, may_be_product: bool) -> Move | None:
    """The kind that a control's name says; None if it says nothing. It may be that of a product where the structure shows nothing."""
    # only a product has a name so long that it is cut
    if (
        other == "link"
        and may_be_product
        and (name.endswith("…") or (is_priced_title(name) and not words.is_cart_name(name)))
    ):
        return "product"
    return next((move for move, pattern in _NAMED[other].items() if pattern.search(name)), None)
