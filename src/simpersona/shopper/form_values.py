"""Fixed test values, which belong to nobody, for a shopper who cannot write to type into fields."""

from __future__ import annotations

import re

_VALUES: tuple[tuple[str, str], ...] = (  # the first that fits the label
    (r"\(yyyy-mm-ddThh:mm\)$", "2030-06-15T10:30"),
    (r"\(yyyy-mm-dd\)$", "2030-06-15"),
    (r"\(yyyy-mm\)$", "2030-06"),
    (r"\(yyyy-Www\)$", "2030-W24"),
    (r"\(hh:mm\)$", "10:30"),
    (r"\(#rrggbb\)$", "#336699"),
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


def form_value(label: str) -> str | None:
    """The test value for a field with this label; None for a field that a checkout form does not have."""
    return next((value for pattern, value in _VALUES if re.search(pattern, label, re.IGNORECASE)), None)
