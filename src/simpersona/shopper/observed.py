"""Events of a store without an event log, inferred from what the shopper saw and did.

This is an inference, not a record: it assumes the usual addresses and button names of web shops, and it cannot know
whether the store took an action as it was meant. Figures that rest on it must say so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa

from simpersona.contracts import EVENTS
from simpersona.pages import Page
from simpersona.shopper.affordances import ADD
from simpersona.visits import Episode, Step

_ADDRESSES = {  # in order of precedence
    event: re.compile(pattern, re.IGNORECASE)
    for event, pattern in {
        "checkout_completed": r"/(thank[-_]?you|order[-_]?(confirmation|received|complete))|/checkouts?/.*thank",
        "checkout_started": r"/checkouts?(/|$)",
        "cart_viewed": r"/(cart|basket|bag)(/|$)",
        "product_viewed": r"/(products?|item|p)/[^/]",
        "search_submitted": r"/search(/|$)",
        "collection_viewed": r"/(collections?|categor(y|ies)|c)/[^/]",
    }.items()
}


def observed_events(episodes: Sequence[Episode]) -> pa.Table:
    """EVENTS rows inferred from episodes; `buyer_id` is the episode id, times count from 1970 on.

    Product and collection ids are the last part of the address; prices and order ids are unknown.
    """
    rows = [row for episode in episodes for row in _episode_rows(episode)]
    return pa.Table.from_pylist(rows, schema=EVENTS.schema)


def _episode_rows(episode: Episode) -> Iterator[dict[str, Any]]:
    elapsed, last_seen, has_started = 0.0, None, False
    for step in episode.steps:
        event = _page_event(step.page)
        if event is not None and event != last_seen:
            yield _row(episode, elapsed, **event)
            has_started = has_started or event["event"] == "checkout_started"
        last_seen = event
        elapsed += step.seconds
        if _adds(step):
            product = None if event is None else event.get("product_id")
            yield _row(episode, elapsed, event="product_added_to_cart", product_id=product)
    if episode.ending == "checkout_reached" and not has_started:
        yield _row(episode, elapsed, event="checkout_started")


def _row(episode: Episode, elapsed: float, **columns: Any) -> dict[str, Any]:
    time = datetime.fromtimestamp(0, UTC) + timedelta(seconds=elapsed)
    return dict.fromkeys(EVENTS.columns) | {
        "shop_id": episode.goal.shop_id,
        "buyer_id": episode.episode_id,
        "session_id": episode.episode_id,
        "time": time,
        **columns,
    }


def _page_event(page: Page) -> dict[str, Any] | None:
    """The event that seeing this page stands for, with its product, collection or query; None for other pages."""
    address = urlsplit(page.url)
    event = next((event for event, pattern in _ADDRESSES.items() if pattern.search(address.path)), None)
    match event:
        case None:
            return None
        case "product_viewed":
            return {"event": event, "product_id": _last(address.path)}
        case "collection_viewed":
            return {"event": event, "collection_id": _last(address.path)}
        case "search_submitted":
            parameters = parse_qs(address.query)
            query = next((parameters[key][0] for key in ("q", "query", "s", "keyword") if key in parameters), None)
            return {"event": event, "query": query}
    return {"event": event}


def _adds(step: Step) -> bool:
    action = step.decision.action
    if action is None or action.method not in ("click", "doubleClick", "press") or not step.succeeded:
        return False
    node = step.page.node(action.node)
    return node is not None and bool(ADD.search(node.name))


def _last(path: str) -> str:
    return path.rstrip("/").rsplit("/", 1)[-1]
