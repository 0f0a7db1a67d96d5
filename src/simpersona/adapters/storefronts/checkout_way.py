"""Whether a visitor is on the way to a checkout: by the control that was used, by addresses, and by what the page asks for.

A checkout may begin where its address does not say so: with a login, in a frame, on another host.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from simpersona.adapters.storefronts.form_fields import FormField
from simpersona.pages import Node, PageKind
from simpersona.shopper import store_words as words
from simpersona.shopper.page_addresses import page_address, place_of
from simpersona.shopper.page_words import CHECKOUT

_LONGEST_NAME = 4
"""A name with more words is a sentence, such as "Check out how we make our mugs"."""
_LOOK_AT = re.compile(r"\bcheck ?out (our|the|this|these|those|all|my|more|what|some|how|new)\b", re.IGNORECASE)
_ELSEWHERE: frozenset[PageKind] = frozenset({"product", "collection", "search"})
SMALLEST_FRAME = 150, 100
"""Width and height, in pixels, of the smallest frame that a checkout fits in: those of payment buttons are not as high."""


def leads_to_checkout(node: Node, link: str) -> bool:
    """Whether a control is the way to a checkout; `link` is the address that it links to, if any."""
    kind = page_address(link).kind if urlsplit(link).scheme in ("http", "https") else None
    if kind == "checkout":
        return True
    return kind not in _ELSEWHERE and (node.purpose == "checkout" or _names_checkout(node.name))


def _names_checkout(name: str) -> bool:
    is_name = len(words.words_of(name).split()) <= _LONGEST_NAME and not _LOOK_AT.search(name)
    return is_name and bool(words.CHECKOUT.search(name)) and not words.LOGIN.search(name)


def is_checkout_elsewhere(url: str) -> bool:
    """Whether an address of another host is that of a checkout: by its path, or by the host's first name."""
    host = urlsplit(url).hostname or ""
    return page_address(url).kind == "checkout" or host.partition(".")[0] in CHECKOUT


def asks_for_login(address: str, fields: Iterable[FormField]) -> bool:
    """Whether a page asks for a login and nothing else is to be done there: it shows a field for one, or has the address of one
    and asks for an email or a number. A checkout that offers a login beside the delivery goes on without it.
    """
    kinds = {field.kind for field in fields if field.is_shown}
    if kinds & {"payment", "street"}:
        return False
    return bool(kinds & {"password", "login"}) or (place_of(address) == "login" and bool(kinds & {"email", "phone"}))


def fits_checkout(width: float, height: float) -> bool:
    """Whether a frame of this size, in pixels, is large enough for a checkout."""
    return width >= SMALLEST_FRAME[0] and height >= SMALLEST_FRAME[1]
