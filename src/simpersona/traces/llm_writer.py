"""Goals written by a language model from what a recorded session did (2.1.2).

The prompt has titles, collections and queries, and nothing about the buyer: no ids, no persona, no stratum.
Rules check the answer, because a goal that leaks the outcome or omits a product would teach something else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from simpersona.contracts import Moment, RecordedSession
from simpersona.pages import Message
from simpersona.ports import LanguageModel
from simpersona.shopper.goals import neutral_goal, replay_goal
from simpersona.traces.llm_question import Form, ask
from simpersona.traces.outline import outline
from simpersona.visits import Goal

MAX_REPLAY_CHARS = 2000
MAX_NEUTRAL_CHARS = 120
SYSTEM = (
    "You write goals for a shopper in an online store, from what a visitor did there.\n"
    "replay: instructions, one or two sentences, that make the shopper do the same things in the same order and nothing "
    "else. Copy every product's name, every collection's name and every search word for word.\n"
    "neutral: one short sentence that only tells what kind of product the visitor was interested in, such as "
    '"You are interested in skirts.". It does not tell what was done or intended, no word of buying, browsing, carts or '
    "orders, and it names no single product.\n"
    "Answer with a JSON object {replay, neutral}."
)
_PERSON = re.compile(r"<\||</|\bpersonas?\b|\bstratum\b|\bstrata\b", re.IGNORECASE)
_PURCHASE = re.compile(r"\b(buy|purchase|pay for|(place|complete)s? (the|an|your|this) order)\b", re.IGNORECASE)
_DEEDS = re.compile(
    r"\b(buy|buys|buying|bought|purchas\w*|order|orders|ordered|ordering|brows\w*|carts?|baskets?|checkout|check out|"
    r"search\w*|view(s|ed|ing)?|add(s|ed|ing)?|remov\w*|abandon\w*)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class WrittenGoals:
    """A session's replay goal and neutral goal.

    `wrong` says what was wrong with each answer that could not be used; the goals are those of the rules where `by_rules`.
    """

    replay: Goal
    neutral: Goal
    by_rules: bool
    wrong: tuple[str, ...] = ()
    prompt_tokens: int = 0
    reply_tokens: int = 0


class _Goals(Form):
    replay: str
    neutral: str


async def write_goals(model: LanguageModel, session: RecordedSession, seed: int) -> WrittenGoals:
    """The goals as the model writes them. An answer that cannot be used is asked for once more; then the rules' are taken.

    Raises ModelError if the model cannot be asked.
    """
    replay, neutral = replay_goal(session), neutral_goal(session)
    asked = await ask(
        model, writer_messages(session), _Goals, seed, lambda goals: fault(goals.replay, goals.neutral, session)
    )
    if asked.answer is not None:
        replay = replace(replay, text=_one_line(asked.answer.replay))
        neutral = replace(neutral, text=_one_line(asked.answer.neutral))
    return WrittenGoals(replay, neutral, asked.answer is None, asked.wrong, asked.prompt_tokens, asked.reply_tokens)


def writer_messages(session: RecordedSession) -> list[Message]:
    """What the model is moments: what the replay will do, one line each, in plain words."""
    lines = [f"{number}. {_described(moment)}" for number, moment in enumerate(outline(session), start=1)]
    return [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": "\n".join(["The visitor", *lines])},
    ]


def fault(replay: str, neutral: str, session: RecordedSession) -> str | None:
    """Why two goals cannot be used, as a message by which the model can correct them; None if they can.

    The replay goal has to name all products, collections and queries of the session's outline, and to ask for no purchase
    that did not happen. The neutral goal must not name a product or an action, except for words that the catalogue or
    the queries use themselves. Neither may mention personas or strata.
    """
    moments = outline(session)
    return next(
        chain(_of_both(replay, neutral, moments), _of_replay(replay, moments), _of_neutral(neutral, moments)), None
    )


def _of_both(replay: str, neutral: str, moments: Sequence[Moment]) -> Iterator[str]:
    for name, text, limit in (("replay", replay, MAX_REPLAY_CHARS), ("neutral", neutral, MAX_NEUTRAL_CHARS)):
        if not text.strip():
            yield f"{name} is empty"
        if len(text) > limit:
            yield f"{name} has {len(text)} characters, more than {limit}"
        if leak := _unknown(_PERSON, text, moments):
            yield f"{name} holds {leak!r}, which tells of the data and not of the visit"


def _of_replay(replay: str, moments: Sequence[Moment]) -> Iterator[str]:
    missing = [name for name in _names(moments, "title", "collection", "query") if _plain(name) not in _plain(replay)]
    if missing:
        yield f"replay does not name {', '.join(map(repr, missing))} word for word"
    bought = any(moment.event == "checkout_completed" for moment in moments)
    if not bought and (extra := _unknown(_PURCHASE, replay, moments)):
        yield f"replay says {extra!r}, but the visitor ordered nothing"


def _of_neutral(neutral: str, moments: Sequence[Moment]) -> Iterator[str]:
    kinds = _plain(" ".join(_names(moments, "product_type", "collection", "query")))
    for title in _names(moments, "title"):
        if _plain(title) in _plain(neutral) and _plain(title) not in kinds:
            yield f"neutral names the product {title!r}: it must tell only the kind of product"
    if leak := _unknown(_DEEDS, neutral, moments):
        yield f"neutral says {leak!r}: it must tell only what the visitor was interested in"


def _unknown(pattern: re.Pattern[str], text: str, moments: Sequence[Moment]) -> str | None:
    """The first match in `text` that is not among the catalogue's and the queries' own words."""
    known = _plain(" ".join(_names(moments, "title", "product_type", "collection", "query")))
    known_words = set(known.split())
    matches = (match[0] for match in pattern.finditer(text))
    return next((text for text in matches if text.casefold() not in (known_words if text.isalpha() else known)), None)


def _names(moments: Iterable[Moment], *fields: str) -> list[str]:
    """The texts in these fields that the outline goes by, each once."""
    names = (
        value
        for moment in moments
        if not moment.event.startswith("checkout")
        for name in fields
        if (value := getattr(moment, name))
    )
    return list(dict.fromkeys(names))


def _described(moment: Moment) -> str:
    product = f'"{moment.title}"' + (f" ({moment.product_type})" if moment.product_type else "")
    return {
        "search_submitted": f'searched for "{moment.query}"',
        "collection_viewed": f'looked at the collection "{moment.collection}"',
        "product_viewed": f"looked at the product {product}",
        "product_added_to_cart": f"added the product {product} to the cart",
        "product_removed_from_cart": f"removed the product {product} from the cart",
        "cart_viewed": "looked at the cart",
        "checkout_started": "went to the checkout",
        "checkout_completed": "placed the order",
    }[moment.event]


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _one_line(text: str) -> str:
    return " ".join(text.split())
