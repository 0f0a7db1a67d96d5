"""The content of a page that tells what it is and what the store did, read from its markup: both drivers use it."""

from __future__ import annotations

import re

from lxml.etree import LxmlError
from lxml.html import HtmlElement

from simpersona.adapters.storefronts.cart_shown import cart_shown
from simpersona.adapters.storefronts.http_tree import parsed, spaced
from simpersona.adapters.storefronts.page_marks import declared_kind
from simpersona.adapters.storefronts.page_parts import page_parts
from simpersona.pages import PageContent

MAX_CHARS = 5_000_000
"""Markup that is longer is not read."""
_ERROR = re.compile(
    r"(^|[\s_-])(errors?|alert-danger|danger|is-invalid|invalid-feedback|woocommerce-error)($|[\s_-])", re.IGNORECASE
)
_ASKS = re.compile(
    r"\b(please|select|choose|required|errors?|cannot|can't|could not|sorry|unavailable|sold out|out of stock|bitte|wählen|"
    r"ausverkauft|fehler|veuillez|choisi\w+|épuisé|erreur|seleccion\w+|elij\w+|agotado|scegli\w*|selezion\w+|esaurito|kies|"
    r"uitverkocht|fout)\b",
    re.IGNORECASE,
)
_ADDED = re.compile(r"\b(added|hinzugefügt|ajouté|añadido|aggiunto|toegevoegd|dodano)\b", re.IGNORECASE)
_SHORT = 300


def page_content(root: HtmlElement, address: str) -> PageContent:
    """What the markup of the page at `address` says about it."""
    kind, product = declared_kind(root)
    parts, cart = page_parts(root, address), cart_shown(root, address)
    return PageContent(
        declared=kind,
        product_id=product,
        prices=parts.prices,
        add_controls=parts.add_controls,
        cards=parts.cards,
        tiles=parts.tiles,
        cart_count=cart.count,
        cart_quantity=cart.quantity,
        cart_total=cart.total,
        complains=_complains(root),
    )


def content_of(markup: str, address: str) -> PageContent | None:
    """The same of markup as text; None where it is too long or cannot be parsed."""
    if len(markup) > MAX_CHARS:
        return None
    try:
        root = parsed(markup.encode(errors="replace").decode())  # a script may leave halves of characters
    except LxmlError:
        return None
    return page_content(root, address)


def _complains(root: HtmlElement) -> bool:
    """Whether the page shows an error message, such as "Please select a size"."""
    for element in root.iter():
        if not isinstance(element.tag, str) or element.tag in ("script", "style", "template", "input", "body", "html"):
            continue
        is_alert = element.get("role") == "alert" or element.get("aria-live") == "assertive"
        is_error = bool(_ERROR.search(element.get("class") or ""))
        if not (is_alert or is_error) or _is_hidden(element):
            continue
        text = spaced(element.text_content())
        if 2 < len(text) <= _SHORT and not _ADDED.search(text) and (is_error or _ASKS.search(text)):
            return True
    return False


def _is_hidden(element: HtmlElement) -> bool:
    return any(
        "hidden" in one.attrib or "display:none" in (one.get("style") or "").replace(" ", "")
        for one in (element, *element.iterancestors())
    )
