"""What a variant of the store does to a type's habits: the planted effects that an A/B test is to find.

A change acts on the odds of a move, so that it stays a probability whatever the habits; the other
moves from the same place shrink or grow together.
"""

from __future__ import annotations

from dataclasses import replace

from simpersona.lab.axes import Drive, PriceLevel
from simpersona.lab.funnel import Habits
from simpersona.lab.variants import PLAIN, Variant

SHIPPING_ODDS: dict[PriceLevel, float] = {"budget": 1.7, "middle": 1.3, "premium": 1.05}
"""Of the free-shipping notice, on starting and on completing a checkout."""
ONE_PAGE_ODDS: dict[Drive, float] = {"browser": 1.3, "buyer": 1.3, "collector": 1.3, "hesitant": 4.0}
"""Of the one-page checkout, on completing."""
SEARCHES_LOST = 0.8
"""Share of the searches that are not made when the search is hidden."""
GIVEN_UP = 0.3
"""Share of the searches not made that end the visit; the others become looks at collections and products."""
ELASTICITY: dict[PriceLevel, float] = {"budget": 2.0, "middle": 1.2, "premium": 0.5}
"""Of the odds of adding and of completing: prices × f divide them by f to this power."""

NAMED: dict[str, Variant] = {
    "plain": PLAIN,
    "free_shipping_notice": Variant(free_shipping_notice=True),
    "hidden_search": Variant(hidden_search=True),
    "one_page_checkout": Variant(one_page_checkout=True),
    "prices_up_10": Variant(price_factor=1.1),
}
"""The variants whose effects are written out in the truth, and that the shops of a varied world take turns through."""


def affected(habits: Habits, variant: Variant, drive: Drive, price_level: PriceLevel) -> Habits:
    """The habits of such a type in this variant of the store; in the plain one its own."""
    if variant.free_shipping_notice:
        habits = _completing(_starting(habits, SHIPPING_ODDS[price_level]), SHIPPING_ODDS[price_level])
    if variant.one_page_checkout:
        habits = _completing(habits, ONE_PAGE_ODDS[drive])
    if variant.hidden_search:
        habits = _without_search(habits)
    if variant.price_factor != 1:
        odds = variant.price_factor ** -ELASTICITY[price_level]
        habits = _completing(replace(habits, add=_times(habits.add, odds)), odds)
    return habits


def _starting(habits: Habits, odds: float) -> Habits:
    start = _times(habits.start, odds)
    rest = _rest(habits.start, start)
    return replace(habits, start=start, remove=habits.remove * rest, leave_cart=habits.leave_cart * rest)


def _completing(habits: Habits, odds: float) -> Habits:
    complete = _times(habits.complete, odds)
    return replace(habits, complete=complete, back=habits.back * _rest(habits.complete, complete))


def _without_search(habits: Habits) -> Habits:
    search, collection, product = habits.look
    lost = SEARCHES_LOST * search
    others = collection + product
    to_collection = collection / others if others else 0.5
    ended = GIVEN_UP * lost
    return replace(
        habits,
        look=(search - lost, collection + lost * to_collection, product + lost * (1 - to_collection)),
        leave=habits.leave + (1 - habits.leave) * ended,
        leave_home=habits.leave_home + (1 - habits.leave_home) * ended,
    )


def _times(probability: float, odds: float) -> float:
    """The probability whose odds are `odds` times as large."""
    return probability * odds / (1 - probability + probability * odds)


def _rest(before: float, after: float) -> float:
    """The factor on the other moves from the same place."""
    return (1 - after) / (1 - before) if before < 1 else 1.0
