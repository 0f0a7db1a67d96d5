"""Visits happen: all visits to a shop walk through the funnel in step, and choose what they look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from simpersona.lab.catalogue import Catalogue
from simpersona.lab.clientele import Plan, price_levels
from simpersona.lab.funnel import CART_LINES, MAX_EVENTS, STATES, Did, entry, moves
from simpersona.lab.shopper_types import INTENTS, PRICE_LEVELS, ShopperType

VARIANT_BASE = 8
"""An item is a product and its variant in one number: product × VARIANT_BASE + variant."""
PLURAL_SHARE = 0.45
"""Of searches that name only the product type."""
PRICE_TASTE = {"budget": 0.15, "middle": 0.5, "premium": 0.85}
"""Where a price level looks among the prices of a product type, from cheapest (0) to dearest (1)."""
PRICE_WIDTH = 0.25

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
    """The e events of one shop, in the order of time."""

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
    time: Float[np.ndarray, " e"]
    """Seconds after the world's begin."""
    start: Float[np.ndarray, " m"]
    """Of each visit, as it came to be."""

    def __len__(self) -> int:
        return len(self.visit)


def visit_shop(catalogue: Catalogue, types: Sequence[ShopperType], plan: Plan, rng: np.random.Generator) -> Trail:
    """What the planned visits do in the shop.

    A visit planned too close to the buyer's one before is moved to GAP_SECONDS after its end. A
    product in the cart is not looked at again, so each addition is a line of one piece.
    """
    walk = _Walk(catalogue, types, plan, rng)
    steps = walk.run()
    lengths = np.zeros(len(plan))
    np.maximum.at(lengths, steps["visit"], steps["offset"])
    start = _spaced(plan, lengths)
    time = np.round(start[steps["visit"]] + steps["offset"], 3)
    order = np.lexsort((steps["seq"], steps["visit"], time))
    columns = {name: values[order] for name, values in steps.items() if name != "offset"}
    return Trail(**columns, time=time[order], start=start)


def _spaced(plan: Plan, lengths: np.ndarray) -> np.ndarray:
    start = plan.start.copy()
    for rank in range(1, int(plan.rank.max(initial=0)) + 1):
        rows = np.flatnonzero(plan.rank == rank)
        start[rows] = np.maximum(start[rows], start[rows - 1] + lengths[rows - 1] + GAP_SECONDS)
    return start


class _Walk:
    """All visits at once; one step is one event of every visit that goes on."""

    def __init__(
        self, catalogue: Catalogue, types: Sequence[ShopperType], plan: Plan, rng: np.random.Generator
    ) -> None:
        self.shop, self.plan, self.rng = catalogue, plan, rng
        self.first, self.next = _chains(types)
        self.lists = _Lists(catalogue)
        self.variants = np.array([max(1, len(names)) for names in catalogue.products["variants"].to_pylist()])
        self.level = price_levels(types)[plan.type]
        self.focus = np.array([one.focus for one in types] + [1.0])[plan.type]
        self.dwell = np.array([one.dwell for one in types] + [1.0])[plan.type]
        self.cart = np.full((len(plan), CART_LINES), -1)
        self.lines = np.zeros(len(plan), int)
        self.list = np.full(len(plan), -1)  # what one looks through: -1 before the first search or collection
        self.query = np.full(len(plan), -1)  # the last one
        self.item = np.full(len(plan), -1)  # the last one looked at

    def run(self) -> dict[str, np.ndarray]:
        """The columns of a Trail (with `offset` seconds from the visit's start), step by step."""
        rng, plan = self.rng, self.plan
        median = np.array([DWELL_SECONDS[did] for did in Did], float)
        who = np.arange(len(plan))
        did = _pick(self.first[plan.type, plan.intent], rng)
        offset = np.zeros(len(plan))
        steps: list[tuple[np.ndarray, ...]] = []
        for seq in range(MAX_EVENTS):
            item, where = self._act(who, did)
            steps.append((who, np.full(len(who), seq), did, item, where, self.cart[who], offset[who]))
            seconds = median[did] * self.dwell[who] * rng.lognormal(0, DWELL_SPREAD, len(who))
            offset[who] += np.clip(seconds, 1, LONGEST_DWELL_SECONDS)
            did = _pick(self.next[plan.type[who], plan.intent[who], did, self.lines[who]], rng)
            stays = did != Did.LEAVE
            who, did = who[stays], did[stays]
            if not len(who):
                break
        names = ("visit", "seq", "did", "item", "where", "cart", "offset")
        return dict(zip(names, map(np.concatenate, zip(*steps, strict=True)), strict=True))

    def _act(self, who: np.ndarray, did: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        item, where = np.full(len(who), -1), np.full(len(who), -1)
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
        self.list[who] = self.lists.of_query(query)
        return query

    def _choose_query(self, who: np.ndarray) -> np.ndarray:
        kind = self._kind(who)
        product = self.lists.draw(self.lists.of_query(kind), self.level[who], self.rng)
        exact = self.shop.specific[product, self.rng.integers(0, 2, len(who))]
        return np.where(self.rng.random(len(who)) < PLURAL_SHARE, kind, exact)

    def _collection(self, who: np.ndarray) -> np.ndarray:
        any_one = self.rng.integers(0, len(self.shop.members), len(who))
        collection = np.where(self._stays(who), self.plan.wanted[who], any_one)
        self.list[who] = self.lists.of_collection(collection)
        return collection

    def _view(self, who: np.ndarray) -> np.ndarray:
        """From the list looked through; else of the type wanted; else anything."""
        kind = self.lists.of_query(self.plan.wanted[who])
        direct = np.where(self._stays(who), kind, self.lists.EVERYTHING)
        product = np.full(len(who), -1)
        open_rows = np.arange(len(who))
        for choice in (np.where(self.list[who] >= 0, self.list[who], direct), kind):
            open_rows = self._draw_new(open_rows, choice, who, product)
        while len(open_rows):
            open_rows = self._draw_new(open_rows, np.full(len(who), self.lists.EVERYTHING), who, product)
        item = product * VARIANT_BASE
        self.item[who] = item
        return item

    def _draw_new(self, rows: np.ndarray, lists: np.ndarray, who: np.ndarray, product: np.ndarray) -> np.ndarray:
        """Draws for these rows; gives back those whose product is in the cart or was looked at last."""
        drawn = self.lists.draw(lists[rows], self.level[who[rows]], self.rng)
        product[rows] = drawn
        mine = who[rows]
        known = (self.cart[mine] // VARIANT_BASE == drawn[:, None]).any(1) | (self.item[mine] // VARIANT_BASE == drawn)
        return rows[known]

    def _add(self, who: np.ndarray) -> np.ndarray:
        variants = self.variants[self.item[who] // VARIANT_BASE]
        item = self.item[who] + (self.rng.random(len(who)) * variants).astype(int)
        self.cart[who, self.lines[who]] = item
        self.lines[who] += 1
        return item

    def _remove(self, who: np.ndarray) -> np.ndarray:
        line = (self.rng.random(len(who)) * self.lines[who]).astype(int)
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
        return self.rng.random(len(who)) < self.focus[who]


class _Lists:
    """Draws products from numbered lists, nearer to a price level more often.

    The cumulative weights of all lists stand in one array, list i between i and i + 1: one binary
    search per draw, whatever the number of lists.
    """

    EVERYTHING = 0

    def __init__(self, catalogue: Catalogue) -> None:
        everything = np.arange(len(catalogue.kind))
        self.queries = len(catalogue.queries)
        lists = [everything, *catalogue.found, *catalogue.members]
        fit = _price_fit(catalogue)
        self.product = np.concatenate([rows for rows in lists for _ in PRICE_LEVELS])
        keys = []
        for number, rows in enumerate(lists):
            for level in range(len(PRICE_LEVELS)):
                share = np.cumsum(fit[level, rows])
                keys.append(number * len(PRICE_LEVELS) + level + share / share[-1])
        self.key = np.concatenate(keys)

    def of_query(self, query: np.ndarray) -> np.ndarray:
        """The list of what a query finds; a product type's plural has the type's own number."""
        return 1 + query

    def of_collection(self, collection: np.ndarray) -> np.ndarray:
        """The list of a collection's products."""
        return 1 + self.queries + collection

    def draw(self, lists: np.ndarray, level: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One product of each of `lists`."""
        at = lists * len(PRICE_LEVELS) + level + rng.random(len(lists))
        return self.product[np.searchsorted(self.key, at, side="right")]


def _price_fit(catalogue: Catalogue) -> Float[np.ndarray, "levels products"]:
    """How well each product suits each price level, by its rank among the prices of its type."""
    order = np.lexsort((catalogue.price, catalogue.kind))
    counts = np.bincount(catalogue.kind)
    rank = np.empty(len(order))
    rank[order] = (np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts) + 0.5) / np.repeat(
        counts, counts
    )
    centre = np.array([PRICE_TASTE[level] for level in PRICE_LEVELS])[:, None]
    return np.exp(-(((rank - centre) / PRICE_WIDTH) ** 2) / 2) + 0.03


def _chains(types: Sequence[ShopperType]) -> tuple[np.ndarray, np.ndarray]:
    """Cumulative probabilities of the first event (types, intents, states) and of the next one
    (types, intents, states, lines, states); the bouncer last.
    """
    first = np.zeros((len(types) + 1, len(INTENTS), STATES))
    after = np.zeros((len(types) + 1, len(INTENTS), STATES, CART_LINES + 1, STATES))
    for one in types:
        for i, intent in enumerate(INTENTS):
            habits = one.habits(intent)
            first[one.number, i], after[one.number, i] = entry(habits), moves(habits)
    first[-1, :, Did.HOME] = 1
    after[-1, ..., Did.LEAVE] = 1
    return first.cumsum(-1), after.cumsum(-1)


def _pick(cumulative: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One state per row of cumulative probabilities."""
    return np.minimum((rng.random((len(cumulative), 1)) >= cumulative).sum(1), STATES - 1)
