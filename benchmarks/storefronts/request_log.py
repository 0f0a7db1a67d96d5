"""What a store itself knows of its visitors: one entry for each search, view, addition and order that it has answered."""

from __future__ import annotations

from collections import defaultdict
from threading import Lock

PAGE_EVENTS = frozenset({"search_submitted", "product_viewed", "collection_viewed", "cart_viewed", "checkout_started"})
"""Events that a page stands for; the names are those of `contracts.EVENTS`."""
ORDER = "checkout_completed"
ADDED = "product_added_to_cart"


class RequestLog:
    """The entries of all visitors in the order of the requests. Several threads may write.

    A page that is requested again, such as a product's page after a form on it, is the same view, and so is a further page of
    the same results. A search that is sent again is another search.
    """

    def __init__(self) -> None:
        self._entries: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self._page: dict[str, tuple[str, str]] = {}
        self._lock = Lock()

    def page(self, visitor: str, event: str = "", item: str = "", *, is_first: bool = True) -> None:
        """Notes that a visitor is shown a page: of the `event` about `item` (a product, a collection, a query), or another.

        `is_first` is False for a further page of a list.
        """
        with self._lock:
            is_sent_again = event == "search_submitted" and is_first
            if event and (is_sent_again or self._page.get(visitor) != (event, item)):
                self._entries[visitor].append((event, item))
            self._page[visitor] = (event, item)

    def happened(self, visitor: str, event: str, item: str = "") -> None:
        """Notes an addition to the cart, an order, or something shown over the page."""
        with self._lock:
            self._entries[visitor].append((event, item))

    def of(self, visitor: str) -> list[tuple[str, str]]:
        """(event, item) of one visitor."""
        with self._lock:
            return list(self._entries[visitor])

    @property
    def orders(self) -> int:
        """The number of orders of all visitors."""
        with self._lock:
            return sum(event == ORDER for entries in self._entries.values() for event, _ in entries)
