"""The lab's storefronts over plain HTTP: to build, start and reset, CPU per page, visitors at once, stores in one process."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from urllib.parse import quote, urlencode, urlsplit

import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.measure import Cost, Stopwatch
from benchmarks.results import Table, number
from simpersona.config import LabConfig
from simpersona.errors import StorefrontError
from simpersona.lab.storefront.addresses import READY_PATH
from simpersona.lab.storefront.launch import LabStore, LabStores, looks
from simpersona.lab.storefront.themes import THEMES
from simpersona.lab.world import generate_world

Catalogue = tuple[str, pa.Table, pa.Table]
"""A store's id, its products and its collections."""


def catalogues(folder: Path, shops: int, size: int) -> list[Catalogue]:
    """The lab's stores of `size` products each."""
    generate_world(folder, LabConfig(shops=shops, buyers=20 * shops, products_per_shop=size), lambda *_: None)
    products = pq.read_table(folder / "events/products.parquet")
    collections = pq.read_table(folder / "events/collections.parquet")
    return [(shop_id, products, collections) for shop_id in sorted(products["shop_id"].unique().to_pylist())]


class Visitor:
    """A visitor without a browser: one connection, cookies, forms."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._origin, self.home = f"{parts.scheme}://{parts.netloc}", parts.path or "/"
        self._connection = HTTPConnection(parts.netloc, timeout=60)
        self._cookies = {"visitor": "benchmark"}
        self.page = ""

    def get(self, path: str) -> str:
        """The page at `path`, which may be relative to the store's first page."""
        return self._ask("GET", path if path.startswith("/") else self.home + path)

    def post(self, path: str, **fields: str) -> str:
        """Sends a form and follows where it leads."""
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', self.page)
        body = urlencode(fields | ({"csrfmiddlewaretoken": token[1]} if token else {}))
        return self._ask("POST", path, body)

    def put_into_cart(self, product: str) -> None:
        """The first variant of the product at the address `product`."""
        page = self.get(product)
        form = next(form for form in re.findall(r"<form.*?</form>", page, re.DOTALL) if "/add/" in form)
        action = re.search(r'action="([^"]+)"', form)
        variant = re.search(r'(?:name="variant" value|<option value)="(\d+)"', form)
        if action is None or variant is None:
            raise StorefrontError(f"{product}: no form to add it to the cart")
        self.post(action[1], variant=variant[1])

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()

    def _ask(self, method: str, path: str, body: str | None = None) -> str:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())}
        if body is not None:
            headers |= {"Origin": self._origin, "Content-Type": "application/x-www-form-urlencoded"}
        self._connection.request(method, path, body, headers)
        response = self._connection.getresponse()
        self.page = response.read().decode()
        for cookie in response.headers.get_all("Set-Cookie") or []:
            name, _, value = cookie.partition(";")[0].partition("=")
            self._cookies[name] = value
        if response.status in (301, 302):
            return self._ask("GET", response.headers["Location"])
        if response.status >= 400:
            raise StorefrontError(f"{method} {path} answered {response.status}")
        return self.page


def _addresses(visitor: Visitor) -> tuple[str, str]:
    """A collection's and a product's address, from the links of the first page."""
    links = re.findall(r'href="([^"]+)"', visitor.get(""))
    inside = f"{visitor.home}collections/"
    collection = next(link for link in links if link.startswith(inside) and link != inside)
    return collection, next(link for link in links if link.startswith(f"{visitor.home}products/"))


# --- one shop of several sizes ----------------------------------------------------------------


@dataclass(frozen=True)
class Answers:
    """Of one store: building, starting, reset, and milliseconds of CPU and of the clock per page by what it is."""

    build: Cost
    start: Cost
    reset: Cost
    pages: dict[str, Cost]


def answers(store: LabStore, catalogue: Catalogue, pages: int, theme: str = "classic") -> Answers:
    """Builds and starts the store, and asks for `pages` pages of each kind."""
    watch = Stopwatch()
    store.build(*catalogue, theme)
    build = watch.lap()
    url = store.start()
    start = watch.lap()
    found = _pages(url, server_threads(), catalogue, pages)
    watch.lap()
    store.reset()
    return Answers(build, start, watch.lap(), found)


def _pages(url: str, threads: Callable[[], float], catalogue: Catalogue, times: int) -> dict[str, Cost]:
    visitor = Visitor(url)
    listing, product = _addresses(visitor)
    shop_id, products, _ = catalogue
    words = next(row["title"] for row in products.to_pylist() if row["shop_id"] == shop_id).split()
    for _ in range(3):
        visitor.put_into_cart(product)
    asked = {
        "nothing but an answer": READY_PATH,
        "home": "",
        "collection": listing,
        "collection by price": f"{listing}?sort=price-up",
        "product": product,
        "search": f"search?q={quote(words[-1])}",
        "cart": "cart/",
        "checkout": "checkout/",
    }
    found = {kind: _median(lambda path=path: visitor.get(path), threads, times) for kind, path in asked.items()}
    found["into the cart (form, then the next page)"] = _median(
        lambda: visitor.put_into_cart(product), threads, max(3, times // 3)
    )
    visitor.close()
    return found


def _median(ask: Callable[[], object], threads: Callable[[], float], times: int) -> Cost:
    laps: list[tuple[float, float]] = []
    for _ in range(times + 2):
        started, used = time.perf_counter(), threads()
        ask()
        laps.append((time.perf_counter() - started, threads() - used))
    return Cost(median(wall for wall, _ in laps[2:]), median(cpu for _, cpu in laps[2:]))  # two warm up


def server_threads() -> Callable[[], float]:
    """A clock of the CPU seconds of all threads of the running server, to the nanosecond (Linux)."""
    folders = [Path(f"/proc/{process.pid}/task") for process in _server()]

    def seconds() -> float:
        spent = (task / "schedstat" for folder in folders for task in folder.iterdir())
        return sum(int(file.read_text(encoding="ascii").split()[0]) for file in spent) / 1e9

    return seconds


def _server() -> list[psutil.Process]:
    """The processes of the one server that is running."""
    ours = psutil.Process().children(recursive=True)
    return [process for process in ours if "simpersona.lab.storefront.serve" in process.cmdline()]


def serving(found: dict[int, Answers], pages: int) -> tuple[Table, str]:
    """Rows of seconds and of milliseconds of CPU, a column for each size."""
    rows = [
        [f"{name}, seconds (CPU)", *(_seconds(getattr(one, name)) for one in found.values())]
        for name in ("build", "start", "reset")
    ]
    kinds = next(iter(found.values())).pages
    rows += [
        [f"{kind}, ms of CPU (clock)", *(_milliseconds(one.pages[kind]) for one in found.values())] for kind in kinds
    ]
    note = (
        f"Pages over plain HTTP by one visitor on one connection, medians of {pages}: CPU of the server's threads, and "
        "wall milliseconds seen by the visitor. Reset restores the store while it is served."
    )
    return Table(("", *(f"{size:,} products" for size in found)), rows), note


def themes(folder: Path, catalogue: Catalogue, pages: int) -> tuple[Table, str]:
    """Milliseconds of CPU by page and theme."""
    found: dict[str, Answers] = {}
    for theme in THEMES:
        with LabStore(folder / theme) as store:
            found[theme] = answers(store, catalogue, pages, theme)
    kinds = ("home", "collection", "product", "search", "cart")
    rows = [[kind, *(number(one.pages[kind].cpu * 1000) for one in found.values())] for kind in kinds]
    return Table(("ms of server CPU", *THEMES), rows), f"Medians of {pages}."


def _seconds(cost: Cost) -> str:
    return f"{number(cost.wall)} ({number(cost.cpu)})"


def _milliseconds(cost: Cost) -> str:
    return f"{number(cost.cpu * 1000)} ({number(cost.wall * 1000)})"


# --- many shops, many visitors ----------------------------------------------------------------


def together(folder: Path, shops: Sequence[Catalogue], counts: Sequence[int]) -> tuple[Table, str]:
    """Memory of one process with so many stores, each of them visited; beside as many processes of one store."""
    with LabStore(folder / "single") as store:
        store.build(*shops[0])
        single = _memory([store.start()])
    rows: list[list[str]] = []
    for count in counts:
        with LabStores(folder / f"{count}") as stores:
            watch = Stopwatch()
            stores.build(looks(shop_id for shop_id, _, _ in shops[:count]), *shops[0][1:])
            build = watch.lap()
            urls = stores.start()
            start = watch.lap()
            memory = _memory(urls.values())
            watch.lap()
            stores.reset(shops[0][0])
            reset = watch.lap()
        rows.append(
            [str(count), number(memory), number(single * count), *(number(cost.wall) for cost in (build, start, reset))]
        )
    head = ("stores", "one process, MiB", "one process per store, MiB", "build all, s", "start, s", "reset of one, s")
    note = (
        f"Proportional set size of the server's processes after a visit to each store (home, collection, product, into the cart, "
        f"search); one process per store is {number(single)} MiB, measured for one, times the number of stores."
    )
    return Table(head, rows), note


def _memory(urls: Iterable[str]) -> float:
    for url in urls:
        visitor = Visitor(url)
        listing, product = _addresses(visitor)
        visitor.get(listing)
        visitor.put_into_cart(product)
        visitor.get("search?q=blue")
        visitor.close()
    return sum(process.memory_full_info().pss for process in _server()) / 2**20


def crowd(url: str, visitors: Sequence[int], seconds: float) -> tuple[Table, str]:
    """Requests a second that the store serves to so many visitors at once."""
    rows = [[str(count), number(_rate(url, count, seconds))] for count in visitors]
    note = (
        f"Each visitor has its own cart and requests home, collection, product, search and cart in turn, for {seconds:g} s; "
        "the visitors share the machine with the store."
    )
    return Table(("visitors at once", "requests/s"), rows), note


def _rate(url: str, count: int, seconds: float) -> float:
    def visit(_: int) -> int:
        visitor, asked = Visitor(url), 0
        listing, product = _addresses(visitor)
        visitor.put_into_cart(product)
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            for path in ("", listing, product, "search?q=blue", "cart/"):
                visitor.get(path)
                asked += 1
        visitor.close()
        return asked

    with ThreadPoolExecutor(count) as pool:
        started = time.perf_counter()
        total = sum(pool.map(visit, range(count)))
        return total / (time.perf_counter() - started)
