"""A visit as a Markov chain over the funnel: states, transition probabilities, and the exact rates that follow.

The state of a visit is the last action and the number of lines in the cart. Transitions are legal by construction: a
product is added from its page, removed and checked out from a filled cart, and a checkout is completed only after its
start.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import astuple, dataclass
from enum import IntEnum
from functools import lru_cache

import numpy as np
from jaxtyping import Float


class Action(IntEnum):
    """The actions of a buyer; the last one is part of the state."""

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


STATES = len(Action)
CART_LINES = 4
"""A cart holds at most this many lines."""
AGAIN = 0.3
"""Probability that the next look after a list of products does not go to a product of the list."""
MAX_EVENTS = 40
"""Maximum number of events of a visit."""


@dataclass(frozen=True)
class Habits:
    """The transition probabilities of one kind of visit."""

    look: tuple[float, float, float]
    """The next look goes to a search, a collection or a product."""
    home: float
    """The visit starts on the home page, otherwise with a look."""
    leave_home: float
    """The visit ends after the home page."""
    leave_list: float
    """The visit ends after search results or a collection."""
    leave: float
    """The visit ends after a product that was only viewed."""
    add: float
    """The product on the page is added to the cart."""
    cart_after_add: float
    leave_after_add: float
    cart_after_view: float
    """The cart is opened from a product page, if it is not empty."""
    start: float
    """The checkout is started from the cart."""
    remove: float
    """One line is removed in the cart."""
    leave_cart: float
    complete: float
    """A started checkout is completed."""
    back: float
    """From the checkout back to the cart; otherwise the visit ends."""


def entry(habits: Habits) -> Float[np.ndarray, " states"]:
    """The probability of each first event."""
    first = (1 - habits.home) * _looking(habits)
    first[Action.HOME] += habits.home
    return first


def moves(habits: Habits) -> Float[np.ndarray, "states lines states"]:
    """The probability of the next event, given the last event and the lines in the cart after it (0 to CART_LINES)."""
    table = np.zeros((STATES, CART_LINES + 1, STATES))
    look = _looking(habits)
    into_product = AGAIN * look
    into_product[Action.VIEW] += 1 - AGAIN
    for lines in range(CART_LINES + 1):
        table[Action.HOME, lines] = _go(look, leave=habits.leave_home)
        table[Action.SEARCH, lines] = table[Action.COLLECTION, lines] = _go(into_product, leave=habits.leave_list)
        add = habits.add if lines < CART_LINES else 0.0
        cart = (1 - add) * habits.cart_after_view if lines else 0.0
        looked = _go(look, leave=habits.leave)
        table[Action.VIEW, lines] = (1 - add - cart) * looked
        table[Action.VIEW, lines, [Action.ADD, Action.CART]] = add, cart
        if lines:
            table[Action.ADD, lines] = _go(look, cart=habits.cart_after_add, leave=habits.leave_after_add)
            table[Action.CART, lines] = table[Action.REMOVE, lines] = _go(
                look, start=habits.start, remove=habits.remove, leave=habits.leave_cart
            )
            table[Action.START, lines] = _go(
                np.zeros(STATES), complete=habits.complete, cart=habits.back, leave=1 - habits.complete - habits.back
            )
        else:
            table[Action.REMOVE, lines] = _go(look, leave=0.5)  # the cart is empty now
    table[[Action.COMPLETE, Action.LEAVE], :, Action.LEAVE] = 1
    return table


def _looking(habits: Habits) -> np.ndarray:
    look = np.zeros(STATES)
    look[[Action.SEARCH, Action.COLLECTION, Action.VIEW]] = habits.look
    return look


def _go(rest: np.ndarray, **named: float) -> np.ndarray:
    """A row with the named probabilities; the remaining probability is distributed as in `rest`."""
    row = (1 - sum(named.values())) * rest
    for name, probability in named.items():
        row[Action[name.upper()]] += probability
    return row


@dataclass(frozen=True)
class Rates:
    """Shares of visits with at least one such event, and the mean number of events."""

    add_to_cart: float
    checkout_start: float
    purchase: float
    events: float

    def __add__(self, other: Rates) -> Rates:
        return Rates(*(left + right for left, right in zip(astuple(self), astuple(other), strict=True)))

    def __mul__(self, factor: float) -> Rates:
        return Rates(*(value * factor for value in astuple(self)))

    def __sub__(self, other: Rates) -> Rates:
        return self + other * -1


@lru_cache(maxsize=4096)  # shops share their types
def rates(habits: Habits) -> Rates:
    """The exact rates of the chain, including the end at MAX_EVENTS; no simulation."""
    return Rates(
        add_to_cart=reached(habits, (Action.ADD,)),
        checkout_start=reached(habits, (Action.START,)),
        purchase=reached(habits, (Action.COMPLETE,)),
        events=float(counts(habits).sum()),
    )


@lru_cache(maxsize=4096)
def reached(habits: Habits, targets: tuple[Action, ...]) -> float:
    """The share of visits in which at least one of `targets` occurs."""
    mass, step = _begin(habits), _steps(habits)
    rows = _rows(targets)
    share = 0.0
    for _ in range(MAX_EVENTS):
        share += mass[rows].sum()
        mass[rows] = 0
        mass = mass @ step
    return float(share)


def counts(habits: Habits) -> Float[np.ndarray, " states"]:
    """The mean number of each event in a visit; 0 for LEAVE, which is not an event."""
    mass, step = _begin(habits), _steps(habits)
    total = np.zeros(len(mass))
    for _ in range(MAX_EVENTS):
        total += mass
        mass = mass @ step
    total[_rows((Action.LEAVE,))] = 0
    return total.reshape(STATES, -1).sum(1)


def lengths(habits: Habits, kinds: Collection[Action]) -> Float[np.ndarray, " lengths"]:
    """The distribution of the number of events of these kinds in a visit: 0 to MAX_EVENTS."""
    rows, step = _rows(kinds), _steps(habits).T
    mass = np.zeros((len(step), MAX_EVENTS + 1))
    mass[:, 0] = _begin(habits)
    for _ in range(MAX_EVENTS):
        mass[rows, 1:], mass[rows, 0] = mass[rows, :-1], 0
        mass = step @ mass
    return mass.sum(0)


def _rows(kinds: Collection[Action]) -> np.ndarray:
    return (np.array(kinds)[:, None] * (CART_LINES + 1) + np.arange(CART_LINES + 1)).ravel()


def _begin(habits: Habits) -> Float[np.ndarray, " joint"]:
    mass = np.zeros((STATES, CART_LINES + 1))
    mass[:, 0] = entry(habits)
    return mass.ravel()


def _steps(habits: Habits) -> Float[np.ndarray, "joint joint"]:
    """The transition matrix over the joint state; an addition adds a line to the cart, a removal removes one."""
    table = moves(habits)
    joint = np.zeros((STATES, CART_LINES + 1, STATES, CART_LINES + 1))
    change = np.zeros(STATES, int)
    change[Action.ADD], change[Action.REMOVE] = 1, -1
    for lines in range(CART_LINES + 1):
        after = np.clip(lines + change, 0, CART_LINES)
        joint[:, lines, np.arange(STATES), after] = table[:, lines]
    return joint.reshape(STATES * (CART_LINES + 1), -1)
