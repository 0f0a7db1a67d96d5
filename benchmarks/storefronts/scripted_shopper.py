"""A shopper with a plan: search or a collection, a product, its options, the cart, the checkout. It acts on what the page shows alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from simpersona.pages import Action, Decision, Method, Node, Page
from simpersona.shopper.affordances import describe, fits, offered, part_shown, usable
from simpersona.visits import Observation

MAX_PARTS = 12
"""Parts of a page that the shopper looks through for one entry of the plan."""


@dataclass(frozen=True)
class Do:
    """One entry of a plan: what is done with the node whose name matches.

    A `choose` takes the option `text`, from a list that the control has or that it opens. An `optional` entry is left out
    where its node is not shown. `at` is the place among the nodes that match; further places are taken as they come.
    """

    method: Method
    name: str
    text: str = ""
    optional: bool = False
    at: int = 0
    roles: tuple[str, ...] = ()

    def node(self, page: Page) -> Node | None:
        """The node on this page, or None."""
        matching = [
            node
            for node in page.nodes
            if re.search(self.name, node.name, re.IGNORECASE)
            and (node.role in self.roles if self.roles else usable(node))
            and (fits(node, self.method) or self.method == "selectOptionFromDropdown")
        ]
        return matching[min(self.at, len(matching) - 1)] if matching else None


@dataclass
class ScriptedShopper:
    """One visit's policy: follows its plan to the end and leaves. What cannot be done is in `given_up`."""

    plan: Sequence[Do]
    name: str = "scripted shopper"
    given_up: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._moves = self._play()
        self._page: Page | None = None
        next(self._moves)

    async def act(self, observation: Observation) -> Decision:
        """The next action of the plan, or the end."""
        self._page = observation.page
        return Decision(next(self._moves, None), "")

    def _play(self) -> Iterator[Action | None]:
        """The actions one by one; each is made for the page that the one before has led to."""
        yield None  # until the first page is there
        for step in self.plan:
            yield from self._done(step)

    def _done(self, step: Do) -> Iterator[Action]:
        forward = True
        for _ in range(MAX_PARTS):
            page = self._page
            assert page is not None
            if (node := step.node(page)) is not None:
                yield from self._act(step, node)
                return
            part, parts = part_shown(page.nodes[0]) if page.nodes else (1, 1)
            forward = forward and part < parts
            if not forward and part == 1:
                break
            yield _action(page.nodes[0], "nextChunk" if forward else "prevChunk")
        if not step.optional:
            self.given_up.append(f"{step.method} {step.name}")

    def _act(self, step: Do, node: Node) -> Iterator[Action]:
        if step.method != "selectOptionFromDropdown" or step.text in node.options:
            yield _action(node, step.method, step.text)
            return
        yield _action(node, "click")
        assert self._page is not None
        opened = next((one for one in self._page.nodes if one.name == step.text), None)
        lists = next((one for one in self._page.nodes if step.text in one.options and offered(one)), None)
        if opened is not None and fits(opened, "click"):
            yield _action(opened, "click")
        elif lists is not None:
            yield _action(lists, "selectOptionFromDropdown", step.text)
        else:
            self.given_up.append(f"choose {step.text}")


def _action(node: Node, method: Method, text: str = "") -> Action:
    return Action(node.id, method, describe(node, method), (text,) if text else ())
