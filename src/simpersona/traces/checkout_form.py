"""Filling in a guest checkout by its labels, with fixed test values that belong to nobody."""

from __future__ import annotations

import re
from dataclasses import dataclass

from simpersona.pages import Node, Page
from simpersona.shopper.affordances import typed, usable
from simpersona.traces.sight import chosen, first_option

_SKIPPED = re.compile(
    r"optional|search|line ?[2-9]|apartment|company|notes|instructions|voucher|coupon|discount|gift|quantity|title|vat",
    re.IGNORECASE,
)
_VALUES: tuple[tuple[str, str], ...] = (  # the first that fits the label
    (r"e-?mail", "shopper@example.com"),
    (r"first name|given name", "Test"),
    (r"last name|family name|surname", "Shopper"),
    (r"card.*name|name.*card", "Test Shopper"),
    (r"card", "4242424242424242"),  # the payment industry's test number
    (r"expir", "12/30"),
    (r"cvc|cvv|security", "123"),
    (r"post ?code|postal|zip", "10115"),
    (r"phone|mobile", "+49 30 123456"),
    (r"city|town|line ?4", "Berlin"),
    (r"state|county|region|province", "Berlin"),
    (r"address|street|line ?1", "1 Main Street"),
    (r"name", "Test Shopper"),
)
_COUNTRIES = ("United States", "Germany", "United Kingdom")


@dataclass(frozen=True)
class Entry:
    """One thing to enter into a form; `choose` for a dropdown, `click` for a box or a circle."""

    node: Node
    method: str
    value: str = ""


def next_entry(page: Page, done: set[str]) -> Entry | None:
    """The next field of the form that needs something; `done` holds the names already dealt with."""
    for node in page.nodes:
        entry = None if node.name in done or _SKIPPED.search(node.name) else _entry(node)
        if entry is not None:
            return entry
    return None


def _entry(node: Node) -> Entry | None:
    if typed(node) and not node.value:
        value = next((value for label, value in _VALUES if re.search(label, node.name, re.IGNORECASE)), None)
        return Entry(node, "fill", value) if value else None
    if node.options and usable(node) and not chosen(node):
        return Entry(node, "choose", _country_or_first(node))
    if node.role == "radio" and "guest" in node.name.casefold() and not node.value:
        return Entry(node, "click")
    if node.role == "checkbox" and re.search(r"\b(terms|agree|accept)\b", node.name, re.IGNORECASE) and not node.value:
        return Entry(node, "click")
    return None


def _country_or_first(node: Node) -> str:
    return next((option for option in node.options if option in _COUNTRIES), None) or first_option(node)
