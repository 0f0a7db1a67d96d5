"""A checkout that begins with a login, in a frame or on another host is a checkout that was reached; what looks like one is not."""

import asyncio

import pytest

from simpersona.adapters.storefronts.browser import Browser
from simpersona.adapters.storefronts.checkout_way import leads_to_checkout
from simpersona.adapters.storefronts.http import HttpVisitors
from simpersona.config import PolitenessConfig, StoreConfig
from simpersona.pages import Action, Node
from tests.adapters.live_pages import node, served, visit

IN_BROWSER = {
    "login after a redirect", "frame of the store's own", "another host by a redirect", "payment service",
    "login of the header", "small frame", "frame beside a product",
}  # fmt: skip
"""Cases that the browser sees in another way than the driver without one."""
DRIVERS = [pytest.param(Browser, marks=pytest.mark.slow, id="browser"), pytest.param(HttpVisitors, id="http")]
LOGIN = (
    "<title>Customer login</title><h1>Login</h1><form method=post><label>Email <input name=email type=email></label>"
)
LOGIN += "<label>Password <input type=password name=password></label><button>Sign in</button></form>"
CODE = "<title>Log in</title><h1>Log in</h1><form method=post><label>Email <input name=email type=email></label><button>Next</button></form>"
RETURNING = f"<title>Buy</title><h1>Returning customer?</h1>{LOGIN}"
ADDRESS = "<h1>Delivery</h1><form method=post><label>Street address <input name=a></label><label>City <input name=b></label><button>Go on</button></form>"
PRODUCT = "<h1>Blue mug</h1><p>$18.00</p><form method=post action=/cart/add><input type=hidden name=id value=1><button>Add to cart</button></form>"


def cart(inside):
    return f"<title>Cart</title><header><a href=/account/login>Log in</a></header><h1>Cart</h1>{inside}"


def framed(src, size="width=600 height=500"):
    return f"<title>Last step</title><h1>Last step</h1><p>Total $18.00</p><iframe src={src} {size}></iframe>"


REACHED = {
    # name: (the first page, what is clicked, further pages)
    "login after a redirect": (
        cart("<a href=/checkout>Checkout</a>"), "Checkout",
        {"/checkout": "-> /account/login?checkout_url=%2Fcheckout", "/account/login": LOGIN},
    ),
    "login with an email alone": (
        cart("<a href=/checkout>Checkout</a>"), "Checkout", {"/checkout": "-> /account/login", "/account/login": CODE},
    ),
    "login by a form": (
        cart("<form method=get action=/go><button>Proceed to checkout</button></form>"), "Proceed to checkout",
        {"/go": "-> /my-account/", "/my-account/": RETURNING},
    ),
    "login in German": (
        cart("<a href=/weiter>Zur Kasse</a>"), "Zur Kasse", {"/weiter": "-> /konto/anmelden", "/konto/anmelden": LOGIN},
    ),
    "frame of the store's own": (
        cart("<a href=/last-step>Next</a>"), "Next", {"/last-step": framed("/frame/pay"), "/frame/pay": ADDRESS},
    ),
    "frame after the way to the checkout": (
        cart("<a href=/secure>Checkout</a>"), "Checkout", {"/secure": framed("/frame/pay", ""), "/frame/pay": ADDRESS},
    ),
    "another host": (cart("<a href=http://checkout.store.example/c/12>Go on</a>"), "Go on", {}),
    "another host by a redirect": (
        cart("<a href=/checkout>Checkout</a>"), "Checkout", {"/checkout": "-> http://pay.store.example/s/12"},
    ),
    "payment service": (cart("<a href=http://www.paypal.com/checkoutnow?token=1>PayPal</a>"), "PayPal", {}),
}  # fmt: skip
NOT_REACHED = {
    "login of the header": (cart("<a href=/checkout>Checkout</a>"), "Log in", {"/account/login": LOGIN}),
    "checkout that offers a login beside the delivery": (
        cart("<a href=/checkout>Checkout</a>"), "Checkout", {"/checkout": LOGIN + ADDRESS},
    ),
    "offer to log in": (
        cart("<a href='/account/login?return_to=/checkout'>Log in for a faster checkout</a>"),
        "Log in for a faster checkout", {"/account/login": LOGIN},
    ),
    "checkout that sends back to the cart": (
        cart("<a href=/checkout>Checkout</a>"), "Checkout", {"/checkout": "-> /cart", "/cart": cart("<p>Nothing here")},
    ),
    "small frame": (
        cart("<a href=/wishes>Wishes</a>"), "Wishes",
        {"/wishes": framed("/frame/pay", "width=300 height=48"), "/frame/pay": "<button>Pay later</button>"},
    ),
    "hidden frame": (
        cart("<a href=/wishes>Wishes</a>"), "Wishes", {"/wishes": framed("/frame/pay", "hidden"), "/frame/pay": "x"},
    ),
    "frame beside a product": (
        cart("<a href=/blue-mug.html>Mug</a>"), "Mug",
        {"/blue-mug.html": PRODUCT + framed("/frame/pay"), "/frame/pay": "<p>3 × $6.00</p>"},
    ),
    "something to look at": (cart("<a href=http://pictures.example/store>Check out our pictures</a>"), "Check out our pictures", {}),
    "review on another host": (cart("<a href=http://reviews.example/submit>Review</a>"), "Review", {}),
    "terms of a payment service": (cart("<a href=http://www.klarna.com/terms>Klarna</a>"), "Klarna", {}),
}  # fmt: skip


def ends(driver, cases):
    """Whether the visit of each case that is tried with the driver ends at the checkout."""

    async def one(visitors, case):
        html, name, pages = case
        with served({"/": html, **pages}) as server:
            session = visitors.visitor(server.url + "/", "v")
            page = await session.open()
            assert not page.ends_visit
            page = await session.act(Action(node(page, name).id, "click", ""))
            await session.close()
            return page.ends_visit

    async def run():
        settings = StoreConfig(politeness=PolitenessConfig(requests_per_minute=100_000, robots=False))
        async with driver(settings, may_pay=False) as visitors:
            return {
                name: await one(visitors, case)
                for name, case in cases.items()
                if driver is HttpVisitors or name in IN_BROWSER
            }

    return asyncio.run(run())


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_checkout_is_reached_where_the_visit_does_not_go_on(driver):
    ended = ends(driver, REACHED)
    assert ended == dict.fromkeys(ended, True)


@pytest.mark.parametrize("driver", DRIVERS)
def test_what_only_looks_like_a_checkout_is_none(driver):
    ended = ends(driver, NOT_REACHED)
    assert ended == dict.fromkeys(ended, False)


@pytest.mark.parametrize(
    ("html", "begins"),
    [
        (ADDRESS, True),
        (f"<h1>Pay</h1><iframe srcdoc='{ADDRESS}'></iframe>", True),
        ("<label>Card number <input></label><label>Expiry date <input></label>", True),
        ("<h1>Branches</h1><label>Address <input name=address></label>", False),
        (f"<h1>Register</h1>{ADDRESS}{LOGIN}", False),
        ("<h1>Write to us</h1><label>Name <input></label><label>Phone <input></label>", False),
    ],
)
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_page_begins_a_checkout_by_what_it_asks_for(driver, html, begins):
    async def effects(_, page):
        return page.effects

    seen = visit(html, effects, driver=driver, may_pay=False)
    assert [(effect.event, effect.source) for effect in seen] == [("checkout_started", "fields")] * begins


@pytest.mark.parametrize(
    ("name", "link", "purpose", "leads"),
    [
        ("Check out now", "", None, True),
        ("Zur Kasse gehen", "", None, True),
        ("Weiter", "https://s.example/kasse", None, True),
        ("", "", "checkout", True),
        ("Check out our mugs", "https://s.example/mugs", None, False),
        ("Checkout mugs", "https://s.example/collections/checkout-mugs", None, False),
        ("Sign in to check out", "https://s.example/login", None, False),
        ("Read how a checkout in our stores works in five steps", "https://s.example/help-5", None, False),
    ],
)
def test_the_way_to_a_checkout_is_known_by_its_name_or_its_address(name, link, purpose, leads):
    assert leads_to_checkout(Node("0-2", "link", name, purpose=purpose), link) is leads
