"""Both drivers report what a store did: an addition that the store refused is none, whatever was clicked."""

import asyncio

import pytest

from simpersona.adapters.storefronts.browser import Browser
from simpersona.adapters.storefronts.cart_requests import Answer, accepts
from simpersona.adapters.storefronts.http import HttpVisitors
from simpersona.config import PolitenessConfig, StoreConfig
from simpersona.pages import Action, Decision
from simpersona.shopper.episode import run_episode
from simpersona.shopper.observed import observed_visit
from simpersona.visits import Goal
from tests.adapters.effect_pages import WAYS, EffectStore

GOAL = Goal("", "shop", "", "", None)
DRIVERS = [pytest.param(Browser, marks=pytest.mark.slow, id="browser"), pytest.param(HttpVisitors, id="http")]


class Clicks:
    """Clicks on the controls of these names in turn, then leaves."""

    name = "clicks"

    def __init__(self, *names):
        self.names = list(names)

    async def act(self, observation):
        if not self.names:
            return Decision(None, "")
        name = self.names.pop(0)
        node = next(node for node in observation.page.nodes if node.name == name)
        return Decision(Action(node.id, "click", "Clicking"), "")


async def visit(visitors, url, *names):
    return await run_episode(
        visitors.visitor(url, "one"), Clicks(*names), GOAL, episode_id="e", seed=0, max_steps=9, time_limit_seconds=60
    )


def visits(driver, names):
    """The observed visit by name, and the requests that reached the shop."""

    async def run(store):
        settings = StoreConfig(politeness=PolitenessConfig(requests_per_minute=100_000))
        async with driver(settings, may_pay=False) as visitors:
            return {name: await visit(visitors, store.url(name), "Add to cart") for name in names}

    with EffectStore() as store:
        return {name: observed_visit(episode) for name, episode in asyncio.run(run(store)).items()}, list(store.asked)


@pytest.mark.parametrize("driver", DRIVERS)
def test_an_addition_is_what_the_store_took(driver):
    names = [name for name, way in WAYS.items() if driver is Browser or not way.scripts]
    seen, _ = visits(driver, names)
    found = {
        name: next(((True, event.evidence) for event in visit.events if event.event == "product_added_to_cart"),
                   (None if "product_added_to_cart" in visit.unknown else False, None))
        for name, visit in seen.items()
    }  # fmt: skip
    assert found == {name: (WAYS[name].added, WAYS[name].evidence) for name in names}


@pytest.mark.slow
def test_listening_sends_nothing_and_the_product_is_named_by_its_page():
    seen, asked = visits(Browser, ["layer", "answer-ok"])
    assert [path for _, path in asked if "favicon" not in path and "robots" not in path] == [
        "/w/layer/blue-mug.html",
        "/w/answer-ok/blue-mug.html",
        "/w/answer-ok/cart/add.js",
    ]
    for visit in seen.values():
        assert [(event.event, event.product_id) for event in visit.events] == [
            ("product_viewed", "blue-mug"),
            ("product_added_to_cart", "blue-mug"),
        ]


def test_an_answer_that_was_not_read_says_nothing():
    assert accepts(Answer(200, "application/json", None)) is None
    assert accepts(Answer(422, "application/json", None)) is False
