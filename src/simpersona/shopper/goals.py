"""Goals written from recorded sessions by rules: deterministic, and no language model needed.

Three kinds: the replay goal keeps the session's structure (2.1.2), the neutral goal names only what
the buyer was interested in (stage 1), the intent goal adds to buy or to browse (stage 2).
"""

from __future__ import annotations

from collections import Counter

from simpersona.contracts import Goal, Moment, RecordedSession

BUYING_STRATA = frozenset("ABC")
SOMETHING = "something new"


def neutral_goal(session: RecordedSession) -> Goal:
    """What the buyer was interested in, and no more: "You are interested in skirts."."""
    return _goal(session, f"You are interested in {category(session)}.")


def intent_goal(session: RecordedSession) -> Goal:
    """To buy for strata A-C ("You are here to buy skirts."), to browse for the others."""
    intent = "buy" if session.stratum in BUYING_STRATA else "browse"
    goal = _goal(session, f"You are here to {intent} {category(session)}.")
    return Goal(**{**vars(goal), "intent": intent})


def replay_goal(session: RecordedSession) -> Goal:
    """The session as instructions: "Search for 'skirt', view Pleated Skirt and add it to the cart."."""
    told: list[str] = []
    seen: str | None = None
    for moment in session.timeline:
        words = _told(moment, seen)
        if words and (not told or told[-1] != words):
            told.append(words)
        seen = moment.title or seen
    text = _listed(told) if told else "look around"
    return _goal(session, text[0].upper() + text[1:] + ".")


def category(session: RecordedSession) -> str:
    """What the session was about, in plain words: its products' most common type (the first seen among
    equals), else its collection, else its query, else "something new".
    """
    for field in ("product_type", "collection", "query"):
        found = Counter(value for moment in session.timeline if (value := getattr(moment, field)))
        if found:
            return _plain(found.most_common(1)[0][0])
    return SOMETHING


def _goal(session: RecordedSession, text: str) -> Goal:
    return Goal(text, session.shop_id, session.buyer_id, session.session_id, session.code)


def _plain(text: str) -> str:
    """Lower case, but for abbreviations."""
    return " ".join(word if word.isupper() and len(word) > 1 else word.lower() for word in text.split())


def _told(moment: Moment, seen: str | None) -> str:
    title = moment.title or "a product"
    it = "it" if moment.title is not None and moment.title == seen else title
    words = {
        "search_submitted": f"search for '{moment.query}'",
        "collection_viewed": f"look at the {moment.collection or 'next'} collection",
        "product_viewed": f"view {title}",
        "product_added_to_cart": f"add {it} to the cart",
        "product_removed_from_cart": f"remove {it} from the cart",
        "cart_viewed": "look at the cart",
        "checkout_started": "go to checkout",
        "checkout_completed": "place the order",
    }
    return words.get(moment.event, "")


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
