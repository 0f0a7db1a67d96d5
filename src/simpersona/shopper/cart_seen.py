"""The content of the cart as the pages of one visit show it: whether it has grown.

A new visitor's cart is empty. What a page shows there before anything was added, such as a number that only looks like the
cart's, is where the count begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from simpersona.pages import PageContent
from simpersona.visits import Step

Change = Literal["grew", "same", "unseen"]
_READINGS = ("cart_count", "cart_quantity", "cart_total")
"""The readings, the most reliable first; a change is read from the first one that both pages have."""


class CartSeen:
    """The last content of the cart that a visit's pages showed."""

    def __init__(self, steps: Sequence[Step]) -> None:
        contents = [step.page.content for step in steps if step.page.content is not None]
        self._last: dict[str, float] = {name: _reading(contents[0], name) or 0 for name in _READINGS if contents}
        self._shown = {name for name in _READINGS for content in contents if _reading(content, name) is not None}

    def change(self, content: PageContent | None) -> Change:
        """Notes what the next page shows, and returns what it says about the cart.

        A page without a number counts as an empty cart if other pages of the visit show one: many shops hide it then.
        """
        if content is None:
            return "unseen"
        change: Change = "unseen"
        for name in _READINGS:
            value = _reading(content, name)
            if value is not None and change == "unseen":
                change = "grew" if value > self._last[name] else "same"
            if value is not None:
                self._last[name] = value
        if change == "unseen" and "cart_count" in self._shown and not self._last["cart_count"]:
            return "same"
        return change


def _reading(content: PageContent, name: str) -> float | None:
    return getattr(content, name)
