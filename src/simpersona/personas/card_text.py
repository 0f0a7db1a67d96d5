"""The text of a persona card: a summary of the buyers, and a description of a session."""

from __future__ import annotations

from collections.abc import Mapping

_NOUNS: dict[str, str] = {
    "A": "purchasers",
    "B": "checkout abandoners",
    "C": "cart builders",
    "D": "window shoppers",
    "E": "bouncers",
}
_MOSTLY = 0.9  # below this share of the main stratum, the summary says "Mostly"
_RARE = 0.1  # below this share of the sessions, the summary says "rarely"
_MORE = 1.25  # ratio to the average buyer from which a habit is mentioned

VISIT = (
    "search_count",
    "collection_view_count",
    "product_view_count",
    "add_to_cart_count",
    "checkout_start_count",
    "purchase_count",
)
"""The counts that describe a session: columns of SESSIONS, in the order of the funnel."""

Means = dict[str, float]
"""Mean raw scalars by name; unknown scalars are absent."""


def card_summary(stratum: str, share: float, means: Means, average: Means) -> str:
    """One or two sentences on the buyers of a code.

    They name the main stratum with its share, the habits that differ from the average buyer, how often the buyers
    add to cart and buy, and mean counts per buyer.

    >>> card_summary("D", 1.0, {"session_count": 2, "product_view_count": 9, "add_to_cart_rate": 0.02},
    ...              {"session_count": 2, "product_view_count": 4, "add_to_cart_rate": 0.3})
    'Window shoppers who view many products; rarely cart. Per buyer: 2.0 sessions, 9.0 product views.'
    """
    buyers = _NOUNS[stratum].capitalize() if share >= _MOSTLY else f"Mostly {_NOUNS[stratum]} ({share:.0%})"
    if habits := _habits(means, average):
        buyers += f" who {_enumerate(habits)}"
    text = "; ".join([buyers, *_purchase_phrases(means)]) + "."
    labels = {"session_count": "sessions", "product_view_count": "product views"}
    if means.get("checkout_rate", 0) >= _RARE:
        labels["mean_order_value"] = "mean order value"
    numbers = [f"{means[name]:,.1f} {label}" for name, label in labels.items() if means.get(name)]
    return f"{text} Per buyer: {', '.join(numbers)}." if numbers else text


def _habits(means: Means, average: Means) -> list[str]:
    """Phrases for what the buyers do clearly more or less than the average buyer."""
    comparisons = (
        ("session_count", None, "come back often", "rarely return"),
        ("search_session_count", "session_count", "search often", "rarely search"),
        ("collection_session_count", "session_count", "browse collections", ""),
        ("product_view_count", "session_count", "view many products", "view few products"),
        ("duration_seconds", "session_count", "take their time", "leave quickly"),
    )
    phrases = []
    for name, per, more, less in comparisons:
        value, usual = _value(means, name, per), _value(average, name, per)
        if value is None or not usual:
            continue
        if value >= _MORE * usual:
            phrases.append(more)
        elif value <= usual / _MORE and less:
            phrases.append(less)
    return phrases


def _value(means: Means, name: str, per: str | None) -> float | None:
    if name not in means or (per and not means.get(per)):
        return None
    return means[name] / means[per] if per else means[name]


def _purchase_phrases(means: Means) -> list[str]:
    """Phrases for how often the buyers add to cart and buy, from rates over sessions."""
    verbs = {"add_to_cart_rate": "cart", "checkout_rate": "buy"}
    rates = [(verb, means[name]) for name, verb in verbs.items() if name in means]
    if len(rates) == 2 and not any(rate for _, rate in rates):
        return ["never cart or buy"]
    return [_frequency(verb, rate) for verb, rate in rates]


def _frequency(verb: str, rate: float) -> str:
    if rate == 0:
        return f"never {verb}"
    return f"rarely {verb}" if rate < _RARE else f"{verb} in {rate:.0%} of their sessions"


def _enumerate(phrases: list[str]) -> str:
    return " and ".join([", ".join(phrases[:-1]), phrases[-1]]) if len(phrases) > 1 else phrases[0]


def describe_session(visit: Mapping[str, int], seconds: float | None = None) -> str:
    """A sentence that describes one session, from its counts of VISIT and its duration.

    >>> describe_session({"search_count": 2, "product_view_count": 6, "add_to_cart_count": 1}, 250)
    'Searches twice, views 6 products, carts one, leaves after 4 minutes.'
    """
    phrases = [phrase(count) for name, phrase in _STEPS.items() if (count := visit.get(name, 0))]
    orders = visit.get("purchase_count", 0)
    if orders:
        end = "buys" if orders == 1 else f"buys {_times(orders)}"
    else:
        end = "leaves"
        if visit.get("checkout_start_count", 0):
            phrases.append("starts the checkout")
        phrases = phrases or ["looks around"]
    sentence = ", ".join([*phrases, f"{end}{_duration(seconds)}"])
    return f"{sentence[0].upper()}{sentence[1:]}."


_STEPS = {
    "search_count": lambda count: f"searches {_times(count)}",
    "collection_view_count": lambda count: f"opens {_number(count, 'collection')}",
    "product_view_count": lambda count: f"views {_number(count, 'product')}",
    "add_to_cart_count": lambda count: f"carts {'one' if count == 1 else count}",
}


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _number(count: int, noun: str) -> str:
    return f"one {noun}" if count == 1 else f"{count} {noun}s"


def _duration(seconds: float | None) -> str:
    """The phrase for the duration; empty if it is unknown or 0."""
    if not seconds:
        return ""
    minutes = round(seconds / 60)
    if minutes < 1:
        return " within a minute"
    if minutes < 90:
        return f" after {_number(minutes, 'minute')}"
    return f" after {_number(round(minutes / 60), 'hour')}"
