"""A store that fails on purpose: a server in front of a real one that drops, delays and breaks what it hands on."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections import Counter
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

ERRORS, DROPS, STALLS, REDRAWS = 0.02, 0.01, 0.005, 0.2
"""Shares of the requests for pages, and of the pages that redraw themselves under the mouse."""
STALL_SECONDS = 10
_REDRAW = b"""<script>addEventListener('mousedown', event => {
    const main = event.target.closest('main');
    if (main && !window.drawn) { window.drawn = 1; main.replaceChildren(...main.cloneNode(true).childNodes); }
}, true);</script></body>"""
_FILES = (".ico", ".js", ".css", ".png", ".jpg")
_KEPT_BACK = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"})


class FaultyStore:
    """The store at `url`, at another address; a context manager. `injected` counts what was broken."""

    def __init__(self, url: str, seed: int = 0) -> None:
        self.behind = urlsplit(url)
        self._random = random.Random(seed)
        self.injected: Counter[str] = Counter()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.store = self
        self._thread = threading.Thread(target=self._server.serve_forever)
        self.url = f"http://127.0.0.1:{self._server.server_port}{self.behind.path}"

    def __enter__(self) -> Self:
        """Answers from now on."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Answers no more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def fault(self) -> str | None:
        """What goes wrong with the next request."""
        chance = self._random.random()
        for name, share in (("500", ERRORS), ("dropped", DROPS), ("stalled", STALLS), ("redrawn", REDRAWS)):
            if chance < share:
                self.injected[name] += 1
                return name
            chance -= share
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    store: FaultyStore


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self._pass_on(None)

    def do_POST(self) -> None:
        self._pass_on(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def _pass_on(self, body: bytes | None) -> None:
        is_page = "/static/" not in self.path and not self.path.endswith(_FILES)
        fault = self.server.store.fault() if is_page else None
        if fault == "dropped":
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        if fault == "500":
            self._answer(500, [("Content-Type", "text/html")], b"<title>Broken</title>")
            return
        if fault == "stalled":
            time.sleep(STALL_SECONDS)
        connection = HTTPConnection(self.server.store.behind.netloc, timeout=60)
        connection.request(self.command, self.path, body, dict(self.headers.items()))
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if fault == "redrawn":
            content = content.replace(b"</body>", _REDRAW)
        kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in _KEPT_BACK]
        self._answer(answer.status, kept, content)

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        try:
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except ConnectionError:
            self.close_connection = True  # the visitor did not wait

    def log_message(self, *_: object) -> None:
        """Says nothing."""
