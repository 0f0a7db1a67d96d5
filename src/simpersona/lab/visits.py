"""Visits happen: all visits to a shop walk through the funnel in step, and choose what they look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from simpersona.lab.axes import INTENTS
from simpersona.lab.choices import Draws, Shelves
from simpersona.lab.clientele import Plan, price_levels
from simpersona.lab.funnel import CART_LINES, MAX_EVENTS, STATES, Did, entry, moves
from simpersona.lab.shopper_types import ShopperType
from simpersona.lab.variants import PLAIN, Variant

VARIANTS, PIECES = 8, 4
"""An item is a product, its variant and how many of it, in one number: (product × VARIANTS + variant) × PIECES + more
pieces than one. Neither number is reached."""
PAIR_SHARE = 0.08
"""Of additions to the cart that are of two pieces."""
PLURAL_SHARE = 0.45
"""Of searches that name only the product type."""
WORD_SHARE = 0.4
"""Of looks among products of the wanted type that go for those with the wanted word in their title."""
DWELL_SECONDS = {
    Did.HOME: 8, Did.SEARCH: 10, Did.COLLECTION: 18, Did.VIEW: 28, Did.ADD: 6,
    Did.REMOVE: 6, Did.CART: 15, Did.START: 70, Did.COMPLETE: 5, Did.LEAVE: 0,
}  # fmt: skip
"""Median time until the next event."""
DWELL_SPREAD = 0.9
LONGEST_DWELL_SECONDS = 1200
"""Below the half hour that would end a session."""
GAP_SECONDS = 3600
"""Between two visits of a buyer, at least."""


@dataclass(frozen=True)
class Trail:
    """The e events of m visits to one shop, in the order of time."""

    visit: Int[np.ndarray, " e"]
    """Row of the plan."""
    seq: Int[np.ndarray, " e"]
    """0 for a visit's first event."""
    did: Int[np.ndarray, " e"]
    item: Int[np.ndarray, " e"]
    """Viewed, added or removed; -1 for another event."""
    where: Int[np.ndarray, " e"]
    """The query of a search, the collection of a collection view; -1 for another event."""
    cart: Int[np.ndarray, "e lines"]
    """Items in the cart after the event, -1 for an empty line."""
    time: Int[np.ndarray, " e"]
    """Milliseconds after the world's begin."""
    start: Int[np.ndarray, " m"]
    """The same for the first event of each visit."""
    sought: Int[np.ndarray, " m"]
    """What each visit wants in words, a style or material and the product type: a query; -1 for a bouncer."""

    def __len__(self) -> int:
        return len(self.visit)


class Ways:
    """How visits of each type go in a variant of the store: the chances of the first event and of the next one, focus and dwell time."""

    def __init__(self, types: Sequence[ShopperType], variant: Variant = PLAIN) -> None:
        first = np.zeros((len(types) + 1, len(INTENTS), STATES))
        after = np.zeros((len(types) + 1, len(INTENTS), STATES, CART_LINES + 1, STATES))
        for one in types:
            for i, intent in enumerate(INTENTS):
                habits = one.habits(intent, variant)
                first[one.number, i], after[one.number, i] = entry(habits), moves(habits)
        first[-1, :, Did.HOME] = 1
        after[~after.any(-1), Did.LEAVE] = 1  # the bouncer's next, and states that cannot be
        self.first = Draws(first.reshape(-1, STATES))
        self.next = Draws(after.reshape(-1, STATES))
        self.level = price_levels(types)
        self.focus = np.array([one.focus for one in types] + [1.0], np.float32)
        self.dwell = np.array([one.dwell for one in types] + [1.0], np.float32)


def visit_shop(shelves: Shelves, ways: Ways, plan: Plan, rng: np.random.Generator) -> Trail:
    """What the planned visits do in the shop.

    A visit planned too close to the buyer's one before is moved to GAP_SECONDS after its end. A
    product in the cart is not looked at again, so each addition is a line of its own.
    """
    walk = _Walk(shelves, ways, plan, rng)
    steps = walk.run()
    start = _spaced(plan, walk.offset)
    time = start[steps["visit"]] + steps.pop("offset")
    order = np.argsort(time, kind="stable")  # at one moment: by the number in the visit, then by visit
    return Trail(
        **{name: values[order] for name, values in steps.items()}, time=time[order], start=start, sought=walk.sought
    )


def product_of(item: np.ndarray) -> np.ndarray:
    """The product of each item; -1 for no item."""
    return item // (VARIANTS * PIECES)


def pieces_of(item: np.ndarray) -> np.ndarray:
    """How many pieces each item is of."""
    return item % PIECES + 1


def _spaced(plan: Plan, lengths: np.ndarray) -> Int[np.ndarray, " m"]:
    """When each visit begins (ms): the latest of the plan and of the visits before with all that came between."""
    planned = np.round(plan.start * 1000).astype(np.int64)
    before = np.cumsum(lengths + GAP_SECONDS * 1000, dtype=np.int64) - (lengths + GAP_SECONDS * 1000)
    free = planned - before
    apart = int(np.ptp(free)) + 1 if len(free) else 0  # lifts each buyer above all earlier ones
    return np.maximum.accumulate(free + plan.buyer * apart) - plan.buyer * apart + before


class _Walk:
    """All visits at once; one step is one event of every visit that goes on."""

    def __init__(self, shelves: Shelves, ways: Ways, plan: Plan, rng: np.random.Generator) -> None:
        self.shop, self.shelves, self.ways, self.plan, self.rng = shelves.catalogue, shelves, ways, plan, rng
        self.habit = (plan.type * len(INTENTS) + plan.intent).astype(np.int32)
        self.level, self.focus, self.dwell = ways.level[plan.type], ways.focus[plan.type], ways.dwell[plan.type]
        self.sought = np.where(plan.wanted >= 0, self._exact(np.arange(len(plan)), plan.wanted), -1)
        self.cart = np.full((len(plan), CART_LINES), -1, np.int32)
        self.lines = np.zeros(len(plan), np.int32)
        self.list = np.full(len(plan), -1, np.int32)  # looked through: -1 before the first search or collection
        self.query = np.full(len(plan), -1, np.int32)  # the last one
        self.item = np.full(len(plan), -1, np.int32)  # the last one looked at
        self.offset = np.zeros(len(plan), np.int32)  # of the last event (ms)

    def run(self) -> dict[str, np.ndarray]:
        """The columns of a Trail (with `offset`, ms from the visit's start), step by step."""
        median = np.array([DWELL_SECONDS[did] * 1000 for did in Did], np.float32)
        who = np.arange(len(self.plan), dtype=np.int32)
        did = self.ways.first.draw(self.habit, self.rng) % STATES
        steps: list[tuple[np.ndarray, ...]] = []
        for seq in range(MAX_EVENTS):
            item, where = self._act(who, did)
            steps.append(
                (who, np.full(len(who), seq, np.int8), did.astype(np.int8), item, where, self.cart[who],
                 self.offset[who])
            )  # fmt: skip
            state = (self.habit[who] * STATES + did) * (CART_LINES + 1) + self.lines[who]
            after = self.ways.next.draw(state, self.rng) % STATES
            stays = after != Did.LEAVE
            who, did, after = who[stays], did[stays], after[stays]
            if not len(who):
                break
            seconds = np.exp(DWELL_SPREAD * self.rng.standard_normal(len(who), dtype=np.float32))
            waited = median[did] * self.dwell[who] * seconds
            self.offset[who] += np.clip(waited, 1000, LONGEST_DWELL_SECONDS * 1000).astype(np.int32)
            did = after
        names = ("visit", "seq", "did", "item", "where", "cart", "offset")
        return dict(zip(names, map(np.concatenate, zip(*steps, strict=True)), strict=True))

    def _act(self, who: np.ndarray, did: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        item, where = np.full(len(who), -1, np.int32), np.full(len(who), -1, np.int32)
        for state, act, result in (
            (Did.SEARCH, self._search, where),
            (Did.COLLECTION, self._collection, where),
            (Did.VIEW, self._view, item),
            (Did.ADD, self._add, item),
            (Did.REMOVE, self._remove, item),
        ):
            rows = np.flatnonzero(did == state)
            result[rows] = act(who[rows])
        return item, where

    def _search(self, who: np.ndarray) -> np.ndarray:
        query = self._choose_query(who)
        same = query == self.query[who]
        query[same] = self._choose_query(who[same])
        self.query[who] = query
        self.list[who] = self.shelves.of_query(query)
        return query

    def _choose_query(self, who: np.ndarray) -> np.ndarray:
        kind = self._kind(who)
        exact = np.where(self._by_word(who, kind), self.sought[who], self._exact(who, kind))
        return np.where(self.rng.random(len(who)) < PLURAL_SHARE, kind, exact)

    def _exact(self, who: np.ndarray, kind: np.ndarray) -> np.ndarray:
        """A query of two words for a product of this type."""
        product = self.shelves.draw(self.shelves.of_query(kind), self.level[who], self.rng)
        return self.shop.specific[product, self.rng.integers(0, 2, len(who))]

    def _by_word(self, who: np.ndarray, kind: np.ndarray) -> np.ndarray:
        """Whether one goes for the word wanted, among products of this type."""
        return (kind == self.plan.wanted[who]) & (self.rng.random(len(who), dtype=np.float32) < WORD_SHARE)

    def _collection(self, who: np.ndarray) -> np.ndarray:
        any_one = self.rng.integers(0, len(self.shop.members), len(who))
        collection = np.where(self._stays(who), self.plan.wanted[who], any_one)
        self.list[who] = self.shelves.of_collection(collection)
        return collection

    def _view(self, who: np.ndarray) -> np.ndarray:
        """From the list looked through, or what of it has the word wanted; else of the type wanted; else anything."""
        kind = self.shelves.of_query(self.plan.wanted[who])
        direct = np.where(self._stays(who), kind, self.shelves.EVERYTHING)
        looked = np.where(self.list[who] >= 0, self.list[who], direct)
        by_word = self._by_word(who, self.shelves.kind[looked])
        looked[by_word] = self.shelves.of_query(self.sought[who[by_word]])
        product = np.full(len(who), -1, np.int32)
        open_rows = np.arange(len(who))
        for choice in (looked, kind):
            open_rows = self._draw_new(open_rows, choice, who, product)
        while len(open_rows):
            open_rows = self._draw_new(open_rows, np.full(len(who), self.shelves.EVERYTHING), who, product)
        item = product * (VARIANTS * PIECES)
        self.item[who] = item
        return item

    def _draw_new(self, rows: np.ndarray, lists: np.ndarray, who: np.ndarray, product: np.ndarray) -> np.ndarray:
        """Draws for these rows; gives back those whose product is in the cart or was looked at last."""
        mine = who[rows]
        drawn = self.shelves.draw(lists[rows], self.level[mine], self.rng)
        product[rows] = drawn
        in_cart = (product_of(self.cart[mine]) == drawn[:, None]).any(1)
        return rows[in_cart | (product_of(self.item[mine]) == drawn)]

    def _add(self, who: np.ndarray) -> np.ndarray:
        variant = (self.rng.random(len(who)) * self.shelves.variants[product_of(self.item[who])]).astype(np.int32)
        item = self.item[who] + variant * PIECES + (self.rng.random(len(who)) < PAIR_SHARE)
        self.cart[who, self.lines[who]] = item
        self.lines[who] += 1
        return item

    def _remove(self, who: np.ndarray) -> np.ndarray:
        line = (self.rng.random(len(who)) * self.lines[who]).astype(np.int32)
        item = self.cart[who, line]
        columns = np.arange(CART_LINES)
        shifted = np.minimum(columns + (columns >= line[:, None]), CART_LINES - 1)
        cart = np.take_along_axis(self.cart[who], shifted, axis=1)
        self.lines[who] -= 1
        cart[columns >= self.lines[who, None]] = -1
        self.cart[who] = cart
        return item

    def _kind(self, who: np.ndarray) -> np.ndarray:
        any_one = self.rng.integers(0, len(self.shop.kinds), len(who))
        return np.where(self._stays(who), self.plan.wanted[who], any_one)

    def _stays(self, who: np.ndarray) -> np.ndarray:
        return self.rng.random(len(who), dtype=np.float32) < self.focus[who]
