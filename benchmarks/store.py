"""The lab's storefront: to build, to start, to answer; and our browser window beside bare Playwright."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from urllib.parse import quote, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
from playwright.async_api import Browser as Chromium
from playwright.async_api import Page as Tab
from playwright.async_api import async_playwright

from benchmarks.measure import Cost, Stopwatch, median_cost
from benchmarks.results import Section, Table, number
from simpersona.adapters.browser_path import find_browser
from simpersona.adapters.store_browser import Browser
from simpersona.config import LabConfig, StoreConfig
from simpersona.errors import StorefrontError
from simpersona.lab.storefront.launch import READY_PATH, LabStore
from simpersona.lab.world import generate_world
from simpersona.pages import Action, Page


@dataclass(frozen=True)
class _Answers:
    """Of one store: building and starting, and milliseconds per page by what it is."""

    build: Cost
    start: Cost
    pages: dict[str, float]


def section(sizes: Sequence[int] = (60, 2000), pages: int = 30, rounds: int = 8) -> Section:
    """`sizes`: products of the catalogues; `pages`: requests of each kind; `rounds`: walks of three clicks."""
    with tempfile.TemporaryDirectory() as scratch:
        found: dict[int, _Answers] = {}
        walks: dict[str, Cost] = {}
        for size in sizes:
            folder = Path(scratch) / str(size)
            catalogue = _catalogue(folder / "world", size)
            with LabStore(folder / "store") as store:
                found[size] = _answers(store, catalogue, pages)
                if size == sizes[0]:
                    walks = asyncio.run(_walks(store.start(), _names(catalogue), rounds))
    tables = [_serving(found, pages), _walking(walks, rounds)]
    what = f"One shop, catalogues of {' and '.join(f'{size:,}' for size in sizes)} products."
    return Section("store", what, tables, ("django-oscar", "playwright"))


Catalogue = tuple[str, pa.Table, pa.Table]


def _catalogue(folder: Path, size: int) -> Catalogue:
    generate_world(folder, LabConfig(shops=1, buyers=20, products_per_shop=size), lambda *_: None)
    products = pq.read_table(folder / "events/products.parquet")
    return products["shop_id"][0].as_py(), products, pq.read_table(folder / "events/collections.parquet")


def _names(catalogue: Catalogue) -> tuple[str, str]:
    """A collection and the title of a product of it."""
    _, products, collections = catalogue
    first = collections.to_pylist()[0]
    inside = [row for row in products.to_pylist() if first["collection_id"] in row["collection_ids"]]
    return first["title"], inside[0]["title"]


# --- plain HTTP -------------------------------------------------------------------------------


def _answers(store: LabStore, catalogue: Catalogue, pages: int) -> _Answers:
    watch = Stopwatch()
    store.build(*catalogue)
    build = watch.lap()
    url = store.start()
    start = watch.lap()
    title = _names(catalogue)[1]
    host = urlsplit(url).netloc
    listing, product = _addresses(host)
    asked = {
        "nothing but an answer": READY_PATH,
        "home": "/",
        "collection": listing,
        "product": product,
        "search": f"/search?q={quote(title.split()[-3])}",
        "cart": "/cart/",
    }
    return _Answers(build, start, {name: median(_milliseconds(host, path, pages)) for name, path in asked.items()})


def _addresses(host: str) -> tuple[str, str]:
    """A collection's and a product's address, from the links of the home page."""
    connection = HTTPConnection(host)
    connection.request("GET", "/")
    home = connection.getresponse().read().decode()
    connection.close()
    links = [part.split('"', 1)[0] for part in home.split('href="')[1:]]
    collections = [link for link in links if link.startswith("/collections/") and link != "/collections/"]
    return collections[0], next(link for link in links if link.startswith("/products/"))


def _milliseconds(host: str, path: str, times: int) -> list[float]:
    """Of `times` requests by one visitor, each over a connection of its own; two more warm up."""
    laps: list[float] = []
    for _ in range(times + 2):
        started = time.perf_counter()
        connection = HTTPConnection(host, timeout=30)
        connection.request("GET", path, headers={"Cookie": "visitor=benchmark"})
        response = connection.getresponse()
        response.read()
        connection.close()
        laps.append((time.perf_counter() - started) * 1000)
        if response.status >= 400:
            raise StorefrontError(f"{path} answered {response.status}")
    return laps[2:]


def _serving(found: dict[int, _Answers], pages: int) -> tuple[Table, str]:
    rows = [
        ["build, seconds (CPU)", *(f"{number(one.build.wall)} ({number(one.build.cpu)})" for one in found.values())],
        ["start, seconds (CPU)", *(f"{number(one.start.wall)} ({number(one.start.cpu)})" for one in found.values())],
    ]
    kinds = next(iter(found.values())).pages
    rows += [[f"{kind}, ms", *(number(one.pages[kind]) for one in found.values())] for kind in kinds]
    note = f"Pages over plain HTTP without a browser: wall milliseconds, median of {pages}."
    return Table(("", *(f"{size:,} products" for size in found)), rows), note


# --- the browser ------------------------------------------------------------------------------


Walk = Callable[[], Awaitable[None]]
"""Three clicks: to the collection, to the product, and home again."""


async def _walks(url: str, names: tuple[str, str], rounds: int) -> dict[str, Cost]:
    """The median cost of one click by each way to do it. They take turns, so that each has the same machine."""
    async with AsyncExitStack() as stack:
        chromium = await _chromium(stack)
        walks = {
            "our window: click, wait until the page rests, read its tree": await _ours(stack, url, names),
            "Playwright: click, wait for the load": await _bare(chromium, url, names, look=None),
            "Playwright: click, wait for the load, `aria_snapshot`": await _bare(chromium, url, names, look=_snapshot),
        }
        laps: dict[str, list[Cost]] = {name: [] for name in walks}
        for _ in range(rounds + 1):
            for name, walk in walks.items():
                watch = Stopwatch()
                await walk()
                laps[name].append(watch.lap().per(len(names) + 1))
    return {name: median_cost(own[1:]) for name, own in laps.items()}  # the first round warms up


async def _ours(stack: AsyncExitStack, url: str, names: tuple[str, str]) -> Walk:
    browser = await stack.enter_async_context(Browser(StoreConfig(), may_pay=True))
    window = browser.visitor(url, "ours")
    page = await window.open()
    stack.push_async_callback(window.close)
    home = next(node.name for node in page.nodes if node.role == "link")

    async def walk() -> None:
        nonlocal page
        for name in (*names, home):
            page = await window.act(_click(page, name))

    return walk


def _click(page: Page, name: str) -> Action:
    node = next((node for node in page.nodes if node.role == "link" and node.name.startswith(name)), None)
    if node is None:
        raise StorefrontError(f"{page.url}: no link named {name!r}")
    return Action(node.id, "click", "")


async def _chromium(stack: AsyncExitStack) -> Chromium:
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0  # Chromium refuses its sandbox to root
    playwright = await stack.enter_async_context(async_playwright())
    chromium = await playwright.chromium.launch(
        executable_path=find_browser(StoreConfig()), chromium_sandbox=not is_root
    )
    stack.push_async_callback(chromium.close)
    return chromium


async def _bare(
    chromium: Chromium, url: str, names: tuple[str, str], look: Callable[[Tab], Awaitable[object]] | None
) -> Walk:
    tab = await (await chromium.new_context()).new_page()
    await tab.goto(url)
    home = (await tab.get_by_role("link").first.inner_text()).strip()

    async def walk() -> None:
        for name in (*names, home):
            async with tab.expect_navigation():
                await tab.get_by_role("link", name=name).first.click()
            if look is not None:
                await look(tab)

    return walk


async def _snapshot(tab: Tab) -> str:
    return await tab.locator("body").aria_snapshot()


def _walking(walks: dict[str, Cost], rounds: int) -> tuple[Table, str]:
    ours = next(iter(walks.values()))
    rows = [
        [
            name,
            number(1 / cost.wall),
            number(cost.cpu * 1000),
            f"{cost.wall / ours.wall:.2f}",
            f"{cost.cpu / ours.cpu:.2f}",
        ]
        for name, cost in walks.items()
    ]
    head = ("", "steps/s (wall)", "CPU-ms per step", "wall, to ours", "CPU, to ours")
    note = (
        f"Clicks on links (collection, product, home) in headless Chromium, medians of {rounds} rounds in turn, the time of "
        "browser, driver and store included. Our window waits at least 30 ms for the page to rest."
    )
    return Table(head, rows), note
