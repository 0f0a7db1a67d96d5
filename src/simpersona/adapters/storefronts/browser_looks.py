"""The looks of a page in the browser: what is drawn, what listens to clicks, where the pointer becomes a hand.

It is read where the page runs scripts, hides fields behind labels, or has controls without a name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from simpersona.adapters.storefronts.control_names import MAX_INSIDE, Clues, clues_of


class Looks:
    """A page's elements in the order of the page, with their parents, attributes and cursors; an element is an index."""

    def __init__(self, snapshot: Mapping[str, Any]) -> None:
        self._strings: list[str] = snapshot["strings"]
        self.parents: list[int] = []
        self.backend_ids: list[int] = []
        self.tags: list[str] = []
        self._attributes: list[Sequence[int]] = []
        self.clickable: set[int] = set()
        """Elements that listen to clicks."""
        self.checked: set[int] = set()
        self.boxes: dict[int, Sequence[float]] = {}
        """Left, top, width and height of what is drawn."""
        self._cursors: dict[int, str] = {}
        for document in snapshot["documents"]:
            self._add(document)
        self.index = {backend_id: index for index, backend_id in enumerate(self.backend_ids)}

    def _add(self, document: Mapping[str, Any]) -> None:
        nodes, layout, first = document["nodes"], document["layout"], len(self.parents)
        self.parents += [parent + first if parent >= 0 else -1 for parent in nodes["parentIndex"]]
        self.backend_ids += nodes["backendNodeId"]
        self.tags += [self._strings[name].lower() for name in nodes["nodeName"]]
        self._attributes += nodes["attributes"]
        self.clickable.update(first + index for index in nodes["isClickable"]["index"])
        self.checked.update(first + index for index in nodes["inputChecked"]["index"])
        drawn = zip(layout["nodeIndex"], layout["bounds"], layout["styles"], strict=True)
        for index, bounds, styles in drawn:
            self.boxes.setdefault(first + index, bounds)
            if styles:
                self._cursors.setdefault(first + index, self._strings[styles[0]])

    def attributes(self, index: int) -> dict[str, str]:
        """An element's attributes, names in small letters."""
        flat = [self._strings[number] if number >= 0 else "" for number in self._attributes[index]]
        return {name.lower(): value for name, value in zip(flat[::2], flat[1::2], strict=True)}

    def points(self, index: int) -> bool:
        """Whether the pointer becomes a hand on the element, but not around it."""
        return self._cursors.get(index) == "pointer" and self._cursors.get(self.parents[index]) != "pointer"

    def is_drawn(self, index: int) -> bool:
        """Whether the element takes up room on the page."""
        box = self.boxes.get(index)
        return box is not None and box[2] > 0 and box[3] > 0

    def around(self, index: int) -> Iterator[int]:
        """The elements around an element, the nearest first."""
        while (index := self.parents[index]) >= 0:
            yield index

    def children(self, index: int) -> Iterator[int]:
        """The elements directly in an element."""
        for other in range(index + 1, len(self.parents)):
            if self.parents[other] < index:
                return
            if self.parents[other] == index and self.tags[other][:1] not in "#:":
                yield other

    def inside(self, index: int) -> Iterator[int]:
        """The first elements inside an element."""
        for other in range(index + 1, min(index + 1 + MAX_INSIDE, len(self.parents))):
            if self.parents[other] < index:
                return
            yield other

    def clues(self, backend_id: int) -> Clues:
        """What an element without a name may be called by."""
        index = self.index.get(backend_id)
        if index is None:
            return Clues()
        own = self.attributes(index)
        inner = [(self.tags[other], self.attributes(other)) for other in self.inside(index)]
        return clues_of(own, inner)
