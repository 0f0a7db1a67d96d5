"""Whether an action added to the cart, read from what the store did, not from the name of the control.

The events that the page reports to its own analytics come first, then the answer to the request, then the content of the cart
before and after. A request that the store refused adds nothing, whatever the page reports.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from simpersona.pages import Page
from simpersona.shopper.affordances import ADD
from simpersona.shopper.cart_seen import Change
from simpersona.shopper.page_kinds import seen_page
from simpersona.visits import Step

AdditionEvidence = Literal["analytics", "cart_answer", "cart_shown", "control"]


@dataclass(frozen=True)
class Addition:
    """Whether an action added to the cart. `added` is None where nothing tells it; `product_id` is what the effect names."""

    added: bool | None
    evidence: AdditionEvidence | None = None
    product_id: str | None = None


NOTHING = Addition(added=False)


def addition(step: Step, after: Page, change: Change) -> Addition:
    """What the action of a step did to the cart: `after` is the page that followed, `change` what it shows of the cart."""
    effects = [effect for effect in after.effects if effect.event == "product_added_to_cart"]
    answers = [effect for effect in effects if effect.source == "cart_answer"]
    named = next((effect.product_id for effect in effects if effect.product_id is not None), None)
    accepted = any(effect.accepted for effect in answers)
    if not accepted and any(effect.accepted is False for effect in answers):
        return NOTHING
    if any(effect.source == "analytics" for effect in effects):
        return Addition(added=True, evidence="analytics", product_id=named)
    if accepted:
        return Addition(added=True, evidence="cart_answer", product_id=named)
    if change == "grew" and (answers or not _only_opens(step)):
        return Addition(added=True, evidence="cart_shown", product_id=named)
    if answers:
        return Addition(added=_page_accepts(after, change), evidence="cart_answer", product_id=named)
    return _without_effect(step, after, change)


def _page_accepts(after: Page, change: Change) -> bool:
    """Whether the page that answers a form shows that the product was added."""
    if after.content is not None and after.content.complains:
        return False
    return change != "same" or seen_page(after).kind == "cart"


def _without_effect(step: Step, after: Page, change: Change) -> Addition:
    """The result of an action that no effect followed."""
    if not _tries_to_add(step) or not step.succeeded:
        return NOTHING
    if after.content is None:  # a driver that reports no effects: the name of the control is all there is
        return Addition(added=True, evidence="control") if step.page.content is None else Addition(added=None)
    opened = _only_opens(step, named=True) and after.url != step.page.url
    return NOTHING if opened or change == "same" or after.content.complains else Addition(added=None)


def _tries_to_add(step: Step) -> bool:
    action = step.decision.action
    if action is None or action.method not in ("click", "doubleClick", "press"):
        return False
    node = step.page.node(action.node)
    return node is not None and bool(ADD.search(node.name))


def _only_opens(step: Step, *, named: bool = False) -> bool:
    """Whether an action only opens an address: the number that the next page shows may be older than the visit's last one.

    With `named`, a link whose name says that it adds counts as one that opens, too.
    """
    action = step.decision.action
    if action is None or action.method not in ("click", "doubleClick", "press", "selectOptionFromDropdown"):
        return True
    node = step.page.node(action.node)
    return node is not None and node.role == "link" and (named or not ADD.search(node.name))
