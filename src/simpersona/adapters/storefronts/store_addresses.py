"""What the addresses of common store platforms lead to: the cart, an addition, the checkout, the search, a login."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from simpersona.pages import Purpose
from simpersona.shopper.store_words import A_CART

_ADDRESSES: tuple[tuple[Purpose, re.Pattern[str]], ...] = (  # in order of precedence
    ("add", re.compile(rf"/{A_CART}/add\b|[/?&_-]add[-_]?to[-_]?{A_CART}\b|/{A_CART}/(insert|create|hinzufuegen|ajouter|anadir)", re.IGNORECASE)),
    ("remove", re.compile(rf"/{A_CART}/(remove|delete)\b|[?&]remove_item=|/{A_CART}/(change|update)\b.*[?&]q(uantity|ty)?=0\b|[/_-]remove[-_]?from[-_]?{A_CART}", re.IGNORECASE)),
    ("cart", re.compile(rf"/(shopping[-_]?|my[-_]?|mi[-_]|mon[-_])?{A_CART}(\.\w+)?/?$", re.IGNORECASE)),
    ("checkout", re.compile(r"/(checkouts?|onepage|kasse|caisse|afrekenen|finalizar-compra)(/|$)", re.IGNORECASE)),
    ("search", re.compile(r"/(catalog)?(search|suche|recherche|busqueda|buscar|ricerca|cerca|zoeken)(\.\w+|/result)?/?$", re.IGNORECASE)),
    ("login", re.compile(
        r"/(log-?in|sign-?in|register|my-?account|account|customer|anmelden|mein-konto|konto|connexion|mon-compte|compte|mi-cuenta|cuenta|"
        r"accedi|mio-account|inloggen|mijn-account)(/|\.\w+$|$)", re.IGNORECASE)),
)  # fmt: skip
COLLECTION = re.compile(
    r"/(collections?|categor(y|ies)|product-category|kategorien?|categories?|categorias?|categoria)/[^/?#]+/?($|[?#])",
    re.IGNORECASE,
)
"""The address of a list of products."""


@lru_cache(maxsize=20_000)
def purpose_of_address(address: str) -> Purpose | None:
    """What a link or a form with this address is for; None if the address does not say it."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    path = unquote(parts.path)
    whole = f"{path}?{parts.query}" if parts.query else path
    return next(
        (purpose for purpose, pattern in _ADDRESSES if pattern.search(whole if purpose in ("add", "remove") else path)),
        None,
    )
