"""The outline of a recorded session: the events that a replay has to cause, in order.

Teacher and judge work from the same outline, so that the judge cannot ask for what the teacher does not do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from simpersona.contracts import Moment, RecordedSession
from simpersona.shopper.affordances import MAX_TYPED_CHARS

_NEEDS = {
    "product_viewed": "title",
    "product_added_to_cart": "title",
    "product_removed_from_cart": "title",
    "collection_viewed": "collection",
    "search_submitted": "query",
}
_ALWAYS = frozenset({"cart_viewed", "checkout_started", "checkout_completed"})


def outline(session: RecordedSession) -> tuple[Moment, ...]:
    """The moments that a new visitor, who starts with an empty cart, has to cause.

    It leaves out page views, repeats of the moment before, moments without a name, removals of what is not in the cart,
    checkouts with nothing to buy, and returns to a checkout already begun. It adds additions of what is bought without
    having been added in this session, and the start of a checkout that is only recorded as completed. The lines of an order
    are one moment, and a query is cut to the length that may be typed.
    """
    moments = [_typeable(moment) for moment in session.timeline if _can_be_replayed(moment)]
    done: list[Moment] = []
    cart: list[Moment] = []
    started = False
    for position, moment in enumerate(moments):
        if moment.event == "product_added_to_cart":
            cart.append(moment)
        elif moment.event == "product_removed_from_cart":
            held = next((added for added in cart if added.product_id == moment.product_id), None)
            if held is None:
                continue
            cart.remove(held)
        elif moment.event in ("checkout_started", "checkout_completed"):
            done.extend(_implied(moments, position, cart))
            if not cart or (started and moment.event == "checkout_started"):
                continue
            if not started and moment.event == "checkout_completed":
                done.append(Moment("checkout_started"))
            started = moment.event == "checkout_started"
            if not started:
                cart.clear()
        elif done and _same(done[-1], moment):
            continue
        done.append(moment)
    return tuple(done)


def replayable(session: RecordedSession) -> bool:
    """Whether the outline has every kind of event that the session had, except page views."""
    kinds = {moment.event for moment in session.timeline} - {"page_viewed"}
    kept = outline(session)
    return bool(kept) and kinds <= {moment.event for moment in kept}


def ordered(session: RecordedSession) -> list[str]:
    """The ids of the products in the session's completed checkouts, each once."""
    bought = (moment.product_id for moment in session.timeline if moment.event == "checkout_completed")
    return [product for product in dict.fromkeys(bought) if product is not None]


def _can_be_replayed(moment: Moment) -> bool:
    return moment.event in _ALWAYS or (moment.event in _NEEDS and bool(getattr(moment, _NEEDS[moment.event])))


def shortened(text: str) -> str:
    """The text cut to the characters that may be typed, between words if there are several."""
    if len(text) <= MAX_TYPED_CHARS:
        return text
    return text[: MAX_TYPED_CHARS + 1].rpartition(" ")[0] or text[:MAX_TYPED_CHARS]


def _typeable(moment: Moment) -> Moment:
    return moment if moment.query is None else replace(moment, query=shortened(moment.query))


def _implied(moments: Sequence[Moment], position: int, cart: list[Moment]) -> list[Moment]:
    """The additions that the checkout at `position` needs; they are added to `cart`."""
    if position and moments[position - 1].event == "checkout_completed":
        return []  # a further line of the same order
    bought: list[Moment] = []
    for moment in moments[position:]:
        if moment.event == "checkout_completed":
            bought.append(moment)
        elif bought or moment.event == "product_added_to_cart":
            break
    held = {moment.product_id for moment in cart}
    wanted = [moment for moment in bought if moment.title and moment.product_id not in held]
    if not cart and not bought:
        wanted = [moment for moment in moments[:position] if moment.event == "product_viewed"][-1:]
    added = [replace(moment, event="product_added_to_cart") for moment in wanted]
    cart.extend(added)
    return added


def _same(last: Moment, moment: Moment) -> bool:
    return (last.event, last.product_id, last.collection_id, last.query) == (
        moment.event,
        moment.product_id,
        moment.collection_id,
        moment.query,
    )
