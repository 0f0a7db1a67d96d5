"""Events as lines of JSON in the shape of Shopify's Web Pixels standard events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any
from urllib.parse import quote_plus

import numpy as np

from simpersona.lab.catalogue import Catalogue
from simpersona.lab.clientele import Clientele, Plan, random_ids
from simpersona.lab.funnel import Did
from simpersona.lab.visits import VARIANT_BASE, Trail

NAMES = {
    Did.HOME: "page_viewed",
    Did.SEARCH: "search_submitted",
    Did.COLLECTION: "collection_viewed",
    Did.VIEW: "product_viewed",
    Did.ADD: "product_added_to_cart",
    Did.REMOVE: "product_removed_from_cart",
    Did.CART: "cart_viewed",
    Did.START: "checkout_started",
    Did.COMPLETE: "checkout_completed",
}
CURRENCY = "USD"
SHIPPING = 4.95
"""In an order's total, not in its subtotal."""
BEGIN = np.datetime64("2026-01-05T00:00:00", "ms")
"""When the world begins (UTC)."""


def lines(
    catalogue: Catalogue, clientele: Clientele, plan: Plan, trail: Trail, rng: np.random.Generator
) -> Iterator[str]:
    """One line of JSON per event, in the trail's order, without the line's end."""
    shop = _Shop(catalogue)
    ids = random_ids(len(trail), rng)
    tokens = rng.bytes(16 * len(plan)).hex()
    times = np.datetime_as_string(moment(trail.time))
    columns = zip(
        ids, times.tolist(), trail.visit.tolist(), plan.buyer[trail.visit].tolist(), trail.seq.tolist(),
        trail.did.tolist(), trail.item.tolist(), trail.where.tolist(), trail.cart.tolist(), strict=True,
    )  # fmt: skip
    for event_id, time, visit, buyer, seq, did, item, where, cart in columns:
        token = tokens[32 * visit : 32 * visit + 32]
        name, document, data = shop.describe(did, item, where, cart, token, visit)
        yield (
            f'{{"id":"{event_id}","name":"{name}","clientId":"{clientele.buyer_id[buyer]}","timestamp":"{time}Z",'
            f'"seq":{seq},"type":"standard","shop":"{catalogue.shop_id}","context":{{"document":{document}}},'
            f'"data":{data}}}'
        )


def moment(seconds: np.ndarray) -> np.ndarray:
    """Seconds after the world's begin as times, to the millisecond."""
    return BEGIN + np.round(seconds * 1000).astype("timedelta64[ms]")


class _Shop:
    """The texts of one shop's events. What depends on a product or a list alone is made once."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.url = f"https://{catalogue.shop_id}.example"
        self.products = catalogue.products.to_pylist()
        self.collections = catalogue.collections.to_pylist()
        self.repeated = cache(self._repeated)
        self.variant = cache(self._variant)

    def describe(
        self, did: int, item: int, where: int, cart: list[int], token: str, visit: int
    ) -> tuple[str, str, str]:
        """The event's name, the document it was seen on and its data, the last two as JSON."""
        if did in (Did.CART, Did.START, Did.COMPLETE):
            return self._with_cart(Did(did), [one for one in cart if one >= 0], token, visit)
        return self.repeated(did, item, where)

    def _repeated(self, did: int, item: int, where: int) -> tuple[str, str, str]:
        match Did(did):
            case Did.SEARCH:
                query = self.catalogue.queries[where]
                path, title = f"/search?q={quote_plus(query)}", f"Search: {query}"
                data = {"searchResult": {"query": query}}
            case Did.COLLECTION:
                collection = self.collections[where]
                path, title = f"/collections/{collection['collection_id']}", collection["title"]
                data = {"collection": {"id": collection["collection_id"], "title": title}}
            case Did.VIEW | Did.ADD:
                product = self.products[item // VARIANT_BASE]
                path, title = f"/products/{product['product_id']}", product["title"]
                data = {"productVariant": self.variant(item)} if did == Did.VIEW else {"cartLine": self._line(item)}
            case Did.REMOVE:
                path, title, data = "/cart", "Your cart", {"cartLine": self._line(item)}
            case _:
                path, title, data = "/", "Home", {}
        return NAMES[Did(did)], self._document(path, title), _json(data)

    def _with_cart(self, did: Did, items: list[int], token: str, visit: int) -> tuple[str, str, str]:
        subtotal = round(sum(self._price(item) for item in items), 2)
        if did is Did.CART:
            data: dict[str, Any] = {
                "cart": {
                    "totalQuantity": len(items),
                    "lines": [self._line(item) for item in items],
                    "cost": {"totalAmount": _money(subtotal)},
                }
            }
            return NAMES[did], self._document("/cart", "Your cart"), _json(data)
        checkout = {
            "token": token,
            "lineItems": [
                {
                    "title": self.products[item // VARIANT_BASE]["title"],
                    "quantity": 1,
                    "variant": self.variant(item),
                    "finalLinePrice": _money(self._price(item)),
                }
                for item in items
            ],
            "subtotalPrice": _money(subtotal),
            "totalPrice": _money(round(subtotal + SHIPPING, 2)),
        }
        path, title = f"/checkouts/{token}", "Checkout"
        if did is Did.COMPLETE:
            checkout["order"] = {"id": f"{self.products[0]['product_id'][:-6]}{visit:09d}"}
            path, title = f"{path}/thank-you", "Thank you"
        return NAMES[did], self._document(path, title), _json({"checkout": checkout})

    def _variant(self, item: int) -> dict[str, Any]:
        number, variant = divmod(item, VARIANT_BASE)
        product = self.products[number]
        code = f"{product['product_id']}{variant:02d}"
        return {
            "id": code,
            "title": product["variants"][variant] if product["variants"] else "Default Title",
            "sku": f"SKU-{code}",
            "price": _money(product["price"]),
            "product": {
                "id": product["product_id"],
                "title": product["title"],
                "vendor": product["vendor"],
                "type": product["product_type"],
            },
        }

    def _line(self, item: int) -> dict[str, Any]:
        return {"merchandise": self.variant(item), "quantity": 1, "cost": {"totalAmount": _money(self._price(item))}}

    def _price(self, item: int) -> float:
        return self.products[item // VARIANT_BASE]["price"]

    def _document(self, path: str, title: str) -> str:
        return _json({"location": {"href": self.url + path}, "title": title})


def _money(amount: float) -> dict[str, Any]:
    return {"amount": amount, "currencyCode": CURRENCY}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
