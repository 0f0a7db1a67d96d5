"""A German shop's CSV: semicolons, decimal commas, cp1252, local times over the change to winter time, own names of events."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from tests.exports.planted import Event, Order, Visit

BERLIN = ZoneInfo("Europe/Berlin")
HEADER = "Ereignis-Nr.;Kunde;Zeitpunkt;Vorgang;Artikel-Nr.;Bezeichnung;Preis;Menge;Bestell-Nr.;Summe;Suchbegriff"
NAMES = {"page": "Seite geöffnet", "view": "Artikel angesehen", "list": "Rubrik geöffnet", "search": "Suche", "add": "In den Warenkorb",
         "start": "Zur Kasse", "order": "Bestellung"}  # fmt: skip
CONFIG = """
[source]
format = "table"
path = "export/*.csv"
shop = "becher.example"
encoding = "cp1252"
time_format = "%d.%m.%Y %H:%M"
time_zone = "Europe/Berlin"

[source.columns]
event_id = "Ereignis-Nr."
buyer_id = "Kunde"
time = "Zeitpunkt"
event = "Vorgang"
product_id = "Artikel-Nr."
title = "Bezeichnung"
price = "Preis"
quantity = "Menge"
order_id = "Bestell-Nr."
value = "Summe"
query = "Suchbegriff"

[source.events]
"Seite geöffnet" = "page_viewed"
"Artikel angesehen" = "product_viewed"
"Rubrik geöffnet" = "collection_viewed"
"Suche" = "search_submitted"
"In den Warenkorb" = "product_added_to_cart"
"Zur Kasse" = "checkout_started"
"Bestellung" = "checkout_completed"
"Storno" = "order_refunded"
"Newsletter" = "ignored"

[events]
time_zone = "Europe/Berlin"
"""


def write_csv(folder: Path, visits: Sequence[Visit], seed: int) -> dict[str, int]:
    """Two files and a part that is exported again; the number of rows that are written, damaged, repeated and set aside."""
    rng = random.Random(seed)
    folder.mkdir()
    rows: list[str] = []
    ignored = 0
    for visit in visits:
        for number, event in enumerate(visit.events):
            rows += _rows(f"{visit.number}-{number}", visit, event)
        refunds = [row for order in visit.orders for row in _storno(visit, order)]
        ignored += len(refunds)
        rows += refunds
        if rng.random() < 0.1:
            rows.append(_row(f"n{visit.number}", visit.buyer, visit.events[0], "Newsletter"))
            ignored += 1
    half = len(rows) // 2
    again = rng.sample(rows[:half], 600)
    broken = ["kaputt;zu;wenig", "x1;;25.10.2026 12:00;Seite geöffnet;;;;;;;", "x2;b0001;gestern;Seite geöffnet;;;;;;;"]
    parts = {"Woche1.csv": rows[:half], "Woche2.csv": [*rows[half:], *broken], "Woche2_Nachtrag.csv": again}
    for name, lines in parts.items():
        (folder / name).write_bytes("\r\n".join([HEADER, *lines, ""]).encode("cp1252"))
    unused = sum("Newsletter" in row for row in again)
    return {"in": len(rows) + 603, "malformed": 3, "duplicate": 600 - unused, "ignored": ignored + unused}


def german(cents: int) -> str:
    whole = f"{cents // 100:,}".replace(",", ".")
    return f"{whole},{cents % 100:02} €"


def _rows(number: str, visit: Visit, event: Event) -> list[str]:
    if event.order:
        return [
            _row(number, visit.buyer, event, NAMES["order"], product.product_id, product.title, german(product.cents),
                 f"{quantity}", event.order.order_id, german(event.order.cents))
            for product, quantity in event.order.lines
        ]  # fmt: skip
    if event.product:
        product = event.product
        menge = "1" if event.kind == "add" else ""
        return [
            _row(
                number,
                visit.buyer,
                event,
                NAMES[event.kind],
                product.product_id,
                product.title,
                german(product.cents),
                menge,
            )
        ]
    query = "Becher „groß“; blau" if event.kind == "search" else ""
    return [_row(number, visit.buyer, event, NAMES[event.kind], query=query)]


def _storno(visit: Visit, order: Order) -> list[str]:
    """The lines of a cancellation: of all, of an amount, or of the first line with its price."""
    last = visit.events[-1]
    at = Event(last.at + timedelta(days=1), "storno")
    number = f"s{order.order_id}"
    if order.refund == "full":
        return [_row(number, visit.buyer, at, "Storno", order=order.order_id)]
    if order.refund == "amount":
        return [_row(number, "", at, "Storno", order=order.order_id, total="-" + german(order.refunded))]
    if order.refund == "line":
        product, quantity = order.lines[0]
        return [_row(number, visit.buyer, at, "Storno", product.product_id, product.title, german(product.cents),
                     f"-{quantity}", order.order_id)]  # fmt: skip
    return []


def _row(
    number: str, buyer: str, event: Event, name: str, product: str = "", title: str = "", price: str = "",
    quantity: str = "", order: str = "", total: str = "", query: str = "",
) -> str:  # fmt: skip
    local = event.at.astimezone(BERLIN).strftime("%d.%m.%Y %H:%M")
    fields = (number, buyer, local, name, product, title, price, quantity, order, total, query)
    return ";".join(_quoted(field) for field in fields)


def _quoted(field: str) -> str:
    return '"' + field.replace('"', '""') + '"' if any(mark in field for mark in ';"\n') else field
