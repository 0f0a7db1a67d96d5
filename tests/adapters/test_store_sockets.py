"""Nothing is ordered over a web socket, whoever opens it, and additions to the cart arrive: against a real server."""

import asyncio
import threading
from contextlib import contextmanager

import pytest

from simpersona.adapters.storefronts.browser import Browser
from simpersona.config import PolitenessConfig, StoreConfig
from simpersona.pages import Action
from tests.adapters.live_pages import node, served

websockets = pytest.importorskip("websockets.sync.server", reason="a web socket server is needed")
pytestmark = pytest.mark.slow
ASKS = "<label>Street <input></label><label>City <input></label>"
SENDS = "const w = new WebSocket('LIVE'); w.onopen = () => w.send('order at once'); onmessage = () => w.send('order')"
INLINE = f"new Worker(URL.createObjectURL(new Blob([`{SENDS}`])))"
ORDERS = {
    "a page's own": (ASKS, "const w = new WebSocket('LIVE'); b.onclick = () => w.send('{}')"),
    "bytes": (ASKS, "const w = new WebSocket('LIVE'); b.onclick = () => w.send(new Uint8Array([1, 2]))"),
    "an operation": ("", "const w = new WebSocket('LIVE'); b.onclick = () => w.send(JSON.stringify({type: 'place_order'}))"),
    "an event of a live page": (
        "", "const w = new WebSocket('LIVE'); b.onclick = () => w.send(JSON.stringify(['4', 'lv', 'event', {event: 'submit_order'}]))",
    ),
    "its address alone": (ASKS, "b.onclick = () => new WebSocket('LIVE/place-order?go=1')"),
    "a frame": (
        ASKS, ("b.onclick = () => { const f = document.createElement('iframe'); document.body.append(f);"
        " const w = new f.contentWindow.WebSocket('LIVE'); w.onopen = () => w.send('order'); }"),
    ),
    "a worker": (ASKS, f"const k = {INLINE}; b.onclick = () => k.postMessage(1)"),
    "a worker that begins late": (ASKS, f"b.onclick = () => {INLINE}"),
    "a worker from a file": (ASKS, "const k = new Worker('/work.js'); b.onclick = () => k.postMessage(1)"),
    "a module as a worker": (ASKS, "const k = new Worker('/module.js', {type: 'module'}); b.onclick = () => k.postMessage(1)"),
    "a worker from data": (ASKS, f"const k = new Worker('data:text/javascript,' + encodeURIComponent(`{SENDS}`)); b.onclick = () => k.postMessage(1)"),
    "a shared worker": (ASKS, "const k = new SharedWorker('/shared.js'); k.port.start(); b.onclick = () => k.port.postMessage(1)"),
    "a stream": (
        ASKS, "b.onclick = async () => { const s = new WebSocketStream('LIVE'); (await s.opened).writable.getWriter().write('order'); }",
    ),
}  # fmt: skip
FILES = {"/work.js": SENDS, "/module.js": "import '/work.js';", "/shared.js": f"onconnect = event => {{ {SENDS} }}"}
ADDS = (
    "const w = new WebSocket('LIVE'); b.onclick = () => w.send(JSON.stringify({action: 'add_to_cart', product_id: 7}))"
)
ALIVE = "const a = URL.createObjectURL(new Blob([`onmessage = event => postMessage(event.data + 1)`])); const k = new Worker(a); URL.revokeObjectURL(a);"
ALIVE += "const f = new Worker('/plus.js'); let n = 0; k.onmessage = f.onmessage = event => { n += event.data; p.textContent = 'Sum ' + n; };"
ALIVE += "b.onclick = () => { k.postMessage(1); f.postMessage(10); }"


@contextmanager
def live_server():
    """(the address of a web socket server, the messages that it got)."""
    got = []

    def handle(connection):
        if "order" in connection.request.path:
            got.append(connection.request.path)
        got.extend(connection)

    server = websockets.serve(handle, "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}", got
    finally:
        server.shutdown()
        thread.join()


def click(cases):
    """For each case, what the socket server has got after a click on the only button, and the page."""

    async def run(address, got):
        found = {}
        settings = StoreConfig(politeness=PolitenessConfig(requests_per_minute=100_000, robots=False))
        async with Browser(settings) as browser:
            for name, (fields, script) in cases.items():
                html = f"<title>Shop</title><h1>Shop</h1>{fields}<button id=b>{'Add to cart' if 'add' in script else 'OK'}</button><p id=p>-</p>"
                pages = {
                    "/": f"{html}<script>{script}</script>",
                    "/plus.js": "onmessage = event => postMessage(event.data + 1)",
                    **FILES,
                }
                with served({path: page.replace("LIVE", address) for path, page in pages.items()}) as server:
                    session = browser.visitor(server.url + "/", "v")
                    page = await session.open()
                    page = await session.act(Action(node(page, "*button").id, "click", ""))
                    await asyncio.sleep(0.15)
                    after = await session.act(Action(page.nodes[0].id, "scrollTo", ""))
                    await session.close()
                found[name] = list(got), page, after
                got.clear()
        return found

    with live_server() as (address, got):
        return asyncio.run(run(address, got))


def test_no_order_leaves_over_a_web_socket_and_a_page_s_own_ends_the_visit():
    found = click(ORDERS)
    assert {name: got for name, (got, *_) in found.items() if got} == {}
    ends = {name for name, (_, page, _) in found.items() if page.ends_visit}
    assert ends >= set(list(ORDERS)[:6])


def test_additions_arrive_over_a_web_socket_and_workers_without_one_go_on():
    found = click({"adds": ("", ADDS), "workers": ("", ALIVE)})
    assert found["adds"][0] == ['{"action":"add_to_cart","product_id":7}']
    _, page, after = found["workers"]
    assert "Sum 13" in (page.nodes[-1].name, after.nodes[-1].name)
