"""Filling in a guest checkout by its labels."""

from __future__ import annotations

import re
from dataclasses import dataclass

from simpersona.pages import Node, Page
from simpersona.shopper.affordances import typed, usable
from simpersona.shopper.asides import aside
from simpersona.shopper.form_values import form_value
from simpersona.traces.sight import chosen, first_option

_SKIPPED = re.compile(
    r"optional|search|line ?[2-9]|apartment|company|notes|instructions|voucher|coupon|discount|gift|quantity|title|vat",
    re.IGNORECASE,
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
        skipped = node.name in done or _SKIPPED.search(node.name) or aside(node) is not None
        entry = None if skipped else _entry(node)
        if entry is not None:
            return entry
    return None


def _entry(node: Node) -> Entry | None:
    if typed(node) and not node.value:
        value = form_value(node.name)
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
