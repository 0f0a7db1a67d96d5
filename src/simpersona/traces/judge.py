"""The judge by rules (2.1.2): whether the store's own event log shows what the session did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from simpersona.contracts import Moment, RecordedSession
from simpersona.traces.outline import ordered, outline
from simpersona.visits import Episode, Verdict

_NOUNS = {
    "product_viewed": "view",
    "collection_viewed": "view of the collection",
    "search_submitted": "search for",
    "product_added_to_cart": "addition of",
    "product_removed_from_cart": "removal of",
    "checkout_started": "start of the checkout",
    "checkout_completed": "order",
}
_COUNTED = ("product_added_to_cart", "product_removed_from_cart", "checkout_started", "checkout_completed")


def judge(session: RecordedSession, store_events: Sequence[dict[str, Any]], replaced: Collection[str] = ()) -> Verdict:
    """Whether the session's outline happened in order, with its products, and nothing that commits was added.

    `store_events` are the log's rows (EVENTS) of this episode. Further views, searches and looks at
    the cart on the way are allowed; further additions, removals, checkouts and orders are not. For a title in `replaced`, that
    of a product which the store did not have, the first other product met counts as its replacement, and the verdict says so.
    """
    wanted = [moment for moment in outline(session) if moment.event in _NOUNS]
    happened = _merged(sorted(store_events, key=lambda row: row["time"]))
    if not wanted:
        return Verdict(verified=False, reason="the session has nothing that can be checked")
    rest = iter(happened)
    stand_ins: dict[str | None, str] = {}
    for number, moment in enumerate(wanted, start=1):
        if not any(_is(moment, row, replaced, stand_ins) for row in rest):
            return Verdict(verified=False, reason=f"missing: {_described(moment)} (event {number} of {len(wanted)})")
    expected, counted = Counter(m.event for m in wanted), Counter(row["event"] for row in happened)
    for event in _COUNTED:
        if counted[event] > expected[event]:
            return Verdict(
                verified=False, reason=f"too many: {_NOUNS[event]} ({counted[event]}, not {expected[event]})"
            )
    bought = {row["product_id"] for row in store_events if row["event"] == "checkout_completed"}
    missing = [product for product in ordered(session) if not bought & {product, stand_ins.get(product)}]
    if expected["checkout_completed"] and missing:
        return Verdict(verified=False, reason=f"not in the order: {', '.join(missing)}")
    instead = [moment.title or "" for moment in wanted if moment.product_id in stand_ins]
    note = f"; the nearest title in place of {', '.join(dict.fromkeys(instead))}" if instead else ""
    return Verdict(verified=True, reason=f"everything happened, in order{note}")


def replaced_titles(episode: Episode) -> set[str]:
    """The titles of products which the store did not have and the teacher replaced."""
    return {step.decision.stands_for for step in episode.steps if step.decision.stands_for is not None}


def _merged(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with the lines of each order as one."""
    return list(_orders_once(rows))


def _orders_once(rows: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    orders: set[Any] = set()
    for row in rows:
        if row["event"] == "checkout_completed":
            order = row["order_id"] or row["time"]
            if order in orders:
                continue
            orders.add(order)
        yield row


def _is(moment: Moment, row: dict[str, Any], replaced: Collection[str], stand_ins: dict[str | None, str]) -> bool:
    """Whether the row is the event of the moment; a product that replaces another is added to `stand_ins`."""
    if row["event"] != moment.event:
        return False
    match moment.event:
        case "product_viewed" | "product_added_to_cart" | "product_removed_from_cart":
            product = moment.product_id
            if row["product_id"] != product and moment.title in replaced:
                stand_ins.setdefault(product, row["product_id"])
            return row["product_id"] in (product, stand_ins.get(product, product))
        case "collection_viewed":
            return row["collection_id"] == moment.collection_id
        case "search_submitted":
            return _plain(row["query"]) == _plain(moment.query)
        case _:
            return True


def _plain(query: str | None) -> str:
    return " ".join((query or "").casefold().split())


def _described(moment: Moment) -> str:
    what = moment.title or moment.collection or moment.query
    return _NOUNS[moment.event] + (f" {what}" if what and not moment.event.startswith("checkout") else "")
