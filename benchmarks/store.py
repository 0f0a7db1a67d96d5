"""The lab's storefront: its server, and our browser window beside bare Playwright."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from playwright.async_api import Browser as Chromium
from playwright.async_api import Page as Tab
from playwright.async_api import async_playwright

from benchmarks.measure import Cost, Stopwatch, median_cost
from benchmarks.results import Section, Table, number
from benchmarks.store_server import Answers, Catalogue, answers, catalogues, crowd, serving, themes, together
from simpersona.adapters.browser_path import find_browser
from simpersona.adapters.store_browser import Browser
from simpersona.adapters.store_http import HttpVisitors
from simpersona.config import StoreConfig
from simpersona.errors import StorefrontError
from simpersona.lab.storefront.launch import LabStore
from simpersona.pages import Action, Page

LAPS = 4


def section(
    sizes: Sequence[int] = (60, 500, 2000, 20_000),
    pages: int = 30,
    rounds: int = 8,
    shops: Sequence[int] = (1, 10, 40),
    visitors: Sequence[int] = (1, 4, 8),
    seconds: float = 5,
) -> Section:
    """`sizes`: products of the catalogues; `pages`: requests of each kind; `rounds`: walks of three clicks;
    `shops`: how many in one process; `visitors`: how many at once, for `seconds`.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        found: dict[int, Answers] = {}
        for size in sizes:
            (catalogue,) = catalogues(folder / str(size), 1, size)
            with LabStore(folder / str(size) / "store") as store:
                found[size] = answers(store, catalogue, pages)
                if size == sizes[0]:
                    walks = asyncio.run(_walks(store.start(), _names(catalogue), rounds))
                    crowds = crowd(store.start(), visitors, seconds)
            if size == sizes[0]:
                looks = themes(folder / "themes", catalogue, pages)
        many = together(folder / "many", catalogues(folder / "world", max(shops), sizes[0]), shops)
    what = (
        f"The lab's storefronts. One shop with catalogues of {', '.join(f'{size:,}' for size in sizes)} products; "
        f"all else with {sizes[0]} products a shop."
    )
    tables = [serving(found, pages), looks, many, crowds, _walking(walks, rounds)]
    return Section("store", what, tables, ("django-oscar", "playwright"))


def _names(catalogue: Catalogue) -> tuple[str, str]:
    """A collection and the title of a product of it."""
    _, products, collections = catalogue
    first = collections.to_pylist()[0]
    inside = [row for row in products.to_pylist() if first["collection_id"] in row["collection_ids"]]
    return first["title"], inside[0]["title"]


# --- the browser ------------------------------------------------------------------------------


Walk = Callable[[], Awaitable[None]]
"""Three clicks: to the collection, to the product, and home again."""


async def _walks(url: str, names: tuple[str, str], rounds: int) -> dict[str, Cost]:
    """The median cost of one click by each way to do it. They take turns, so that each has the same machine."""
    async with AsyncExitStack() as stack:
        chromium = await _chromium(stack)
        browser = await stack.enter_async_context(Browser(StoreConfig(), may_pay=True))
        http = await stack.enter_async_context(HttpVisitors(StoreConfig(), may_pay=True))
        walks = {
            "our window: click, wait until the page rests, read its tree": await _ours(stack, browser, url, names),
            "our window without a browser: the same tree over HTTP": await _ours(stack, http, url, names),
            "Playwright: click, wait for the load": await _bare(chromium, url, names, look=None),
            "Playwright: click, wait for the load, `aria_snapshot`": await _bare(chromium, url, names, look=_snapshot),
        }
        laps: dict[str, list[Cost]] = {name: [] for name in walks}
        for _ in range(rounds + 1):  # processor time comes in ticks of 10 ms: several laps at once
            for name, walk in walks.items():
                watch = Stopwatch()
                for _ in range(LAPS):
                    await walk()
                laps[name].append(watch.lap().per(LAPS * (len(names) + 1)))
    return {name: median_cost(own[1:]) for name, own in laps.items()}  # the first round warms up


async def _ours(stack: AsyncExitStack, windows: Browser | HttpVisitors, url: str, names: tuple[str, str]) -> Walk:
    window = windows.visitor(url, "ours")
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
        f"Clicks on links (collection, product, home), medians of {rounds} rounds in turn of {LAPS} times three clicks, the time of "
        "headless Chromium, driver and store included; the store's own share is in the tables above. Our window in the browser "
        "waits at least 30 ms for the page to rest."
    )
    return Table(head, rows), note
