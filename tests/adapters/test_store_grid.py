"""A Chromium that runs already, or one of a grid: visitors use it over the DevTools protocol, and the guard holds there."""

import asyncio
import json
from urllib.request import urlopen

import pytest
from playwright.async_api import async_playwright

from simpersona.adapters.storefronts.browser import Browser
from simpersona.config import AccessConfig, PolitenessConfig, StoreConfig
from simpersona.errors import ConfigError
from simpersona.pages import Action

from .access_servers import Site, running_chromium, serving

pytestmark = pytest.mark.slow
POLITE = PolitenessConfig(requests_per_minute=100_000, robots=False)
HOME = """<title>Home</title><h1>Home</h1><button onclick="fetch('/place-order', {method: 'POST', body: 'a=1'})">Buy it</button>"""


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    """The address of a running Chromium."""
    with running_chromium(tmp_path_factory.mktemp("profile")) as address:
        yield address


def test_visitors_use_the_browser_that_runs_and_the_guard_holds_there(grid, monkeypatch):
    monkeypatch.setenv("STAGING_HEADER", "open-sesame-42")
    access = AccessConfig(headers_env={"X-Staging": "STAGING_HEADER"})

    async def run(site):
        async with async_playwright() as playwright:
            own = await playwright.chromium.connect_over_cdp(grid)
            neighbour = await (await own.new_context()).new_page()
            async with Browser(StoreConfig(politeness=POLITE, cdp_url=grid, access=access)) as browser:
                session = browser.visitor(site.url, "one")
                page = await session.open()
                node = next(node.id for node in page.nodes if node.role == "button")
                ordered = await session.act(Action(node, "click", ""))
                # pages of others in the same browser are left alone
                await neighbour.goto(site.url + "/neighbour")
                await neighbour.evaluate("fetch('/place-order', {method: 'POST', body: 'mine'})")
                await session.close()
            still_there = await neighbour.title()
            await neighbour.context.close()
            return page, ordered, still_there

    with serving(Site({"/": HOME, "/neighbour": "<title>Neighbour</title>", "/place-order": "ordered"})) as site:
        page, ordered, still_there = asyncio.run(run(site))
        sent = [headers["X-Staging"] for path, headers in site.asked if path == "/place-order"]
        assert site.sent("/", "X-Staging") == ["open-sesame-42"]
    assert page.title == "Home"
    assert "checkout_reached" in ordered.troubles
    assert sent == [None]  # that of the neighbour
    assert still_there == "Neighbour"
    with urlopen(f"{grid}/json/version") as answer:
        assert "webSocketDebuggerUrl" in json.load(answer)


def test_an_address_without_a_browser_is_said_without_its_secret(monkeypatch):
    monkeypatch.setenv("GRID_TOKEN", "hunter2-token")

    async def run():
        config = StoreConfig(cdp_url="ws://127.0.0.1:1/grid", cdp_query_env={"token": "GRID_TOKEN"})
        async with Browser(config):
            pass

    with pytest.raises(ConfigError, match=r"store\.cdp_url = ws://127\.0\.0\.1:1/grid: no Chromium answers") as raised:
        asyncio.run(run())
    assert "hunter2" not in str(raised.value)
