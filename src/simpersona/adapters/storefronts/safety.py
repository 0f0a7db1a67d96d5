"""Limits of every visitor: the pages of the store and the nodes of the page. That nothing is paid: payment_guard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from simpersona.pages import Action, Method, Node
from simpersona.shopper.affordances import fits, part_shown

RETRY_SECONDS = (0.3, 1.0)
"""Pauses before a failed page is requested again."""
_WITH_ARGUMENT = frozenset({"fill", "type", "press", "selectOptionFromDropdown", "dragAndDrop"})


def first_page_error(status: int) -> str:
    """Why a visit that begins with an error of the store fails, and what to do."""
    advice = {
        401: ". It asks for a login: set store.access.login_env",
        403: ". It forbids the visit: see store.access, or let the store allow these visits",
        407: ". The proxy asks for a login: set store.access.proxy_login_env",
    }.get(status, "")
    return f"the store answered with an error ({status}){advice}"


def end_of_parts(method: Method, nodes: Mapping[str, Node]) -> str | None:
    """The reason why the page has no next (or previous) part; None if it has. `nodes` begin with the page itself."""
    part, parts = part_shown(next(iter(nodes.values())))
    if method == "nextChunk":
        return "This is the last part of the page" if part == parts else None
    return "This is the first part of the page" if part == 1 else None


@dataclass(frozen=True)
class StoreScope:
    """Where a visitor may go: on the host of `url`, below the path `within`, which ends with a slash."""

    url: str
    within: str = "/"

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

    def refused(self, action: Action, nodes: Mapping[str, Node]) -> str | None:
        """The reason why an action cannot be tried on the page with these nodes; None if it can be."""
        node = nodes.get(action.node)
        if node is None:
            return f"There is no node {action.node} on the page"
        if not fits(node, action.method):
            return f"{action.method} cannot be done on the {node.name} {node.role}"
        if action.method in _WITH_ARGUMENT and not action.arguments:
            return f"{action.method} needs an argument"
        if action.method == "dragAndDrop" and action.arguments[0] not in nodes:
            return f"There is no node {action.arguments[0]} to drop on"
        return end_of_parts(action.method, nodes) if action.method in ("nextChunk", "prevChunk") else None
