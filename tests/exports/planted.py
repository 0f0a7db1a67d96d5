"""A planted history of one merchant's buyers, which exports of several tools write in their own way."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Product:
    """A product with its price in hundredths."""

    product_id: str
    title: str
    cents: int


@dataclass(frozen=True)
class Order:
    """An order of products with quantities, and what is taken back of it: all, an amount in hundredths, or a line by its index."""

    order_id: str
    lines: tuple[tuple[Product, int], ...]
    currency: str
    refund: str = "none"  # "none", "full", "amount", "line"

    @property
    def cents(self) -> int:
        return sum(product.cents * quantity for product, quantity in self.lines)

    @property
    def refunded(self) -> int:
        first, quantity = self.lines[0]
        taken = {"none": 0, "full": self.cents, "amount": 150, "line": first.cents * quantity}
        return min(taken[self.refund], self.cents)


@dataclass(frozen=True)
class Event:
    """One event of a visit. `kind` is page, list, search, view, add, start or order."""

    at: datetime
    kind: str
    product: Product | None = None
    order: Order | None = None


@dataclass(frozen=True)
class Visit:
    buyer: str
    number: int
    events: tuple[Event, ...]

    @property
    def orders(self) -> list[Order]:
        return [event.order for event in self.events if event.order]


STEPS = {  # what a visit does after its views, and its share
    "leaves": ((), 0.62),
    "adds": (("add",), 0.18),
    "starts": (("add", "start"), 0.08),
    "buys": (("add", "start", "order"), 0.12),
}
REFUNDS = ("none",) * 6 + ("full", "amount", "line")


def plant(
    seed: int, products: Sequence[Product], starts: Sequence[datetime], *, buyers: int, currencies: Sequence[str]
) -> list[Visit]:
    """Visits of `buyers` buyers, each at one of `starts`, which are hours apart. Events are 20 to 110 seconds apart."""
    rng = random.Random(seed)
    visits = []
    for number in range(buyers):
        for start in rng.sample(list(starts), k=rng.choice([1, 1, 2, 3])):
            currency = rng.choice(currencies)
            name = f"b{number:04}"
            visits.append(_visit(rng, name, len(visits), start, products, currency))
    return visits


def _visit(
    rng: random.Random, buyer: str, number: int, start: datetime, products: Sequence[Product], currency: str
) -> Visit:
    kinds = ["page", *rng.choices(["view", "view", "page", "list", "search"], k=rng.randint(0, 14))]
    deeper = rng.choices([steps for steps, _ in STEPS.values()], [share for _, share in STEPS.values()])[0]
    kinds += ["view", *deeper] if deeper else []
    events, at, product = [], start, rng.choice(products)
    for kind in kinds:
        if kind == "view":
            product = rng.choice(products)
        if kind == "order":
            others = rng.sample([other for other in products if other != product], k=rng.randint(0, 2))
            lines = tuple((line, rng.randint(1, 3)) for line in (product, *others))
            order = Order(f"{10000 + number}", lines, currency, rng.choice(REFUNDS))
            events.append(Event(at, kind, order=order))
        else:
            events.append(Event(at, kind, product if kind in ("view", "add") else None))
        at += timedelta(seconds=rng.randint(20, 110))
    return Visit(buyer, number, tuple(events))


def strata_of(visits: Sequence[Visit]) -> dict[str, int]:
    """The number of buyers of each stratum (REFERENCE 6)."""
    done: dict[str, set[str]] = {}
    for visit in visits:
        done.setdefault(visit.buyer, set()).update(event.kind for event in visit.events)
    rules = (("A", {"order"}), ("B", {"start"}), ("C", {"add"}), ("D", {"view", "list", "search"}))
    found = (next((name for name, kinds in rules if kinds & did), "E") for did in done.values())
    return dict(sorted(Counter(found).items()))


def orders_of(visits: Sequence[Visit]) -> list[Order]:
    return [order for visit in visits for order in visit.orders]


def without_orders(visit: Visit) -> Visit:
    """The visit up to its order."""
    return replace(visit, events=tuple(event for event in visit.events if event.kind != "order"))
