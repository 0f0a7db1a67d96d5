"""What can be done next, and the situation it is chosen in, as texts and numbers for a policy that scores them.

A candidate is a node with a method that is offered for it, or to leave. All that is told of it and of the situation is
what a language model's prompt tells: the page, the goal, what was done so far.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np
from jaxtyping import Float

from simpersona.pages import Action, Method, Node, Page
from simpersona.shopper.affordances import ADD, BACK, CHOSEN, DISCLOSURE, TYPED, choices, describe, part_shown
from simpersona.shopper.form_values import form_value

LEAVE = "leave the store"
_METHODS: tuple[Method, ...] = ("click", "fill", "press", "selectOptionFromDropdown", "nextChunk", "prevChunk", "goto")
_PRICE = re.compile(r"[$€£]\s?\d")
_CHECKOUT = re.compile(r"\bcheck ?out\b", re.IGNORECASE)
_ORDER = re.compile(r"\b(place|complete|submit|confirm) (the |my |your |and )*(order|purchase)\b", re.IGNORECASE)
_CART = re.compile(r"\b(cart|basket|bag)\b", re.IGNORECASE)
_SEARCH = re.compile(r"\b(search|find)\b", re.IGNORECASE)
_COUNT = re.compile(r"\((\d+)\)$")
_GOAL = re.compile(r"^You are (?:interested in|here to (?:buy|browse)) (.+?)\.$")
_WORD = re.compile(r"[^\W\d_]{3,}")
_KINDS = (ADD, _CHECKOUT, _ORDER, _CART, _SEARCH, _PRICE)
NUMBERS = 1 + len(_METHODS) + 4 + len(_KINDS) + 6
"""Of one candidate."""
STATE = 7 + 2 * len(_KINDS)
"""Numbers of a situation."""


@dataclass(frozen=True)
class Candidate:
    """Something that can be done; `node` and `method` are None for leaving."""

    node: Node | None = None
    method: Method | None = None

    @property
    def key(self) -> tuple[str | None, Method | None]:
        """The node's id and the method."""
        return self.node.id if self.node is not None else None, self.method

    @property
    def text(self) -> str:
        """What it is about, in words."""
        return self.node.name or self.node.role if self.node is not None else LEAVE


@dataclass(frozen=True)
class Situation:
    """One choice among n candidates, the first of which is to leave."""

    candidates: tuple[Candidate, ...]
    numbers: Float[np.ndarray, "n NUMBERS"]
    context: tuple[str, str, str]
    """The goal, the page's title, and what was done last, in words."""
    state: Float[np.ndarray, " STATE"]

    @property
    def texts(self) -> tuple[str, ...]:
        """Of the candidates."""
        return tuple(candidate.text for candidate in self.candidates)


def situation(page: Page, goal: str, done: Sequence[str]) -> Situation:
    """The choice on a page for a goal; `done` are the actions so far, as the progress log has them ("clicking on …")."""
    able = tuple(Candidate(node, method) for node, method in choices(page))
    wanted = _stems(wish(goal))
    size = max(len(page.nodes), 1)
    rows = [_numbers(one, place / size, wanted, done) for place, one in enumerate(able, start=1)]
    leave = np.zeros(NUMBERS, np.float32)
    leave[0] = 1
    title = page.nodes[0].name if page.nodes else page.title
    last = done[-1] if done else "arrived"
    return Situation((Candidate(), *able), np.stack([leave, *rows]), (goal, title, last), _state(page, done))


def wish(goal: str) -> str:
    """What a goal is about: "skirts" of "You are here to buy skirts."; the whole of another sentence."""
    found = _GOAL.match(goal)
    return found[1] if found else goal


def as_action(candidate: Candidate, goal: str, rng: np.random.Generator) -> Action | None:
    """The candidate as an action, its argument from the goal, from the test values or drawn; None to leave."""
    node, method = candidate.node, candidate.method
    if node is None or method is None:
        return None
    arguments: tuple[str, ...] = ()
    if method == "fill":
        searches = node.role == "searchbox" or bool(_SEARCH.search(node.name))
        number = "1" if node.role == "spinbutton" else None
        arguments = (number or (None if searches else form_value(node.name)) or wish(goal),)
    elif method == "press":
        arguments = ("Enter",)
    elif method == "goto":
        arguments = (BACK,)
    elif method == "selectOptionFromDropdown":
        others = [option for option in node.options if option != node.value] or list(node.options)
        arguments = (others[int(rng.integers(len(others)))],)
    return Action(node.id, method, describe(node, method), arguments)


def done_actions(log: Sequence[str]) -> list[str]:
    """The actions that a progress log tells, in order."""
    return [line.removeprefix("- Action: ") for line in log if line.startswith("- Action: ")]


def _numbers(one: Candidate, place: float, wanted: set[str], done: Sequence[str]) -> Float[np.ndarray, " NUMBERS"]:
    node = one.node
    assert node is not None
    name, stems = node.name, _stems(node.name)
    times = sum(name in action for action in done) if name else 0
    return np.array(
        [
            0.0,
            *(float(one.method == method) for method in _METHODS),
            float(node.role == "link"),
            float(node.role in TYPED),
            float(node.role in CHOSEN),
            float(node.role == DISCLOSURE),
            *(float(bool(kind.search(name))) for kind in _KINDS),
            len(wanted & stems) / max(len(wanted), 1),
            float(bool(node.value)),
            min(times, 3) / 3,
            float(bool(done) and bool(name) and name in done[-1]),
            place,
            min(_count(name), 3) / 3,
        ],
        np.float32,
    )


def _state(page: Page, done: Sequence[str]) -> Float[np.ndarray, " STATE"]:
    names = [node.name for node in page.nodes]
    part, parts = part_shown(page.nodes[0]) if page.nodes else (1, 1)
    since_add = sum(1 for _ in takewhile(lambda action: not ADD.search(_named(action)), reversed(done)))
    return np.array(
        [
            min(len(done), 20) / 10,
            float(not done),
            min(max(map(_count, names), default=0), 5) / 5,
            min(sum(bool(_PRICE.search(name)) for name in names), 20) / 20,
            float(any(node.role in TYPED and not node.value for node in page.nodes)),
            part / parts,
            1 / (1 + since_add) if since_add < len(done) else 0.0,
            *(float(any(kind.search(name) for name in names)) for kind in _KINDS),
            *(min(sum(bool(kind.search(_named(action))) for action in done), 5) / 5 for kind in _KINDS),
        ],
        np.float32,
    )


def _named(action: str) -> str:
    """The node's name in the words of an action: "clicking on the Add to cart button" has "Add to cart"."""
    return action.partition(" the ")[2].rpartition(" ")[0] or action


def _stems(text: str) -> set[str]:
    return {word.removesuffix("s").removesuffix("e") for word in _WORD.findall(text.casefold())}


def _count(name: str) -> int:
    """The number in "Cart (2)"."""
    found = _COUNT.search(name)
    return int(found[1]) if found else 0
