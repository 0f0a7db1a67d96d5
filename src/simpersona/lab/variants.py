"""Changes of a store whose effect on each buyer type is planted, so that an A/B test has a true answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Variant:
    """What differs from the plain store; the plain store is `Variant()`."""

    free_shipping_notice: bool = False
    hidden_search: bool = False
    one_page_checkout: bool = False
    price_factor: float = 1.0
    """On every price."""


PLAIN = Variant()
