"""How many things a page shows to be in the cart: "Cart (2)", "Basket, 2 items", "2 Artikel im Warenkorb", a badge at an icon."""

from __future__ import annotations

import re
from functools import lru_cache

from simpersona.pages import Node, Page
from simpersona.shopper.affordances import CLICKED
from simpersona.shopper.prices import without_amounts
from simpersona.shopper.store_words import KEPT, is_cart_name

_NUMBER = re.compile(r"(?<![\d.,])\d{1,3}(?![\d.,]\d|\d)")
_WHICH = re.compile(r"(^|, )\d+ of \d+$")
"""The end of a detail that tells controls of one name apart."""


def number_in(text: str) -> int | None:
    """The number of things that a text shows besides amounts of money, perhaps repeated for a screen reader: "2 2 items".

    None without a number or with different ones.
    """
    numbers = set(_NUMBER.findall(without_amounts(text)))
    return int(numbers.pop()) if len(numbers) == 1 else None


@lru_cache(maxsize=KEPT)
def cart_count(node: Node) -> int | None:
    """The number of things in the cart that a control for the cart shows; None for other nodes and without a number."""
    if node.role not in CLICKED or not (node.purpose == "cart" or is_cart_name(node.name)):
        return None
    by_name = number_in(node.name)
    return number_in(_WHICH.sub("", node.detail)) if by_name is None else by_name


def in_cart(page: Page) -> int:
    """The number of things in the cart by the page's controls, and by its headings where they show none; 0 if nothing says it."""
    counts = [count for node in page.nodes if (count := cart_count(node)) is not None]
    if not counts:
        saying = [node for node in page.nodes if node.role in ("heading", "StaticText") and is_cart_name(node.name)]
        counts = [count for node in saying if (count := number_in(node.name)) is not None]
    return max(counts, default=0)
