"""A small scripted store that sells skirts and bags, and sessions in it."""

import pytest

from simpersona.adapters.storefronts.scripted import ScriptedStore, scripted_page
from simpersona.contracts import Moment, RecordedSession

FRAME = ("link: Shop", "searchbox: Search products", "button: Search", "link: Cart (1)", "link: Skirts", "link: Bags")
SKIRT = {"product_id": "p1", "title": "Pleated Skirt", "product_type": "Skirts", "price": 48.0}
BAG = {"product_id": "p2", "title": "Mini Bag", "product_type": "Bags", "price": 12.0}


def page(path, title, *lines, frame=FRAME):
    tree = "\n".join(f"[0-{i}] {line}" for i, line in enumerate((f"RootWebArea: {title}", *frame, *lines), start=1))
    return scripted_page(f"http://shop.example{path}", tree)


PAGES = {
    "home": page("/", "Shop", "heading: Welcome"),
    "skirts": page("/collections/skirts/", "Skirts", "heading: Skirts", "link: Pleated Skirt - $48.00", "link: Long…"),
    "bags": page("/collections/bags/", "Bags", "heading: Bags", "link: Mini Bag - $12.00"),
    "results": page("/search?q=", "Results", "link: Mini Bag - $13.00", "link: Mini Bag - $12.00"),
    "skirt": page(
        "/products/pleated-skirt/",
        "Pleated Skirt",
        "heading: Pleated Skirt",
        "combobox: Size = Choose a size (Choose a size | S | M)",
        "button: Add to cart",
    ),
    "bag": page("/products/mini-bag/", "Mini Bag", "heading: Mini Bag", "button: Add to cart"),
    "cart": page("/cart/", "Cart", "link: Pleated Skirt - $48.00", "button: Remove", "link: Proceed to checkout"),
    "email": page("/checkout/", "Checkout", "textbox: Email", "button: Continue", frame=("link: Back to cart",)),
    "address": page(
        "/checkout/address/",
        "Checkout",
        "textbox: Full name",
        "textbox: Address",
        "textbox: Company (optional)",
        "combobox: Country = -- (-- | Albania | Germany)",
        "button: Continue",
        frame=("link: Back to cart",),
    ),
    "review": page("/checkout/review/", "Review", "button: Place order", frame=("link: Back to cart",)),
    "thanks": page("/checkout/thanks/", "Order", "heading: Thank you for your order"),
}
EVERYWHERE = {"0-3": "results", "0-5": "cart", "0-6": "skirts", "0-7": "bags"}
TRANSITIONS = {
    **{
        (name, node): target
        for name in PAGES
        for node, target in EVERYWHERE.items()
        if "/checkout/" not in PAGES[name].url
    },
    ("skirts", "0-9"): "skirt",
    ("bags", "0-9"): "bag",
    ("results", "0-9"): "bag",
    ("skirt", "0-10"): "cart",
    ("bag", "0-9"): "cart",
    ("cart", "0-10"): "email",
    ("email", "0-4"): "address",
    **{(name, "0-2"): "cart" for name in ("email", "address", "review")},
    ("address", "0-7"): "review",
    ("review", "0-3"): "thanks",
}


@pytest.fixture
def store():
    return ScriptedStore(PAGES, TRANSITIONS)


@pytest.fixture
def session():
    def make(*timeline, stratum="A", code=3, session_id="session"):
        return RecordedSession("shop", "buyer", session_id, stratum, code, timeline)

    return make


@pytest.fixture
def purchase(session):
    """A whole purchase: list, product, cart, checkout, order."""
    return session(
        Moment("page_viewed"),
        Moment("collection_viewed", collection_id="skirts", collection="Skirts"),
        Moment("product_viewed", **SKIRT),
        Moment("product_added_to_cart", **SKIRT),
        Moment("cart_viewed"),
        Moment("checkout_started"),
        Moment("checkout_completed", **SKIRT),
    )
