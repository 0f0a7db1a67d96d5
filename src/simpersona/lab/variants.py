"""Store variants with a planted effect on each buyer type, so that an A/B test has a true answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Variant:
    """The differences from the plain store, which is `Variant()`."""

    free_shipping_notice: bool = False
    hidden_search: bool = False
    one_page_checkout: bool = False
    price_factor: float = 1.0
    """Factor on every price."""


PLAIN = Variant()
