"""How many things a page shows to be in the cart: "Cart (2)", "Basket, 2 items", "2 Artikel im Warenkorb", a badge at an icon."""

from __future__ import annotations

import re
from functools import lru_cache

from simpersona.pages import Node, Page
from simpersona.shopper.affordances import CLICKED
from simpersona.shopper.moves import KEPT
from simpersona.shopper.prices import AMOUNT
from simpersona.shopper.store_words import is_cart_name

_NUMBER = re.compile(r"(?<![\d.,])\d{1,3}(?![\d.,]\d|\d)")


@lru_cache(maxsize=KEPT)
def cart_count(node: Node) -> int | None:
    """The number of things in the cart that a control for the cart shows; None for other nodes and without a number."""
    if node.role not in CLICKED or not (node.purpose == "cart" or is_cart_name(node.name)):
        return None
    for text in (node.name, node.detail):
        if number := _NUMBER.search(AMOUNT.sub(" ", text)):
            return int(number.group())
    return None


def in_cart(page: Page) -> int:
    """The number of things in the cart by the page's controls, and by its headings where they show none; 0 if nothing says it."""
    counts = [count for node in page.nodes if (count := cart_count(node)) is not None]
    if not counts:
        saying = [node for node in page.nodes if node.role in ("heading", "StaticText") and is_cart_name(node.name)]
        counts = [int(number.group()) for node in saying if (number := _NUMBER.search(AMOUNT.sub(" ", node.name)))]
    return max(counts, default=0)
