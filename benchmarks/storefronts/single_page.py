"""A store in one page: a script draws everything from a JSON API, routes by the History API, and keeps the cart in the browser.

The script is written by hand in the manner of React: one root that listens for all, controlled inputs, a cart drawer,
collections that load further products when the visitor scrolls. The API answers after a short while, and sometimes fails.
"""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.storefronts.catalogue import Product, make_catalogue
from benchmarks.storefronts.request_log import ADDED, ORDER, RequestLog
from benchmarks.storefronts.server import Answer, Asked, data

NAME = "Northbound Supply"
CATALOGUE = make_catalogue(
    {
        "Jackets": ("Rain Jacket", "Down Jacket", "Denim Jacket", "Fleece"),
        "Shirts": ("Oxford Shirt", "Flannel Shirt", "Polo", "T-Shirt"),
        "Trousers": ("Chinos", "Jeans", "Cargo Trousers", "Shorts"),
        "Shoes": ("Trail Shoe", "Boot", "Sandal", "Sneaker"),
        "Bags": ("Backpack", "Tote", "Duffel", "Hip Pack"),
    },
    ("Coastal", "Alder", "Ridge", "Harbor", "Juniper", "Summit", "Cedar", "Granite", "Meadow"),
    (4800, 12900, 3500, 7950, 22000, 1800),
    {
        "Jackets": ("S", "M", "L"),
        "Shirts": ("S", "M", "L", "XL"),
        "Trousers": ("30", "32", "34"),
        "Shoes": ("41", "42", "43", "44"),
    },
    per_collection=12,
)
PER_BATCH = 6
FAILS_EVERY = 4
"""Each fourth attempt of a visitor to add something is answered with 500."""
DELAYS = {"products": 0.06, "search": 0.12, "collections": 0.08, "cart": 0.15, "checkout": 0.1, "featured": 0.05}
"""Seconds until the API answers, by the first part of the address."""
SCRIPT = (Path(__file__).parent / "single_page.js").read_text(encoding="utf-8")
SHELL = f"""<!doctype html><html lang="en"><head><title>{NAME}</title><style>
.grid{{display:grid;grid-template-columns:repeat(3,1fr);gap:1em}}.card{{min-height:20em}}.tile{{cursor:pointer;padding:2em;background:#eee}}
.drawer{{position:fixed;top:0;right:0;bottom:0;width:22em;background:#fff;border-left:1px solid;padding:1em;z-index:5}}
.toast{{position:fixed;bottom:1em;left:1em;background:#222;color:#fff;padding:1em}}</style></head>
<body><noscript>You need to enable JavaScript to run this app.</noscript><div id="root"></div>
<script src="/app.js"></script></body></html>"""


class SinglePageStore:
    """The store's API and its one page."""

    def __init__(self) -> None:
        self.log = RequestLog()
        self._attempts: Counter[str] = Counter()

    def answer(self, asked: Asked) -> Answer:
        """The page or the script, or what the API answers."""
        if asked.path == "/app.js":
            return Answer(SCRIPT, kind="text/javascript; charset=utf-8")
        if asked.path in ("/favicon.ico", "/robots.txt"):
            return Answer("", 404)
        if not asked.path.startswith("/api/"):
            return Answer(SHELL)
        parts = asked.path.split("/")[2:]
        time.sleep(DELAYS.get(parts[0], 0.05))
        shown = self._reads(asked, parts) if asked.method == "GET" else self._writes(asked, parts)
        return data({"error": "Not found"}, 404) if shown is None else shown

    def _reads(self, asked: Asked, parts: list[str]) -> Answer | None:
        event = item = ""
        match parts:
            case ["navigation"]:
                return data({"collections": _collections()})
            case ["featured"]:
                shown = {"products": [_card(one) for one in CATALOGUE.products[::9]]}
            case ["collections", slug, "products"] if slug in CATALOGUE.collections:
                event, item = "collection_viewed", slug
                shown = {"title": CATALOGUE.collections[slug]} | _batch(asked, CATALOGUE.of(slug))
            case ["products", slug] if (product := CATALOGUE.by_slug(slug)) is not None:
                event, item = "product_viewed", slug
                shown = _card(product) | {"sizes": product.options, "about": f"{product.title}, made to last."}
            case ["search"]:
                event, item = "search_submitted", asked.query.get("q", "")
                shown = {"title": f"Results for “{item}”"} | _batch(asked, CATALOGUE.search(item))
            case ["cart", "totals"]:
                event, shown = "cart_viewed", {"shipping": 500}
            case ["checkout", "options"]:
                event, shown = "checkout_started", {"methods": ["Standard (3-5 days)", "Express (1 day)"]}
            case _:
                return None
        if asked.query.get("in") == "drawer":  # over the page, which stays
            self.log.happened(asked.visitor, event)
        else:
            self.log.page(asked.visitor, event, item, is_first="offset" not in asked.query)
        return data(shown)

    def _writes(self, asked: Asked, parts: list[str]) -> Answer | None:
        match (asked.method, *parts):
            case ("POST", "cart", "lines"):
                return self._add(asked)
            case ("POST", "checkout", "address"):
                return data({"ok": True})
            case ("POST", "orders"):
                self.log.happened(asked.visitor, ORDER)
                return data({"number": "NB-1"})
        return None

    def _add(self, asked: Asked) -> Answer:
        """Whether a product may be put into the cart, which the browser keeps."""
        self._attempts[asked.visitor] += 1
        if self._attempts[asked.visitor] % FAILS_EVERY == 0:
            return data({"error": "Internal Server Error"}, 500)
        product = CATALOGUE.by_id(str(asked.form.get("productId", "")))
        size = str(asked.form.get("size") or "")
        if product is None or product.sold_out:
            return data({"error": "Sold out"}, 422)
        if product.options and size not in product.options:
            return data({"error": "Select an option"}, 422)
        self.log.happened(asked.visitor, ADDED, product.slug)
        return data({"line": _card(product) | {"size": size}})


def _collections() -> list[dict[str, str]]:
    return [{"slug": slug, "title": title} for slug, title in CATALOGUE.collections.items()]


def _card(product: Product) -> dict[str, Any]:
    return {
        "id": product.id,
        "slug": product.slug,
        "title": product.title,
        "cents": product.cents,
        "soldOut": product.sold_out,
    }


def _batch(asked: Asked, products: list[Product]) -> dict[str, Any]:
    first = int(asked.query.get("offset", "0"))
    shown = products[first : first + PER_BATCH]
    return {
        "products": [_card(product) for product in shown],
        "more": first + PER_BATCH < len(products),
        "count": len(products),
    }
