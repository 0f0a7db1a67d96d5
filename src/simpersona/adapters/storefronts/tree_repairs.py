"""Nodes of an accessibility tree that a visitor uses otherwise than their roles say, in both drivers' trees.

A field for a date is one field, not three; a list that a click opens is clicked, and so is a field that is read only; a slider offers values; text that can be
edited is a text field.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from simpersona.adapters.storefronts.control_names import AxNode, text_below
from simpersona.adapters.storefronts.field_hints import slider_options
from simpersona.shopper.affordances import CHOSEN, CLICKED, TYPED

FORMED = frozenset({"Date", "DateTime", "InputTime", "ColorWell"})
"""Chromium's roles for fields that take a text of one form."""

_NO_FIELDS = CLICKED | TYPED | CHOSEN | {"RootWebArea", "StaticText", "InlineTextBox", "ListMarker", "image"}


def repair(ax_nodes: Sequence[AxNode]) -> None:
    """Changes the nodes in place."""
    by_id: dict[str, AxNode] = {}
    for node in ax_nodes:
        role = node.get("role", {}).get("value")
        if role in FORMED:
            node["role"] = {"value": "textbox"}
        elif role in TYPED and property_of(node, "readonly"):
            node["methods"] = ("click",)  # a calendar or a list opens
        elif role == "combobox":
            by_id = by_id or {node["nodeId"]: node for node in ax_nodes}
            if not _editable(node) and not _has_options(node, by_id):
                node["methods"] = ("click",)
                node.setdefault("value", {"value": text_below(node, by_id)})
        elif role == "slider":
            low, high = (_number(node, name, default) for name, default in (("valuemin", 0), ("valuemax", 100)))
            node["options"] = slider_options(low, high)
        elif role not in _NO_FIELDS and property_of(node, "editable") == "richtext":
            node["role"] = {"value": "textbox"}


def property_of(node: Mapping[str, Any], name: str) -> Any:
    """A property of a node; None if it has none of this name."""
    for entry in node.get("properties", ()):
        if entry["name"] == name:
            return entry["value"].get("value")
    return None


def _editable(node: AxNode) -> bool:
    return property_of(node, "editable") is not None and not property_of(node, "readonly")


def _has_options(node: AxNode, by_id: Mapping[str, AxNode]) -> bool:
    children = [by_id[child] for child in node.get("childIds", ()) if child in by_id]
    return any(child.get("role", {}).get("value") == "option" or _has_options(child, by_id) for child in children)


def _number(node: AxNode, name: str, default: float) -> float:
    value = property_of(node, name)
    return float(value) if isinstance(value, int | float) else default
