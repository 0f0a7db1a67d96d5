"""The plain words of a persona card: who the buyers are, what they do, and a typical session."""

from __future__ import annotations

from collections.abc import Mapping

_NOUNS: dict[str, str] = {
    "A": "purchasers",
    "B": "checkout abandoners",
    "C": "cart builders",
    "D": "window shoppers",
    "E": "bouncers",
}
_MOSTLY = 0.9  # from this share on a code is called after its stratum without "mostly"
_RARE = 0.1  # of the sessions
_MORE = 1.25  # times the average buyer

VISIT = (
    "search_count",
    "collection_view_count",
    "product_view_count",
    "add_to_cart_count",
    "checkout_start_count",
    "purchase_count",
)
"""What a session is told by: columns of SESSIONS, in the order of the funnel."""

Means = dict[str, float]
"""Mean raw scalars by name; unknown ones are missing."""


def summary(stratum: str, share: float, means: Means, average: Means) -> str:
    """One or two sentences: who they are, what they do more than the average buyer, how often they cart and buy.

    >>> summary("D", 1.0, {"session_count": 2, "product_view_count": 9, "add_to_cart_rate": 0.02},
    ...         {"session_count": 2, "product_view_count": 4, "add_to_cart_rate": 0.3})
    'Window shoppers who view many products; rarely cart. Per buyer: 2.0 sessions, 9.0 product views.'
    """
    who = _NOUNS[stratum].capitalize() if share >= _MOSTLY else f"Mostly {_NOUNS[stratum]} ({share:.0%})"
    habits = _habits(means, average)
    deeds = _deeds(means)
    sentence = f"{who} who {_listed(habits)}" if habits else who
    numbers = [
        f"{means[name]:,.1f} {words}"
        for name, words in (
            ("session_count", "sessions"),
            ("product_view_count", "product views"),
            ("mean_order_value", "mean order value"),
        )
        if means.get(name) and (name != "mean_order_value" or means.get("checkout_rate", 0) >= _RARE)
    ]
    return ". ".join(
        part for part in ("; ".join([sentence, *deeds]), f"Per buyer: {', '.join(numbers)}" if numbers else "") if part
    ) + "."  # fmt: skip


def _habits(means: Means, average: Means) -> list[str]:
    """What they do clearly more or less than the average buyer."""
    comparisons = (
        ("session_count", None, "come back often", "rarely return"),
        ("search_session_count", "session_count", "search often", "rarely search"),
        ("collection_session_count", "session_count", "browse collections", ""),
        ("product_view_count", "session_count", "view many products", "view few products"),
        ("duration_seconds", "session_count", "take their time", "leave quickly"),
    )
    found = []
    for name, per, more, less in comparisons:
        here, usual = _value(means, name, per), _value(average, name, per)
        if here is None or not usual:
            continue
        words = more if here >= _MORE * usual else less if here <= usual / _MORE else ""
        if words:
            found.append(words)
    return found


def _value(means: Means, name: str, per: str | None) -> float | None:
    if name not in means or (per and not means.get(per)):
        return None
    return means[name] / means[per] if per else means[name]


def _deeds(means: Means) -> list[str]:
    """How often they cart and buy, from rates over sessions."""
    rates = [
        (verb, means[name]) for name, verb in (("add_to_cart_rate", "cart"), ("checkout_rate", "buy")) if name in means
    ]
    if len(rates) == 2 and not any(rate for _, rate in rates):
        return ["never cart or buy"]
    return [
        f"never {verb}"
        if rate == 0
        else f"rarely {verb}"
        if rate < _RARE
        else f"{verb} in {rate:.0%} of their sessions"
        for verb, rate in rates
    ]


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]


def session_words(visit: Mapping[str, int], seconds: float | None = None) -> str:
    """One session in words, from its counts of VISIT and how long it took.

    >>> session_words({"search_count": 2, "product_view_count": 6, "add_to_cart_count": 1}, 250)
    'Searches twice, views 6 products, carts one, leaves after 4 minutes.'
    """
    done = [words(count) for name, words in _STEPS.items() if (count := visit.get(name, 0))]
    orders = visit.get("purchase_count", 0)
    if visit.get("checkout_start_count", 0) and not orders:
        done.append("starts the checkout")
    end = "leaves" if not orders else "buys" if orders == 1 else f"buys {_times(orders)}"
    sentence = ", ".join([*(done or ([] if orders else ["looks around"])), f"{end}{_stay(seconds)}"])
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


def _stay(seconds: float | None) -> str:
    """Nothing where the time is unknown, or all is said to have happened at one moment."""
    if not seconds:
        return ""
    minutes = round(seconds / 60)
    if minutes < 1:
        return " within a minute"
    if minutes < 90:
        return f" after {_number(minutes, 'minute')}"
    return f" after {_number(round(minutes / 60), 'hour')}"
