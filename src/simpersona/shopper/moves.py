"""What kind of move an action is, told as a shopper tells it: by what is done, to what sort of control, of which name.

The kinds are the steps of a store's funnel and of the ways between them. They hold for any store whose controls name
what they do; nothing is known of a store's addresses or looks.
"""

from __future__ import annotations

import re
from typing import Literal, get_args

from simpersona.pages import Method, Node
from simpersona.shopper.affordances import ADD, CHOSEN, TYPED, WORDS

Move = Literal[
    "leave",
    "product",  # a link with a price: a product of a list
    "link",  # another link, or what opens a menu: collections, home, the shelves
    "page",  # further products of a list, or another part of a long page
    "back",
    "search",  # words into the search field, or the way to it
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
_PRESSED: dict[Move, re.Pattern[str]] = {  # the first that a button's or a link's name fits
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
    # nothing but a product is called so long that its name is cut
    "product": re.compile(
        r"^[$€£]\s?\d|(?<!under )(?<!over )(?<!below )(?<!above )[$€£]\s?\d[\d.,]*$|…$", re.IGNORECASE
    ),
    **_PRESSED,
    "cart": _CART,
    "search": re.compile(r"^(search|find)\b", re.IGNORECASE),
    "page": re.compile(r"^((next|previous)\b|more$)", re.IGNORECASE),
}
_CALLED: dict[Move, dict[Move, re.Pattern[str]]] = {"button": _BUTTONS, "link": _LINKS}
_DONE: dict[Method, Move] = {
    "goto": "back",
    "nextChunk": "page",
    "prevChunk": "page",
    "selectOptionFromDropdown": "option",
}
_TOLD = re.compile(
    rf"^({'|'.join(map(str.lower, WORDS.values()))}) the (?:(.*) )?({'|'.join(sorted(TYPED | CHOSEN))})(?:: .*)?$"
    rf"|^({'|'.join(map(str.lower, WORDS.values()))}) the (?:(.*) )?(\w+)$",
    re.IGNORECASE | re.DOTALL,
)
_METHODS: dict[str, Method] = {words.lower(): method for method, words in reversed(WORDS.items())}


def move_of(node: Node | None, method: Method | None) -> Move:
    """The kind of a node with a method; leaving is neither."""
    if node is None or method is None:
        return "leave"
    return _move(method, node.role, node.name, filled=bool(node.value))


def move_told(action: str) -> Move:
    """The kind of an action in the words of the progress log, such as "clicking on the Add to cart button".

    What a field held before is not told: a field counts as empty.
    """
    if action.startswith("going back"):
        return "back"
    if action.startswith("looking at"):
        return "page"
    found = _TOLD.match(action)
    if found is None:
        return "button"
    verb, name, role = found.group(1, 2, 3) if found[1] else found.group(4, 5, 6)
    return _move(_METHODS[verb.lower()], role, name or "", filled=False)


def _move(method: Method, role: str, name: str, *, filled: bool) -> Move:
    if method in _DONE:
        return _DONE[method]
    if method == "press":
        return "submit" if _searches(role, name) else "refill"
    if method in ("fill", "type"):
        return "search" if _searches(role, name) else "refill" if filled or role == "spinbutton" else "field"
    other: Move = "button" if role == "button" else "link"
    for move, words in _CALLED[other].items():
        if words.search(name):
            return move
    return other


def _searches(role: str, name: str) -> bool:
    return role == "searchbox" or bool(_SEARCH.search(name))
