"""Goals from recorded sessions by rules: deterministic, without a language model.

There are three kinds. The neutral goal names only what the buyer was interested in (phase 1), the intent goal adds to buy
or to browse (phase 2). The replay goal keeps the session's structure (2.1.2); as a training goal it is called instructions.
"""

from __future__ import annotations

from collections import Counter

from simpersona.contracts import Moment, RecordedSession
from simpersona.visits import Goal, Intent

BUYING_STRATA = frozenset("ABC")
SOMETHING = "something new"


def goal_for(
    wish: str,
    intent: Intent | None,
    *,
    shop_id: str = "",
    buyer_id: str = "",
    session_id: str = "",
    code: int | None = None,
) -> Goal:
    """The goal with a wish and an intent: "You are here to buy skirts."; without an intent "You are interested in skirts."."""
    text = f"You are interested in {wish}." if intent is None else f"You are here to {intent} {wish}."
    return Goal(text, shop_id, buyer_id, session_id, code, intent, wish)


def neutral_goal(session: RecordedSession) -> Goal:
    """What the buyer was interested in, and no more."""
    return _from_session(session, None)


def intent_goal(session: RecordedSession) -> Goal:
    """The goal with the intent: to buy for strata A-C, to browse for the others."""
    return _from_session(session, "buy" if session.stratum in BUYING_STRATA else "browse")


def replay_goal(session: RecordedSession) -> Goal:
    """The session as instructions: "Search for 'skirt', view Pleated Skirt and add it to the cart."."""
    instructions: list[str] = []
    seen: str | None = None
    for moment in session.timeline:
        instruction = _instruction(moment, seen)
        if instruction and (not instructions or instructions[-1] != instruction):
            instructions.append(instruction)
        seen = moment.title or seen
    text = _listed(instructions) if instructions else "look around"
    text = text[0].upper() + text[1:] + "."
    return Goal(text, session.shop_id, session.buyer_id, session.session_id, session.code)


def category(session: RecordedSession) -> str:
    """What the session was about: its products' most common type (the first seen among equals), else its
    collection, else its query, else "something new".
    """
    for field in ("product_type", "collection", "query"):
        counts = Counter(value for moment in session.timeline if (value := getattr(moment, field)))
        if counts:
            return plain_wish(counts.most_common(1)[0][0])
    return SOMETHING


def _from_session(session: RecordedSession, intent: Intent | None) -> Goal:
    return goal_for(
        category(session),
        intent,
        shop_id=session.shop_id,
        buyer_id=session.buyer_id,
        session_id=session.session_id,
        code=session.code,
    )


def plain_wish(text: str) -> str:
    """A product type, collection or query as a goal has it: lower case except for abbreviations."""
    return " ".join(word if word.isupper() and len(word) > 1 else word.lower() for word in text.split())


def _instruction(moment: Moment, seen: str | None) -> str:
    title = moment.title or "a product"
    it = "it" if moment.title is not None and moment.title == seen else title
    instructions = {
        "search_submitted": f"search for '{moment.query}'",
        "collection_viewed": f"look at the {moment.collection or 'next'} collection",
        "product_viewed": f"view {title}",
        "product_added_to_cart": f"add {it} to the cart",
        "product_removed_from_cart": f"remove {it} from the cart",
        "cart_viewed": "look at the cart",
        "checkout_started": "go to checkout",
        "checkout_completed": "place the order",
    }
    return instructions.get(moment.event, "")


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
