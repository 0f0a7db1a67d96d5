"""The shopper sees the page as it is in the end, not a state in between, and does not wait for what never ends."""

import asyncio

import pytest

from simpersona.adapters.storefronts.browser import Browser
from simpersona.config import StoreConfig
from simpersona.errors import StorefrontError
from simpersona.pages import Action
from tests.adapters.live_pages import after, node, served, visit

pytestmark = pytest.mark.slow
CART = """<title>Mug</title><button id=b>Add to cart</button><p id=c>Your cart is empty</p><script>
    const wait = ms => new Promise(done => setTimeout(done, ms)), say = text => { c.textContent = text; };
    b.onclick = async () => { %s };</script>"""
CHAINS = {
    "a fetch": "await fetch('/slow?ms=150'); say('1 item')",
    "a timer": "setTimeout(() => say('1 item'), 600)",
    "fetch, timer, fetch": "await fetch('/slow?ms=120'); await wait(60); await fetch('/slow?ms=120'); say('1 item')",
    "three fetches": "for (const n of [1, 2, 3]) { await fetch('/slow?ms=90&n=' + n); await wait(45); } say('1 item')",
    "timer, request, timer": """setTimeout(() => { const r = new XMLHttpRequest(); r.open('GET', '/slow?ms=80');
        r.onload = () => setTimeout(() => say('1 item'), 200); r.send(); }, 250)""",
    "text between": "say('Adding'); await fetch('/slow?ms=80'); say('Nearly'); await wait(300); say('1 item')",
    "a script that loads": """const s = document.createElement('script'); s.src = '/slow?ms=150';
        s.onload = s.onerror = () => say('1 item'); document.body.append(s)""",
    "a slow answer while the page says so": "c.setAttribute('aria-busy', 'true'); await fetch('/slow?ms=3000'); c.ariaBusy = 'false'; say('1 item')",
    "a long timer while a spinner turns": """c.className = 'spinner'; await wait(1400); c.className = ''; say('1 item')""",
    "under a ticker": """setInterval(() => { document.title = 'Mug ' + Date.now(); }, 10); await fetch('/slow?ms=150');
        await wait(80); await fetch('/slow?ms=50'); say('1 item')""",
}


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
def test_a_chain_is_followed_to_its_end(chain):
    page = after(CART % chain, ("Add to cart", "click"))
    assert node(page, "*StaticText").name == "1 item"
    assert (page.failure, page.troubles) == (None, ())


ENDLESS = {
    "a long poll": "const poll = () => fetch('/slow?ms=9000').then(poll); b.onclick = () => { if (!window.on) { on = 1; poll(); } };",
    "a new poll at each click": "b.onclick = () => fetch('/slow?ms=9000&t=' + Date.now());",
    "polling": "const poll = () => fetch('/slow?ms=5').then(() => setTimeout(poll, 40)); poll();",
    "a ticker": "const tick = () => { c.textContent = Date.now(); setTimeout(tick, 100); }; tick();",
    "an animation": "const move = () => { c.style.left = Date.now() % 9 + 'px'; requestAnimationFrame(move); }; move();",
    "sleeping in a loop": """(async () => { for (;;) await new Promise(done => setTimeout(done, 150)); })();""",
    "a request that hangs": "fetch('/slow?ms=9000');",
    "a region that stays busy": "c.setAttribute('aria-busy', 'true');",
}


AWAITED = """() => { const state = window[Symbol.for('simpersona')];
    return [...state.timers.values()].filter(([_, callback, ms]) => !state.tickers.has(ms + String(callback))).length; }"""


@pytest.mark.parametrize("script", ENDLESS.values(), ids=ENDLESS)
def test_what_never_ends_is_not_waited_for_again(script):
    """After three steps it still runs, and nothing of it counts as something to wait for."""
    html = f"<title>Mug</title><button id=b>Look</button><p id=c>now</p><script>{script}</script>"

    async def use(session, page):
        for _ in range(3):
            page = await session.act(Action(node(page, "Look").id, "click", ""))
        open_requests = session._tab._open
        return page, len(open_requests._open), await session._tab.tab.evaluate(AWAITED)

    page, requests, timers = visit(html, use)
    assert (page.failure, page.troubles, requests) == (None, (), 0)
    assert (
        timers == 0 or "fetch" in script
    )  # between two requests a poll sets a timer, which nothing waits for longer than it takes


def test_a_slow_answer_is_waited_for_the_next_time():
    html = CART % "await fetch('/slow?ms=' + (window.again ? 200 : 2600)); again = 1; c.textContent += '!'"

    async def use(session, page):
        first = await session.act(Action(node(page, "Add to cart").id, "click", ""))
        await session._tab.tab.wait_for_function("window.again")
        await asyncio.sleep(0.3)  # until the driver has heard of the answer too
        again = await session.act(Action(node(page, "Add to cart").id, "click", ""))
        return first.nodes[-1].name, again.nodes[-1].name

    assert visit(html, use) == ("Your cart is empty", "Your cart is empty!!")


def test_an_address_that_is_a_file_is_said_to_be_one():
    html = "<title>Mug</title><a href=/leaflet>Leaflet</a>"

    async def run():
        async with Browser(StoreConfig()) as browser:
            session = browser.visitor(server.url + "/", "one")
            page = await session.open()
            followed = await session.act(Action(node(page, "Leaflet").id, "click", ""))
            await session.close()
            other = browser.visitor(server.url + "/leaflet", "two")
            with pytest.raises(StorefrontError, match="is a file"):
                await other.open()
            await other.close()
            return followed

    with served({"/": html, "/leaflet": "%PDF-1.7"}) as server:
        page = asyncio.run(run())
    assert page.failure == "It is a file (leaflet.pdf), not a page: not opened"
    assert (page.title, page.troubles) == ("Mug", ())
