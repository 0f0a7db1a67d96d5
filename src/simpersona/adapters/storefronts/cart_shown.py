"""The content of the cart as a page shows it: the number beside the link to the cart, the lines' quantities, the amount."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lxml.html import HtmlElement

from simpersona.adapters.storefronts.http_tree import spaced
from simpersona.adapters.storefronts.page_parts import UNSEEN, joined
from simpersona.adapters.storefronts.store_addresses import purpose_of_address
from simpersona.shopper.cart_count import number_in
from simpersona.shopper.page_addresses import is_route, page_address
from simpersona.shopper.prices import amount_value
from simpersona.shopper.store_words import A_CART, ADD, is_cart_name, words_of

_CART = re.compile(rf"(?:^|[^a-z])(?:mini|show|shopping|top|my|header|view|side|ajax|open)?[-_ ]?{A_CART}s?(?![a-z])")
_COUNT = re.compile(
    r"(?:^|[^a-z])(?:count|counter|qty|quantity|badge|bubble|number|num|size|items?|contents?|products?)(?![a-z])"
)
_TOTAL = re.compile(r"(?:^|[^a-z])(?:total|subtotal|amount|sum|price|value)(?![a-z])")
_IN_DATA = (
    "data-cart-count",
    "data-cart-item-count",
    "data-cart-items-count",
    "data-cart-quantity",
    "data-cart-items",
    "data-cart-size",
)
_LINE = re.compile(r"^(updates\[|cart\[.*\]\[qty\]|quantity\[|qty[-\[])")
"""Names of the quantities of a cart's lines: Shopify, WooCommerce and Magento, OpenCart, BigCommerce."""
_QUANTITY = re.compile(
    r"qty|quantit|menge|anzahl|aantal|cantidad|ilosc|antall?|mnozstv|pocet|mennyiseg|cantitate|maara|adet|quantidade|qtd|数量|個数|수량",
    re.IGNORECASE,
)
_MAX_LABEL = 60


@dataclass(frozen=True)
class CartShown:
    """What a page shows of the cart; None where it does not show it."""

    count: int | None
    quantity: int | None
    total: float | None


def cart_shown(root: HtmlElement, address: str) -> CartShown:
    """Reads the content of the cart from the page at `address`."""
    shown = [element for element in root.iter() if isinstance(element.tag, str) and element.tag not in UNSEEN]
    labels = list(_cart_labels(shown, address))
    counts = [*_in_data(shown), *(number for label in labels if (number := number_in(label)) is not None)]
    totals = [amount for label in labels if (amount := amount_value(label)) is not None]
    return CartShown(counts[0] if counts else None, _quantity(shown, address), totals[0] if totals else None)


def _in_data(elements: list[HtmlElement]) -> Iterator[int]:
    for element in elements:
        for name in _IN_DATA:
            value = (element.get(name) or "").strip()
            if value.isdecimal():
                yield int(value)


def _cart_labels(elements: list[HtmlElement], address: str) -> Iterator[str]:
    """Texts that may hold the cart's content: of its counters and amounts, then of the links and buttons that open it."""
    opening: list[str] = []
    for element in elements:
        marks = _marks(element)
        is_cart = bool(_CART.search(marks))
        if _COUNT.search(marks) or _TOTAL.search(marks):
            near = is_cart or any(_CART.search(_marks(around)) or _opens(around, address) for around in _near(element))
            if near and not _in_form_that_adds(element):
                yield _label(element)
        if element.tag in ("a", "button", "summary") and _shows_cart(element, address, is_cart=is_cart):
            opening += [_label(element), element.get("aria-label") or ""]
    yield from opening


def _shows_cart(element: HtmlElement, address: str, *, is_cart: bool) -> bool:
    """Whether a control opens the cart; `is_cart`: its marks say so.

    A name alone must have a number besides amounts: "Bag (2)", but not "The bag $12".
    """
    label = _label(element)
    if ADD.search(label):
        return False
    return is_cart or _opens(element, address) or (is_cart_name(label) and number_in(label) is not None)


def _near(element: HtmlElement) -> list[HtmlElement]:
    """The elements around a counter that may be the link to the cart."""
    around = list(element.iterancestors())[:3]
    return [one for one in around if one.tag not in ("body", "html", "main", "form", "header", "nav")]


def _marks(element: HtmlElement) -> str:
    return words_of(" ".join(element.get(name) or "" for name in ("id", "class", "data-role", "data-testid")))


def _opens(element: HtmlElement, address: str) -> bool:
    """Whether a link opens the cart."""
    href = element.get("href") if element.tag == "a" else None
    if not href or (href.startswith("#") and not is_route(href)) or href.startswith("javascript:"):
        return False
    return purpose_of_address(joined(address, href)) == "cart"


def _in_form_that_adds(element: HtmlElement) -> bool:
    """Whether an element belongs to a form of the product, such as the number that is added."""
    form = next(element.iterancestors("form"), None)
    return form is not None and any(ADD.search(spaced(button.text_content())) for button in form.iter("button"))


def _label(element: HtmlElement) -> str:
    text = spaced(" ".join(element.itertext()))  # "2" and "2 items" stand in two elements
    return text if len(text) <= _MAX_LABEL else ""


def _quantity(elements: list[HtmlElement], address: str) -> int | None:
    """The sum of the quantities of the cart's lines."""
    is_cart = page_address(address).kind == "cart"
    numbers = []
    for element in elements:
        if element.tag not in ("input", "select") or (element.get("type") or "").lower() in (
            "hidden",
            "submit",
            "button",
        ):
            continue
        name = element.get("name") or ""
        marked = _QUANTITY.search(" ".join((name, element.get("class") or "", element.get("id") or "")))
        if not (_LINE.search(name) or (is_cart and marked)):
            continue
        value = element.get("value") or next(
            (
                option.get("value", option.text or "")
                for option in element.iter("option")
                if "selected" in option.attrib
            ),
            "",
        )
        if value.strip().isdecimal():
            numbers.append(int(value))
    return sum(numbers) if numbers else None
