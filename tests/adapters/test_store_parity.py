"""The window without a browser shows what Chromium shows, in every theme of the lab, whatever a shopper does."""

import asyncio
import random
import re

import pytest

from simpersona.adapters.store_browser import Browser
from simpersona.adapters.store_http import HttpVisitors
from simpersona.config import StoreConfig
from simpersona.pages import Action
from simpersona.shopper.affordances import BACK, choices

pytestmark = pytest.mark.slow
STEPS = 40
TYPED = ("2", "500", "garden", "ann@example.com", "1 Main Street")


def drawn(page, rng):
    """Any action that a model would be offered; forms and checkouts more often than their share of the page."""
    able = list(choices(page))
    deep = [(node, method) for node, method in able if node.role != "link" or "heck" in node.name]
    node, method = rng.choice(deep if deep and rng.random() < 0.6 else able)
    arguments = {"fill": TYPED, "press": ("Enter",), "goto": (BACK,), "selectOptionFromDropdown": node.options}.get(
        method
    )
    return Action(node.id, method, "", (rng.choice(arguments),) if arguments else ())


def told(page):
    return (
        page.url,
        page.title,
        re.sub(r"Order \d+", "Order", page.tree),
        page.failure,
    )  # each visitor has an order of its own


@pytest.mark.parametrize("number", range(4))
def test_any_walk_shows_the_same_pages(lab_addresses, number):
    shop = sorted(lab_addresses)[number]
    rng = random.Random(shop)

    async def walk():
        async with Browser(StoreConfig(), may_pay=True) as browser, HttpVisitors(StoreConfig(), may_pay=True) as http:
            windows = [
                make.visitor(lab_addresses[shop], f"visitor-{n}", within=f"/{shop}/")
                for n, make in enumerate((browser, http))
            ]
            pages, done = [await window.open() for window in windows], []
            seen = {pages[0].title}
            for _ in range(STEPS):
                assert told(pages[1]) == told(pages[0]), done
                done.append(drawn(pages[0], rng))
                pages = [await window.act(done[-1]) for window in windows]
                seen.add(pages[0].title)
            return seen

    assert len(asyncio.run(walk())) > 4
