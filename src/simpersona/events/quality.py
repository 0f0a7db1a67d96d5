"""The quality report of a log: row counts, coverage of the fields, and unknown kinds of events."""

from __future__ import annotations

from collections.abc import Mapping
from math import fsum
from typing import Any

import ibis
import ibis.expr.types as ir

from simpersona.contracts import CONVERTED, Capabilities
from simpersona.events.bots import BOT
from simpersona.events.cleaning import AMOUNTS, DUPLICATE, IGNORED
from simpersona.events.sessionize import session_orders
from simpersona.events.summary_lines import STORES_SHOWN

REASONS_SHOWN = 20
_EPOCH_YEAR_END = ibis.timestamp("1971-01-01 00:00:00+00:00")
_COVERED = ("session_id", "product_id", "collection_id", "query", "price", "quantity", "order_id", "value")


def count_rows(rows_in: int, rows_kept: int, rejected: ibis.Table) -> dict[str, Any]:
    """Counts of the input rows, so that they add up.

    rows_in = rows_kept + rows_rejected, and rows_rejected = rows_malformed + rows_duplicate + rows_ignored +
    rows_bot. `rejected_share` is the share of malformed rows in rows_in; duplicates, ignored events and rows of
    bots are not malformed.
    """
    counts = rejected.group_by("reason").aggregate(rows=rejected.count())
    reasons = {line["reason"]: line["rows"] for line in counts.to_pyarrow().to_pylist()}
    duplicate = reasons.get(DUPLICATE, 0)
    ignored = sum(rows for reason, rows in reasons.items() if reason.startswith(IGNORED))
    bot = sum(rows for reason, rows in reasons.items() if reason.startswith(BOT))
    total = sum(reasons.values())
    malformed = total - duplicate - ignored - bot
    return {
        "rows_in": rows_in,
        "rows_kept": rows_kept,
        "rows_rejected": total,
        "rows_malformed": malformed,
        "rows_duplicate": duplicate,
        "rows_ignored": ignored,
        "rows_bot": bot,
        "rejected_share": malformed / rows_in if rows_in else 0.0,
        "reasons": dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))[:REASONS_SHOWN]),
    }


def is_malformed(reason: ir.StringValue) -> ir.BooleanValue:
    """Whether rows of this reason are malformed: duplicates, ignored events and rows of bots are not."""
    return ~((reason == DUPLICATE) | reason.startswith(IGNORED) | reason.startswith(BOT))


def describe(
    events: ibis.Table,
    sessions: ibis.Table,
    products: ibis.Table,
    has: Capabilities,
    store_currencies: Mapping[str, str | None] | None = None,
) -> dict[str, Any]:
    """Statistics of the accepted events.

    - counts of event rows, events by name (`events` counts rows, `event_counts` the lines of an order as one), shops,
      buyers and sessions, and the first and last time;
    - `stores`: the names of the stores with most events; `orders`: their number and total, for each currency of the stores;
      `orders_without_amount`: those with neither a value nor a line with a price; `orders_of_several_buyers`: ids that
      more than one buyer of a store has;
    - `clock`: times in 1970 and days (UTC) without events;
    - `coverage`: the share of event rows where the source gives an optional field. Session ids that the
      sessionization adds do not count;
    - `impossible`: the number of impossible amounts that were set to null;
    - products of the catalogue, products missing from it, and the rows that name them;
    - `unknown`: the kinds of events that the source does not record.
    """
    impossible = [f"impossible_{name}" for name in AMOUNTS]
    totals = events.aggregate(
        event_rows=events.count(),
        shops=events.shop_id.nunique(),
        first=events.time.min(),
        last=events.time.max(),
        days=events.time.date().nunique(),
        in_1970=(events.time < _EPOCH_YEAR_END).sum(),
        **{f"has_{name}": events[name].notnull().mean() for name in _COVERED},
        **{name: events[name].sum() for name in impossible},
    )
    total = totals.to_pyarrow().to_pylist()[0]
    by_name = events.group_by("event").aggregate(rows=events.count(), whole=(events.part == 0).sum())
    by_name = by_name.order_by("event").to_pyarrow().to_pylist()
    stores = events.group_by("shop_id").aggregate(rows=events.count()).order_by([ibis.desc("rows"), "shop_id"])
    named = events.filter(events.product_id.notnull())
    named = named.group_by("shop_id", "product_id").aggregate(rows=named.count())
    unknown = named.anti_join(products, ["shop_id", "product_id"])
    unknown_total = unknown.aggregate(products=unknown.count(), rows=unknown.rows.sum()).to_pyarrow().to_pylist()[0]
    period = (total["last"].date() - total["first"].date()).days + 1
    return {
        "event_rows": total["event_rows"],
        "events": {line["event"]: line["rows"] for line in by_name},
        "event_counts": {line["event"]: line["whole"] for line in by_name},
        **_orders(sessions, has, store_currencies or {}),
        "shops": total["shops"],
        "stores": stores.limit(STORES_SHOWN).shop_id.to_pyarrow().to_pylist(),
        "buyers": _number(events.select("shop_id", "buyer_id").distinct()),
        "sessions": _number(sessions.select("shop_id", "buyer_id", "session_id").distinct()),
        "first_event": total["first"].isoformat(),
        "last_event": total["last"].isoformat(),
        # an unset time of 0 falls into 1970; a day without events may be a day without logging
        "clock": {"events_in_1970": total["in_1970"], "days": period, "days_without_events": period - total["days"]},
        "coverage": {name: total[f"has_{name}"] for name in _COVERED},
        "impossible": {name: total[f"impossible_{name}"] for name in AMOUNTS},
        "products": _number(products),
        "products_unknown": unknown_total["products"],
        "rows_of_unknown_products": unknown_total["rows"] or 0,
        # REFERENCE 6: the strata count these as 0
        "unknown": [name.removeprefix("has_") for name, known in vars(has).items() if not known],
    }


def in_another_currency(currency: str | None, store_currencies: Mapping[str, str | None]) -> list[str]:
    """The stores whose amounts are in another currency than most, so that their numbers cannot be compared. A store that
    names no currency is one of them if the others have several.
    """
    others = {name for name in store_currencies.values() if name not in (None, currency)}
    return sorted(store for store, name in store_currencies.items() if others and name != currency)


def _orders(sessions: ibis.Table, has: Capabilities, currencies: Mapping[str, str | None]) -> dict[str, Any]:
    """Number and total of the orders of each currency, as the sessions count them; the total is None if the source has no
    prices, or no session has orders whose amounts are all known.
    """
    orders = session_orders(sessions)
    total = orders.group_by("shop_id").aggregate(
        orders=orders.purchase_count.sum(),
        revenue=orders.order_value.sum(),
        without_amount=orders.without_amount.sum(),
    )
    lines = total.order_by("shop_id").to_pyarrow().to_pylist()
    names = dict.fromkeys([*sorted(filter(None, {*currencies.values()})), None])
    of = {name: [line for line in lines if currencies.get(line["shop_id"]) == name] for name in names}
    summed = [
        {
            "currency": None if name == CONVERTED else name,
            "orders": sum(line["orders"] for line in of_currency),
            "revenue": _total([line["revenue"] for line in of_currency]) if has.has_price else None,
        }
        for name, of_currency in of.items()
        if of_currency
    ]
    return {
        "orders": sorted(summed, key=lambda line: -line["orders"])
        or [{"currency": None, "orders": 0, "revenue": 0.0 if has.has_price else None}],
        "orders_without_amount": sum(line["without_amount"] or 0 for line in lines),
        "orders_of_several_buyers": _shared_orders(sessions),
    }


def _total(revenues: list[float | None]) -> float | None:
    """The sum of the stores' revenues that are known; None if none is."""
    known = [revenue for revenue in revenues if revenue is not None]
    return round(fsum(known), 6) if known else None


def _shared_orders(events: ibis.Table) -> int:
    """The number of order ids that several buyers of a store have."""
    orders = events.filter((events.event == "checkout_completed") & events.order_id.notnull())
    orders = orders.select("shop_id", "order_id", "buyer_id").distinct()
    return _number(orders.group_by("shop_id", "order_id").aggregate(buyers=orders.count()).filter(ibis._.buyers > 1))


def _number(table: ibis.Table) -> int:
    return int(table.count().to_pyarrow().as_py())
