"""Serves a store on the loopback interface from threads of this process."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import parse_qs, unquote, urlsplit

from benchmarks.storefronts.request_log import RequestLog


@dataclass(frozen=True)
class Asked:
    """A request that has arrived. `form` has the values of a form's or a JSON body; `visitor` is the driver's cookie."""

    method: str
    path: str
    query: Mapping[str, str]
    form: Mapping[str, Any]
    visitor: str
    cookies: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """What the store answers: a page, JSON, a script, or another address."""

    body: str = ""
    status: int = 200
    kind: str = "text/html; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


def data(value: Any, status: int = 200) -> Answer:
    """An answer in JSON."""
    return Answer(json.dumps(value), status, "application/json")


def elsewhere(address: str) -> Answer:
    """Sends the visitor to another page, as after a form."""
    return Answer(status=303, headers={"Location": address})


class Store(Protocol):
    """A store: answers requests, and keeps a record of its own."""

    log: RequestLog

    def answer(self, asked: Asked) -> Answer:
        """The answer to a request."""
        ...


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A visitor that goes away before the answer has arrived is no fault of the store."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Served:
    """A store that answers at `url` while the context is open."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._server = _Server(("127.0.0.1", 0), _handler(store))
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def __enter__(self) -> Self:
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _handler(store: Store) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = store.answer(_asked(self.command, self.path, self.headers, sent))
            body = answer.body.encode()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", answer.kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 - names of the standard library

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ARG002 - as in the standard library
            return

    return Handler


def _asked(method: str, target: str, headers: Message, sent: bytes) -> Asked:
    address = urlsplit(target)
    query = {name: values[-1] for name, values in parse_qs(address.query, keep_blank_values=True).items()}
    cookies = {name: morsel.value for name, morsel in SimpleCookie(headers.get("Cookie", "")).items()}
    text = sent.decode("utf-8", "replace")
    form: dict[str, Any] = {}
    if "json" in headers.get("Content-Type", ""):
        try:
            read = json.loads(text or "{}")
        except ValueError:
            read = {}
        form = read if isinstance(read, dict) else {}
    elif text:
        form = {name: values[-1] for name, values in parse_qs(text, keep_blank_values=True).items()}
    return Asked(method, unquote(address.path), query, form, cookies.get("visitor", "unknown"), cookies)
