"""What can be done next, and the situation it is chosen in, as texts and numbers for a policy that scores them.

A candidate is a node with a method that is offered for it, or to leave. All that is told of it and of the situation is
what a language model's prompt tells: the page, the goal, what was done so far.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from simpersona.pages import Action, Method, Node, Page
from simpersona.shopper.affordances import BACK, CHOSEN, DISCLOSURE, TYPED, choices, describe, part_shown
from simpersona.shopper.form_values import form_value
from simpersona.shopper.moves import MOVES, move_of, move_told

LEAVE = "leave the store"
_METHODS: tuple[Method, ...] = ("click", "fill", "press", "selectOptionFromDropdown", "nextChunk", "prevChunk", "goto")
_SEARCH = re.compile(r"\b(search|find)\b", re.IGNORECASE)
_COUNT = re.compile(r"\((\d+)\)$")
_GOAL = re.compile(r"^You are (?:interested in|here to (?:buy|browse)) (.+?)\.$")
_WORD = re.compile(r"[^\W\d_]{3,}")
_BUY = re.compile(r"\bto buy\b")
MOST_LINES = 4
"""Things in the cart from which on their number is not told apart."""
NUMBERS = len(_METHODS) + 4 + 6
"""Of one candidate."""
STATE = 6 + MOST_LINES + 4 * len(MOVES)
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
    move: Int[np.ndarray, " n"]
    """The kind of each candidate, as its place in MOVES."""
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
    kinds = [MOVES.index(move_of(one.node, one.method)) for one in (Candidate(), *able)]
    wanted = _stems(wish(goal))
    among, of_kind = Counter[int](), Counter(kinds)
    rows = [np.zeros(NUMBERS, np.float32)]
    for one, kind in zip(able, kinds[1:], strict=True):
        rows.append(_numbers(one, among[kind] / of_kind[kind], wanted, done))
        among[kind] += 1
    title = page.nodes[0].name if page.nodes else page.title
    last = done[-1] if done else "arrived"
    move = np.array(kinds, np.int64)
    return Situation((Candidate(), *able), move, np.stack(rows), (goal, title, last), _state(page, goal, done, move))


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
            *(float(one.method == method) for method in _METHODS),
            float(node.role == "link"),
            float(node.role in TYPED),
            float(node.role in CHOSEN),
            float(node.role == DISCLOSURE),
            len(wanted & stems) / max(len(wanted), 1),
            float(bool(node.value)),
            min(times, 3) / 3,
            float(bool(done) and bool(name) and name in done[-1]),
            place,
            min(_count(name), 3) / 3,
        ],
        np.float32,
    )


def _state(page: Page, goal: str, done: Sequence[str], move: Int[np.ndarray, " n"]) -> Float[np.ndarray, " STATE"]:
    """What a shopper knows of the visit: its length, the cart, what the page offers, what was done, and what last."""
    part, parts = part_shown(page.nodes[0]) if page.nodes else (1, 1)
    lines = max((_count(node.name) for node in page.nodes), default=0)
    told = [MOVES.index(move_told(action)) for action in done]
    last = np.zeros((2, len(MOVES)))
    for row, kind in zip(last, told[:-3:-1], strict=False):
        row[kind] = 1
    return np.concatenate(
        [
            [
                float(bool(_BUY.search(goal))),
                float(not done),
                np.log1p(min(len(done), 100)) / 3,
                part / parts,
                float(page.goes_back),
                np.log1p(_since_product(told)) / 3,
            ],
            np.arange(1, MOST_LINES + 1) <= lines,
            np.log1p(np.bincount(move, minlength=len(MOVES))) / 2,
            np.log1p(np.bincount(told, minlength=len(MOVES))) / 2 if told else np.zeros(len(MOVES)),
            *last,
        ]
    ).astype(np.float32)


def _since_product(told: Sequence[int]) -> int:
    """Actions since a product was last chosen from a list; all of them where none was."""
    chosen = [number for number, kind in enumerate(told) if MOVES[kind] == "product"]
    return len(told) - chosen[-1] - 1 if chosen else len(told)


def _stems(text: str) -> set[str]:
    return {word.removesuffix("s").removesuffix("e") for word in _WORD.findall(text.casefold())}


def _count(name: str) -> int:
    """The number in "Cart (2)"."""
    found = _COUNT.search(name)
    return int(found[1]) if found else 0
