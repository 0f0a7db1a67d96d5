"""The elements of a page's markup behind its nodes, alike for both drivers: what the accessibility tree does not say.

A form's address, the class of an icon, the element around a product's picture and its price are in the markup alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from simpersona.adapters.storefronts.kept import Kept

_NO_CHILDREN: list[Element] = []
"""The one list of all elements without any, which are most; nothing is ever added to it."""


@dataclass(eq=False, repr=False, slots=True)
class Element:
    """One element, its attributes by their names in small letters."""

    tag: str
    attributes: Mapping[str, str]
    parent: Element | None = None
    children: list[Element] = field(init=False)
    around: tuple[Element, ...] = field(init=False)
    """The element and those around it, from the inside out, to the root of its document: read for every line of a page."""

    def __post_init__(self) -> None:
        self.children = _NO_CHILDREN
        if self.parent is None:
            self.around = (self,)
            return
        self.around = (self, *self.parent.around)
        if self.parent.children is _NO_CHILDREN:
            self.parent.children = []
        self.parent.children.append(self)

    def inside(self) -> Iterator[Element]:
        """The element and those in it, in the order of the page."""
        waiting: list[Element] = [self]
        while waiting:
            element = waiting.pop()
            yield element
            waiting.extend(reversed(element.children))

    def get(self, *names: str) -> str:
        """The values of attributes, with spaces between them; empty without any."""
        if len(names) == 1:
            return self.attributes.get(names[0], "")
        return " ".join([value for name in names if (value := self.attributes.get(name))])

    def nearest(self, *tags: str) -> Element | None:
        """The element itself or the nearest around it with one of these tags."""
        for element in self.around:
            if element.tag in tags:
                return element
        return None


def all_around(elements: Iterable[Element | None]) -> set[Element]:
    """The elements and all that they are in."""
    found = set[Element]()
    for element in elements:
        for above in () if element is None else element.around:
            if above in found:
                break  # and so is what is around it
            found.add(above)
    return found


@dataclass(frozen=True)
class Markup:
    """The elements of a page and of its frames by the browser's numbers of nodes; a text has the element around it."""

    elements: Mapping[int, Element] = field(default_factory=dict)
    data: tuple[str, ...] = ()
    """The page's structured data (JSON-LD), as text."""
    others: Mapping[int, Markup] = field(default_factory=dict)
    """The markup of the frames that run in a process of their own, which has its own numbers of nodes."""

    def element(self, line: Kept) -> Element | None:
        """The element behind a line of the page; None where it is not known."""
        markup = self.others.get(line.process) if line.process else self
        return None if markup is None else markup.elements.get(line.backend_id)

    def release(self) -> None:
        """Takes the elements apart once the page has been read: they refer to each other, and the collection of such objects
        takes a tenth of a visit's processor time.
        """
        for root in {element.around[-1] for element in self.elements.values() if element.around}:
            for element in list(root.inside()):
                element.parent, element.children, element.around = None, _NO_CHILDREN, ()


NO_MARKUP = Markup()
"""Of a page whose markup is not known: its nodes are named as they are."""
