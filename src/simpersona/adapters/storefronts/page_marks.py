"""The kind of a page as its markup states it for machines: marks of the platforms, JSON-LD, Open Graph and microdata."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lxml.html import HtmlElement

from simpersona.adapters.storefronts.json_ld import PRODUCTS, stated, types_of
from simpersona.pages import PageKind

_MARKS: tuple[tuple[PageKind, frozenset[str]], ...] = (
    ("order", frozenset({"woocommerce-order-received", "checkout-onepage-success", "page-order-confirmation",
                         "is-act-finishpage", "is--act-finish", "checkout-success"})),
    ("cart", frozenset({"woocommerce-cart", "checkout-cart-index", "page-cart", "is-act-cartpage", "is--act-cart",
                        "template-cart", "checkout-cart", "cart-show"})),
    ("checkout", frozenset({"woocommerce-checkout", "checkout-index-index", "page-checkout", "is-act-confirmpage",
                            "is-act-checkoutregisterpage", "is--act-confirm", "is--act-shippingpayment", "checkout-checkout",
                            "checkout-begin"})),
    ("search", frozenset({"search-results", "catalogsearch-result-index", "page-search", "is-ctl-search", "is--ctl-search",
                          "template-search", "product-search"})),
    ("product", frozenset({"single-product", "catalog-product-view", "page-product", "is-ctl-product", "is--ctl-detail",
                           "template-product", "product-product", "product-show"})),
    ("other", frozenset({"is-act-home", "cms-index-index", "template-index", "common-home", "home-show"})),
    ("collection", frozenset({"tax-product_cat", "tax-product_tag", "post-type-archive-product", "catalog-category-view",
                              "page-category", "is-ctl-navigation", "is--ctl-listing", "template-collection",
                              "product-category", "search-show"})),
    ("other", frozenset({"page-index", "page-cms", "cms-page-view", "is--ctl-index", "template-page", "template-blog",
                         "template-article"})),
)  # fmt: skip
"""Classes of the body: WooCommerce, Magento, PrestaShop, Shopware, Shopify's themes, OpenCart, Salesforce Commerce Cloud."""
_SHOPIFY: dict[str, PageKind] = {
    "product": "product",
    "collection": "collection",
    "searchresults": "search",
    "cart": "cart",
    "home": "other",
    "page": "other",
    "blog": "other",
    "article": "other",
}
_SHOPIFY_PAGE = re.compile(r'"pageType"\s*:\s*"(\w+)"')
_LISTS = frozenset({"ItemList", "CollectionPage", "OfferCatalog", "ProductCollection"})
_OPEN_GRAPH: dict[str, PageKind] = {
    "product": "product",
    "og:product": "product",
    "product.item": "product",
    "product.group": "collection",
}


def declared_kind(root: HtmlElement) -> tuple[PageKind | None, str | None]:
    """The kind that the markup of a page states, None where it states none; and the product's identifier, if stated."""
    things = list(_json_ld(root))
    products = [node for node in things if types_of(node) & PRODUCTS]
    product = _identifier(products[0]) if len(products) == 1 else None
    kind = _mark(root) or _of_json_ld(things, products) or _of_open_graph(root) or _of_microdata(root)
    return kind, product


def _mark(root: HtmlElement) -> PageKind | None:
    """The kind by the platform's own mark of the page."""
    body = next(root.iter("body"), None)
    classes = {name.lower() for name in body.get("class", "").split()} if body is not None else set()
    if "collection-type-products" in classes:  # Squarespace
        return "product" if "view-item" in classes else "collection"
    actions = root.xpath("//*[@data-action][contains(@data-action, '-')]/@data-action")
    classes |= {str(actions[0]).lower()} if actions else set()
    classes |= {re.sub(r"-[\d_]+$", "", name) for name in classes if name.startswith(("product-", "checkout-"))}
    for kind, marks in _MARKS:
        if classes & marks:
            return kind
    for script in root.iter("script"):
        text = script.text or ""
        if "ShopifyAnalytics" in text and (page := _SHOPIFY_PAGE.search(text)):
            return _SHOPIFY.get(page[1])
    return None


def _of_json_ld(things: list[dict[str, Any]], products: list[dict[str, Any]]) -> PageKind | None:
    types = {kind for thing in things for kind in types_of(thing)}
    if "SearchResultsPage" in types:
        return "search"
    distinct = {str(node.get("name") or node.get("sku") or node.get("url")) for node in products}
    if len(distinct) == 1 and "CollectionPage" not in types:
        return "product"
    if types & _LISTS or len(distinct) > 1:
        return "collection"
    return "checkout" if "CheckoutPage" in types else None


def _of_open_graph(root: HtmlElement) -> PageKind | None:
    stated = root.xpath("//meta[@property='og:type' or @name='og:type']/@content")
    return _OPEN_GRAPH.get(str(stated[0]).strip().lower()) if stated else None


def _of_microdata(root: HtmlElement) -> PageKind | None:
    """By the items of the type Product that are in no other item."""
    items = root.xpath("//*[@itemscope][contains(@itemtype, 'schema.org/Product')]")
    outer = [item for item in items if not any(around in items for around in item.iterancestors())]
    lists = root.xpath("//*[@itemscope][contains(@itemtype, 'schema.org/ItemList')]")
    if len(outer) == 1 and not any(around in lists for around in outer[0].iterancestors()):
        return "product"
    return "collection" if outer else None


def _json_ld(root: HtmlElement) -> Iterator[dict[str, Any]]:
    """The things that a page's JSON-LD is about: also of a graph, and the main one of a page."""
    for script in root.iter("script"):
        if "ld+json" not in (script.get("type") or "").lower():
            continue
        yield from _main_things(stated(script.text or ""))


def _main_things(value: Any) -> Iterator[dict[str, Any]]:
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(reversed(value))
        elif isinstance(value, dict):
            yield value
            waiting += [value.get("mainEntity"), value.get("@graph")]


def _identifier(product: dict[str, Any]) -> str | None:
    value = next((product[name] for name in ("productID", "sku", "productGroupID") if product.get(name)), None)
    return str(value) if isinstance(value, str | int) else None
