"""A small shop in which each path adds to the cart in another way, or fails to, as shops on the usual platforms do."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import urlsplit

OPTIONS = "Please choose product options by visiting Blue mug."


class Way(NamedTuple):
    """A way to add: the product page's part, the answers to requests by path (status, type, body), and whether it adds.

    `added` None: nothing tells it. `scripts`: the part works in a browser only.
    """

    part: str
    answers: dict[str, tuple[int, str, str]]
    added: bool | None
    evidence: str | None = None
    scripts: bool = False


def form(action, fields='<input type="hidden" name="id" value="12">'):
    return f'<form method="post" action="{action}">{fields}<button name="add">Add to cart</button></form>'


def button(script):
    return f'<button type="button" onclick="{script}">Add to cart</button>'


def post(path, body="{id: 12}"):
    return f"fetch('{path}', {{method: 'POST', headers: {{'Content-Type': 'application/json'}}, body: JSON.stringify({body})}})"


def graphql(name):
    mutation = (
        "mutation { addProductsToCart(cartId: &quot;c&quot;, cartItems: []) { cart { id } user_errors { message } } }"
    )
    return button(post(name, f"{{query: '{mutation}'}}"))


def badge(count):
    return f'<header><a href="/cart" class="cart-link">Cart <span class="cart-count">{count}</span></a></header>'


def page(inside, count=""):
    header = badge(count) if count != "" else "<header><a href='/about-us'>About</a></header>"
    return f"""<title>Blue mug</title>{header}<main><h1>Blue mug</h1><p class="price">$18.00</p>{inside}</main>"""


JSON, HTML = "application/json", "text/html"
GROWS = "document.querySelector('.cart-count').textContent = 1"
LAYER = "window.dataLayer = window.dataLayer || []; dataLayer.push({event: 'add_to_cart', ecommerce: {items: [{item_id: 'M12'}]}});"

WAYS = {
    "form-to-cart": Way(
        page(form("/w/form-to-cart/cart/add")),
        {"/cart/add": (303, "", "/w/form-to-cart/cart"),
         "/cart": (200, HTML, "<title>Cart</title><main><input name='updates[]' value='1'></main>")},
        True,
        "cart_shown",
    ),
    "form-500": Way(page(form("/w/form-500/cart/add")), {"/cart/add": (500, HTML, "<title>Error</title>")}, False),
    "form-422": Way(
        page(form("/w/form-422/cart/add")), {"/cart/add": (422, HTML, page("<p>Select an option</p>"))}, False
    ),
    "form-notice": Way(
        page(form("/w/form-notice/mug", '<input type="hidden" name="add-to-cart" value="12">')),
        {"/mug": (200, HTML, page(f'<ul class="woocommerce-error" role="alert"><li>{OPTIONS}</li></ul>'))},
        False,
    ),
    "form-badge": Way(
        page(form("/w/form-badge/checkout/cart/add/product/12"), 0),
        {"/checkout/cart/add/product/12": (200, HTML, page("<p>Here</p>", 1))},
        True,
        "cart_shown",
    ),
    "answer-cut-off": Way(
        page(button(f"{post('cart/add.js').replace(chr(34), chr(39))}.then(r => r.json()).then(j => {{ if (j.error) location = 'sold-out.html' }})"), 0),
        {"/cart/add.js": (200, JSON, '{"error": true, "product_url": "x"}'),
         "/sold-out.html": (200, HTML, page("<p>Sold out</p>", 0))},
        False,
        scripts=True,
    ),
    "form-badge-same": Way(
        page(form("/w/form-badge-same/checkout/cart/add/product/12"), 0),
        {"/checkout/cart/add/product/12": (200, HTML, page("<p>Here</p>", 0))},
        False,
    ),
    "answer-ok": Way(
        page(button(post("/w/answer-ok/cart/add.js"))),
        {"/cart/add.js": (200, JSON, json.dumps({"id": 12, "quantity": 1, "title": "Blue mug"}))},
        True, "cart_answer", True,
    ),
    "answer-422": Way(
        page(button(post("/w/answer-422/cart/add.js"))),
        {"/cart/add.js": (422, JSON, json.dumps({"status": 422, "message": "Cart Error", "description": "Select an option"}))},
        False, None, True,
    ),
    "reported-but-refused": Way(
        page(button(LAYER + post("/w/reported-but-refused/cart/add.js"))),
        {"/cart/add.js": (422, JSON, json.dumps({"status": 422}))},
        False, None, True,
    ),
    "ajax-ok": Way(
        page(button(post("/w/ajax-ok/?wc-ajax=add_to_cart", "{product_id: 12}"))),
        {"/?wc-ajax=add_to_cart": (200, JSON, json.dumps({"fragments": {}, "cart_hash": "a1"}))},
        True, "cart_answer", True,
    ),
    "ajax-error": Way(
        page(button(post("/w/ajax-error/?wc-ajax=add_to_cart", "{product_id: 12}"))),
        {"/?wc-ajax=add_to_cart": (200, JSON, json.dumps({"error": True, "product_url": "/mug"}))},
        False, None, True,
    ),
    "graphql-ok": Way(
        page(graphql("/w/graphql-ok/graphql")),
        {"/graphql": (200, JSON, json.dumps({"data": {"addProductsToCart": {"cart": {"id": "c"}, "user_errors": []}}}))},
        True, "cart_answer", True,
    ),
    "graphql-error": Way(
        page(graphql("/w/graphql-error/graphql")),
        {"/graphql": (200, JSON, json.dumps({"data": {"addProductsToCart": {"user_errors": [{"message": "No stock"}]}}}))},
        False, None, True,
    ),
    "badge": Way(page(button(GROWS), 0), {}, True, "cart_shown", True),
    "badge-same": Way(page(button("1"), 0), {}, False, None, True),
    "layer": Way(page(button(LAYER)), {}, True, "analytics", True),
    "tag": Way(
        page("<script>dataLayer = []; function gtag() { dataLayer.push(arguments); }</script>"
             + button("gtag('event', 'add_to_cart', {items: [{item_id: 'M12'}]})")),
        {}, True, "analytics", True,
    ),
    "silent": Way(page(button("1")), {}, None, None, True),
}  # fmt: skip


class _Handler(BaseHTTPRequestHandler):
    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        self.server.asked.append((self.command, self.path))
        _, _, name, *rest = urlsplit(self.path).path.split("/") if self.path.startswith("/w/") else ("", "", "")
        path = "/" + "/".join(rest) + (f"?{urlsplit(self.path).query}" if urlsplit(self.path).query else "")
        way = WAYS.get(name)
        status, kind, body = 404, HTML, "<title>Not found</title>"
        if way is not None:
            status, kind, body = way.answers.get(path, (200, HTML, way.part))
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", body)
            body = ""
        self.send_header("Content-Type", kind or HTML)
        self.end_headers()
        self.wfile.write(body.encode())

    do_GET = do_POST = answer  # noqa: N815 - the names are those of http.server

    def log_message(self, *_):
        pass


class EffectStore:
    """The shop, served on the loopback interface; `asked` are the requests that reached it."""

    def __enter__(self):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.server.daemon_threads = True
        self.server.asked = []
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    @property
    def asked(self):
        return self.server.asked

    def url(self, name):
        return f"http://127.0.0.1:{self.server.server_port}/w/{name}/blue-mug.html"
