"""A tiny static shop, served on the loopback interface and written down as a script."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from simpersona.adapters.storefronts.scripted import scripted_page
from simpersona.config import LabConfig
from simpersona.contracts import COLLECTIONS, PRODUCTS
from simpersona.files import read_table
from simpersona.lab.storefront.launch import LabStores, looks
from simpersona.lab.variants import PLAIN
from simpersona.lab.world import generate_world
from tests.adapters.live_pages import close_shared_browser

_HEADER = """<header><a href="/">Tiny shop</a><nav><a href="/skirts">Skirts</a></nav>
<form role="search" action="/skirts"><label for="q">Search</label><input id="q" type="search" name="q"></form></header>"""
SITE = {
    "/": f"<title>Tiny shop</title>{_HEADER}<main><h1>Welcome <b>in</b></h1><p>We sell <b>good</b> skirts.</p></main>",
    "/skirts": f"""<title>Skirts</title>{_HEADER}<main><h1>Skirts</h1><ul><li><a href="/pleated"><img alt="Pleated"></a>
        <a href="/pleated">Pleated Skirt - $48</a></li></ul></main>""",
    "/pleated": f"""<title>Pleated Skirt</title>{_HEADER}<main><h1>Pleated Skirt</h1><p>$48</p>
        <label>Size <select><option>S</option><option>M</option></select></label>
        <button disabled>Notify me</button><form action="/cart"><button>Add to cart</button></form></main>""",
    "/cart": f"<title>Cart</title>{_HEADER}<main><h1>Your cart</h1><p>1 × Pleated Skirt</p></main>",
    "/long": "<title>Long</title>" + "".join(f'<a href="/pleated">Skirt {i}</a><br>{i}' for i in range(1, 101)),
    "/hand": """<title>Hand</title><label><input type="radio" style="position:absolute;opacity:0;width:0;height:0">Guest
        </label><div style="position:relative"><button onclick="say('covered')">Covered</button><div
        style="position:absolute;inset:0">.</div></div><button ondblclick="say('twice')">Twice</button><button
        onmouseover="say('over')">Over</button><input aria-label="Keys" onkeydown="say('key ' + event.key)"><div
        role="button" tabindex="0" aria-label="Drag" onmousedown="window.dragged=1">d</div><div role="button" tabindex="0"
        aria-label="Drop" onmouseup="window.dragged && say('dropped')">d</div><p id="said">nothing</p>
        <script>function say(words) { document.getElementById('said').textContent = words; }</script>""",
    "/mall/a/": """<title>A</title><a href="/mall/a/">Home</a><a href="/mall/b/">Next shop</a><a href="sent-on">Sent on</a>
        <a href="../">All shops</a><a target="_blank" href="/mall/b/">Tab to it</a><a href="own">Own page</a>""",
    "/mall/a/own": "<title>Own</title><p>Here</p>",
    "/mall/": "<title>All</title><p>All shops</p>",
    "/mall/b/": "<title>B</title><p>Another shop</p>",
    "/traps": """<title>Traps</title><a href="https://elsewhere.example/">Away</a><a target="_blank" href="/cart">Tab</a>
        <button onclick="window.open('/skirts')">Window</button>
        <button onclick="window.open('https://elsewhere.example/')">Window away</button>
        <button onclick="alert('Hello'); document.title = 'Told'">Dialog</button>
        <button onclick="setTimeout(() => location = '/pleated', 10)">Script</button>
        <button onclick="fetch('/slow').then(() => document.body.append('fetched'))">Fetch</button>
        <a href="/error">Error</a><a href="/slow">Slow</a><a href="/stall">Stall</a>""",
    "/checkout/": """<title>Checkout</title><h1>Checkout</h1><label>Email <input></label><button>Continue</button>""",
    "/basket": """<title>Basket</title><a href="/checkout/">Go to checkout</a><button>Place order</button>
        <button>Confirm and pay</button><button>Pay with card</button><button>Complete your purchase</button>
        <button>Pay $12.00</button><button>Paypal news</button>""",
    "/restless": """<title>Restless</title><main></main><p id="said">nothing</p><script>
        const main = document.querySelector('main');
        function draw() {
            main.innerHTML = `<button onclick="say('before')">Before</button><button onclick="say('under')">Under the hand
                </button>${window.gone ? '' : '<button>Removed</button>'}`;
            main.children[1].addEventListener('mousedown', () => { if (!window.once) { window.once = 1; draw(); } });
        }
        function say(words) {
            document.getElementById('said').textContent = words;
            if (words === 'under') { window.gone = 1; setTimeout(draw, 1100); }
        }
        draw();
        setTimeout(draw, 1100);</script>""",
    "/framed": """<title>Framed</title><h1>Outside</h1><iframe src="/inside" style="margin: 300px; border: 9px solid">
        </iframe><a href="/cart">Cart</a>""",
    "/inside": """<title>Inside</title><h2>Inside</h2><label>Colour <input id="c"></label><button
        onclick="document.body.append('said ' + document.getElementById('c').value)">Say</button>""",
    "/shadow": """<title>Shadow</title><h1>Light</h1><shop-card></shop-card><script>
        customElements.define("shop-card", class extends HTMLElement {
            connectedCallback() {
                const root = this.attachShadow({mode: "open"});
                root.innerHTML = `<h2>In the shadow</h2><a href="/cart">Cart</a><label>Note <input></label>
                    <button>Save</button><inner-card></inner-card>`;
                root.querySelector("button").onclick = () => root.append("kept " + root.querySelector("input").value);
            }
        });
        customElements.define("inner-card", class extends HTMLElement {
            connectedCallback() { this.attachShadow({mode: "open"}).innerHTML = "<p>Deeper</p>"; }
        });</script>""",
    "/nested": """<title>Nested</title><p>Before</p><iframe src="/framed"></iframe><iframe srcdoc="<h3>Given</h3>"></iframe>
        <p>Some <b>bold</b> and <time>timed</time> words</p>""",
    "/panels": """<title>Panels</title><iframe src="/panel"></iframe><p>Between</p><iframe src="/panel"></iframe>
        <iframe src="/panels"></iframe><iframe src="/panel" hidden></iframe><iframe src="https://elsewhere.example/"></iframe>""",
    "/panel": """<title>Panel</title><h2>Panel</h2><a href="/skirts">Skirts</a><a href="/cart" target="_top">Whole cart</a>
        <form action="/pleated"><label>Size <input name="size"></label><button>Find</button></form>""",
    "/slow": "<title>Slow</title>slow",
    "/stall": "<title>Stall</title>stall",
    "/error": "<title>Error</title>error",
}
_FRAME = "[0-2] link: Tiny shop\n[0-3] link: Skirts\n[0-4] searchbox: Search"
SCRIPT = {
    "/": f"[0-1] RootWebArea: Tiny shop\n{_FRAME}\n[0-5] heading: Welcome in\n[0-6] StaticText: We sell good skirts.",
    "/skirts": f"[0-1] RootWebArea: Skirts\n{_FRAME}\n[0-5] heading: Skirts\n[0-6] link: Pleated Skirt - $48",
    "/pleated": f"""[0-1] RootWebArea: Pleated Skirt\n{_FRAME}\n[0-5] heading: Pleated Skirt\n[0-6] StaticText: $48
        [0-7] combobox: Size = S (S | M)\n[0-8] button: Notify me = (disabled)\n[0-9] button: Add to cart""",
    "/cart": f"[0-1] RootWebArea: Cart\n{_FRAME}\n[0-5] heading: Your cart\n[0-6] StaticText: 1 × Pleated Skirt",
}
TRANSITIONS = {
    **{(path, node): target for path in SCRIPT for node, target in {"0-2": "/", "0-3": "/skirts"}.items()},
    **{(path, "0-4"): "/skirts" for path in SCRIPT},  # Enter in the search
    ("/skirts", "0-6"): "/pleated",
    ("/pleated", "0-9"): "/cart",
}


class _Site(BaseHTTPRequestHandler):
    cookies: list[str]

    def do_GET(self):
        path = self.path.partition("?")[0]
        self.server.cookies.append(self.headers.get("Cookie") or "")
        time.sleep({"/slow": 0.4, "/stall": 2}.get(path, 0))
        body = SITE.get(path, "").encode()
        if path == "/mall/a/sent-on":
            self.send_response(302)
            self.send_header("Location", "/mall/b/")
        elif self.server.failing.get(path, 0):
            self.server.failing[path] -= 1
            self.send_response(503)
        else:
            self.send_response(500 if path == "/error" else 200 if body else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def engine(duckdb_engine):
    """The one DuckDB of all sources' tests; text is read on no other engine."""
    return duckdb_engine


@pytest.fixture(scope="session")
def site():
    """The running static shop; `.url` without a slash at the end, `.cookies` as they came, `.failing` how often a path still fails."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Site)
    server.daemon_threads = True
    server.cookies, server.failing = [], {}
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session", autouse=True)
def _shared_browser_ends():
    """Stops the Chromium that the tests of live pages share."""
    yield
    close_shared_browser()


@pytest.fixture
def script():
    """(pages, transitions) of the same shop for the scripted store."""
    return {path: scripted_page(f"http://shop.example{path}", tree) for path, tree in SCRIPT.items()}, TRANSITIONS


@pytest.fixture(scope="session")
def lab_addresses(tmp_path_factory):
    """Running storefronts of the lab, by shop; each has a theme of its own."""
    folder = tmp_path_factory.mktemp("themes")
    generate_world(folder / "world", LabConfig(shops=4, buyers=60, products_per_shop=20), lambda *_: None)
    products = read_table(folder / "world/events/products.parquet", PRODUCTS)
    collections = read_table(folder / "world/events/collections.parquet", COLLECTIONS)
    look = looks(products["shop_id"].unique().to_pylist(), "varied", PLAIN)
    assert len({one.theme for one in look.values()}) == 4
    stores = LabStores(folder / "stores")
    stores.build(look, products, collections)
    with stores:
        yield stores.start(shops=list(look))
