"""GA4's BigQuery export as JSON lines: daily and intraday tables, "(not set)", session ids as text and cookies, no consent, refunds."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.exports.planted import Event, Order, Product, Visit

NAMES = {"page": "page_view", "view": "view_item", "list": "view_item_list", "search": "view_search_results",
         "add": "add_to_cart", "start": "begin_checkout", "order": "purchase"}  # fmt: skip
UNUSED = ("session_start", "scroll", "user_engagement", "first_visit")

Line = dict[str, Any]


def write_tables(folder: Path, visits: Sequence[Visit], strangers: Sequence[Visit], seed: int) -> dict[str, int]:
    """The daily tables, and the intraday table of the last day, which the daily one repeats in part. `strangers` did not consent.

    Returns the number of rows that are written, damaged, repeated and set aside.
    """
    rng = random.Random(seed)
    folder.mkdir()
    lines = [line for visit in visits for line in _lines(rng, visit, visit.buyer)]
    refunds = [_refund(rng, visit, order) for visit in visits for order in visit.orders if order.refund != "none"]
    unknown = [line | {"user_pseudo_id": None} for visit in strangers for line in _lines(rng, visit, None)]
    unused = [lines[number] | {"event_name": rng.choice(UNUSED), "items": []} for number in range(0, len(lines), 9)]
    days: dict[str, list[Line]] = {}
    for line in [*lines, *refunds, *unknown, *unused]:
        days.setdefault(line["event_date"], []).append(line)
    last = max(days)
    for day, of_day in days.items():
        rng.shuffle(of_day)
        (folder / f"events_{day}.json").write_text(
            "".join(json.dumps(line) + "\n" for line in of_day), encoding="utf-8"
        )
    known = [line for line in days[last] if line not in unknown and line not in unused]
    early = known[: len(known) // 2]
    text = "".join(json.dumps(line | {"batch_page_id": None}) + "\n" for line in early)
    (folder / f"events_intraday_{last}.json").write_text(
        text + '{"event_name": "page_view", "event_time\n', encoding="utf-8"
    )
    total = len(lines) + len(refunds) + len(unknown) + len(unused) + len(early) + 1
    ignored = len(refunds) + len(unknown) + len(unused)
    return {"in": total, "malformed": 1, "duplicate": len(early), "ignored": ignored}


def _lines(rng: random.Random, visit: Visit, buyer: str | None) -> list[Line]:
    start = int(visit.events[0].at.timestamp())
    style = rng.choice(["number", "text", "cookie"])
    return [_line(rng, visit, number, event, buyer, start, style) for number, event in enumerate(visit.events)]


def _line(
    rng: random.Random, visit: Visit, number: int, event: Event, buyer: str | None, start: int, style: str
) -> Line:
    second = int(event.at.timestamp())
    session = {
        "number": {"int_value": str(start)},
        "text": {"string_value": str(start)},
        "cookie": {"string_value": f"GS2.1.s{start}$o{visit.number % 7}$g1$t{second}$j{number}$l0$h0"},
    }[style]
    params = [
        {"key": "ga_session_id", "value": session},
        _text_param("page_location", f"https://shop.acme.example/{event.kind}/{number}"),
    ]
    if event.kind == "search":
        params.append(_text_param("search_term", "blue mug"))
    if event.kind == "list":
        params.append(_text_param("item_list_name", "Mugs"))
    items: list[Line] = []
    if event.product:
        items = [_item(rng, event.product, 1)]
    ecommerce: Line | None = None
    if event.order:
        params.append(_text_param("currency", event.order.currency))
        items = [_item(rng, product, quantity, surely=True) for product, quantity in event.order.lines]
        ecommerce = {"transaction_id": event.order.order_id, "purchase_revenue": event.order.cents / 100}
        if rng.random() < 0.2:  # the value alone, as a parameter
            ecommerce = {"transaction_id": event.order.order_id, "purchase_revenue": None}
            params.append({"key": "value", "value": rng.choice([
                {"double_value": event.order.cents / 100}, {"string_value": f"{event.order.cents / 100:.2f}"}])})  # fmt: skip
    elif rng.random() < 0.3:
        ecommerce = {"transaction_id": "(not set)", "purchase_revenue": None}
    return {
        "event_date": f"{event.at:%Y%m%d}",
        "event_timestamp": str(second * 1_000_000 + number),  # BigQuery writes whole numbers as texts
        "event_name": NAMES[event.kind],
        "event_params": params,
        "user_pseudo_id": buyer,
        "user_id": None,
        "device": {
            "category": "mobile",
            "web_info": {"hostname": rng.choice(["shop.acme.example", "(not set)", None])},
        },
        "items": items,
        "ecommerce": ecommerce,
    }


def _item(rng: random.Random, product: Product, quantity: int, *, surely: bool = False) -> Line:
    price: Any = product.cents / 100 if surely or rng.random() < 0.7 else None
    stated = rng.choice([quantity, str(quantity)])
    return {"item_id": product.product_id, "item_name": product.title, "item_brand": "(not set)", "item_category": "(not set)",
            "price": price, "quantity": stated, "coupon": "(not set)"}  # fmt: skip


def _refund(rng: random.Random, visit: Visit, order: Order) -> Line:
    last = visit.events[-1].at
    params = [_text_param("currency", order.currency)]
    ecommerce: Line = {"transaction_id": order.order_id, "refund_value": None}
    items: list[Line] = []
    if order.refund == "line":
        product, quantity = order.lines[0]
        items = [{"item_id": product.product_id, "item_name": product.title, "price": None, "quantity": str(quantity)}]
    elif order.refund == "amount":
        ecommerce["refund_value"] = order.refunded / 100
    return {"event_date": f"{last:%Y%m%d}", "event_timestamp": str(int(last.timestamp() + 400) * 1_000_000),
            "event_name": "refund", "event_params": params, "user_pseudo_id": rng.choice([None, visit.buyer, "server.1"]),
            "device": None, "items": items, "ecommerce": ecommerce}  # fmt: skip


def _text_param(key: str, text: str) -> Line:
    return {"key": key, "value": {"string_value": text, "int_value": None}}
