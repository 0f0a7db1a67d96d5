"""Our drivers of a store beside a bare Playwright loop and Stagehand, doing the same clicks on the same pages."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from playwright.async_api import Page as Tab
from playwright.async_api import async_playwright

from benchmarks.measure import Stopwatch
from benchmarks.results import Section, Table, number
from benchmarks.store_server import Catalogue, catalogues, server_threads
from simpersona.adapters.storefronts.browser import FLAGS, Browser
from simpersona.adapters.storefronts.browser_path import find_browser
from simpersona.adapters.storefronts.devices import VIEWPORT_HEIGHT, VIEWPORT_WIDTH
from simpersona.adapters.storefronts.http import HttpVisitors
from simpersona.config import StoreConfig
from simpersona.errors import StorefrontError
from simpersona.lab.storefront.launch import LabStore
from simpersona.pages import Action, Page

CLICKS = 3
"""Of one walk: to the collection, to the product, and home again."""
WARM = 2
"""Walks before it is measured."""

Walk = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Way:
    """A way to do the walk: opens so many visitors' sessions in the store, and gives the walk of each."""

    name: str
    open: Callable[[AsyncExitStack, str, Sequence[str], int], Awaitable[list[Walk]]]
    visitors: Sequence[int] = (1,)
    times: int = 1
    """Walks where others do one: processor time comes in ticks of 10 ms."""


@dataclass(frozen=True)
class Turn:
    """One step: seconds of the clock for all visitors together, and of the processor, the store's apart."""

    wall: float
    client: float
    store: float


def section(rounds: int = 5, walks: int = 4, visitors: Sequence[int] = (1, 2, 4), size: int = 60) -> Section:
    """`rounds` of every way in turn, each of `walks` walks by each of so many `visitors` at once; `size`: products."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (catalogue,) = catalogues(folder, 1, size)
        with LabStore(folder / "store") as store:
            store.build(*catalogue)
            url = store.start()
            names, found = _names(catalogue), {}
            for _ in range(rounds):
                for way in _ways(visitors):
                    for count in way.visitors:
                        turn = asyncio.run(_turn(way, url, names, count, walks * way.times))
                        found.setdefault((way.name, count), []).append(turn)
    what = (
        f"Three clicks on links (collection, product, home) in a storefront of the lab, over and over. Medians of {rounds} rounds in turn, "
        f"each of {walks} walks per visitor after {WARM} to warm up; the driver opens before the clock starts."
    )
    return Section(
        "windows", what, [_table(found)], ("playwright", "httpx2", *(("stagehand",) if _extensible() else ()))
    )


async def _turn(way: Way, url: str, names: Sequence[str], visitors: int, walks: int) -> Turn:
    async with AsyncExitStack() as stack:
        own = await way.open(stack, url, names, visitors)

        async def walk(times: int) -> None:
            for _ in range(times):
                await asyncio.gather(*(one() for one in own))

        await walk(WARM)
        threads = server_threads()
        watch, used = Stopwatch(), threads()
        await walk(walks)
        cost, served = watch.lap(), threads() - used
        steps = walks * visitors * CLICKS
        return Turn(cost.wall / steps, (cost.cpu - served) / steps, served / steps)


def _table(found: dict[tuple[str, int], list[Turn]]) -> tuple[Table, str]:
    steps = {
        key: Turn(*(median(values) for values in zip(*map(_figures, turns), strict=True)))
        for key, turns in found.items()
    }
    bare, ours = {}, {}
    for (name, count), turn in steps.items():
        if name == PLAYWRIGHT:
            bare[count] = turn
        if name == OURS:
            ours[count] = turn
    rows = [
        [
            name,
            str(count),
            number(1 / turn.wall),
            number(turn.client * 1000),
            number(turn.store * 1000),
            f"{turn.client / bare[count].client:.2f}",
            f"{turn.client / ours[count].client:.2f}",
        ]
        for (name, count), turn in steps.items()
    ]
    head = (
        "",
        "visitors at once",
        "steps/s",
        "client CPU-ms per step",
        "store CPU-ms per step",
        "client CPU, to Playwright's",
        "to our driver's",
    )
    missing = (
        ""
        if _extensible()
        else " Stagehand was not measured: it needs a Chromium that runs extensions, and its package."
    )
    note = (
        "Client CPU: browser, driver and Python, all processes; the store's server apart. The bare loop has our browser, our flags and our viewport, clicks by "
        "role and name, waits for the load, and never looks at the page; ours waits until the page is settled (30 ms at least) and reads its tree. Stagehand "
        "clicks by the xpath of its snapshot, waits for the address to change, and takes the next snapshot; it cannot use the headless shell, so ours is "
        "measured in its Chromium too. Aims: ours at most 1.3 times Playwright's client CPU; without a browser at least 15 times less than with one."
        + missing
    )
    return Table(head, rows), note


def _figures(turn: Turn) -> tuple[float, float, float]:
    return turn.wall, turn.client, turn.store


def _names(catalogue: Catalogue) -> tuple[str, str]:
    """A collection and the title of a product of it."""
    _, products, collections = catalogue
    first = collections.to_pylist()[0]
    inside = [row for row in products.to_pylist() if first["collection_id"] in row["collection_ids"]]
    return first["title"], inside[0]["title"]


# --- the ways ---------------------------------------------------------------------------------

OURS, PLAYWRIGHT = (
    "our driver: click, wait until the page is settled, read its tree",
    "Playwright: click, wait for the load",
)


def _ways(visitors: Sequence[int]) -> list[Way]:
    few, whole = tuple(visitors[:1]), _extensible()
    ways = [
        Way(OURS, partial(_ours, Browser, StoreConfig()), visitors),
        Way(PLAYWRIGHT, partial(_bare, None), visitors),
        Way("Playwright: click, wait for the load, `aria_snapshot`", partial(_bare, _snapshot), few),
        Way(
            "our driver without a browser: the same tree over HTTP",
            partial(_ours, HttpVisitors, StoreConfig()),
            visitors,
            10,
        ),
    ]
    if whole is not None:
        ways += [
            Way("our driver in a full Chromium", partial(_ours, Browser, StoreConfig(browser_path=whole)), few),
            Way("Stagehand in that Chromium: click, wait, `snapshot`", partial(_stagehand, whole), few),
        ]
    return ways


def _extensible() -> str | None:
    """A Chromium that runs extensions, as Stagehand is one; None without it or without Stagehand."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    return found if find_spec("stagehand") is not None else None


async def _ours(
    windows: type[Browser | HttpVisitors],
    config: StoreConfig,
    stack: AsyncExitStack,
    url: str,
    names: Sequence[str],
    count: int,
) -> list[Walk]:
    running = await stack.enter_async_context(windows(config, may_pay=True))
    return [await _our_walk(stack, running, f"ours-{number}", url, names) for number in range(count)]


async def _our_walk(
    stack: AsyncExitStack, running: Browser | HttpVisitors, visitor: str, url: str, names: Sequence[str]
) -> Walk:
    window = running.visitor(url, visitor)
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


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0  # Chromium refuses its sandbox to root


async def _bare(
    look: Callable[[Tab], Awaitable[object]] | None, stack: AsyncExitStack, url: str, names: Sequence[str], count: int
) -> list[Walk]:
    playwright = await stack.enter_async_context(async_playwright())
    chromium = await playwright.chromium.launch(
        executable_path=find_browser(StoreConfig()),
        chromium_sandbox=not _is_root(),
        args=[*FLAGS, "--blink-settings=imagesEnabled=false"],
    )
    stack.push_async_callback(chromium.close)
    walks = []
    for _ in range(count):
        context = await chromium.new_context(viewport={"width": VIEWPORT_WIDTH, "height": VIEWPORT_HEIGHT})
        walks.append(await _bare_walk(await context.new_page(), url, names, look))
    return walks


async def _bare_walk(tab: Tab, url: str, names: Sequence[str], look: Callable[[Tab], Awaitable[object]] | None) -> Walk:
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


async def _stagehand(path: str, stack: AsyncExitStack, url: str, names: Sequence[str], count: int) -> list[Walk]:
    from stagehand import Stagehand, local_browser  # noqa: PLC0415 - measured where it is

    assert count == 1
    browser = await local_browser.launch(
        executable_path=path,
        headless=True,
        chromium_sandbox=not _is_root(),
        viewport_width=VIEWPORT_WIDTH,
        viewport_height=VIEWPORT_HEIGHT,
    )
    stack.push_async_callback(browser.close)
    session = await Stagehand.create(browser=browser)
    stack.push_async_callback(session.close)
    tab: Any = (await browser.context.pages())[0]
    await tab.goto(url)
    seen = await tab.snapshot()
    home = next(line.partition(" link: ")[2] for line in seen.formatted_tree.splitlines() if " link: " in line)

    async def walk() -> None:
        nonlocal seen
        for name in (*names, home):
            line = next(line for line in seen.formatted_tree.splitlines() if f" link: {name}" in line)
            node = line.partition("[")[2].partition("]")[0]
            before = await tab.url()
            await tab.locator(f"xpath={seen.xpath_map[node]}").click()
            while await tab.url() == before:  # noqa: ASYNC110 - another process tells it
                await asyncio.sleep(0.02)
            await tab.wait_for_load_state("domcontentloaded")
            seen = await tab.snapshot()

    return [walk]
