"""Draws the events of visits: all visits to a shop move through the funnel in parallel and choose their products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from simpersona.lab.axes import INTENTS
from simpersona.lab.clientele import Plan, price_levels
from simpersona.lab.funnel import CART_LINES, MAX_EVENTS, STATES, Action, entry, moves
from simpersona.lab.product_choice import ProductLists, WeightedSampler
from simpersona.lab.shopper_types import ShopperType
from simpersona.lab.variants import PLAIN, Variant

VARIANTS, PIECES = 8, 4
"""Limits of the item code, which packs product, variant and quantity into one number:
(product × VARIANTS + variant) × PIECES + quantity - 1. Variants and quantities stay below these limits."""
PAIR_SHARE = 0.08
"""Share of additions to the cart with quantity 2."""
PLURAL_SHARE = 0.45
"""Share of searches that name only the product type."""
WORD_SHARE = 0.4
"""Share of looks among the wanted type that choose products with the wanted style or material in the title."""
DWELL_SECONDS = {
    Action.HOME: 8, Action.SEARCH: 10, Action.COLLECTION: 18, Action.VIEW: 28, Action.ADD: 6,
    Action.REMOVE: 6, Action.CART: 15, Action.START: 70, Action.COMPLETE: 5, Action.LEAVE: 0,
}  # fmt: skip
"""Median seconds until the next event."""
DWELL_SPREAD = 0.9
LONGEST_DWELL_SECONDS = 1200
"""Shorter than the half hour that would end a session."""
GAP_SECONDS = 3600
"""Minimum time between two visits of a buyer."""


@dataclass(frozen=True)
class VisitEvents:
    """The e events of m visits to one shop, in the order of time."""

    visit: Int[np.ndarray, " e"]
    """The visit of the event: a row of the plan."""
    seq: Int[np.ndarray, " e"]
    """Number of the event within its visit, from 0."""
    action: Int[np.ndarray, " e"]
    item: Int[np.ndarray, " e"]
    """The viewed, added or removed item; -1 for other events."""
    target: Int[np.ndarray, " e"]
    """The query of a search or the collection of a collection view; -1 for other events."""
    cart: Int[np.ndarray, "e lines"]
    """Items in the cart after the event; -1 for an empty line."""
    time: Int[np.ndarray, " e"]
    """Milliseconds after the world's start."""
    start: Int[np.ndarray, " m"]
    """Time of the first event of each visit, in the same unit."""
    sought: Int[np.ndarray, " m"]
    """The query for what each visit wants, a style or material with the product type; -1 for a bouncer."""

    def __len__(self) -> int:
        return len(self.visit)


class TransitionTables:
    """Samplers of the first and the next event, and the focus and dwell factor, of each type in a store variant."""

    def __init__(self, types: Sequence[ShopperType], variant: Variant = PLAIN) -> None:
        first = np.zeros((len(types) + 1, len(INTENTS), STATES))
        after = np.zeros((len(types) + 1, len(INTENTS), STATES, CART_LINES + 1, STATES))
        for shopper_type in types:
            for i, intent in enumerate(INTENTS):
                habits = shopper_type.habits(intent, variant)
                first[shopper_type.number, i], after[shopper_type.number, i] = entry(habits), moves(habits)
        first[-1, :, Action.HOME] = 1
        after[~after.any(-1), Action.LEAVE] = 1  # the bouncer's second event, and unreachable states
        self.first = WeightedSampler(first.reshape(-1, STATES))
        self.next = WeightedSampler(after.reshape(-1, STATES))
        self.level = price_levels(types)
        self.focus = np.array([shopper_type.focus for shopper_type in types] + [1.0], np.float32)
        self.dwell = np.array([shopper_type.dwell for shopper_type in types] + [1.0], np.float32)


def draw_visits(
    product_lists: ProductLists, transitions: TransitionTables, plan: Plan, rng: np.random.Generator
) -> VisitEvents:
    """Draws the events of the planned visits.

    A visit that is planned too close to the buyer's previous visit starts GAP_SECONDS after its end. A product in the
    cart is not viewed again, so that each addition is a separate line.
    """
    sampler = _VisitSampler(product_lists, transitions, plan, rng)
    steps = sampler.run()
    start = _spaced(plan, sampler.offset)
    time = start[steps["visit"]] + steps.pop("offset")
    order = np.argsort(time, kind="stable")  # ties are in the order of seq, then of visit
    return VisitEvents(
        **{name: values[order] for name, values in steps.items()}, time=time[order], start=start, sought=sampler.sought
    )


def product_of(item: np.ndarray) -> np.ndarray:
    """The product of each item; -1 for no item."""
    return item // (VARIANTS * PIECES)


def pieces_of(item: np.ndarray) -> np.ndarray:
    """The quantity of each item."""
    return item % PIECES + 1


def _spaced(plan: Plan, lengths: np.ndarray) -> Int[np.ndarray, " m"]:
    """The start of each visit (ms): its planned start, or GAP_SECONDS after the end of the buyer's previous visit."""
    planned = np.round(plan.start * 1000).astype(np.int64)
    # with the time of all previous visits and gaps subtracted, the start is the running maximum over the buyer's visits
    before = np.cumsum(lengths + GAP_SECONDS * 1000, dtype=np.int64) - (lengths + GAP_SECONDS * 1000)
    free = planned - before
    apart = int(np.ptp(free)) + 1 if len(free) else 0  # an offset per buyer restarts the maximum at each buyer
    return np.maximum.accumulate(free + plan.buyer * apart) - plan.buyer * apart + before


class _VisitSampler:
    """The state of all visits to a shop; one step draws one event of each visit that has not ended."""

    def __init__(
        self, product_lists: ProductLists, transitions: TransitionTables, plan: Plan, rng: np.random.Generator
    ) -> None:
        self.catalogue, self.product_lists, self.transitions, self.plan, self.rng = (
            product_lists.catalogue,
            product_lists,
            transitions,
            plan,
            rng,
        )
        self.habit = (plan.type * len(INTENTS) + plan.intent).astype(np.int32)
        self.level, self.focus, self.dwell = (
            transitions.level[plan.type],
            transitions.focus[plan.type],
            transitions.dwell[plan.type],
        )
        self.sought = np.where(plan.wanted >= 0, self._exact(np.arange(len(plan)), plan.wanted), -1)
        self.cart = np.full((len(plan), CART_LINES), -1, np.int32)
        self.lines = np.zeros(len(plan), np.int32)
        self.list = np.full(len(plan), -1, np.int32)  # the current product list; -1 before the first list
        self.query = np.full(len(plan), -1, np.int32)  # the last query
        self.item = np.full(len(plan), -1, np.int32)  # the last viewed item
        self.offset = np.zeros(len(plan), np.int32)  # time of the last event (ms after the visit's start)

    def run(self) -> dict[str, np.ndarray]:
        """Draws all events; returns the columns of VisitEvents, with `offset` (ms after the visit's start) as time."""
        median = np.array([DWELL_SECONDS[action] * 1000 for action in Action], np.float32)
        visit = np.arange(len(self.plan), dtype=np.int32)
        action = self.transitions.first.draw(self.habit, self.rng) % STATES
        steps: list[tuple[np.ndarray, ...]] = []
        for seq in range(MAX_EVENTS):
            item, target = self._act(visit, action)
            steps.append(
                (visit, np.full(len(visit), seq, np.int8), action.astype(np.int8), item, target, self.cart[visit],
                 self.offset[visit])
            )  # fmt: skip
            state = (self.habit[visit] * STATES + action) * (CART_LINES + 1) + self.lines[visit]
            after = self.transitions.next.draw(state, self.rng) % STATES
            stays = after != Action.LEAVE
            visit, action, after = visit[stays], action[stays], after[stays]
            if not len(visit):
                break
            seconds = np.exp(DWELL_SPREAD * self.rng.standard_normal(len(visit), dtype=np.float32))
            waited = median[action] * self.dwell[visit] * seconds
            self.offset[visit] += np.clip(waited, 1000, LONGEST_DWELL_SECONDS * 1000).astype(np.int32)
            action = after
        names = ("visit", "seq", "action", "item", "target", "cart", "offset")
        return dict(zip(names, map(np.concatenate, zip(*steps, strict=True)), strict=True))

    def _act(self, visit: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        item, target = np.full(len(visit), -1, np.int32), np.full(len(visit), -1, np.int32)
        for state, act, result in (
            (Action.SEARCH, self._search, target),
            (Action.COLLECTION, self._collection, target),
            (Action.VIEW, self._view, item),
            (Action.ADD, self._add, item),
            (Action.REMOVE, self._remove, item),
        ):
            rows = np.flatnonzero(action == state)
            result[rows] = act(visit[rows])
        return item, target

    def _search(self, visit: np.ndarray) -> np.ndarray:
        query = self._choose_query(visit)
        same = query == self.query[visit]
        query[same] = self._choose_query(visit[same])
        self.query[visit] = query
        self.list[visit] = self.product_lists.of_query(query)
        return query

    def _choose_query(self, visit: np.ndarray) -> np.ndarray:
        kind = self._kind(visit)
        exact = np.where(self._by_word(visit, kind), self.sought[visit], self._exact(visit, kind))
        return np.where(self.rng.random(len(visit)) < PLURAL_SHARE, kind, exact)

    def _exact(self, visit: np.ndarray, kind: np.ndarray) -> np.ndarray:
        """Draws an exact query for a product of this type."""
        product = self.product_lists.draw(self.product_lists.of_query(kind), self.level[visit], self.rng)
        return self.catalogue.exact_queries[product, self.rng.integers(0, 2, len(visit))]

    def _by_word(self, visit: np.ndarray, kind: np.ndarray) -> np.ndarray:
        """Whether a look among products of this type chooses those with the wanted style or material."""
        return (kind == self.plan.wanted[visit]) & (self.rng.random(len(visit), dtype=np.float32) < WORD_SHARE)

    def _collection(self, visit: np.ndarray) -> np.ndarray:
        any_one = self.rng.integers(0, len(self.catalogue.collection_products), len(visit))
        collection = np.where(self._stays(visit), self.plan.wanted[visit], any_one)
        self.list[visit] = self.product_lists.of_collection(collection)
        return collection

    def _view(self, visit: np.ndarray) -> np.ndarray:
        """Draws the viewed product, which is neither in the cart nor the last viewed one.

        It comes from the current list or, for looks by word, from the products with the wanted style or material. If
        that draw fails, it comes from the wanted type, then from all products.
        """
        kind = self.product_lists.of_query(self.plan.wanted[visit])
        direct = np.where(self._stays(visit), kind, self.product_lists.EVERYTHING)
        looked = np.where(self.list[visit] >= 0, self.list[visit], direct)
        by_word = self._by_word(visit, self.product_lists.kind[looked])
        looked[by_word] = self.product_lists.of_query(self.sought[visit[by_word]])
        product = np.full(len(visit), -1, np.int32)
        open_rows = np.arange(len(visit))
        for choice in (looked, kind):
            open_rows = self._draw_new(open_rows, choice, visit, product)
        while len(open_rows):
            open_rows = self._draw_new(open_rows, np.full(len(visit), self.product_lists.EVERYTHING), visit, product)
        item = product * (VARIANTS * PIECES)
        self.item[visit] = item
        return item

    def _draw_new(self, rows: np.ndarray, lists: np.ndarray, visit: np.ndarray, product: np.ndarray) -> np.ndarray:
        """Draws products for `rows`; returns the rows whose product is in the cart or was viewed last."""
        mine = visit[rows]
        drawn = self.product_lists.draw(lists[rows], self.level[mine], self.rng)
        product[rows] = drawn
        in_cart = (product_of(self.cart[mine]) == drawn[:, None]).any(1)
        return rows[in_cart | (product_of(self.item[mine]) == drawn)]

    def _add(self, visit: np.ndarray) -> np.ndarray:
        variant = (self.rng.random(len(visit)) * self.product_lists.variants[product_of(self.item[visit])]).astype(
            np.int32
        )
        item = self.item[visit] + variant * PIECES + (self.rng.random(len(visit)) < PAIR_SHARE)
        self.cart[visit, self.lines[visit]] = item
        self.lines[visit] += 1
        return item

    def _remove(self, visit: np.ndarray) -> np.ndarray:
        line = (self.rng.random(len(visit)) * self.lines[visit]).astype(np.int32)
        item = self.cart[visit, line]
        columns = np.arange(CART_LINES)
        shifted = np.minimum(columns + (columns >= line[:, None]), CART_LINES - 1)
        cart = np.take_along_axis(self.cart[visit], shifted, axis=1)
        self.lines[visit] -= 1
        cart[columns >= self.lines[visit, None]] = -1
        self.cart[visit] = cart
        return item

    def _kind(self, visit: np.ndarray) -> np.ndarray:
        any_one = self.rng.integers(0, len(self.catalogue.kinds), len(visit))
        return np.where(self._stays(visit), self.plan.wanted[visit], any_one)

    def _stays(self, visit: np.ndarray) -> np.ndarray:
        return self.rng.random(len(visit), dtype=np.float32) < self.focus[visit]
