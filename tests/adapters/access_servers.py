"""Small servers of a staging store: one that asks for a login and a header, one with TLS, a proxy, another host's frame."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import ssl
import subprocess
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from simpersona.adapters.storefronts.browser_path import find_browser
from simpersona.config import StoreConfig
from simpersona.pages import Action


class Site(ThreadingHTTPServer):
    """Answers each path with what `answers` has for it: a body, or (status, headers, body), or a function of the request that
    gives one of these. `asked` are the requests: (path, headers).
    """

    daemon_threads = True

    def __init__(self, answers):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers, self.asked = answers, []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def sent(self, path, name):
        """The values of a header in the requests for a path."""
        return [headers.get(name) for asked, headers in self.asked if asked.partition("?")[0] == path]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length) if length else b""
        self.server.asked.append((self.path, self.headers))
        answer = self.server.answers.get(self.path.partition("?")[0], (404, {}, ""))
        answer = answer(self) if callable(answer) else answer
        status, headers, body = (200, {}, answer) if isinstance(answer, str) else answer
        content = body.encode()
        self.send_response(status)
        for name, value in {"Content-Type": "text/html; charset=utf-8", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815 - the name that the library calls

    def log_message(self, *_):
        pass


@contextmanager
def serving(server):
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def encrypted(site, folder):
    """The same site behind a certificate that it has signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "staging.example")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = folder / "own.pem"
    pem.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + signed.public_bytes(Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    site.socket = context.wrap_socket(site.socket, server_side=True)
    site.url = site.url.replace("http://", "https://")
    return site


class Proxy(ThreadingHTTPServer):
    """Passes on requests for http addresses to whoever gives the right login; `asked` are the addresses."""

    daemon_threads = True

    def __init__(self, login=""):
        super().__init__(("127.0.0.1", 0), _ProxyHandler)
        self.asked, self.wanted = [], f"Basic {base64.b64encode(login.encode()).decode()}" if login else None
        self.url = f"http://127.0.0.1:{self.server_port}"


class _ProxyHandler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.server.wanted not in (None, self.headers.get("Proxy-Authorization")):
            self.send_response(407)
            self.send_header("Proxy-Authenticate", 'Basic realm="proxy"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.server.asked.append(self.path)
        status, headers, body = 200, [("Content-Type", "text/html")], b"<title>By proxy</title><h1>By proxy</h1>"
        if "by-proxy.example" not in self.path:
            address = urlsplit(self.path)
            asked = HTTPConnection(address.netloc, timeout=10)
            passed_on = {name: value for name, value in self.headers.items() if not name.lower().startswith("proxy-")}
            asked.request("GET", address._replace(scheme="", netloc="").geturl(), headers=passed_on)
            answer = asked.getresponse()
            status, headers, body = answer.status, answer.getheaders(), answer.read()
            asked.close()
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def running_chromium(profile, *flags):
    """The address of a Chromium that runs with these flags, as on a grid of browsers."""
    usual = ["--headless", "--remote-debugging-port=0", f"--user-data-dir={profile}", "--disable-gpu"]
    usual += ["--no-sandbox"] if os.geteuid() == 0 else []
    command = [find_browser(StoreConfig()), *usual, *flags, "about:blank"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            address = next(found for line in process.stderr if (found := re.search(r"ws://(\S+?)/", line)))
            yield f"http://{address[1]}"
        finally:
            process.kill()


def pages_of(driver, config, url, clicks, *, may_pay=False):
    """The first page of a visit and those after clicks on the nodes with these names."""

    async def run():
        async with driver(config, may_pay=may_pay) as running:
            session = running.visitor(url, "one")
            try:
                pages = [await session.open()]
                for name in clicks:
                    node = next(node.id for node in pages[-1].nodes if node.name == name)
                    pages.append(await session.act(Action(node, "click", "")))
            finally:
                await session.close()
            return pages

    return asyncio.run(run())
