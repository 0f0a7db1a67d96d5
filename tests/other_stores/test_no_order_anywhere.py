"""In the three stores nothing is ordered, by whatever way it is tried, and additions to the cart arrive."""

import asyncio
import re

import pytest

from benchmarks.storefronts.request_log import ADDED
from benchmarks.storefronts.server import Served
from benchmarks.storefronts.visiting import STORES
from simpersona.adapters.storefronts.browser import Browser
from simpersona.adapters.storefronts.http import HttpVisitors
from simpersona.config import PolitenessConfig, StoreConfig
from simpersona.pages import Action

ORDERS_AT = {"rendered": "/checkout/onepage/placeOrder/", "single_page": "/api/orders", "german": "/kasse/bestellung"}
CHECKOUT = {"rendered": "/checkout/", "single_page": "/checkout", "german": "/kasse"}
ADDS = re.compile(r"^(add to cart|add to bag|in den warenkorb)$", re.IGNORECASE)
ONWARD = re.compile(r"^(next|place order|continue to \w+|weiter zu\w* .*|zahlungspflichtig bestellen)$", re.IGNORECASE)
SCRIPTS = {
    "fetch": "to => fetch(to, {method: 'POST', body: '{}'}).catch(() => 0)",
    "form data": "to => fetch(to, {method: 'POST', body: new URLSearchParams({zahlung: 'rechnung'})}).catch(() => 0)",
    "put": "to => fetch(to, {method: 'PUT', body: '{}'}).catch(() => 0)",
    "xhr": "to => new Promise(done => { const r = new XMLHttpRequest(); r.onloadend = done; r.open('POST', to); r.send('a=1'); })",
    "beacon": "to => navigator.sendBeacon(to, 'a=1')",
    "keepalive": "to => fetch(to, {method: 'POST', body: '{}', keepalive: true}).catch(() => 0)",
    "form": """to => { const form = document.createElement('form'); form.method = 'post'; form.action = to;
        document.body.append(form); form.submit(); }""",
    "frame": """to => { const frame = document.createElement('iframe'); document.body.append(frame);
        frame.contentWindow.fetch(new URL(to, location), {method: 'POST', body: '{}'}).catch(() => 0); }""",
    "timer": "to => setTimeout(() => fetch(to, {method: 'POST', body: '{}'}).catch(() => 0), 120)",
}


def product_of(name):
    """A product without options that is not sold out."""
    return next(one for one in STORES[name].catalogue.products if not one.options and not one.sold_out)


async def click(session, page, pattern, roles=("button", "link")):
    node = next((one for one in page.nodes if one.role in roles and re.search(pattern, one.name)), None)
    return page if node is None else await session.act(Action(node.id, "click", ""))


async def buy(session, page, product):
    """Searches for a product, opens it, and adds it to the cart."""
    page = await click(session, page, "^Alle akzeptieren$")
    box = next(one for one in page.nodes if one.role in ("textbox", "searchbox"))
    page = await session.act(Action(box.id, "fill", "", (product.title,)))
    box = next(one for one in page.nodes if one.role in ("textbox", "searchbox"))
    page = await session.act(Action(box.id, "press", "", ("Enter",)))
    page = await click(session, page, f"^{re.escape(product.title)}", ("link",))
    page = await click(session, page, ADDS)
    return await click(session, page, "^(Close|Weiter einkaufen)$")


async def walk(session, page, *, by_enter):
    """Through the checkout as far as it goes: fills everything in, and goes on by the button or by Enter."""
    for name in ("My Cart", "^(Open bag|Warenkorb, )", "^(Proceed to Checkout|Checkout|Zur Kasse)$"):
        page = await click(session, page, name)
    for _ in range(5):
        boxes = [
            one for one in page.nodes if one.role == "textbox" and one.name != "Search" and "ewsletter" not in one.name
        ]
        for box in boxes:
            page = await session.act(Action(box.id, "fill", "", ("a@b.example",)))
        if by_enter and boxes:
            page = await session.act(Action(boxes[-1].id, "press", "", ("Enter",)))
        else:
            page = await click(session, page, ONWARD)


async def by_script(session, name, script, *, at_checkout):
    tab = session._tab.tab
    if at_checkout:
        await tab.goto(tab.url.split("/", 3)[0] + "//" + tab.url.split("/")[2] + CHECKOUT[name])
        page = await session._look()
        await session.act(Action(page.nodes[0].id, "scrollTo", ""))
    await tab.evaluate(script, ORDERS_AT[name])
    await asyncio.sleep(0.3)


def play(driver, name, acts, *, may_pay):
    """The store after one visit for each act: each adds a product first."""
    store = STORES[name].make()

    async def run(url):
        config = StoreConfig(
            politeness=PolitenessConfig(robots=False, requests_per_minute=1_000_000), max_page_tokens=20_000
        )
        async with driver(config, may_pay=may_pay) as visitors:
            for number, act in enumerate(acts):
                session = visitors.visitor(url, f"v{number}")
                page = await buy(session, await session.open(), product_of(name))
                await act(session, page)
                await session.close()

    with Served(store) as served:
        asyncio.run(run(served.url))
    return store


def walks():
    return [lambda session, page, by=by: walk(session, page, by_enter=by) for by in (False, True)]


def scripts(name):
    return [
        lambda session, _, script=script, at=at: by_script(session, name, script, at_checkout=at)
        for script in SCRIPTS.values()
        for at in (False, True)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", STORES)
def test_nothing_is_ordered_in_chromium_and_additions_arrive(name):
    acts = [*walks(), *scripts(name)]
    store = play(Browser, name, acts, may_pay=False)
    assert store.log.orders == 0
    for number in range(len(acts)):
        assert [event for event, _ in store.log.of(f"v{number}")].count(ADDED) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", STORES)
def test_the_same_attempts_order_where_it_is_allowed(name):
    acts = [walks()[0], *scripts(name)[::2]]
    store = play(Browser, name, acts, may_pay=True)
    ordered = [number for number in range(len(acts)) if ("checkout_completed", "") in store.log.of(f"v{number}")]
    refused_by_the_store = {1 + list(SCRIPTS).index("put")}  # it takes orders by POST alone
    assert set(range(len(acts))) - set(ordered) <= refused_by_the_store


def test_nothing_is_ordered_over_http():
    store = play(HttpVisitors, "rendered", walks(), may_pay=False)
    assert store.log.orders == 0
    assert sum(event == ADDED for number in (0, 1) for event, _ in store.log.of(f"v{number}")) == 2
    assert play(HttpVisitors, "rendered", walks()[:1], may_pay=True).log.orders == 1
