"""Serves pages with scripts on the loopback interface, and visits them with Chromium or without a browser."""

import asyncio
import contextlib
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

from simpersona.adapters.storefronts.browser import Browser
from simpersona.adapters.storefronts.http import HttpVisitors
from simpersona.config import StoreConfig
from simpersona.pages import Action

PRODUCT = "<title>Product</title><h1>Blue mug</h1>"
SAY = (
    "<p id=said>nothing</p><script>function say(text) { document.getElementById('said').textContent = text; }</script>"
)


class _Shop(BaseHTTPRequestHandler):
    def do_GET(self):
        path, _, query = self.path.partition("?")
        self.server.requested.append(self.path)
        if path == "/slow":
            time.sleep(int(parse_qs(query)["ms"][0]) / 1000)
        self._answer(self.server.pages.get(path, PRODUCT if path == "/product" else "answer"))

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer("<title>Sent</title><h1>Thank you</h1>")

    def _answer(self, text):
        is_file = text.startswith("%PDF")
        leads_on = text.removeprefix("-> ") if text.startswith("-> ") else None
        self.send_response(200 if leads_on is None else 302)
        if leads_on is not None:
            self.send_header("Location", leads_on)
        self.send_header(
            "Content-Type",
            "application/pdf"
            if is_file
            else "text/javascript"
            if self.path.endswith(".js")
            else "text/html; charset=utf-8",
        )
        if is_file:
            self.send_header("Content-Disposition", "attachment")
        self.send_header("Content-Length", str(len(text.encode())))
        with contextlib.suppress(BrokenPipeError):  # the visitor has left
            self.end_headers()
            self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


@contextmanager
def served(pages):
    """A running server of the pages, by path; "/slow?ms=200" answers after 200 ms, "/product" is a product, and a page "-> /cart" leads
    on to the cart.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Shop)
    server.daemon_threads = True
    server.pages, server.requested = pages, []
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))  # so that it ends at once
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class SharedBrowser:
    """One Chromium for many tests, in an event loop of its own; a visitor of it starts with nothing."""

    def __init__(self):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._browser = self.run(Browser(StoreConfig(), may_pay=True).__aenter__())

    def run(self, work):
        """The result of a coroutine."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(120)

    def visitors(self):
        """The browser as a context that does not end with it."""
        return contextlib.nullcontext(self._browser)

    def close(self):
        """Stops the browser and the loop."""
        self.run(self._browser.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


_shared = []


def shared_browser():
    """The running browser, which starts with the first test that needs it."""
    if not _shared:
        _shared.append(SharedBrowser())
    return _shared[0]


def close_shared_browser():
    """Stops the browser if it runs."""
    while _shared:
        _shared.pop().close()


def visit(html, use, *, driver=None, may_pay=True, pages=None, **settings):
    """What `use(session, first page)` gives for a store that is one page of HTML, and more `pages` by their paths."""
    is_shared = driver is None and may_pay and not settings

    async def run(address):
        visitors = (
            shared_browser().visitors() if is_shared else (driver or Browser)(StoreConfig(**settings), may_pay=may_pay)
        )
        async with visitors as running:
            session = running.visitor(address, "visitor-1")
            try:
                return await use(session, await session.open())
            finally:
                await session.close()

    with served({"/": html, **(pages or {})}) as server:
        return (shared_browser().run if is_shared else asyncio.run)(run(server.url + "/"))


def without_browser(html, use, **settings):
    """As `visit`, without a browser."""
    return visit(html, use, driver=HttpVisitors, **settings)


def after(html, *acts, **settings):
    """The page after actions, each a name (or a role with a star before it), a method and its arguments."""

    async def use(session, page):
        for name, method, *arguments in acts:
            page = await session.act(Action(node(page, name).id, method, "", tuple(arguments)))
        return page

    return visit(html, use, **settings)


def node(page, name):
    """The first node of this name, or of this role ("*combobox")."""
    return next(one for one in page.nodes[1:] if (one.role == name[1:] if name[0] == "*" else one.name == name))
