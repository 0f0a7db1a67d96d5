"""The actions that a page offers and the situation of the choice, as texts and numbers for a policy that scores them.

A candidate is a node with a method that is offered for it, or leaving. Candidates and situation use only what a language
model's prompt shows: the page, the goal and the actions so far.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from simpersona.pages import Action, Method, Node, Page, Purpose
from simpersona.shopper.affordances import BACK, CHOSEN, DISCLOSURE, TYPED, choices, describe, part_shown
from simpersona.shopper.asides import aside, aside_shares, asides_done, closes_cover
from simpersona.shopper.cart_count import cart_count, in_cart
from simpersona.shopper.form_values import form_value
from simpersona.shopper.moves import MOVES, move_of, past_move, searches
from simpersona.shopper.prompt import action_text
from simpersona.shopper.repeated_search import repeats_search
from simpersona.visits import Goal, Observation, Step

LEAVE = "leave the store"
_METHODS: tuple[Method, ...] = ("click", "fill", "press", "selectOptionFromDropdown", "nextChunk", "prevChunk", "goto")
_WORD = re.compile(r"[^\W\d_]{3,}")
_NAMED_WISH = len(_METHODS) + 4
"""The column of a candidate's features that says how much of the wish its name holds."""
MOST_LINES = 4
"""The largest number of things in the cart that is distinguished."""
NUMBERS = len(_METHODS) + 4 + 6
"""The number of features of one candidate."""
STATE = 7 + 6 + MOST_LINES + 4 * len(MOVES)
"""The number of features of a situation."""


@dataclass(frozen=True)
class Candidate:
    """A possible action; `node` and `method` are None for leaving."""

    node: Node | None = None
    method: Method | None = None

    @property
    def key(self) -> tuple[str | None, Method | None]:
        """The node's id and the method."""
        return self.node.id if self.node is not None else None, self.method

    @property
    def text(self) -> str:
        """The text that is embedded."""
        return self.node.label or self.node.role if self.node is not None else LEAVE


@dataclass(frozen=True)
class Situation:
    """One choice among n candidates, the first of which is to leave.

    What is beside the purchase (`asides`) is a candidate, but no part of the situation: neither numbers nor state show it.
    """

    candidates: tuple[Candidate, ...]
    move: Int[np.ndarray, " n"]
    """The kind of each candidate, as its index in MOVES."""
    fixed: Float[np.ndarray, " n"]
    """The share of each candidate that is beside the purchase; 0 for the others, which a policy shares the rest among."""
    numbers: Float[np.ndarray, "n NUMBERS"]
    context: tuple[str, str, str]
    """The texts of the wish, the page's title and the last action."""
    state: Float[np.ndarray, " STATE"]

    @property
    def texts(self) -> tuple[str, ...]:
        """The candidates' texts."""
        return tuple(candidate.text for candidate in self.candidates)

    @property
    def scored(self) -> Bool[np.ndarray, " n"]:
        """Which candidates a policy scores: those that are not beside the purchase."""
        return self.fixed == 0

    @property
    def scored_candidates(self) -> tuple[Candidate, ...]:
        """The candidates that a policy scores."""
        return tuple(candidate for candidate, counts in zip(self.candidates, self.scored, strict=True) if counts)

    def with_asides(self, scores: Float[np.ndarray, "*rows k"]) -> Float[np.ndarray, "*rows n"]:
        """The log-probabilities of all candidates, from those of the candidates that are scored."""
        logs = np.empty((*scores.shape[:-1], len(self.candidates)))
        logs[..., ~self.scored] = np.log(self.fixed[~self.scored])
        logs[..., self.scored] = scores + np.log1p(-self.fixed.sum())
        return logs


def situation(observation: Observation) -> Situation:
    """The choice that a policy has: what the page offers, and leaving."""
    page, goal = observation.page, observation.goal
    offered = tuple(
        Candidate(node, method) for node, method in choices(page) if not repeats_search(observation, node, method)
    )
    is_covered = "covered" in page.troubles
    beside: list[Purpose | None] = [None, *(_beside(candidate, is_covered=is_covered) for candidate in offered)]
    kinds = [MOVES.index(move_of(candidate.node, candidate.method)) for candidate in (Candidate(), *offered)]
    steps = [(step, action) for step, action in observation.actions if not _is_beside(step.page, action)]
    done = [action_text(action) for _, action in steps]
    wanted = _stems(wish(goal))
    scored = np.array([purpose is None for purpose in beside])
    before, of_kind = Counter[int](), Counter(kind for kind, counts in zip(kinds, scored, strict=True) if counts)
    rows = [np.zeros(NUMBERS, np.float32)]
    for candidate, kind, counts in zip(offered, kinds[1:], scored[1:], strict=True):
        rows.append(_numbers(candidate, before[kind] / max(of_kind[kind], 1), wanted, done))
        before[kind] += int(counts)
    title = page.nodes[0].name if page.nodes else page.title
    last = done[-1] if done else "arrived"
    move, numbers = np.array(kinds, np.int64), np.stack(rows)
    under_overlay = is_covered or "overlay" in page.troubles
    fixed = np.array(aside_shares(beside, asides_done(observation.actions), is_covered=under_overlay))
    context = (wish(goal), title, last)
    in_sight = _in_sight(steps, move[scored], numbers[scored], wanted, title)
    state = np.concatenate([_state(observation, [step for step, _ in steps], move[scored]), in_sight])
    return Situation((Candidate(), *offered), move, fixed, numbers, context, state)


def _beside(candidate: Candidate, *, is_covered: bool) -> Purpose | None:
    """What a candidate is for, if that is beside the purchase: also closing what has just covered a control."""
    assert candidate.node is not None
    return "consent" if is_covered and closes_cover(candidate.node) else aside(candidate.node)


def _is_beside(page: Page, action: Action) -> bool:
    """Whether an action used something beside the purchase."""
    node = page.node(action.node)
    return node is not None and aside(node) is not None


def wish(goal: Goal) -> str:
    """What a goal asks for: "skirts", or the whole text of a goal without a wish."""
    return goal.wish or goal.text


def as_action(candidate: Candidate, goal: Goal, rng: np.random.Generator) -> Action | None:
    """The candidate as an action, its argument from the goal, from the test values or drawn; None for leaving."""
    node, method = candidate.node, candidate.method
    if node is None or method is None:
        return None
    arguments: tuple[str, ...] = ()
    if method == "fill":
        number = "1" if node.role == "spinbutton" else None
        arguments = (number or (None if searches(node) else form_value(node.name)) or wish(goal),)
    elif method == "press":
        arguments = ("Enter",)
    elif method == "goto":
        arguments = (BACK,)
    elif method == "selectOptionFromDropdown":
        others = [option for option in node.options if option != node.value] or list(node.options)
        arguments = (others[int(rng.integers(len(others)))],)
    return Action(node.id, method, describe(node, method), arguments)


def _numbers(candidate: Candidate, rank: float, wanted: set[str], done: Sequence[str]) -> Float[np.ndarray, " NUMBERS"]:
    """One candidate's features; `rank` is the share of the candidates of its kind that stand before it, `done` the texts of
    the actions so far, in which a name counts wherever it occurs.
    """
    node = candidate.node
    assert node is not None
    name, stems = node.label, _stems(node.label)
    times = sum(name in action for action in done) if name else 0
    return np.array(
        [
            *(float(candidate.method == method) for method in _METHODS),
            float(node.role == "link"),
            float(node.role in TYPED),
            float(node.role in CHOSEN),
            float(node.role == DISCLOSURE),
            _share(wanted, stems),
            float(bool(node.value)),
            min(times, 3) / 3,
            float(bool(done) and bool(name) and name in done[-1]),
            rank,
            min(cart_count(node) or 0, 3) / 3,
        ],
        np.float32,
    )


def _state(
    observation: Observation, steps: Sequence[Step], move: Int[np.ndarray, " n"]
) -> Float[np.ndarray, " STATE_OF_VISIT"]:
    """The state of the visit: its length, the cart, what the page offers, the moves so far and the last two of them."""
    page = observation.page
    part, parts = part_shown(page.nodes[0]) if page.nodes else (1, 1)
    past = [MOVES.index(past_move(step)) for step in steps]
    last = np.zeros((2, len(MOVES)))
    for row, kind in zip(last, past[:-3:-1], strict=False):
        row[kind] = 1
    return np.concatenate(
        [
            [
                float(observation.goal.intent == "buy"),
                float(observation.goal.intent is not None),
                float(not past),
                np.log1p(min(len(past), 100)) / 3,
                part / parts,
                float(page.goes_back),
                np.log1p(_since_product(past)) / 3,
            ],
            np.arange(1, MOST_LINES + 1) <= in_cart(page),
            np.log1p(np.bincount(move, minlength=len(MOVES))) / 2,
            np.log1p(np.bincount(past, minlength=len(MOVES))) / 2 if past else np.zeros(len(MOVES)),
            *last,
        ]
    ).astype(np.float32)


def _in_sight(
    steps: Sequence[tuple[Step, Action]],
    move: Int[np.ndarray, " n"],
    numbers: Float[np.ndarray, "n NUMBERS"],
    wanted: set[str],
    title: str,
) -> Float[np.ndarray, " 6"]:
    """What of the wish is in sight, from words alone: in the page's title, among its products and its links, in the product
    opened last, and in what was searched for. Without these a shopper cannot tell a page without the wanted products.
    """
    names = numbers[:, _NAMED_WISH]
    products, links = (names[move == MOVES.index(kind)] for kind in ("product", "link"))
    opened = searched = 0.0
    for step, action in steps:
        kind = past_move(step)
        if kind in ("product", "link"):
            opened = _share(wanted, _stems(action.description))
        elif kind == "search" and action.arguments:
            searched = max(searched, _share(wanted, _stems(action.arguments[0])))
    return np.array(
        [
            _share(wanted, _stems(title)),
            products.max(initial=0),
            products.mean() if len(products) else 0,
            links.max(initial=0),
            opened,
            searched,
        ],
        np.float32,
    )


def _share(wanted: set[str], stems: set[str]) -> float:
    """The share of the wish's words among the words of a text."""
    return len(wanted & stems) / max(len(wanted), 1)


def _since_product(past: Sequence[int]) -> int:
    """The number of moves since a product was last chosen from a list; all of them if none was."""
    chosen = [number for number, kind in enumerate(past) if MOVES[kind] == "product"]
    return len(past) - chosen[-1] - 1 if chosen else len(past)


def _stems(text: str) -> set[str]:
    return {word.removesuffix("s").removesuffix("e") for word in _WORD.findall(text.casefold())}
