"""What each control of a page is for, in stores of several languages and layouts, the same in Chromium and without a browser.

Every line of `PAGES` is a page and what a person says of its controls: label, kind of move, or what it is for beside the purchase.
"""

import asyncio
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest

from simpersona.adapters.storefronts.browser import Browser
from simpersona.adapters.storefronts.http import HttpVisitors
from simpersona.config import StoreConfig
from simpersona.pages import Action
from simpersona.shopper.affordances import choices
from simpersona.shopper.asides import aside
from simpersona.shopper.candidates import situation
from simpersona.shopper.cart_count import in_cart
from simpersona.shopper.goals import goal_for
from simpersona.shopper.moves import MOVES, move_of
from simpersona.shopper.prompt import parse_reply, reply_schema
from simpersona.shopper.short_prompt import short_answers, short_parse
from simpersona.visits import Observation

GRID = "".join(
    f"""<div class="cell"><div class="tile"><a href="/collections/all/products/p{number}"><img src="data:," alt="Becher {number}"></a>
    <div class="info"><a class="brand" href="/marken/acme">Acme</a><h3><a href="/collections/all/products/p{number}">Becher {number}</a>
    </h3><div><s>€ 2{number},00</s> <span>ab € 1{number},50</span></div><button type="button">In den Warenkorb</button></div></div></div>"""
    for number in (1, 2, 3)
)
PAGES = {
    "german": (
        f"""<title>Becher</title><body class="cookie-banner-open"><p>Versandkostenfrei ab 50 € <a href="/versand">Mehr</a></p><header>
        <a href="/">Laden</a><nav><ul><li><a href="/collections/becher">Becher</a></li><li><a href="/collections/bags">Bag & Co</a></li>
        <li><a href="/collections/geschenke">Geschenke ab 25 €</a></li></ul></nav><form action="/suche"><input name="q"
        placeholder="Was soll es sein?"><button>Los</button></form><a href="/account/login">Anmelden</a><a href="/warenkorb"
        aria-label="Warenkorb"><svg class="icon-cart"></svg><span class="badge">2</span></a></header><main><h1>Becher</h1><ul><li>
        <a href="?preis=0-10">Unter 10 €</a></li><li><a href="?preis=10-20">10 € – 20 €</a></li></ul>{GRID}<a rel="next" href="?s=2">2</a>
        </main><footer><form action="/kontakt"><input type="email" name="contact[email]" placeholder="E-Mail"><button>OK</button></form>
        </footer><div id="cookie-banner"><p>Wir nutzen Cookies</p><button>Einverstanden</button></div></body>""",
        {
            "Laden": "link",
            "Bag & Co": "link",
            "Geschenke ab 25 €": "link",
            "Was soll es sein?": "search",
            "Anmelden": "aside login",
            "Warenkorb (2)": "cart",
            "Unter 10 €": "link",
            "10 € – 20 €": "link",
            "Becher 1 - € 11,50": "product",
            "Becher 3 - € 13,50": "product",
            "Acme": "link",
            "In den Warenkorb - Becher 2": "add",
            "2": "page",
            "E-Mail": "aside newsletter",
            "OK": "aside newsletter",
            "Einverstanden": "aside consent",
        },
        2,
    ),
    "japanese": (
        """<title>マグ</title><body><header><a href="/">店</a><a href="/cart"><i class="fa fa-shopping-cart"></i><span>3</span></a></header>
        <main><ol><li><a href="/c/mugs">マグ</a></li></ol><div class="product"><h1>青いマグ</h1><p>¥1,200</p><a href="/size">サイズ</a>
        <form action="/cart/add" method="post"><input type="hidden" name="id" value="1"><input type="number" name="quantity" value="1"
        aria-label="数量"><button>買う</button></form></div><section><h2>関連商品</h2><ul><li><a href="/p/1"><h3>赤いマグ</h3><span>¥1,000</span>
        </a></li><li><a href="/p/2"><h3>緑のマグ</h3><span>¥900</span></a></li></ul></section></main></body>""",
        {
            "Cart (3)": "cart",
            "サイズ": "link",
            "買う": "add",
            "赤いマグ ¥1,000": "product",
            "緑のマグ ¥900": "product",
            "数量": "refill",
        },
        3,
    ),
    "flat list": (
        """<title>Lamps</title><body><h1>Lamps</h1><div><a href="/l/1">Lamp one</a><br>CHF 12.–<br><button>Add to Cart</button>
        <a href="/l/2">Lamp two</a><br>Rs. 499<br><button>Add to Cart</button><a href="/l/3">Lamp three</a><br>1 299 kr<br>
        <button>Add to Cart</button></div><h2>Summer</h2><a href="/s">Explore</a><h2>Winter</h2><a href="/w">Explore</a></body>""",
        {
            "Lamp one - CHF 12.–": "product",
            "Lamp two - Rs. 499": "product",
            "Lamp three - 1 299 kr": "product",
            "Add to Cart - Lamp one": "add",
            "Add to Cart - Lamp two": "add",
            "Add to Cart - Lamp three": "add",
            "Explore - Summer": "link",
            "Explore - Winter": "link",
        },
        0,
    ),
    "cart": (
        """<title>Cart</title><body><header><a href="/">Shop</a><a href="/cart">Cart (1)</a></header><h1>Your cart</h1><form action="/cart"
        method="post"><table><tr><td><a href="/products/mug">Blue mug</a></td><td>$12.00</td><td><input type="number" name="q1" value="1"
        aria-label="Quantity"></td><td><a href="/cart/change?id=1&quantity=0"><svg class="icon-trash"></svg>x</a></td></tr></table><label>
        Discount code <input name="discount"></label><button>Apply</button><label>Order note <textarea name="note"></textarea></label>
        <p>Subtotal $12.00</p><button name="checkout">Check out</button></form></body>""",
        {
            "Cart (1)": "cart",
            "Blue mug - $12.00": "product",
            "x": "remove",
            "Discount code": "aside coupon",
            "Apply": "aside coupon",
            "Order note": "aside note",
            "Check out": "checkout",
        },
        1,
    ),
    "one result": (
        """<title>Results</title><body><h1>Results</h1><ul><li><a href="/products/mug"><img alt="" src="data:,"></a><a
        href="/products/mug">Tin mug</a> <span>USD 12</span></li></ul><script type="application/ld+json">{"@type": "ItemList",
        "itemListElement": [{"@type": "ListItem", "url": "https://x.example/plates/9"}]}</script><p><a href="/plates/9">Plate</a>
        <a href="/plates/">Plates</a></p><form><label>Email <input type="email"></label><label>Password <input type="password"></label>
        <button>Log in</button></form><a href="/blog/1">A blog entry with a title that goes on and on and on and on for ever</a></body>""",
        {
            "Tin mug - USD 12": "product",
            "Plate": "product",
            "Plates": "link",
            "Email": "aside login",
            "Password": "aside login",
            "Log in": "aside login",
            "A blog entry with a title that goes on and on and on and on…": "link",
        },
        0,
    ),
    "prices with taxes": (
        """<title>Shop</title><body><header><a href="/">Shop</a><a href="/warenkorb/">0,00&nbsp;€ 0 Artikel</a></header><h1>Shop</h1><ul>
        <li><a href="/produkt/becher/"><img alt="Becher" src="data:,"><h2>Becher</h2><span>12,00&nbsp;€</span> <small>inkl. 19 % MwSt. zzgl.
        Versandkosten</small></a><a href="?add-to-cart=12" aria-label="„Becher“ in den Warenkorb legen">In den Warenkorb</a></li><li><a
        href="/produkt/teller/"><h2>Teller</h2><del>15,00 €</del> <ins>9,00 €</ins></a><a href="/produkt/teller/">Ausführung wählen</a></li>
        </ul><div class="grid"><div><h3>Vase</h3><p>€12 inkl. MwSt. zzgl. Versand</p><a href="/x/1">Details</a></div><div><h3>Krug</h3>
        <p>€13</p><a href="/x/2">Details</a></div></div><div itemscope itemtype="https://schema.org/Product"><a href="/y/1">Kanne</a></div>
        <section class="newsletter-signup"><input type="email" placeholder="Ihre E-Mail"><button>Los</button></section><form><input
        aria-label="Code"><button>Einlösen</button></form></body>""",
        {
            "0,00 € 0 Artikel": "cart",
            "Becher 12,00 € inkl. 19 % MwSt. zzgl. Versandkosten": "product",
            "„Becher“ in den Warenkorb legen": "add",
            "Teller 15,00 € 9,00 €": "product",
            "Details - Vase €12": "product",
            "Details - Krug €13": "product",
            "Kanne": "product",
            "Ihre E-Mail": "aside newsletter",
            "Los": "aside newsletter",
            "Code": "aside coupon",
            "Einlösen": "aside coupon",
        },
        0,
    ),
    "options as links": (
        "<title>Mugs</title><body><p>Free shipping on orders over $50</p><header><a href='/'>Mugs & Co</a><a href='/cart'><svg "
        "class='icon-cart'></svg><span hidden>Cart</span><span>2</span></a></header><main><h1>Mugs</h1><ul>"
        + "".join(
            f"""<li><div class="card"><img alt="On a table" src="data:,"><h3><a href="/products/mug-{number}?variant=1">Mug {number}</a>
            </h3><a href="/products/mug-{number}?color=red" aria-label="Red"></a><div><span>Regular price</span> <s>$20.00 USD</s>
            <span>Sale price</span> <span>$1{number}.00 USD</span></div></div><button>Choose options</button></li>"""
            for number in (1, 2)
        )
        + "</ul></main></body>",
        {
            "Mug 1 - $11.00 USD": "product",
            "Mug 2 - $12.00 USD": "product",
            "Choose options - Mug 1": "button",
            "Choose options - Mug 2": "button",
            "Cart (2)": "cart",
        },
        2,
    ),
    "checkout": (
        """<title>Checkout</title><body><h1>Contact</h1><form><label>Email <input type="email" name="email"></label><label>Address
        <input name="address1"></label><button>Continue</button></form></body>""",
        {"Email": "field", "Address": "field", "Continue": "onward"},
        0,
    ),
}
DOCUMENTS = {
    f"/{name.replace(' ', '-')}": f"<!doctype html><meta charset=utf-8>{page[0]}" for name, page in PAGES.items()
}


def answer(request):
    headers = {"Content-Type": "text/html; charset=utf-8"}
    return httpx2.Response(200, headers=headers, content=DOCUMENTS[request.url.path].encode())


def without_browser(path):
    async def see():
        async with HttpVisitors(StoreConfig(), may_pay=True, connections=httpx2.MockTransport(answer)) as visitors:
            return await visitors.visitor(f"http://store.example{path}", "one").open()

    return asyncio.run(see())


def said(page):
    """What is said of each control, by its label."""
    found = {}
    for node, method in choices(page):
        beside = aside(node)
        found[node.label] = f"aside {beside}" if beside is not None else move_of(node, method)
    return found


@pytest.mark.parametrize("name", PAGES)
def test_controls_are_what_a_person_takes_them_for(name):
    _, expected, count = PAGES[name]
    page = without_browser(f"/{name.replace(' ', '-')}")
    found = said(page)
    assert {label: found.get(label) for label in expected} == expected
    assert in_cart(page) == count
    one = situation(Observation(page, goal_for("mugs", "buy", code=0)))
    beside = [
        purpose is not None for purpose in (None if each.node is None else aside(each.node) for each in one.candidates)
    ]
    assert one.fixed.sum() == pytest.approx(sum(one.fixed[beside]))
    assert one.fixed.sum() < 0.11
    assert all(0 < share < 0.11 for share in one.fixed[beside])
    assert len(one.move) == len(one.numbers) == len(beside)
    assert {MOVES[move] for move in one.move} >= {kind for kind in expected.values() if " " not in kind} - {"search"}


@pytest.mark.parametrize("name", ["german", "flat list"])
def test_each_of_several_controls_with_one_name_can_be_chosen_in_every_prompt_format(name):
    page = without_browser(f"/{name.replace(' ', '-')}")
    buttons = [node for node in page.nodes if node.role == "button" and move_of(node, "click") == "add"]
    assert len(buttons) == 3
    answers = {answer.node: answer for answer in short_answers(page)}
    lines = {node.id: line for node, line in zip(page.nodes, page.tree.splitlines(), strict=True)}
    schema = str(reply_schema(page))
    for node in buttons:
        assert short_parse(answers[node.id].text, page).action.node == node.id
        figure9 = (
            f'{{"shouldEnd": false, "action": {{"nodeSelector": "{node.id}", "method": "click"}}, "reasoning": ""}}'
        )
        assert parse_reply(figure9, page).action == Action(node.id, "click", f"Clicking on the {node.label} button")
        assert node.label in lines[node.id]
        assert f"Clicking on the {node.label} button" in schema
    one = situation(Observation(page, goal_for("Becher", "buy", code=0)))
    texts = [candidate.text for candidate, move in zip(one.candidates, one.move, strict=True) if MOVES[move] == "add"]
    assert len(set(texts)) == 3


class _Store(BaseHTTPRequestHandler):
    def do_GET(self):
        body = DOCUMENTS.get(self.path, "").encode()
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.mark.slow
def test_chromium_shows_the_same_lines_and_purposes():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Store)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()

    async def see():
        home = f"http://127.0.0.1:{server.server_port}"
        async with Browser(StoreConfig(), may_pay=True) as browser, HttpVisitors(StoreConfig(), may_pay=True) as http:
            return [[await make.visitor(home + path, "one").open() for make in (browser, http)] for path in DOCUMENTS]

    pages = asyncio.run(see())
    server.shutdown()
    server.server_close()
    for shown, read in pages:
        assert shown.tree == read.tree
        assert [node.purpose for node in shown.nodes] == [node.purpose for node in read.nodes]
