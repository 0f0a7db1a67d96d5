"""Web Pixels of one merchant over three hosts, as a collector stores them: nulls, `data` as text, orders of a server, days twice."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.exports.planted import Event, Order, Product, Visit

HOSTS = ("www.acme-mugs.example", "acme-mugs.example")
CHECKOUT = "acme-mugs.myshopify.com"
USD = 1.25  # dollars for a euro of the price list
NAMES = {"page": "page_viewed", "view": "product_viewed", "list": "collection_viewed", "search": "search_submitted",
         "add": "product_added_to_cart", "start": "checkout_started", "order": "checkout_completed"}  # fmt: skip

Line = dict[str, Any]


def write_pixels(folder: Path, visits: Sequence[Visit], seed: int) -> dict[str, int]:
    """The files of the visits, and the number of lines that are written, damaged, repeated and set aside."""
    rng = random.Random(seed)
    folder.mkdir()
    lines: list[Line] = []
    for visit in visits:
        host = rng.choice(HOSTS)
        lines += [_line(rng, visit, number, event, host) for number, event in enumerate(visit.events)]
        lines += [_refund(rng, visit, order) for order in visit.orders if order.refund != "none"]
    for number in range(150):  # what no stage uses
        at = lines[number]["timestamp"]
        extra = {
            "id": f"x{number}",
            "clientId": lines[number]["clientId"],
            "timestamp": at,
            "context": None,
            "data": None,
        }
        lines.append(extra | rng.choice([{"name": "clicked", "type": "dom"}, {"name": "wheel_spun", "type": "custom"}]))
    rng.shuffle(lines)
    days: dict[str, list[Line]] = {}
    for line in lines:
        days.setdefault(line["timestamp"][:10], []).append(line)
    for day, of_day in days.items():
        (folder / f"pixels_{day}.jsonl").write_text("".join(_text(rng, line) for line in of_day), encoding="utf-8")
    again = sorted(days)[2]
    # a day that is exported again has other envelopes and another order of its lines
    copies = [line | {"exported_at": "2026-11-30T00:00:00Z"} for line in days[again][::-1]]
    (folder / f"again_{again}.jsonl").write_text("".join(_text(rng, line) for line in copies), encoding="utf-8")
    with (folder / f"pixels_{again}.jsonl").open("a", encoding="utf-8") as file:
        file.write(
            '{"id": "cut", "name": "page_viewed", "clie\n[1, 2]\n{"id": "n", "name": "page_viewed", "clientId": null}\n'
        )
        file.write(
            '{"id": "u", "name": "page_viewed", "clientId": "undefined", "timestamp": "2026-10-05T10:00:00Z"}\n\n'
        )
    repeated = sum(_is_used(line) for line in days[again])
    refunds = sum(line["name"] not in NAMES.values() and _is_used(line) for line in lines)
    unused = sum(not _is_used(line) for line in [*lines, *copies])
    return {"in": len(lines) + len(copies) + 4, "malformed": 3, "duplicate": repeated, "ignored": unused + refunds + 1}


def _is_used(line: Line) -> bool:
    return line["name"] not in ("clicked", "wheel_spun")


def _line(rng: random.Random, visit: Visit, number: int, event: Event, host: str) -> Line:
    at_checkout = event.kind in ("start", "order")
    href = f"https://{CHECKOUT if at_checkout else host}/{event.kind}"
    context: Any = {"document": {"location": {"href": href}, "referrer": None}, "navigator": {"language": None}}
    if event.kind == "order" and rng.random() < 0.3:
        context = None  # sent by the server
    return {
        "id": f"sh-{visit.number}-{number}",
        "name": NAMES[event.kind],
        "type": "standard",
        "clientId": visit.buyer,
        "timestamp": event.at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
        "seq": number if rng.random() < 0.9 else None,
        "context": context,
        "data": _data(rng, visit, event),
    }


def _data(rng: random.Random, visit: Visit, event: Event) -> Any:
    currency = next((order.currency for order in visit.orders), "EUR")
    if event.product:
        variant = _variant(event.product, currency)
        if event.kind == "view":
            return {"productVariant": variant}
        return {"cartLine": {"merchandise": variant, "quantity": 1, "cost": {"totalAmount": variant["price"]}}}
    if event.kind == "list":
        return {"collection": {"id": "mugs", "title": "Mugs", "productVariants": []}}
    if event.kind == "search":
        return {"searchResult": {"query": "blue mug", "productVariants": None}}
    if event.order:
        return {"checkout": _checkout(event.order)}
    return rng.choice([None, {}, {"checkout": None}])


def _checkout(order: Order) -> Any:
    lines = [{"quantity": quantity, "title": product.title, "variant": _variant(product, order.currency),
              "finalLinePrice": _money(product.cents * quantity, order.currency)}
             for product, quantity in order.lines]  # fmt: skip
    return {"token": f"t{order.order_id}", "currencyCode": order.currency, "lineItems": lines, "email": None,
            "order": {"id": f"gid://shopify/OrderIdentity/{order.order_id}"},
            "subtotalPrice": _money(order.cents, order.currency),
            "totalPrice": _money(order.cents + 495, order.currency)}  # fmt: skip


def _variant(product: Product, currency: str) -> Any:
    return {"id": f"v{product.product_id}", "price": _money(product.cents, currency), "sku": None,
            "product": {"id": product.product_id, "title": product.title, "vendor": "Acme", "type": None}}  # fmt: skip


def _money(cents: int, currency: str) -> Any:
    return {"amount": cents * (USD if currency == "USD" else 1) / 100, "currencyCode": currency}


def _refund(rng: random.Random, visit: Visit, order: Order) -> Line:
    stated: dict[str, Any] = {"order_id": int(order.order_id)}
    if order.refund != "full":
        money = _money(order.refunded, order.currency)
        stated |= {"amount": f"{money['amount']:.4f}", "currency": order.currency}
    at = visit.events[-1].at.replace(hour=rng.choice([0, 23]))  # before the order, or after it
    return {"id": f"r{order.order_id}", "name": "order_refunded", "type": "custom", "timestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "clientId": rng.choice([None, visit.buyer]), "context": None, "customData": stated}  # fmt: skip


def _text(rng: random.Random, line: Line) -> str:
    if rng.random() < 0.3:  # as a warehouse's column of text
        line = line | {"data": json.dumps(line["data"])} if line.get("data") else line
        line = line | {"context": json.dumps(line["context"])} if line.get("context") else line
    return json.dumps(line, ensure_ascii=rng.random() < 0.5) + "\n"
