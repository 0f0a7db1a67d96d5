"""Writes generated events as JSON lines in the format of Shopify's Web Pixels standard events."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any
from urllib.parse import quote_plus

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int

from simpersona.lab.catalogue import Catalogue
from simpersona.lab.clientele import random_ids
from simpersona.lab.funnel import MAX_EVENTS, Action
from simpersona.lab.shop_part import ShopPart, moments, take
from simpersona.lab.visits import PIECES, VARIANTS

NAMES = {
    Action.HOME: "page_viewed",
    Action.SEARCH: "search_submitted",
    Action.COLLECTION: "collection_viewed",
    Action.VIEW: "product_viewed",
    Action.ADD: "product_added_to_cart",
    Action.REMOVE: "product_removed_from_cart",
    Action.CART: "cart_viewed",
    Action.START: "checkout_started",
    Action.COMPLETE: "checkout_completed",
}
CURRENCY = "USD"
SHIPPING = 4.95
"""Shipping cost, included in an order's total but not in its subtotal."""
BLOCK = 2**16
"""Number of lines per block."""


class PixelLog:
    """The log of one shop. Lines are built column by column; texts that depend only on a product or list are cached."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.url = f"https://{catalogue.shop_id}.example"
        self.products = catalogue.products.to_pylist()
        self.collections = catalogue.collections.to_pylist()
        self.with_item = cache(self._with_item)
        self.variant = cache(self._variant)
        self.cart_line = cache(self._cart_line)
        self.order_line = cache(self._order_line)
        self.names = [f'","name":"{NAMES.get(action, "")}","clientId":"' for action in Action]
        middle = f'"type":"standard","shop":"{catalogue.shop_id}","context":{{"document":'
        self.numbers = [f'Z","seq":{seq},{middle}' for seq in range(MAX_EVENTS)]

    def blocks(self, part: ShopPart, rng: np.random.Generator) -> Iterator[pa.Buffer]:
        """Yields the part's events in the order of time as UTF-8 blocks of BLOCK lines, one JSON object per line."""
        visit_events = part.visit_events
        tokens = random_ids(len(part.plan), rng)
        for first in range(0, len(visit_events), BLOCK):
            events = np.arange(first, min(first + BLOCK, len(visit_events)))
            visit = visit_events.visit[events]
            times = moments(visit_events.time[events]).cast(pa.string())
            lines = pc.binary_join_element_wise(
                '{"id":"',
                random_ids(len(events), rng),
                take(self.names, visit_events.action[events]),
                take(part.clientele.buyer_id, part.plan.buyer[visit]),
                '","timestamp":"',
                pc.binary_replace_slice(times, 10, 11, "T"),
                take(self.numbers, visit_events.seq[events]),
                self._descriptions(part, events, tokens),
                "\n",
                "",  # the separator
            )
            yield lines.buffers()[2]

    def _descriptions(self, part: ShopPart, events: Int[np.ndarray, " n"], tokens: pa.Array) -> pa.Array:
        """The end of each line: the document of the event and the event's data."""
        visit_events = part.visit_events
        action = visit_events.action[events]
        with_cart = np.isin(action, (Action.CART, Action.START, Action.COMPLETE))
        keys = np.where(
            with_cart,
            -1,
            action + len(Action) * np.maximum(visit_events.item[events], visit_events.target[events]).astype(int),
        )
        distinct, at = np.unique(keys, return_inverse=True)
        texts = [self.with_item(key) for key in distinct.tolist()]
        rows = events[with_cart]
        at[with_cart] = len(texts) + np.arange(len(rows))
        visit = visit_events.visit[rows]
        columns = (
            visit_events.action[rows].tolist(),
            visit_events.cart[rows].tolist(),
            part.subtotals(rows).tolist(),
            tokens.take(pa.array(visit)).to_pylist(),
            part.order_ids(visit).to_pylist(),
        )
        texts += [self._with_cart(*values) for values in zip(*columns, strict=True)]
        return take(texts, at)

    def _with_item(self, key: int) -> str:
        target, action = divmod(key, len(Action))  # the item, query or collection
        match Action(action):
            case Action.SEARCH:
                query = self.catalogue.queries[target]
                return self._end(
                    f"/search?q={quote_plus(query)}", f"Search: {query}", {"searchResult": {"query": query}}
                )
            case Action.COLLECTION:
                collection = self.collections[target]
                data = {"collection": {"id": collection["collection_id"], "title": collection["title"]}}
                return self._end(f"/collections/{collection['collection_id']}", collection["title"], data)
            case Action.VIEW | Action.ADD:
                product = self.products[target // (VARIANTS * PIECES)]
                data = (
                    {"productVariant": self.variant(target)}
                    if action == Action.VIEW
                    else {"cartLine": self._line(target)}
                )
                return self._end(f"/products/{product['product_id']}", product["title"], data)
            case Action.REMOVE:
                return self._end("/cart", "Your cart", {"cartLine": self._line(target)})
            case _:
                return self._end("/", "Home", {})

    def _with_cart(self, action: int, cart: Sequence[int], subtotal: float, token: str, order_id: str) -> str:
        items = [item for item in cart if item >= 0]
        if action == Action.CART:
            lines, pieces = ",".join(map(self.cart_line, items)), sum(map(_pieces, items))
            data = f'{{"totalQuantity":{pieces},"lines":[{lines}],"cost":{{"totalAmount":{_json(_money(subtotal))}}}}}'
            return f'{self._document("/cart", "Your cart")},"data":{{"cart":{data}}}}}'
        page, title, order = f"/checkouts/{token}", "Checkout", ""
        if action == Action.COMPLETE:
            page, title, order = f"{page}/thank-you", "Thank you", f',"order":{{"id":"{order_id}"}}'
        data = (
            f'{{"token":"{token}","lineItems":[{",".join(map(self.order_line, items))}],'
            f'"subtotalPrice":{_json(_money(subtotal))},"totalPrice":{_json(_money(round(subtotal + SHIPPING, 2)))}{order}}}'
        )
        return f'{self._document(page, title)},"data":{{"checkout":{data}}}}}'

    def _end(self, path: str, title: str, data: dict[str, Any]) -> str:
        return f'{self._document(path, title)},"data":{_json(data)}}}'

    def _document(self, path: str, title: str) -> str:
        return f"{_json({'location': {'href': self.url + path}, 'title': title})}}}"

    def _variant(self, item: int) -> dict[str, Any]:
        number, variant = divmod(item // PIECES, VARIANTS)
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
        return {"merchandise": self.variant(item), "quantity": _pieces(item), "cost": {"totalAmount": self._cost(item)}}

    def _cart_line(self, item: int) -> str:
        return _json(self._line(item))

    def _order_line(self, item: int) -> str:
        variant = self.variant(item)
        return _json(
            {
                "title": variant["product"]["title"],
                "quantity": _pieces(item),
                "variant": variant,
                "finalLinePrice": self._cost(item),
            }
        )

    def _cost(self, item: int) -> dict[str, Any]:
        return _money(round(_pieces(item) * self.variant(item)["price"]["amount"], 2))


def _pieces(item: int) -> int:
    return item % PIECES + 1


def _money(amount: float) -> dict[str, Any]:
    return {"amount": amount, "currencyCode": CURRENCY}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
