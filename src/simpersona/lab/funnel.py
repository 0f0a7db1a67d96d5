"""A visit as a chain over the funnel: states, legal moves, and the exact rates that follow from them.

The state of a visit is what the buyer did last and how many lines the cart holds. A move is legal
by construction: a product is added from its page, removed and checked out from a filled cart, and
a checkout is completed only after it was started.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import astuple, dataclass
from enum import IntEnum
from functools import lru_cache

import numpy as np
from jaxtyping import Float


class Did(IntEnum):
    """What a buyer did last."""

    HOME = 0
    SEARCH = 1
    COLLECTION = 2
    VIEW = 3
    ADD = 4
    REMOVE = 5
    CART = 6
    START = 7
    COMPLETE = 8
    LEAVE = 9


STATES = len(Did)
CART_LINES = 4
"""A cart holds at most this many lines."""
AGAIN = 0.3
"""Share of the looks from a list of products that go elsewhere than to one of them."""
MAX_EVENTS = 40
"""A visit that is longer ends here."""


@dataclass(frozen=True)
class Habits:
    """How a kind of visit goes: every number is a probability."""

    look: tuple[float, float, float]
    """Where one looks next: search, collection, product."""
    home: float
    """The visit begins on the home page; else where one looks."""
    leave_home: float
    """After the home page."""
    leave_list: float
    """After the results of a search or a collection."""
    leave: float
    """After a product that was only looked at."""
    add: float
    """The product on the page goes into the cart."""
    cart_after_add: float
    leave_after_add: float
    cart_after_view: float
    """With something in the cart."""
    start: float
    """From the cart to the checkout."""
    remove: float
    """One line, in the cart."""
    leave_cart: float
    complete: float
    """A started checkout."""
    back: float
    """From the checkout to the cart; else the visit ends."""


def entry(habits: Habits) -> Float[np.ndarray, " states"]:
    """The probability of each first event."""
    first = (1 - habits.home) * _looking(habits)
    first[Did.HOME] += habits.home
    return first


def moves(habits: Habits) -> Float[np.ndarray, "states lines states"]:
    """The probability of the next event, given the last one and the lines in the cart after it (0 to CART_LINES)."""
    table = np.zeros((STATES, CART_LINES + 1, STATES))
    look = _looking(habits)
    into_product = AGAIN * look
    into_product[Did.VIEW] += 1 - AGAIN
    for lines in range(CART_LINES + 1):
        table[Did.HOME, lines] = _go(look, leave=habits.leave_home)
        table[Did.SEARCH, lines] = table[Did.COLLECTION, lines] = _go(into_product, leave=habits.leave_list)
        add = habits.add if lines < CART_LINES else 0.0
        cart = (1 - add) * habits.cart_after_view if lines else 0.0
        looked = _go(look, leave=habits.leave)
        table[Did.VIEW, lines] = (1 - add - cart) * looked
        table[Did.VIEW, lines, [Did.ADD, Did.CART]] = add, cart
        if lines:
            table[Did.ADD, lines] = _go(look, cart=habits.cart_after_add, leave=habits.leave_after_add)
            table[Did.CART, lines] = table[Did.REMOVE, lines] = _go(
                look, start=habits.start, remove=habits.remove, leave=habits.leave_cart
            )
            table[Did.START, lines] = _go(
                np.zeros(STATES), complete=habits.complete, cart=habits.back, leave=1 - habits.complete - habits.back
            )
        else:
            table[Did.REMOVE, lines] = _go(look, leave=0.5)  # the last line is gone
    table[[Did.COMPLETE, Did.LEAVE], :, Did.LEAVE] = 1
    return table


def _looking(habits: Habits) -> np.ndarray:
    look = np.zeros(STATES)
    look[[Did.SEARCH, Did.COLLECTION, Did.VIEW]] = habits.look
    return look


def _go(rest: np.ndarray, **named: float) -> np.ndarray:
    """A row with the named probabilities; what is left goes where `rest` says."""
    row = (1 - sum(named.values())) * rest
    for name, probability in named.items():
        row[Did[name.upper()]] += probability
    return row


@dataclass(frozen=True)
class Rates:
    """Shares of visits in which something happens at least once, and the mean number of events."""

    add_to_cart: float
    checkout_start: float
    purchase: float
    events: float

    def __add__(self, other: Rates) -> Rates:
        return Rates(*(here + there for here, there in zip(astuple(self), astuple(other), strict=True)))

    def __mul__(self, factor: float) -> Rates:
        return Rates(*(value * factor for value in astuple(self)))

    def __sub__(self, other: Rates) -> Rates:
        return self + other * -1


@lru_cache(maxsize=4096)  # shops share their types
def rates(habits: Habits) -> Rates:
    """What the chain gives exactly, the end at MAX_EVENTS included: no simulation."""
    return Rates(
        add_to_cart=reached(habits, (Did.ADD,)),
        checkout_start=reached(habits, (Did.START,)),
        purchase=reached(habits, (Did.COMPLETE,)),
        events=float(counts(habits).sum()),
    )


@lru_cache(maxsize=4096)
def reached(habits: Habits, targets: tuple[Did, ...]) -> float:
    """The share of visits in which one of `targets` happens."""
    mass, step = _begin(habits), _steps(habits)
    rows = _rows(targets)
    share = 0.0
    for _ in range(MAX_EVENTS):
        share += mass[rows].sum()
        mass[rows] = 0
        mass = mass @ step
    return float(share)


def counts(habits: Habits) -> Float[np.ndarray, " states"]:
    """How often each event happens in a visit, on average; LEAVE is none."""
    mass, step = _begin(habits), _steps(habits)
    found = np.zeros(len(mass))
    for _ in range(MAX_EVENTS):
        found += mass
        mass = mass @ step
    found[_rows((Did.LEAVE,))] = 0
    return found.reshape(STATES, -1).sum(1)


def lengths(habits: Habits, kinds: Collection[Did]) -> Float[np.ndarray, " lengths"]:
    """The distribution of the number of events of these kinds in a visit: 0 to MAX_EVENTS."""
    rows, step = _rows(kinds), _steps(habits).T
    mass = np.zeros((len(step), MAX_EVENTS + 1))
    mass[:, 0] = _begin(habits)
    for _ in range(MAX_EVENTS):
        mass[rows, 1:], mass[rows, 0] = mass[rows, :-1], 0
        mass = step @ mass
    return mass.sum(0)


def _rows(kinds: Collection[Did]) -> np.ndarray:
    return (np.array(kinds)[:, None] * (CART_LINES + 1) + np.arange(CART_LINES + 1)).ravel()


def _begin(habits: Habits) -> Float[np.ndarray, " joint"]:
    mass = np.zeros((STATES, CART_LINES + 1))
    mass[:, 0] = entry(habits)
    return mass.ravel()


def _steps(habits: Habits) -> Float[np.ndarray, "joint joint"]:
    """Moves over the whole state: a line more after an addition, one less after a removal."""
    table = moves(habits)
    joint = np.zeros((STATES, CART_LINES + 1, STATES, CART_LINES + 1))
    change = np.zeros(STATES, int)
    change[Did.ADD], change[Did.REMOVE] = 1, -1
    for lines in range(CART_LINES + 1):
        after = np.clip(lines + change, 0, CART_LINES)
        joint[:, lines, np.arange(STATES), after] = table[:, lines]
    return joint.reshape(STATES * (CART_LINES + 1), -1)
