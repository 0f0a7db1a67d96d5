"""Towards stores that are not the lab's: robots.txt, the rate, the signature, in both windows."""

import asyncio
import base64
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import ValidationError

from simpersona.adapters.storefronts.browser import Browser
from simpersona.adapters.storefronts.http import HttpVisitors
from simpersona.adapters.storefronts.politeness import Politeness
from simpersona.adapters.storefronts.web_bot_auth import RequestSigner, key_id, signature, signature_base
from simpersona.config import PolitenessConfig, StoreConfig
from simpersona.errors import ConfigError, StorefrontError
from simpersona.pages import Action

# RFC 9421, appendices B.1.4 and B.2.6; published there as a test key
KEY = """-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF
-----END PRIVATE KEY-----
"""
PUBLIC = "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"
SECRET = "n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU"
THUMBPRINT = "poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U"  # the key id of the same key in the drafts of Web Bot Auth
WINDOWS = [pytest.param(Browser, marks=pytest.mark.slow, id="browser"), pytest.param(HttpVisitors, id="http")]


@pytest.fixture(scope="module")
def key_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("key") / "key.pem"
    path.write_text(KEY)
    return path


class _Shop(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append((self.path, dict(self.headers.items())))
        status, body = 200, f'<title>{self.path}</title><a href="/open">Open</a><a href="/secret/a">Secret</a>'
        if self.path == "/robots.txt":
            status, body = self.server.robots
        self.send_response(status)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def shop():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Shop)
    server.daemon_threads = True
    server.asked, server.robots = [], (200, "User-agent: *\nDisallow: /secret/\nAllow: /")
    server.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def visit(windows, url, *names, may_pay=False, **manners):
    """The first page, and those after clicks on the links of these names."""

    async def run():
        config = StoreConfig(politeness=PolitenessConfig(requests_per_minute=100_000, **manners))
        async with windows(config, may_pay=may_pay) as running:
            window = running.visitor(url, "one")
            pages = [await window.open()]
            for name in names:
                node = next(node.id for node in pages[-1].nodes if node.name == name)
                pages.append(await window.act(Action(node, "click", "")))
            await window.close()
            return pages

    return asyncio.run(run())


def of_pages(shop):
    return [(path, headers) for path, headers in shop.asked if path not in ("/robots.txt", "/favicon.ico")]


@pytest.mark.parametrize("windows", WINDOWS)
def test_what_robots_txt_forbids_is_not_opened_and_is_told(shop, windows):
    _, refused, opened = visit(windows, shop.url, "Secret", "Open")
    assert "robots.txt asks visitors like this one not to open /secret/a" in refused.failure
    assert refused.url == shop.url
    assert (opened.title, opened.failure) == ("/open", None)
    assert [path for path, _ in of_pages(shop)] == ["/", "/open"]
    assert [path for path, _ in shop.asked].count("/robots.txt") == 1


@pytest.mark.parametrize("windows", WINDOWS)
def test_the_lab_s_stores_are_not_asked_and_get_no_signature(shop, windows, key_file):
    _, opened = visit(windows, shop.url, "Secret", may_pay=True, signature_key=key_file)
    assert opened.title == "/secret/a"
    assert "/robots.txt" not in [path for path, _ in shop.asked]
    assert not any(name.lower().startswith("signature") for _, headers in shop.asked for name in headers)


@pytest.mark.parametrize(("robots", "allowed"), [((404, ""), True), ((503, ""), False)])
def test_a_missing_robots_txt_allows_and_a_broken_one_forbids(shop, robots, allowed):
    shop.robots = robots
    if allowed:
        assert visit(HttpVisitors, shop.url, "Secret")[1].title == "/secret/a"
    else:
        with pytest.raises(StorefrontError, match=r"does not answer when asked for its robots\.txt"):
            visit(HttpVisitors, shop.url)


def test_robots_txt_can_be_left_unread(shop):
    assert visit(HttpVisitors, shop.url, "Secret", robots=False)[1].title == "/secret/a"
    assert "/robots.txt" not in [path for path, _ in shop.asked]


@pytest.mark.parametrize("windows", WINDOWS)
def test_each_page_is_asked_for_with_a_signature_that_the_store_can_check(shop, windows, key_file):
    agent = "https://bots.example"
    visit(windows, shop.url, "Open", signature_key=key_file, signature_agent=agent)
    nonces = set()
    for _, headers in of_pages(shop):
        found = {name.lower(): value for name, value in headers.items()}
        label, _, parameters = found["signature-input"].partition("=")
        told = re.fullmatch(
            r'\("@authority" "signature-agent"\);created=(\d+);expires=(\d+);keyid="([^"]+)";alg="ed25519"'
            r';nonce="([^"]+)";tag="web-bot-auth"',
            parameters,
        )
        assert told is not None
        created, expires, keyid, nonce = told.groups()
        assert (int(expires) - int(created), keyid, found["signature-agent"]) == (60, THUMBPRINT, f'"{agent}"')
        nonces.add(nonce)
        base = f'"@authority": {shop.url[7:-1]}\n"signature-agent": "{agent}"\n"@signature-params": {parameters}'
        made = base64.b64decode(found["signature"].removeprefix(f"{label}=:").removesuffix(":"))
        public = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(PUBLIC + "="))
        public.verify(made, base.encode())
        with pytest.raises(InvalidSignature):
            public.verify(made, base.replace(":", "!", 1).encode())
    assert len(nonces) == len(of_pages(shop)) == 2


@pytest.mark.parametrize("windows", WINDOWS)
def test_a_ready_made_signature_is_sent_as_it_is(shop, windows, monkeypatch):
    monkeypatch.setenv("SHOP_SIGNATURE", "sig1=:AAAA:")
    visit(windows, shop.url, signature_headers_env={"Signature": "SHOP_SIGNATURE"})
    assert [headers["Signature"] for _, headers in of_pages(shop)] == ["sig1=:AAAA:"]


PAYING = ("Place order", "Confirm and pay", "Pay with card", "Complete your purchase", "Pay $12.00")


@pytest.mark.parametrize("windows", WINDOWS)
def test_a_store_of_somebody_else_is_never_paid(site, windows):
    async def run():
        async with windows(StoreConfig(politeness=PolitenessConfig(requests_per_minute=100_000))) as running:
            window = running.visitor(site.url + "/basket", "one")
            page = await window.open()

            async def do(name, method, *arguments):
                node = next(node.id for node in page.nodes if node.name == name)
                return await window.act(Action(node, method, "", arguments))

            harmless = (await do("Paypal news", "click")).failure
            ordered = {(await do(name, "click")).failure for name in PAYING}
            page = await do("Go to checkout", "click")
            filled = await do("Email", "fill", "a@example.com")
            await window.close()
            return harmless, ordered, page.url, filled

    harmless, ordered, reached, filled = asyncio.run(run())
    assert reached.endswith("/checkout/")
    assert ordered == {filled.failure}
    assert "the visit stops at the checkout" in filled.failure
    assert "checkout" not in (harmless or "")
    assert "a@example.com" not in filled.tree


def turns(count, config, robots):
    """(when each of so many visitors had its turn, by a clock that only waiting moves)."""

    async def run():
        now = [0.0]
        had = []

        async def sleep(seconds):
            had.append(now[0] + seconds)

        manners = Politeness(config, clock=lambda: now[0], sleep=sleep)
        for _ in range(count):
            await manners.turn(robots + "page")
        return had

    return asyncio.run(run())


def test_all_visitors_together_keep_the_rate(shop):
    assert turns(4, PolitenessConfig(requests_per_minute=30, robots=False), shop.url) == [2, 4, 6]
    shop.robots = (200, "User-agent: *\nCrawl-delay: 5")
    assert turns(3, PolitenessConfig(requests_per_minute=30), shop.url) == [5, 10]


def test_the_published_signature_is_made():
    key = load_pem_private_key(KEY.encode(), password=None)
    components = [
        ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("@method", "POST"),
        ("@path", "/foo"),
        ("@authority", "example.com"),
        ("content-type", "application/json"),
        ("content-length", "18"),
    ]
    names = " ".join(f'"{name}"' for name, _ in components)
    parameters = f'({names});created=1618884473;keyid="test-key-ed25519"'
    assert signature_base(components, parameters).startswith(
        b'"date": Tue, 20 Apr 2021 02:07:55 GMT\n"@method": POST\n'
    )
    assert signature(key, components, parameters) == (
        "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="
    )
    assert key_id(key) == THUMBPRINT


def test_keys_are_read_from_pem_and_jwk_and_nothing_else(tmp_path, key_file):
    jwk = tmp_path / "key.jwk"
    jwk.write_text(json.dumps({"kty": "OKP", "crv": "Ed25519", "d": SECRET, "x": PUBLIC}))
    made = [
        RequestSigner.of_file(path, None).headers("https://Shop.example:443/a", 1, b"n") for path in (key_file, jwk)
    ]
    assert made[0] == made[1]
    assert '("@authority");created=1;expires=61;' in made[0]["Signature-Input"]
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no key")
    for path, words in ((wrong, "holds no Ed25519 private key"), (tmp_path / "none", "cannot be read")):
        with pytest.raises(ConfigError, match=words):
            RequestSigner.of_file(path, None)


def test_two_ways_to_sign_are_one_too_many(key_file):
    with pytest.raises(ValidationError, match="set one of them"):
        PolitenessConfig(signature_key=key_file, signature_headers_env={"Signature": "X"})
