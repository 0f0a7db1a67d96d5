"""Why a form was refused: the fields that a browser, or the page, does not accept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Fault = Literal["missing", "kind", "range", "form", "length", "other"]

_FAULTS: dict[Fault, str] = {
    "missing": "must be filled in",
    "kind": "does not take this value",
    "range": "does not take a number or a date like this",
    "form": "has another form",
    "length": "is too short or too long",
    "other": "is not accepted",
}


@dataclass(frozen=True)
class InvalidField:
    """A field that keeps a form from being sent; `detail` is what the page itself says about it."""

    label: str
    fault: Fault
    detail: str = ""

    @property
    def text(self) -> str:
        """The fault as a part of a sentence."""
        return f"“{self.label or 'a field without a name'}” {_FAULTS[self.fault]}" + (
            f": {self.detail}" if self.detail else ""
        )


def refused(fields: Sequence[InvalidField]) -> str | None:
    """The reason why a form with these fields was refused; None if there are none."""
    if not fields:
        return None
    others = len(fields) - 1
    more = f", and {others} more field{'s' * (others > 1)}" if others else ""
    return f"The form was refused: {fields[0].text}{more}"


def marked_fields(ax_nodes: Iterable[Mapping[str, Any]]) -> list[InvalidField]:
    """The fields that the page itself marks as invalid, with what it says about them."""
    return [
        InvalidField(_text(node, "name"), "other", _text(node, "description"))
        for node in ax_nodes
        if node.get("marked") and not node.get("ignored")
    ]


def newly_refused(now: Sequence[InvalidField], before: Sequence[InvalidField], *, is_same: bool) -> str | None:
    """Why the page refuses what the visitor has just sent, by the fields that it marks; `is_same`: nothing else has changed."""
    return refused(now) if is_same or set(now) - set(before) else None


def _text(node: Mapping[str, Any], key: str) -> str:
    return " ".join(str(node.get(key, {}).get("value") or "").split())
