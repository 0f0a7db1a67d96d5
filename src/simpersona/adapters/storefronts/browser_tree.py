"""Chromium's accessibility tree, pruned to what a shopper can read or use.

Kept: the page itself, controls, headings, named images outside links, and text that is not already
the name of a control. Left out: layout, labels of named fields, links without a name, and the
second of two neighbouring links to one address (a product's picture and its title).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, cast

from simpersona.adapters.storefronts.kept import Kept, changed
from simpersona.adapters.storefronts.markup import NO_MARKUP, Markup
from simpersona.adapters.storefronts.names import named
from simpersona.pages import Node, estimated_tokens, node_line
from simpersona.shopper.affordances import CHOSEN, CLICKED, DISABLED, TYPED, part_words
from simpersona.shopper.store_words import KEPT

_PART_TOKENS = 7
"""Tokens of the text "= part 1 of 3"."""
MAX_OPTIONS = 16
"""Options of a dropdown that are shown."""
_FIELDS = TYPED | CHOSEN
_CONTROLS = CLICKED | _FIELDS
_READ = frozenset({"heading", "image", "StaticText"})
_SHOWN = _CONTROLS | _READ | {"RootWebArea"}
_WHOLE = _FIELDS | {"StaticText"}
"""Nodes below which nothing is kept."""
_NAMED_BY_CONTENT = _CONTROLS | {"heading", "option", "image"}
_INLINE = frozenset(
    {"none", "generic", "strong", "emphasis", "mark", "code", "time", "superscript", "subscript", "deletion",
     "insertion", "Abbr", "ListMarker"}
)  # fmt: skip

AxNode = Mapping[str, Any]


def kept_nodes(ax_nodes: Sequence[AxNode], max_name_chars: int, markup: Markup = NO_MARKUP) -> list[Kept]:
    """The nodes of one page in document order, ids counted "0-1", "0-2" … over the page, "1-1" … over its first frame.

    `markup` has the elements behind the nodes: without it the purposes of controls are not known, nor the cards they are in.
    `ax_nodes` is the result of the protocol's Accessibility.getFullAXTree, the root first; `frame` is the number of a
    node's frame. Frames are counted in the order of the page, without those that have no kept node.
    """
    by_id = {node["nodeId"]: node for node in ax_nodes}
    kept: list[Kept] = []
    if ax_nodes:
        _keep(ax_nodes[0], by_id, 0, "", kept, named=False)
    counted: Counter[int] = Counter()
    frames: dict[int, int] = {}
    numbered = []
    for item in named(kept, markup, max_name_chars):
        frame = frames.setdefault(item.frame, len(frames))
        counted[frame] += 1
        node_id = f"{frame}-{counted[frame]}"
        is_numbered = (node_id, frame) == (item.node.id, item.frame)
        numbered.append(item if is_numbered else changed(item, node=changed(item.node, id=node_id), frame=frame))
    return numbered


def twin(node: Kept, before: Sequence[Kept], now: Sequence[Kept]) -> Kept | None:
    """The node of the page `now` that corresponds to a node of the page `before`: of those with the same role and name,
    the one at the same position.
    """
    alike = [other for other in before if _names(other) == _names(node)]
    index = next((index for index, other in enumerate(alike) if other.backend_id == node.backend_id), 0)
    candidates = [other for other in now if _names(other) == _names(node)]
    return candidates[min(index, len(candidates) - 1)] if candidates else None


def _names(kept: Kept) -> tuple[int, str, str]:
    return kept.frame, kept.node.role, kept.node.name


def shown_part(
    kept: Sequence[Kept], part: int, max_tokens: int, *, goes_on: bool = False
) -> tuple[tuple[Node, ...], int]:
    """(the nodes of one part of the page, the number of this part); the line of the page itself is always first.

    A part holds the nodes that fit into about `max_tokens`, and at least one. Parts count from 1; a number past the end
    gives the last part. A page that `goes_on` when it is scrolled has one part more, which is not there yet.
    """
    costs = [_tokens(node_line(item.node)) + 1 for item in kept]
    if len(kept) <= 1 or (sum(costs) <= max_tokens and not goes_on):
        return tuple(item.node for item in kept), 1
    room = max_tokens - costs[0] - _PART_TOKENS
    starts, taken = [1], 0
    for index, cost in enumerate(costs[1:], start=1):
        if taken and taken + cost > room:
            starts.append(index)
            taken = 0
        taken += cost
    part = min(max(part, 1), len(starts))
    root = replace(kept[0].node, value=part_words(part, len(starts) + goes_on))
    return (root, *(item.node for item in kept[starts[part - 1] : [*starts, len(kept)][part]])), part


@lru_cache(maxsize=KEPT)  # most of a page's lines are those of the page before
def _tokens(line: str) -> int:
    return estimated_tokens(line)


def _keep(ax: AxNode, by_id: Mapping[str, AxNode], depth: int, block: str, kept: list[Kept], *, named: bool) -> None:
    """Adds the kept nodes at and below `ax` to `kept`; `named`: an ancestor's name already says this text."""
    role = _value(ax, "role")
    ignored = ax.get("ignored", False)
    if not ignored and role not in _INLINE and role != "StaticText":
        block = ax["nodeId"]
    node = None
    if not ignored and role in _SHOWN:
        # as on a page without frames, where no line has to be numbered again
        node = _kept(ax, role, by_id, f"{ax.get('frame', 0)}-{len(kept) + 1}", depth, block, named=named)
    if node is not None:
        if kept and _joins(kept[-1], node):
            kept[-1] = _joined(kept[-1], node)
        else:
            kept.append(node)
        depth += 1
    if role in _WHOLE:
        return
    named = named or role == "LabelText" or (role in _NAMED_BY_CONTENT and not ignored)
    for child in ax.get("childIds", ()):
        if child in by_id:
            _keep(by_id[child], by_id, depth, block, kept, named=named)


def _kept(
    ax: AxNode, role: str, by_id: Mapping[str, AxNode], node_id: str, depth: int, block: str, *, named: bool
) -> Kept | None:
    backend_id = ax.get("backendDOMNodeId")
    if backend_id is None:
        return None
    name = " ".join(_value(ax, "name").split())
    frame, process = ax.get("frame", 0), ax.get("process", 0)
    if role == "RootWebArea" or (role in _CONTROLS and (name or role in _FIELDS)):
        options = tuple(ax.get("options") or _options(ax, by_id)) if role in CHOSEN else ()
        node = Node(
            node_id, role, name, _control_value(ax, role), options[:MAX_OPTIONS], depth, methods=ax.get("methods", ())
        )
        href = str(_property(ax, "url") or "") if role == "link" else ""
        pieces = tuple(_pieces(ax, by_id))
        return Kept(node, backend_id, href, frame=frame, tree_frame=frame, process=process, pieces=pieces)
    if name and not named and role in _READ:
        return Kept(
            Node(node_id, role, name, depth=depth),
            backend_id,
            block=block if role == "StaticText" else "",
            frame=frame,
            tree_frame=frame,
            process=process,
        )
    return None


def _control_value(ax: AxNode, role: str) -> str:
    if _property(ax, "disabled"):
        return DISABLED
    if role in ("checkbox", "radio", "switch", "menuitemcheckbox", "menuitemradio"):
        return "checked" if _property(ax, "checked") == "true" else ""
    if role == "button" and _property(ax, "pressed") == "true":
        return "pressed"  # a choice among buttons, such as a size, is seen as a ticked box is
    return "" if role == "RootWebArea" else " ".join(_value(ax, "value").split())


def _pieces(ax: AxNode, by_id: Mapping[str, AxNode]) -> Iterator[str]:
    """The texts and the names of pictures in a control that is clicked."""
    if _value(ax, "role") not in CLICKED:
        return
    waiting = [by_id[child] for child in reversed(ax.get("childIds", ())) if child in by_id]
    while waiting:
        node = waiting.pop()
        if _value(node, "role") in ("StaticText", "image") and not node.get("ignored", False):
            yield _value(node, "name")
        else:
            waiting += [by_id[child] for child in reversed(node.get("childIds", ())) if child in by_id]


def _options(ax: AxNode, by_id: Mapping[str, AxNode]) -> Iterator[str]:
    for child_id in ax.get("childIds", ()):
        child = by_id.get(child_id)
        if child is None:
            continue
        if _value(child, "role") == "option":
            if name := " ".join(_value(child, "name").split()):
                yield name
        else:
            yield from _options(child, by_id)


def _joins(last: Kept, node: Kept) -> bool:
    if last.node.role != node.node.role:
        return False
    return (bool(node.block) and last.block == node.block) or (bool(node.href) and last.href == node.href)


def _joined(last: Kept, node: Kept) -> Kept:
    if node.node.role == "StaticText":
        return replace(last, node=replace(last.node, name=f"{last.node.name} {node.node.name}"))
    return max(last, node, key=lambda kept: len(kept.node.name))


def _value(ax: AxNode, key: str) -> str:
    held = ax.get(key)
    return str(held.get("value") or "") if held else ""


def _property(ax: AxNode, name: str) -> object:
    for entry in cast("Sequence[AxNode]", ax.get("properties", ())):
        if entry["name"] == name:
            return entry["value"].get("value")
    return None
