"""Products that a page's structure does not show but the store's catalogue names: links whose name is one of its titles."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from simpersona.pages import Action, Node, Page
from simpersona.ports import Storefront
from simpersona.shopper.prices import title_in


class KnownProducts:
    """A session in which links with the titles of a catalogue are products (Storefront)."""

    def __init__(self, window: Storefront, titles: frozenset[str]) -> None:
        self._window, self._titles = window, titles

    async def open(self) -> Page:
        """Opens the session."""
        return self._marked(await self._window.open())

    async def act(self, action: Action) -> Page:
        """Performs the action in the session."""
        return self._marked(await self._window.act(action))

    async def close(self) -> None:
        """Ends the session."""
        await self._window.close()

    def _marked(self, page: Page) -> Page:
        return replace(page, nodes=tuple(map(self._known, page.nodes)))

    def _known(self, node: Node) -> Node:
        if node.role != "link" or node.purpose is not None or _plain(title_in(node.name)) not in self._titles:
            return node
        return replace(node, purpose="product")


def known_titles(titles: Iterable[str]) -> frozenset[str]:
    """The titles of a catalogue as `KnownProducts` compares them: whatever their case and spaces."""
    return frozenset(map(_plain, titles)) - {""}


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
