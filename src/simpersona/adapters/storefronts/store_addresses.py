"""What the addresses of common store platforms lead to: the cart, an addition, the checkout, the search, a login."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from simpersona.adapters.storefronts.cart_requests import adds_to_cart
from simpersona.adapters.storefronts.payment_guard import Asked
from simpersona.pages import Purpose
from simpersona.shopper.page_addresses import place_of
from simpersona.shopper.store_words import A_CART, KEPT

_REMOVES = re.compile(
    rf"/{A_CART}[/.](remove|delete)\b|[?&]remove_item=|/{A_CART}/(change|update)\b.*[?&]q(uantity|ty)?=0\b|"
    rf"[/_-]remove[-_]?from[-_]?{A_CART}",
    re.IGNORECASE,
)
_DELETES = re.compile(r"(^|&)(delete=1|(action|op)=(remove|delete)\w*)(&|$)", re.IGNORECASE)
"""Parameters of the cart's address by which PrestaShop and BigCommerce take out a line."""
COLLECTION = re.compile(
    r"/(collections?|categor(y|ies)|product-category|kategorien?|categories?|categorias?|categoria)/[^/?#]+/?($|[?#])",
    re.IGNORECASE,
)
"""The address of a list of products."""


@lru_cache(maxsize=KEPT)  # the links of a page are asked about again on the next one
def purpose_of_address(address: str) -> Purpose | None:
    """What a link or a form with this address is for; None if the address does not say it."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    if adds_to_cart(Asked("GET", address, "page")):
        return "add"
    if _REMOVES.search(f"{unquote(parts.path)}?{parts.query}"):
        return "remove"
    place = place_of(address)
    return "remove" if place == "cart" and _DELETES.search(parts.query) else place
