"""A page in the browser as it is read: its accessibility tree, with everything that a visitor can use, and its markup."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from playwright.async_api import Error

from simpersona.adapters.storefronts.browser_controls import add_controls
from simpersona.adapters.storefronts.browser_frames import PageFrames
from simpersona.adapters.storefronts.browser_looks import Looks
from simpersona.adapters.storefronts.browser_markup import browser_markup, snapshot_of
from simpersona.adapters.storefronts.browser_reveals import add_menus
from simpersona.adapters.storefronts.browser_settling import PageFacts
from simpersona.adapters.storefronts.control_names import AxNode, address_of, is_nameless
from simpersona.adapters.storefronts.markup import Markup
from simpersona.adapters.storefronts.tree_repairs import FORMED, property_of, repair


async def read_page(frames: PageFrames, facts: PageFacts) -> tuple[list[AxNode], Markup]:
    """The nodes of the page and its frames, the root first, and the markup behind them. Raises the browser's Error.

    What is drawn and what listens to clicks is looked at only where the tree does not say everything.
    """
    nodes = await frames.tree()
    snapshots = {0: await snapshot_of(frames.session)}
    for process, session in frames.processes.items():
        with contextlib.suppress(Error):  # the frame is gone
            snapshots[process] = await snapshot_of(session)
    is_odd = _is_odd(nodes)
    repair(nodes)
    if facts.runs or facts.hides or is_odd or _needs_names(nodes):
        for process, snapshot in snapshots.items():
            add_controls([node for node in nodes if node.get("process", 0) == process], Looks(snapshot))
    if facts.menus:
        await add_menus(frames.session, [node for node in nodes if not node.get("process")])
    markups = {process: browser_markup(snapshot) for process, snapshot in snapshots.items()}
    return nodes, replace(markups.pop(0), others=markups)


def _is_odd(nodes: list[AxNode]) -> bool:
    """Whether a field takes a text of one form, or is marked as wrong."""
    return any(node.get("role", {}).get("value") in FORMED or property_of(node, "invalid") == "true" for node in nodes)


def _needs_names(nodes: list[AxNode]) -> bool:
    """Whether a link or a button has no name, and no link with a name leads to the same address."""
    nameless = [node for node in nodes if is_nameless(node)]
    if not nameless:
        return False
    named = {address_of(node) for node in nodes if not is_nameless(node)}
    return any((address_of(node) or "") not in named for node in nameless)
