"""What the scripted shopper does in each store: plan n is one of several kinds, about a product that n chooses."""

from __future__ import annotations

import re
from collections.abc import Sequence

from benchmarks.storefronts import german, rendered, single_page
from benchmarks.storefronts.catalogue import Catalogue, Product
from benchmarks.storefronts.scripted_shopper import Do

Plan = Sequence[Do]
LINK = ("link",)


def rendered_plan(number: int) -> Plan:
    """In the store whose server makes every page."""
    product = _product(rendered.CATALOGUE, number)
    collection = rendered.CATALOGUE.collections[product.collection]
    search = (Do("fill", "search", product.title), Do("press", "search", "Enter"), _open(product))
    browse = (Do("click", f"^{collection}$", roles=LINK), _open(product, optional=True))
    choose = [Do("selectOptionFromDropdown", "size", product.options[-1])] if product.options else []
    add = Do("click", "^add to cart$")
    cart, checkout = Do("click", "my cart", roles=LINK), Do("click", "proceed to checkout")
    return (
        (*search, *choose, add, cart, checkout, Do("fill", "first name", "Jo")),
        (
            Do("click", f"^{collection}$", roles=LINK),
            Do("click", "^page 2$", optional=True),
            Do("click", "^home$"),
            *search,
            add,
            *choose,
            add,
            cart,
        ),
        (
            *browse,
            Do("goto", "", "back", roles=("RootWebArea",)),
            *search,
            *choose,
            add,
            cart,
            Do("click", "^remove item$"),
        ),
        (
            Do("fill", "search", "zebra"),
            Do("press", "search", "Enter"),
            Do("click", f"^{collection}$", roles=LINK),
            add,
        ),
        (*search, *choose, add, cart, Do("fill", "discount", "SAVE10"), Do("click", "apply discount"), checkout),
    )[number % 5]


def single_page_plan(number: int) -> Plan:
    """In the store that a script draws."""
    product = _product(single_page.CATALOGUE, number)
    collection = single_page.CATALOGUE.collections[product.collection]
    search = (Do("fill", "^search$", product.title), Do("press", "^search$", "Enter"), _open(product))
    size = [Do("click", f"^{product.options[-1]}$")] if product.options else []
    add, quick, close = Do("click", "^add to bag$"), Do("click", "quick add"), Do("click", "^close$", optional=True)
    checkout = Do("click", "^checkout$", roles=("button",))
    quick_adds = [each for at in range(3) for each in (Do("click", "quick add", at=at), close)]
    browse = Do("click", f"^{collection}$", roles=LINK)
    return (
        (*search, *size, add, checkout, Do("fill", "first name", "Jo")),
        (browse, _open(product, optional=True), *search, add, close, *size, add, checkout),
        (browse, quick, close, *search, *size, add, close, Do("click", "bag", roles=("button",))),
        (Do("fill", "^search$", "zebra"), Do("press", "^search$", "Enter"), browse),
        # the fourth attempt to add is answered with an error of the server
        (browse, *quick_adds, *search, *size, add, Do("click", "^add to bag$"), checkout),
    )[number % 5]


def german_plan(number: int) -> Plan:
    """In the German store."""
    product = _product(german.CATALOGUE, number)
    collection = german.CATALOGUE.collections[product.collection]
    banner = Do("click", "^(alle akzeptieren|nur notwendige)$")
    search = (Do("fill", "suchbegriff", product.title), Do("press", "suchbegriff", "Enter"), _open(product))
    choose = [Do("selectOptionFromDropdown", "ausführung", product.options[-1])] if product.options else []
    add, to_cart = Do("click", "^in den warenkorb$"), Do("click", "^zum warenkorb$")
    browse, checkout = Do("click", f"^{collection}$", roles=LINK), Do("click", "^zur kasse$")
    onward = Do("click", "^weiter einkaufen$")
    return (
        (banner, *search, *choose, add, to_cart, checkout, Do("fill", "vorname", "Jo")),
        (banner, browse, _open(product), *choose, add, onward, Do("click", "^warenkorb, ", roles=LINK), checkout),
        (banner, *search, add, *choose, add, onward, browse)
        if product.options
        else (banner, *search, add, onward, browse),
        (banner, Do("fill", "suchbegriff", "Zebra"), Do("press", "suchbegriff", "Enter"), browse),
        (banner, *search, *choose, add, to_cart, Do("click", "^entfernen$")),
    )[number % 5]


def _product(catalogue: Catalogue, number: int) -> Product:
    """A product that can be bought."""
    sold = [product for product in catalogue.products if not product.sold_out]
    return sold[(7 * number + 3) % len(sold)]


def _open(product: Product, *, optional: bool = False) -> Do:
    return Do("click", f"^{re.escape(product.title)}", optional=optional, roles=LINK)
