"""Three lines about a log that its owner can check: its stores, its period, and what happened in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

STORES_SHOWN = 10

_KINDS = {
    "page_viewed": ("page view", "page views"),
    "product_viewed": ("product view", "product views"),
    "collection_viewed": ("collection view", "collection views"),
    "search_submitted": ("search", "searches"),
    "product_added_to_cart": ("add to cart", "adds to cart"),
    "product_removed_from_cart": ("removal from cart", "removals from cart"),
    "cart_viewed": ("cart view", "cart views"),
    "checkout_started": ("checkout start", "checkout starts"),
}
"""The events but for orders, which are counted by their ids."""


def summary_lines(quality: Mapping[str, Any]) -> tuple[str, str, str]:
    """Stores, period and events of the quality report, one line each.

    The shares of the report do not show that one merchant became two stores, that a day is missing or that prices are in
    cents; names, times and totals that the owner knows do.
    """
    return _stores(quality), _period(quality), _events(quality)


def _stores(quality: Mapping[str, Any]) -> str:
    names, count = quality["stores"], quality["shops"]
    more = f", and {count - len(names):,} more" if count > len(names) else ""
    most = ", most events first" if count > 1 else ""
    return f"stores: {count:,}{most}: {', '.join(names)}{more}"


def _period(quality: Mapping[str, Any]) -> str:
    if "time" in quality["unknown"]:
        return "period: not known, for the source has no times"
    zone = quality["time_zone"]
    first, last = (_local(quality[name], zone) for name in ("first_event", "last_event"))
    return f"period: {first} to {last}, times and days in {zone} (events.time_zone)"


def _local(time: str, zone: str) -> str:
    return f"{datetime.fromisoformat(time).astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"


def _events(quality: Mapping[str, Any]) -> str:
    counts = quality["event_counts"]
    kinds = [f"{counts[name]:,} {names[counts[name] != 1]}" for name, names in _KINDS.items() if counts.get(name)]
    orders = sum(line["orders"] for line in quality["orders"])
    in_full = quality["refunds"].get("orders_in_full", 0)
    unknown = quality["orders_without_amount"]
    notes = [f"{in_full:,} of them refunded in full or cancelled"] if in_full else []
    notes += [f"{unknown:,} of unknown value"] if 0 < unknown < orders else []
    noted = f" ({', '.join(notes)})" if notes else ""
    counted = f"{orders:,} order{'s' * (orders != 1)}{noted}{_revenue(quality['orders'])}"
    return "events: " + ", ".join([*kinds, counted])


def _revenue(orders: Iterable[Mapping[str, Any]]) -> str:
    """The total of the orders, by currency where the log names one."""
    sums = [
        f"{line['revenue']:,.2f} {line['currency'] or ''}".strip() for line in orders if line["revenue"] is not None
    ]
    if not sums:
        return " of unknown value" if any(line["orders"] for line in orders) else ""
    return f" worth {' + '.join(sums)}"
