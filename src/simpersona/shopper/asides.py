"""What stands beside a purchase on most pages of real stores: a newsletter, a coupon, a note to the order, a login, a cookie banner.

A shopper can use all of it, but seldom does, and recorded sessions do not show it. So the share of the steps that go to it is set
here, and a trained policy shares out the rest as if it were not there: it need not have seen such a page in training.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from simpersona.pages import Action, Node, Purpose
from simpersona.shopper import store_words as words
from simpersona.shopper.affordances import typed, usable
from simpersona.shopper.moves import searches
from simpersona.shopper.store_words import KEPT
from simpersona.visits import Step

SHARE = 0.002
"""The share of the steps at which a shopper uses something beside the purchase, where there is any."""
CONSENT_SHARE = 0.1
"""The share of the steps at which a shopper answers a cookie banner, until it was answered once in the visit."""
COVERED_SHARE = 0.9
"""The share of the steps at which a shopper closes a banner that lies over the whole page, or a dialog that has just kept it from
what it wanted."""
MODEL_WEIGHT = 0.01
"""What a language model's own probability of an answer beside the purchase is multiplied by, before all are made to sum to one.
The answer to a cookie banner keeps its probability."""

ASIDES: frozenset[Purpose] = frozenset({"newsletter", "coupon", "note", "login", "consent"})
_FIELDS: dict[Purpose, re.Pattern[str]] = {"newsletter": words.NEWSLETTER, "coupon": words.COUPON, "note": words.NOTE}
_BUTTONS: dict[Purpose, re.Pattern[str]] = {
    "newsletter": words.SUBSCRIBE,
    "coupon": words.APPLY,
    "login": words.LOGIN,
    "consent": words.CONSENT,
}


@lru_cache(maxsize=KEPT)
def aside(node: Node) -> Purpose | None:
    """What a control is for, if that is beside the purchase: by the page's structure, else by its name; else None."""
    if node.purpose is not None:
        return node.purpose if node.purpose in ASIDES else None
    return next((purpose for purpose, pattern in _names(node).items() if pattern.search(node.name)), None)


def _names(node: Node) -> dict[Purpose, re.Pattern[str]]:
    """The names of what is beside the purchase that a control of this role can have."""
    if node.role == "spinbutton" or not usable(node):
        return {}
    if typed(node):
        return {} if searches(node) else _FIELDS
    if node.role == "button":
        return _BUTTONS
    return (
        {"login": words.LOGIN}
        if node.role == "link"
        else {"newsletter": words.NEWSLETTER}
        if node.role == "checkbox"
        else {}
    )


def answer_weight(node: Node) -> float:
    """What a language model's own probability of using a control is multiplied by."""
    return 1.0 if aside(node) in (None, "consent") else MODEL_WEIGHT


def asides_done(actions: Sequence[tuple[Step, Action]]) -> list[Purpose]:
    """What the steps of a visit have used beside the purchase."""
    nodes = [step.page.node(action.node) for step, action in actions]
    return [purpose for node in nodes if node is not None and (purpose := aside(node)) is not None]


def closes_cover(node: Node) -> bool:
    """Whether a control closes what lies over a page, by its name."""
    return node.role in ("button", "link") and bool(words.CLOSE.search(node.name.strip()))


def aside_shares(
    offered: Sequence[Purpose | None], done: Sequence[Purpose], *, is_covered: bool = False
) -> list[float]:
    """The share of each of the candidates `offered` that is beside the purchase, 0 for the others.

    `done` is what was used before; `is_covered` says that something lies over the page.
    """
    consent = CONSENT_SHARE if "consent" in offered and "consent" not in done else 0.0
    if is_covered and "consent" in offered:
        consent = COVERED_SHARE
    groups = {True: consent, False: SHARE}
    is_consent = [purpose == "consent" and consent > 0 for purpose in offered]
    sizes = {
        group: sum(purpose is not None and is_consent[n] == group for n, purpose in enumerate(offered))
        for group in groups
    }
    return [
        0.0 if purpose is None else groups[is_consent[number]] / sizes[is_consent[number]]
        for number, purpose in enumerate(offered)
    ]
