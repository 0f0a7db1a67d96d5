"""One store for the tests that only visit it, and a shopper without a browser."""

import html
import http.cookiejar
import json
import re
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from simpersona.contracts import COLLECTIONS, PRODUCTS
from simpersona.lab.storefront.launch import LabStore

SHOP = "green-meadow"
TITLES = [
    ("skirt-1", "Linen Skirt", "skirts", ["Small", "Large"]),
    ("skirt-2", "Wool Skirt", "skirts", []),
    ("boot-1", "Hiking Boot", "boots", ["38", "42"]),
    ("lamp-1", "Lamp <b>\"Sun\"</b> & 'Moon'", "lamps", []),
    ("lamp-2", "Lámpara del niño 灯", "lamps", ["<i>warm</i>"]),
    *[(f"rug-{n}", "Grey Rug", "rugs", []) for n in range(14)],
]


def catalogue(shop: str = SHOP, **changed: object) -> tuple[pa.Table, pa.Table]:
    """Nineteen products in four collections; `changed` overrides the first product's fields."""
    rows = [
        {
            "shop_id": shop,
            "product_id": product_id,
            "title": title,
            "text": f"{title}, made with care.",
            "vendor": "Acme" if kind != "rugs" else None,
            "product_type": kind,
            "price": 12.5 + number,
            "collection_ids": [f"c-{kind}"],
            "variants": variants,
        }
        for number, (product_id, title, kind, variants) in enumerate(TITLES)
    ]
    rows[0] |= changed
    kinds = dict.fromkeys(kind for _, _, kind, _ in TITLES)
    collections = [{"shop_id": shop, "collection_id": f"c-{kind}", "title": kind.title()} for kind in kinds]
    return (
        pa.Table.from_pylist(rows, schema=PRODUCTS.schema),
        pa.Table.from_pylist(collections, schema=COLLECTIONS.schema),
    )


class Shopper:
    """A visitor with cookies of its own; `page` is the HTML seen last and `address` where it stands."""

    def __init__(self, url: str, visitor: str | None = None) -> None:
        self.url = url
        self.cookies = http.cookiejar.CookieJar()
        if visitor:
            self.cookies.set_cookie(_cookie("visitor", visitor))
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))
        self.page, self.address, self.requests = "", url, 0

    def get(self, path: str) -> str:
        return self._open(urllib.request.Request(urllib.parse.urljoin(self.address, path)))

    def follow(self, text: str) -> str:
        """Clicks the link whose words begin with `text`."""
        links = re.findall(r'<a [^>]*href="([^"]+)"[^>]*>([^<]+)</a>', self.page)
        return self.get(next(html.unescape(to) for to, words in links if html.unescape(words).startswith(text)))

    def submit(self, button: str, **fields: str) -> str:
        """Sends the form that holds `button`, with its hidden fields and those given."""
        form = next(
            f for f in re.findall(r"<form.*?</form>", self.page, re.DOTALL) if re.search(rf"<button[^>]*>{button}<", f)
        )
        action = re.search(r'<form[^>]* action="([^"]*)"', form)
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))
        pressed = dict(re.findall(rf'<button[^>]* name="(\w+)" value="(\w+)"[^>]*>{button}<', form))
        address = urllib.parse.urljoin(self.address, action.group(1) if action else "")
        data = urllib.parse.urlencode(hidden | pressed | fields)
        if 'method="post"' not in form:
            return self.get(f"{address}?{data}")
        headers = {"Referer": self.address, "Origin": "{0.scheme}://{0.netloc}".format(urllib.parse.urlsplit(self.url))}
        return self._open(urllib.request.Request(address, data.encode(), headers))

    def _open(self, request: urllib.request.Request) -> str:
        self.requests += 1
        with self._opener.open(request, timeout=20) as response:
            self.page, self.address = response.read().decode(), response.url
        return self.page


def _cookie(name: str, value: str) -> http.cookiejar.Cookie:
    return http.cookiejar.Cookie(
        0, name, value, None, False, "127.0.0.1", False, False, "/", True, False, None, True, None, None, {}
    )


def events(store: LabStore, visitor: str | None = None) -> list[dict]:
    """The log's lines, of one visitor or of all."""
    lines = [json.loads(line) for line in store.events_log.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if visitor in (None, line["clientId"])]


@pytest.fixture(name="catalogue", scope="session")
def _catalogue() -> Callable[..., tuple[pa.Table, pa.Table]]:
    return catalogue


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the catalogue, to be copied by tests that break it."""
    folder = tmp_path_factory.mktemp("store") / "data"
    LabStore(folder).build(SHOP, *catalogue())
    return folder


@pytest.fixture(scope="session")
def store(built: Path) -> Iterator[LabStore]:
    with LabStore(built) as running:
        running.start()
        yield running


@pytest.fixture
def visit(store: LabStore) -> Callable[..., Shopper]:
    """A new shopper in the common store: visit() or visit("name")."""
    return lambda visitor=None: Shopper(str(store.url), visitor)


@pytest.fixture(name="shopper_at", scope="session")
def _shopper_at() -> type[Shopper]:
    return Shopper


@pytest.fixture(name="log_of", scope="session")
def _log_of() -> Callable[..., list[dict]]:
    return events
