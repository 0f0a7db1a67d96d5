"""In a store that is not the lab's no made page gets an order, whatever its language, its addresses and its scripts."""

import asyncio
import os

import pytest

from simpersona.adapters.storefronts.browser import Browser
from simpersona.adapters.storefronts.http import HttpVisitors
from simpersona.config import PolitenessConfig, StoreConfig
from simpersona.pages import Action
from tests.adapters.order_pages import CountingStore, Trial, cart_trial, order_trial

TRIES = int(os.environ.get("SIMPERSONA_ORDER_TRIES", "0"))
"""Pages over HTTP and in Chromium: 300 and 60 where it is not set, or all of so many."""
SECONDS = float(os.environ.get("SIMPERSONA_ORDER_SECONDS", "1e9"))
"""No page is begun after this time."""
PER_VISITOR = 25
DRIVERS = [pytest.param(Browser, marks=pytest.mark.slow, id="browser"), pytest.param(HttpVisitors, id="http")]


def tries(driver) -> int:
    return TRIES or (60 if driver is Browser else 300)


async def find(page, name, roles=("button", "link")):
    return next((node.id for node in page.nodes if node.name == name and node.role in roles), None)


async def attempt(session, page, trial: Trial):
    """Opens the page of a trial from the list, fills everything in, and does its act. Returns the last page and whether it was tried."""
    page = await session.act(Action(await find(page, f"Page {trial.number}"), "click", ""))
    for node in [node for node in page.nodes if node.role == "textbox"]:
        page = await session.act(Action(node.id, "fill", "", (f"{node.name[:3]}@example.com",)))
        if page.ends_visit:
            break  # a visit would end here; the act is tried all the same
    node = None
    if trial.by_enter:
        boxes = [box.id for box in page.nodes if box.role == "textbox"]
        node = boxes[-1] if boxes else None
    else:
        node = await find(page, trial.control, ("button", "link"))
    if node is None:
        return page, None
    return page, await session.act(Action(node, *(("press", "", ("Enter",)) if trial.by_enter else ("click", ""))))


def play(driver, trials: list[Trial], *, may_pay: bool):
    """(trials that reached their target, {trial's number: (whether the visit ended at the checkout, whether the act was tried)}, the number of trials begun)."""

    async def run():
        ended, begun = {}, 0
        clock = asyncio.get_running_loop()
        stop = clock.time() + SECONDS
        politeness = PolitenessConfig(requests_per_minute=1_000_000, robots=False)
        config = StoreConfig(politeness=politeness, max_page_tokens=100_000, action_timeout_seconds=30)
        with CountingStore() as store:
            async with driver(config, may_pay=may_pay) as visitors:
                for first in range(0, len(trials), PER_VISITOR):
                    batch = trials[first : first + PER_VISITOR]
                    store.offer(batch)
                    session = visitors.visitor(store.url, f"v{first}")
                    page = await session.open()
                    for trial in batch:
                        if clock.time() > stop:
                            break
                        begun += 1
                        before, after = await attempt(session, page, trial)
                        page = await session.act(Action(await find(after or before, "List"), "click", ""))
                        pages = [seen for seen in (before, after, page) if seen is not None]
                        ended[trial.number] = any(seen.ends_visit for seen in pages), after is not None
                    await session.close()
            return store.reached, ended, begun

    return asyncio.run(run())


@pytest.mark.parametrize("driver", DRIVERS)
def test_no_made_page_gets_an_order_and_the_visits_end_at_the_checkout(driver):
    trials = [order_trial(number, scripts=driver is Browser) for number in range(tries(driver))]
    reached, ended, begun = play(driver, trials, may_pay=False)

    assert reached == []
    assert sum(was_tried for _, was_tried in ended.values()) > 0.9 * begun
    going_on = [trial for trial in trials[:begun] if trial.has_delivery and not ended[trial.number][0]]
    assert going_on == []


@pytest.mark.parametrize("driver", DRIVERS)
def test_most_of_these_pages_get_an_order_where_it_is_allowed(driver):
    trials = [
        order_trial(number, scripts=driver is Browser) for number in range(PER_VISITOR if driver is Browser else 100)
    ]
    reached, _, begun = play(driver, trials, may_pay=True)
    assert len({trial.number for trial in reached}) > 0.8 * begun, [
        trial.way for trial in trials if trial not in reached
    ]


@pytest.mark.parametrize("driver", DRIVERS)
def test_additions_to_the_cart_arrive(driver):
    trials = [cart_trial(number, scripts=driver is Browser) for number in range(tries(driver) // 3)]
    reached, _, begun = play(driver, trials, may_pay=False)

    assert [trial.target for trial in trials[:begun] if trial not in reached] == []


@pytest.mark.slow
@pytest.mark.parametrize("delay", [60, 400, 900])
def test_a_timer_orders_neither_while_the_visitor_reads_on_nor_while_another_page_loads(delay):
    """No field, no address and no label says what these pages do: only the click that set the timer does."""
    send = f"setTimeout(() => fetch('/t1/x7', {{method: 'POST', body: 'a=1'}}).catch(() => 0), {delay})"
    body = f'<title>Shop</title><a href="/list">List</a><h1>Shop</h1><button onclick="{send}">OK</button>'
    trial = Trial(1, "/t1/last", body, ("POST", "/t1/x7"), "OK", False, False, "en", "timeout")

    async def run(goes_on_by):
        politeness = PolitenessConfig(requests_per_minute=1_000_000, robots=False)
        with CountingStore() as store:
            store.offer([trial])
            async with Browser(StoreConfig(politeness=politeness)) as browser:
                session = browser.visitor(store.url, "v")
                page = await session.open()
                page = await session.act(Action(await find(page, "Page 1"), "click", ""))
                page = await session.act(Action(await find(page, "OK"), "click", ""))
                for _ in range(8):
                    name, role = ("Shop", "heading") if goes_on_by == "scrollTo" else ("List", "link")
                    page = await session.act(Action(await find(page, name, (role,)), goes_on_by, ""))
                    if goes_on_by == "click":
                        break
                await asyncio.sleep(delay / 1000)
                await session.close()
            return store.reached

    assert asyncio.run(run("scrollTo")) == []
    assert asyncio.run(run("click")) == []
