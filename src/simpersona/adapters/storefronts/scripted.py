"""A store as a table: pages by name, and the page that each click leads to.

For tests and for trying out policies; it needs no browser and no server.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import replace

from simpersona.errors import ConfigError, StorefrontError
from simpersona.pages import Action, Node, Page
from simpersona.shopper.affordances import fits

Transitions = Mapping[tuple[str, str], str]
"""(page name, node id) -> the name of the page that a click on the node leads to."""


_LINE = re.compile(
    r"\[(?P<id>\d+-\d+)\] (?P<role>\w+): (?P<name>.*?)(?: = (?P<value>.*?))?(?: \((?P<options>.*\|.*)\))?$"
)


def scripted_page(url: str, tree: str) -> Page:
    """A page from its lines in Stagehand's format, as `Page.tree` gives them; its title is the first line's name.

    Raises ConfigError that names the first line which is not in that format.
    """
    nodes: list[Node] = []
    for line in filter(None, map(str.strip, tree.splitlines())):
        match = _LINE.match(line)
        if match is None:
            raise ConfigError(f"{line!r} is not a node; expected '[0-1] role: name', ' = value', ' (option | option)'")
        options = tuple(match["options"].split(" | ")) if match["options"] else ()
        nodes.append(Node(match["id"], match["role"], match["name"], match["value"] or "", options))
    return Page(url, nodes[0].name if nodes else "", tuple(nodes))


class ScriptedStore:
    """One visitor's window on a scripted store (Storefront).

    `pages` are by name; the visit begins at `first`. A click (or Enter) that `transitions` does not
    name changes nothing; typed texts and chosen options stay as the node's value. A transition to a
    name that is not a page loses the session (StorefrontError). `delay_seconds` passes before each answer.
    """

    def __init__(
        self, pages: Mapping[str, Page], transitions: Transitions, *, first: str = "home", delay_seconds: float = 0
    ) -> None:
        self._pages = pages
        self._transitions = transitions
        self._first = first
        self._delay = delay_seconds
        self._name = ""
        self._page: Page | None = None
        self._past: list[str] = []
        self.actions: list[Action] = []

    async def open(self) -> Page:
        """The first page."""
        return await self._show(self._first)

    async def act(self, action: Action) -> Page:
        """The page after the action. Raises StorefrontError before `open` and after `close`."""
        if self._page is None:
            raise StorefrontError("the session is closed")
        self.actions.append(action)
        node = self._page.node(action.node)
        if node is None:
            return self._failed(f"There is no node {action.node} on the page")
        if (refusal := _refused(action, node)) is not None:
            return self._failed(refusal)
        if action.method in ("fill", "type", "selectOptionFromDropdown"):
            return self._set_value(action, node)
        if action.method == "goto":
            return self._failed("There is no page before this one") if not self._past else await self._back()
        following = self._transitions.get((self._name, action.node))
        if following is None or action.method not in ("click", "doubleClick", "press"):
            self._page = replace(self._page, failure=None)
            return self._page
        return await self._show(following)

    async def close(self) -> None:
        """Ends the visit."""
        self._page = None

    async def _show(self, name: str) -> Page:
        await asyncio.sleep(self._delay)
        if name not in self._pages:
            self._page = None
            raise StorefrontError(f"no page {name!r} in the script; pages: {', '.join(self._pages)}")
        if self._page is not None and name != self._name:
            self._past.append(self._name)
        self._name, self._page = name, replace(self._pages[name], goes_back=bool(self._past))
        return self._page

    async def _back(self) -> Page:
        name = self._past.pop()
        self._page = None
        return await self._show(name)

    def _set_value(self, action: Action, node: Node) -> Page:
        assert self._page is not None
        if len(action.arguments) != 1:
            return self._failed(f"{action.method} takes one argument, found {len(action.arguments)}")
        (value,) = action.arguments
        if action.method == "type":
            value = node.value + value
        if node.options and value not in node.options:
            return self._failed(f"{value!r} is not an option of {node.name}")
        nodes = tuple(replace(node, value=value) if node.id == action.node else node for node in self._page.nodes)
        self._page = replace(self._page, nodes=nodes, failure=None)
        return self._page

    def _failed(self, why: str) -> Page:
        assert self._page is not None
        return replace(self._page, failure=why)


def _refused(action: Action, node: Node) -> str | None:
    if not fits(node, action.method):
        return f"{action.method} cannot be done on the {node.name} {node.role}"
    if action.method in ("nextChunk", "prevChunk"):
        return "The page is shown whole"
    return "Nothing can be dragged in a script" if action.method == "dragAndDrop" else None
