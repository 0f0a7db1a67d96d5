"""A node of a page that a shopper is shown, with what the drivers need of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from simpersona.pages import Node, node_text
from simpersona.shopper.page_addresses import is_route
from simpersona.shopper.store_words import KEPT

Record = TypeVar("Record", Node, "Kept")


@dataclass(frozen=True)
class Kept:
    """A node of the page with the browser's number for it, which actions need."""

    node: Node
    backend_id: int
    href: str = ""
    block: str = ""  # text pieces of one block are joined
    frame: int = 0
    tree_frame: int = 0
    """The number of the frame in the whole tree, which counts empty frames too."""
    process: int = 0
    """0 for the page's own process; else the number of the frame that runs in a process of its own, with the frames in it."""
    pieces: tuple[str, ...] = ()
    """The texts and pictures' names inside a control, in their order."""

    def leads_on(self, written: str = "") -> bool:
        """Whether it is a link to another page; `written` is its address as the markup has it."""
        return bool(self.href) and _leads_on(written or self.href)


@lru_cache(maxsize=KEPT)
def _leads_on(written: str) -> bool:
    address = written.strip().lower()
    return (
        not address.startswith(("javascript:", "mailto:", "tel:"))
        and (not address.startswith("#") or is_route(address))
        and not address.endswith("#")
    )


def texts_of(lines: Sequence[Kept]) -> list[str]:
    """The texts of a page's lines, as a shopper is shown them."""
    return [node_text(line.node) for line in lines]


def changed(record: Record, **values: Any) -> Record:
    """A copy of a node or a line with other values: `dataclasses.replace` takes four times as long, for every line of a page."""
    copy = object.__new__(type(record))
    kept = vars(copy)
    kept.update(vars(record))
    kept.update(values)
    return copy
