"""Planted effects: how a store variant changes the habits of a buyer type, as ground truth for A/B tests.

A variant multiplies the odds of a move, so that the result stays a probability for any habits. The probabilities of
the other moves from the same state are rescaled by a common factor.
"""

from __future__ import annotations

from dataclasses import replace

from simpersona.lab.axes import Drive, PriceLevel
from simpersona.lab.funnel import Habits
from simpersona.lab.variants import PLAIN, Variant

SHIPPING_ODDS: dict[PriceLevel, float] = {"budget": 1.7, "middle": 1.3, "premium": 1.05}
"""Odds ratio of the free-shipping notice for starting and for completing a checkout."""
ONE_PAGE_ODDS: dict[Drive, float] = {"browser": 1.3, "buyer": 1.3, "collector": 1.3, "hesitant": 4.0}
"""Odds ratio of the one-page checkout for completing a checkout."""
SEARCHES_LOST = 0.8
"""Share of the searches that do not happen when the search is hidden."""
GIVEN_UP = 0.3
"""Share of those searches that end the visit; the others become views of collections and products."""
ELASTICITY: dict[PriceLevel, float] = {"budget": 2.0, "middle": 1.2, "premium": 0.5}
"""Price elasticity of the odds of adding to cart and of completing: prices × f divide the odds by f to this power."""

NAMED_VARIANTS: dict[str, Variant] = {
    "plain": PLAIN,
    "free_shipping_notice": Variant(free_shipping_notice=True),
    "hidden_search": Variant(hidden_search=True),
    "one_page_checkout": Variant(one_page_checkout=True),
    "prices_up_10": Variant(price_factor=1.1),
}
"""The variants whose true effects are written under `truth/`; the shops of a varied world cycle through them."""


def apply_variant(habits: Habits, variant: Variant, drive: Drive, price_level: PriceLevel) -> Habits:
    """The habits of a type with this drive and price level in a variant of the store; unchanged in the plain store."""
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
    """The probability with its odds multiplied by `odds`."""
    return probability * odds / (1 - probability + probability * odds)


def _rest(before: float, after: float) -> float:
    """The factor on the other moves from the same state."""
    return (1 - after) / (1 - before) if before < 1 else 1.0
