"""What is inferred in stores of ways that nobody has prepared for is what they have recorded, and nothing is ordered."""

import asyncio

import pytest

from benchmarks.storefronts.accuracy import inferred_kinds, logged_kinds
from benchmarks.storefronts.scripted_shopper import ScriptedShopper
from benchmarks.storefronts.server import Served
from simpersona.adapters.storefronts.browser import Browser
from simpersona.adapters.storefronts.http import HttpVisitors
from simpersona.config import PolitenessConfig, StoreConfig
from simpersona.shopper.episode import run_episode
from simpersona.shopper.goals import goal_for
from simpersona.shopper.observed import observed_visit
from tests.other_stores.strange_stores import AddsByLinks, Arabic, Attributes, Parts, Streams

GOAL = goal_for("mugs", "buy", shop_id="s")
IN_BROWSER = [pytest.param(store, Browser, marks=pytest.mark.slow) for store in (Streams, Attributes, Parts)]
WITHOUT = [(store, HttpVisitors) for store in (AddsByLinks, Streams, Arabic)]


def visited(store, driver):
    """The episode of one scripted visit, and what the shopper could not do."""
    shopper = ScriptedShopper(store.plan)

    async def run(url):
        politeness = PolitenessConfig(requests_per_minute=100_000, robots=False)
        async with driver(StoreConfig(politeness=politeness, max_page_tokens=20_000), may_pay=False) as visitors:
            return await run_episode(
                visitors.visitor(url, "v"), shopper, GOAL, episode_id="v", seed=0, max_steps=40, time_limit_seconds=60
            )

    with Served(store) as served:
        return asyncio.run(run(served.url)), shopper.given_up


@pytest.mark.parametrize(("kind", "driver"), [*WITHOUT, *IN_BROWSER])
def test_what_is_inferred_is_what_the_store_recorded(kind, driver):
    store = kind()
    episode, given_up = visited(store, driver)
    assert given_up == []
    assert store.log.orders == 0
    elsewhere = ["checkout"] if kind is AddsByLinks else []  # on a host that is not visited
    assert inferred_kinds(episode) == logged_kinds(episode, store.log) + elsewhere
    assert observed_visit(episode).unknown == frozenset()
    assert episode.ending == "checkout_reached"
