"""Limits of every visitor: the pages of the store, the nodes of the page, and no payment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from simpersona.pages import Action, Method, Node
from simpersona.shopper.affordances import fits, part_shown

RETRY_SECONDS = (0.3, 1.0)
"""Pauses before a failed page is requested again."""
_READING = frozenset({"scrollTo", "nextChunk", "prevChunk", "hover", "goto"})
_WITH_ARGUMENT = frozenset({"fill", "type", "press", "selectOptionFromDropdown", "dragAndDrop"})
_CHECKOUT = re.compile(r"/checkouts?(/|$)", re.IGNORECASE)
_PAYS = re.compile(
    r"^\W*pay\b|\bpay (now|with|\W?\d)|\b(place|complete|submit|confirm) (the |my |your |and )*(order|purchase|pay(ment)?)\b",
    re.IGNORECASE,
)


def end_of_parts(method: Method, nodes: Mapping[str, Node]) -> str | None:
    """The reason why the page has no next (or previous) part; None if it has. `nodes` begin with the page itself."""
    part, parts = part_shown(next(iter(nodes.values())))
    if method == "nextChunk":
        return "This is the last part of the page" if part == parts else None
    return "This is the first part of the page" if part == 1 else None


@dataclass(frozen=True)
class StoreScope:
    """Where a visitor may go and what it may do: on the host of `url`, below the path `within`, which ends with a slash.

    `may_pay` allows to fill in a checkout and place an order: only in the lab's stores.
    """

    url: str
    within: str = "/"
    may_pay: bool = False

    def holds(self, url: str) -> bool:
        """Whether the address is in this store."""
        ours, asked = urlsplit(self.url), urlsplit(url)
        same_host = asked.netloc.removeprefix("www.") == ours.netloc.removeprefix("www.")
        return asked.scheme in ("http", "https") and same_host and (asked.path or "/").startswith(self.within)

    def leads_away(self, url: str) -> str:
        """The reason why an address outside the store is not opened."""
        asked = urlsplit(url)
        target = asked.netloc + (asked.path if asked.netloc == urlsplit(self.url).netloc else "")
        return f"It leads away from this store, to {target or url}: not opened"

    def refused(self, action: Action, nodes: Mapping[str, Node], address: str) -> str | None:
        """The reason why an action is not tried on the page at `address` with these nodes; None if it may be."""
        node = nodes.get(action.node)
        if node is None:
            return f"There is no node {action.node} on the page"
        if not fits(node, action.method):
            return f"{action.method} cannot be done on the {node.name} {node.role}"
        if action.method in _WITH_ARGUMENT and not action.arguments:
            return f"{action.method} needs an argument"
        if action.method == "dragAndDrop" and action.arguments[0] not in nodes:
            return f"There is no node {action.arguments[0]} to drop on"
        if action.method in ("nextChunk", "prevChunk") and (end := end_of_parts(action.method, nodes)) is not None:
            return end
        return self._payment_refused(node, action, address)

    def _payment_refused(self, node: Node, action: Action, address: str) -> str | None:
        if self.may_pay or action.method in _READING:
            return None
        if _CHECKOUT.search(urlsplit(address).path) or _PAYS.search(node.name):
            return "This store is not the lab's: the visit stops at the checkout, nothing is filled in or paid"
        return None
