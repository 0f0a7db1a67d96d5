"""A store whose server makes every page, in the manner of Magento: addresses for search engines, no script is needed.

Products stand at `/blue-mug.html` and collections at `/mugs.html`, so that an address alone does not say which is which.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from html import escape
from urllib.parse import urlencode

from benchmarks.storefronts.catalogue import Product, make_catalogue
from benchmarks.storefronts.request_log import ADDED, ORDER, RequestLog
from benchmarks.storefronts.server import Answer, Asked, elsewhere

NAME = "Hearth & Thread"
CATALOGUE = make_catalogue(
    {
        "Mugs": ("Mug", "Espresso Cup", "Teacup", "Travel Mug"),
        "Bowls": ("Bowl", "Salad Bowl", "Serving Bowl", "Soup Bowl"),
        "Lamps": ("Table Lamp", "Floor Lamp", "Desk Lamp", "Lantern"),
        "Cushions": ("Cushion", "Floor Cushion", "Bolster", "Seat Pad"),
        "Throws": ("Throw", "Blanket", "Quilt", "Bedspread"),
        "Candles": ("Candle", "Tea Light", "Pillar Candle", "Scented Candle"),
    },
    ("Blue", "Speckled", "Ivory", "Ochre", "Slate", "Moss", "Rose", "Charcoal", "Linen"),
    (1250, 899, 2400, 4550, 1895, 12900, 650),
    {"Mugs": ("Small", "Large"), "Cushions": ("45 cm", "60 cm"), "Throws": ("Single", "Double", "King")},
    per_collection=9,
)
PER_PAGE = 6
CHOOSE = "Choose an Option..."


def price(cents: int) -> str:
    """As this store writes it: "£12.50"."""
    return f"£{cents / 100:,.2f}"


class RenderedStore:
    """The store with its carts; answers one request at a time per visitor."""

    def __init__(self) -> None:
        self.log = RequestLog()
        self._carts: dict[str, list[tuple[Product, str]]] = defaultdict(list)
        self._messages: dict[str, str] = {}

    def answer(self, asked: Asked) -> Answer:
        """The page at the address, or the page after a form."""
        parts = [part for part in asked.path.split("/") if part]
        match parts:
            case []:
                answer = self._page(asked, "Home page", self._home())
            case [name] if name.endswith(".html"):
                answer = self._named(asked, name.removesuffix(".html"))
            case ["catalogsearch", "result"]:
                answer = self._results(asked)
            case ["checkout", "cart", *rest]:
                answer = self._cart(asked, rest)
            case ["checkout", *rest]:
                answer = self._checkout(asked, rest)
            case _:
                answer = self._other(asked, parts)
        return answer

    # --- pages --------------------------------------------------------------------------------

    def _other(self, asked: Asked, parts: list[str]) -> Answer:
        if parts == ["customer", "account", "login"]:
            return self._page(asked, "Customer Login", _LOGIN)
        if parts == ["privacy-policy-cookie-restriction-mode"]:
            return self._page(asked, "Privacy Policy", "<h1>Privacy Policy</h1><p>We keep what an order needs.</p>")
        if asked.method == "POST" and parts[:1] == ["newsletter"]:
            self._messages[asked.visitor] = "Thank you for your subscription."
            return elsewhere("/")
        return Answer("<title>404 Not Found</title><h1>Whoops, our bad...</h1>", 404)

    def _named(self, asked: Asked, slug: str) -> Answer:
        if slug in CATALOGUE.collections:
            title = CATALOGUE.collections[slug]
            body = _crumbs(title) + f"<h1>{title}</h1>" + _listing(asked, CATALOGUE.of(slug), f"/{slug}.html")
            return self._page(asked, title, body, "collection_viewed", slug)
        product = CATALOGUE.by_slug(slug)
        if product is None:
            return Answer("<title>404 Not Found</title><h1>Whoops, our bad...</h1>", 404)
        return self._page(asked, product.title, _product(product), "product_viewed", slug, kind="product")

    def _results(self, asked: Asked) -> Answer:
        query = asked.query.get("q", "")
        title = f"Search results for: '{query}'"
        found = CATALOGUE.search(query)
        listing = _listing(asked, found, "/catalogsearch/result/", q=query)
        body = f"<h1>{escape(title)}</h1>" + (listing if found else "<p>Your search returned no results.</p>")
        return self._page(asked, title, body, "search_submitted", query, is_first=asked.query.get("p", "1") == "1")

    def _home(self) -> str:
        chosen = CATALOGUE.products[::7]
        return "<h1>Everything for a warm home</h1><p>Made in small workshops.</p><h2>Hot Sellers</h2>" + _items(chosen)

    def _cart(self, asked: Asked, rest: list[str]) -> Answer:
        lines = self._carts[asked.visitor]
        match rest:
            case ["add", "product", number] if asked.method == "POST":
                return self._add(asked, number)
            case ["delete", "line", at] if asked.method == "POST" and at.isdigit() and int(at) < len(lines):
                del lines[int(at)]
                return elsewhere("/checkout/cart/")
            case ["couponPost"]:
                self._messages[asked.visitor] = f'The coupon code "{asked.form.get("coupon_code", "")}" is not valid.'
                return elsewhere("/checkout/cart/")
        return self._page(asked, "Shopping Cart", _cart_page(lines), "cart_viewed")

    def _add(self, asked: Asked, number: str) -> Answer:
        """Adds a product, or sends the visitor to its page with what is missing."""
        product = CATALOGUE.by_id(number)
        if product is None or product.sold_out:
            self._messages[asked.visitor] = "This product is out of stock."
            return elsewhere(f"/{product.slug}.html" if product else "/")
        option = asked.form.get("super_attribute[93]", "")
        if product.options and option not in product.options:
            self._messages[asked.visitor] = "You need to choose options for your item."
            return elsewhere(f"/{product.slug}.html")
        self._carts[asked.visitor].append((product, option))
        self.log.happened(asked.visitor, ADDED, product.slug)
        self._messages[asked.visitor] = f"You added {product.title} to your shopping cart."
        return elsewhere(asked.form.get("return") or f"/{product.slug}.html")

    def _checkout(self, asked: Asked, rest: list[str]) -> Answer:
        if asked.method == "POST" and rest[-1:] in (["placeOrder"], ["saveOrder"]):
            self.log.happened(asked.visitor, ORDER)
            self._carts[asked.visitor].clear()
            return elsewhere("/checkout/onepage/success/")
        if rest[-1:] == ["success"]:
            return self._page(asked, "Success Page", "<h1>Thank you for your purchase!</h1>")
        if not self._carts[asked.visitor]:
            return elsewhere("/checkout/cart/")
        if asked.method == "POST":
            return elsewhere("/checkout/payment/")
        body = _PAYMENT if rest[:1] == ["payment"] else _SHIPPING
        return self._page(asked, "Checkout", body, "checkout_started")

    def _page(
        self,
        asked: Asked,
        title: str,
        body: str,
        event: str = "",
        item: str = "",
        *,
        kind: str = "website",
        is_first: bool = True,
    ) -> Answer:
        self.log.page(asked.visitor, event, item, is_first=is_first)
        message = self._messages.pop(asked.visitor, "")
        shown = f'<div role="alert" class="message">{escape(message)}</div>' if message else ""
        count = len(self._carts[asked.visitor])
        counter = f' <span class="counter-number">{count}</span>' if count else ""
        return Answer(f"""<!doctype html><html lang="en"><head><title>{escape(title)}</title>
<meta property="og:type" content="{kind}"></head><body><a href="#contentarea">Skip to Content</a>
<header><a href="/customer/account/login/">Sign In</a> <a class="logo" href="/"><img alt="{escape(NAME)}"></a>
<form action="/catalogsearch/result/"><label for="search">Search</label>
<input id="search" type="text" name="q" placeholder="Search entire store here..."><button title="Search">Search</button></form>
<a class="action showcart" href="/checkout/cart/"><span>My Cart</span>{counter}</a></header>
<nav>{_links((f"/{slug}.html", name) for slug, name in CATALOGUE.collections.items())}</nav>
<main id="contentarea">{shown}{body}</main>
<footer><form method="post" action="/newsletter/subscriber/new/"><label>Sign Up for Our Newsletter:
<input type="email" name="email" placeholder="Enter your email address"></label><button>Subscribe</button></form>
<a href="/privacy-policy-cookie-restriction-mode/">Privacy and Cookie Policy</a></footer></body></html>""")


def _links(links: Iterable[tuple[str, str]]) -> str:
    return "<ul>" + "".join(f'<li><a href="{to}">{escape(name)}</a></li>' for to, name in links) + "</ul>"


def _crumbs(*names: str) -> str:
    middle = "".join(f'<li><a href="/{name.lower()}.html">{name}</a></li>' for name in names[:-1])
    return f'<ul class="breadcrumbs"><li><a href="/">Home</a></li>{middle}<li>{escape(names[-1])}</li></ul>'


def _listing(asked: Asked, products: list[Product], address: str, **query: str) -> str:
    """One page of a list, with the ways to the others."""
    number = int(asked.query.get("p", "1")) if asked.query.get("p", "1").isdigit() else 1
    pages = -(-len(products) // PER_PAGE)
    links = [(f"{address}?{urlencode({**query, 'p': page})}", f"Page {page}") for page in range(1, pages + 1)]
    if number < pages:
        links.append((f"{address}?{urlencode({**query, 'p': number + 1})}", "Next"))
    shown = products[PER_PAGE * (number - 1) : PER_PAGE * number]
    pager = f'<div class="pages">{_links(links)}</div>' if pages > 1 else ""
    return f"<p>{len(products)} Items</p>{_items(shown)}{pager}"


def _items(products: Iterable[Product]) -> str:
    return '<ol class="products">' + "".join(map(_item, products)) + "</ol>"


def _item(product: Product) -> str:
    title, address = escape(product.title), f"/{product.slug}.html"
    button = (
        f"""<form method="post" action="/checkout/cart/add/product/{product.id}/"><button>Add to Cart</button></form>"""
    )
    if product.sold_out:
        button = "<div>Out of stock</div>"
    return f"""<li class="product-item"><a href="{address}" tabindex="-1"><img alt="{title}"></a>
<strong><a class="product-item-link" href="{address}">{title}</a></strong>
<span class="price">{price(product.cents)}</span>{button}</li>"""


def _product(product: Product) -> str:
    choice = ""
    if product.options:
        options = "".join(f'<option value="{value}">{value}</option>' for value in product.options)
        choice = f"""<label for="attribute93">Size</label><select id="attribute93" name="super_attribute[93]">
<option value="">{CHOOSE}</option>{options}</select>"""
    form = f"""<form method="post" action="/checkout/cart/add/product/{product.id}/">{choice}
<label for="qty">Qty</label><input id="qty" type="number" name="qty" value="1" min="1">
<button title="Add to Cart">Add to Cart</button></form>"""
    related = [other for other in CATALOGUE.of(product.collection) if other is not product][:3]
    return f"""{_crumbs(CATALOGUE.collections[product.collection], product.title)}<h1>{escape(product.title)}</h1>
<div class="product-info-price"><span class="price">{price(product.cents)}</span> <span>SKU#: HT-{product.id}</span>
<span class="stock">{"Out of stock" if product.sold_out else "In stock"}</span></div>
{"" if product.sold_out else form}
<h2>Details</h2><p>{escape(product.title)}, made by hand. Each piece is a little different.</p>
<h2>We found other products you might like!</h2>{_items(related)}"""


def _cart_page(lines: list[tuple[Product, str]]) -> str:
    if not lines:
        return "<h1>Shopping Cart</h1><p>You have no items in your shopping cart.</p><a href='/'>Continue shopping</a>"
    rows = "".join(
        f"""<tr><td><a href="/{product.slug}.html">{escape(product.title)}</a> {option}</td><td>{price(product.cents)}</td>
<td><form method="post" action="/checkout/cart/delete/line/{at}/"><button>Remove item</button></form></td></tr>"""
        for at, (product, option) in enumerate(lines)
    )
    total = price(sum(product.cents for product, _ in lines))
    return f"""<h1>Shopping Cart</h1><table>{rows}</table>
<form method="post" action="/checkout/cart/couponPost/"><label>Enter discount code
<input type="text" name="coupon_code"></label><button>Apply Discount</button></form>
<p>Order Total {total}</p><form action="/checkout/"><button>Proceed to Checkout</button></form>"""


_LOGIN = """<h1>Customer Login</h1><form method="post" action="/customer/account/loginPost/"><label>Email
<input type="email" name="login[username]"></label><label>Password <input type="password" name="login[password]"></label>
<button>Sign In</button></form><a href="/customer/account/create/">Create an Account</a>"""
_SHIPPING = """<h1>Shipping Address</h1><form method="post" action="/checkout/shipping/"><label>Email Address
<input type="email" name="username"></label><label>First Name <input name="firstname"></label><label>Last Name
<input name="lastname"></label><label>Street Address <input name="street[0]"></label><label>City <input name="city"></label>
<label>Postcode <input name="postcode"></label><label>Phone Number <input name="telephone"></label><label><input type="radio"
name="method" value="flat" checked> Flat Rate £5.00</label><button>Next</button></form>"""
_PAYMENT = """<h1>Payment Method</h1><form method="post" action="/checkout/onepage/placeOrder/"><label><input type="radio"
name="payment" value="checkmo" checked> Check / Money order</label><label><input type="radio" name="payment" value="card"> Credit
Card</label><label>Card Number <input name="cc_number"></label><button>Place Order</button></form>"""
