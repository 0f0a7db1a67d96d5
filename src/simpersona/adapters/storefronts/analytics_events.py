"""Events that a store's page reports to its own analytics, as effects: their names and the ids of the products, nothing else.

Read are the entries of Google's data layer (also by `gtag`), Shopify's queue of events, and the requests of Google Analytics 4.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import parse_qs, urlsplit

from simpersona.pages import Effect, ShopEvent

_EVENTS: dict[str, ShopEvent] = {
    **dict.fromkeys(("view_item", "product_viewed", "product_view", "product_detail", "view_product", "detail"), "product_viewed"),
    **dict.fromkeys(("collection_viewed", "product_list_viewed", "view_category", "category_view"), "collection_viewed"),
    **dict.fromkeys(("search", "search_submitted", "view_search_results", "products_searched"), "search_submitted"),
    **dict.fromkeys(
        ("add_to_cart", "product_added_to_cart", "product_added", "add_to_basket", "add_to_bag", "added_to_cart", "add"),
        "product_added_to_cart",
    ),
    **dict.fromkeys(("view_cart", "cart_viewed", "cart_view"), "cart_viewed"),
    **dict.fromkeys(("begin_checkout", "checkout_started", "initiate_checkout", "checkout"), "checkout_started"),
    **dict.fromkeys(("purchase", "checkout_completed", "order_completed"), "checkout_completed"),
}  # fmt: skip
"""Names of Google Analytics 4 and of its older form, of Shopify and of Segment. `view_item_list` is not here: pages also report
the lists of recommended products by it."""
_PREFIX = re.compile(r"^(dl|ee|gtm|ga4|eec|shopify|ecommerce)[_.]")
_MAX_ID = 100

READ_LAYER = """() => {
    const text = value => ['string', 'number'].includes(typeof value) ? String(value).slice(0, 100) : null;
    const id = item => item && (text(item.item_id) ?? text(item.id) ?? text(item.sku) ?? text(item.product_id));
    const list = value => Array.isArray(value) ? value : value ? [value] : [];
    const ids = data => data && typeof data === 'object'
        ? list(data.items ?? data.products ?? data.product ?? data.productVariant?.product).map(id).filter(Boolean).slice(0, 20) : [];
    const older = ['add', 'detail', 'checkout', 'purchase'];
    const read = entry => {
        if (!entry || typeof entry !== 'object') return null;
        if (entry[0] === 'event' && typeof entry[1] === 'string') return [entry[1], ids(entry[2])];
        const commerce = entry.ecommerce;
        const old = commerce && typeof commerce === 'object' ? older.find(name => commerce[name]) : null;
        if (typeof entry.event === 'string')
            return [entry.event, ids(old ? commerce[old] : commerce ?? entry)];
        return old ? [old, ids(commerce[old])] : null;
    };
    const safely = get => { try { return get() ?? []; } catch { return []; } };
    return {
        origin: performance.timeOrigin,
        layer: safely(() => Array.from(window.dataLayer ?? []).map(entry => safely(() => read(entry)))),
        shopify: safely(() => Array.from(window.Shopify?.analytics?.replayQueue ?? []).map(
            entry => safely(() => typeof entry[0] === 'string' ? [entry[0], ids(entry[1])] : null))),
    };
}"""
"""Reads the queues of a page, each entry as its name and ids; it changes nothing."""


def reported(entries: Iterable[Sequence[object] | None]) -> Iterator[Effect]:
    """The effects of entries (name, ids) of a queue; entries without a known name are left out."""
    for entry in entries:
        if entry and (event := _event(str(entry[0]))) is not None:
            ids = entry[1] if len(entry) > 1 and isinstance(entry[1], list) else []
            yield Effect(event, "analytics", str(ids[0]) if len(ids) == 1 else None)


def collected(url: str, body: str) -> Iterator[Effect]:
    """The effects that a request of Google Analytics 4 reports: in its address, or one in each line of its body."""
    address = urlsplit(url)
    if not address.path.endswith("/collect") or "v=2" not in address.query:
        return
    for line in (address.query, *body.splitlines()):
        values = parse_qs(line)
        for name in values.get("en", ()):
            if (event := _event(name)) is not None:
                product = re.match(r"(?:.*~)?id([^~]+)", values.get("pr1", [""])[0])
                yield Effect(event, "analytics", product[1][:_MAX_ID] if product and "pr2" not in values else None)


def _event(name: str) -> ShopEvent | None:
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().replace(" ", "_").replace("-", "_")
    return _EVENTS.get(_PREFIX.sub("", plain))
