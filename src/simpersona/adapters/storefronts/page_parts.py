"""Prices, controls that add to the cart, and cards in the main part of a page.

A card is one of several parts of the same form, each with a link and a price: the products of a list, or those recommended
beside a product.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urljoin, urlsplit

from lxml.html import HtmlElement

from simpersona.adapters.storefronts.cart_requests import adds_to_cart
from simpersona.adapters.storefronts.http_tree import spaced
from simpersona.adapters.storefronts.payment_guard import Asked
from simpersona.adapters.storefronts.store_addresses import purpose_of_address
from simpersona.shopper.page_addresses import is_route
from simpersona.shopper.prices import has_amount, is_price_line
from simpersona.shopper.store_words import ADD, ADD_MARK

UNSEEN = frozenset({"script", "style", "template", "noscript", "title", "svg"})
"""Without the head itself: the parser leaves the first part of a page without a body tag in it."""
_AROUND = frozenset({"footer", "nav", "aside", "dialog"})
_MAX_PRICE = 40
"""The longest text that is a price, in characters; a price range has two amounts."""
_MAX_CLIMB = 10


@dataclass(frozen=True)
class PageParts:
    """Numbers of a page's main part: `prices` and `add_controls` outside cards, the distinct pages that cards link to."""

    prices: int
    add_controls: int
    cards: int
    tiles: int
    """Of the largest group of neighbours of the same form with a link and a picture."""


def page_parts(root: HtmlElement, address: str) -> PageParts:
    """Counts the parts of the page at `address`."""
    elements = list(_main_part(root))
    prices = {price for element in elements if (price := _price(element)) is not None}
    with_price = {around for price in prices for around in (price, *price.iterancestors())}
    cards: dict[HtmlElement, str] = {}
    outside = 0
    for price in prices:
        card = next((around for around in _climb(price) if _is_card(around, with_price, address)), None)
        if card is None:
            outside += 1
        else:
            cards[card] = _link(card, address) or ""
    adds = [element for element in elements if _adds(element, address)]
    main_adds = sum(not any(around in cards for around in (add, *add.iterancestors())) for add in adds)
    return PageParts(outside, main_adds, len(set(cards.values())), _tiles(elements))


def _tiles(elements: list[HtmlElement]) -> int:
    """The size of the largest group of neighbours of the same form with a link and a picture each."""
    pictured = {
        around for element in elements if element.tag in ("img", "picture") for around in element.iterancestors()
    }
    groups: Counter[object] = Counter()
    for element in elements:
        if element in pictured and (element.tag == "a" or next(element.iter("a"), None) is not None):
            groups[element.getparent(), _form(element)] += 1
    return max(groups.values(), default=0)


def _main_part(root: HtmlElement) -> Iterator[HtmlElement]:
    """The elements of a page without what is around its main part, and without what is not shown."""
    waiting = [root]
    while waiting:
        element = waiting.pop()
        if (
            not isinstance(element.tag, str)
            or element.tag in UNSEEN
            or element.tag in _AROUND
            or "hidden" in element.attrib
        ):
            continue
        if element.tag == "header" and not any(around.tag in ("main", "article") for around in element.iterancestors()):
            continue
        yield element
        waiting.extend(reversed(element))


def _price(element: HtmlElement) -> HtmlElement | None:
    """The element whose text is a price, if this one holds a digit of it. A link may have a price in its title."""
    own = spaced(" ".join(filter(None, (element.text, *(child.tail for child in element)))))
    if not any(map(str.isdigit, own)):
        return None
    if is_price_line(own):
        return element
    for around in (element, *list(element.iterancestors())[:2]):
        text = spaced(around.text_content())
        if len(text) > _MAX_PRICE:
            break
        if is_price_line(text):
            return around
    in_link = element.tag == "a" or next(element.iterancestors("a"), None) is not None
    return element if in_link and len(own) <= 3 * _MAX_PRICE and has_amount(own) else None


def _climb(element: HtmlElement) -> Iterator[HtmlElement]:
    yield element
    for number, around in enumerate(element.iterancestors()):
        if number == _MAX_CLIMB or around.tag in ("body", "html", "main"):
            return
        yield around


def _is_card(element: HtmlElement, with_price: set[HtmlElement], address: str) -> bool:
    """Whether an element with a price has a neighbour of the same form with a price, and both link to a page."""
    around = element.getparent()
    if around is None or _link(element, address) is None:
        return False
    return any(
        other is not element and _form(other) == _form(element) and other in with_price and _link(other, address)
        for other in around
    )


def _form(element: HtmlElement) -> tuple[object, frozenset[str]]:
    """The tag and the classes that are not numbered, such as the product's own."""
    names = (element.get("class") or "").split()
    states = ("first", "last", "sale", "instock", "outofstock")
    return element.tag, frozenset(name for name in names if not any(map(str.isdigit, name)) and name not in states)


def _link(element: HtmlElement, address: str) -> str | None:
    """The address of the first link at or in an element that leads to another page of the store."""
    links = [element] if element.tag == "a" else []
    for link in (*links, *element.iter("a"), *(around for around in element.iterancestors("a"))):
        href = (link.get("href") or "").strip()
        if (
            not href
            or (href.startswith("#") and not is_route(href))
            or href.startswith(("javascript:", "mailto:", "tel:"))
        ):
            continue
        target = joined(address, href)
        if target and purpose_of_address(target) != "add":
            page, sign, inside = target.partition("#")
            return target if is_route(sign + inside) else page
    return None


@lru_cache(maxsize=8192)
def joined(address: str, href: str) -> str:
    """The address that a link on the page at `address` leads to; empty where it is malformed."""
    with contextlib.suppress(ValueError):
        target = urljoin(address, href.strip())
        urlsplit(target)
        return target
    return ""


def _adds(element: HtmlElement, address: str) -> bool:
    """Whether an element is a control that adds to the cart."""
    kind = (element.get("type") or "").lower()
    if element.tag not in ("button", "a") and not (element.tag == "input" and kind in ("submit", "button", "image")):
        return False
    marks = " ".join(element.get(name) or "" for name in ("id", "class", "name", "data-action", "data-button-action"))
    if ADD_MARK.search(marks):
        return True
    label = element.get("aria-label") or element.get("value") or element.text_content()
    if ADD.search(spaced(label)):
        return True
    form = next(element.iterancestors("form"), None) if element.tag != "a" else None
    if form is None or kind not in ("", "submit", "image"):
        return False
    action = joined(address, element.get("formaction") or form.get("action") or address)
    return adds_to_cart(Asked((form.get("method") or "get").upper(), action, "page"))
