"""Visits to a served store that gives no event log: what is inferred agrees with what the store recorded, and is labelled.

The store is one of the lab's, served like any other, so that its own log is the truth.
"""

import asyncio
import json
import re
import shutil
from collections import Counter
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

import simpersona
from simpersona.adapters.storefronts.browser import Browser
from simpersona.adapters.storefronts.http import HttpVisitors
from simpersona.config import PolitenessConfig, StoreConfig
from simpersona.contracts import COLLECTIONS, EVENTS, PRODUCTS
from simpersona.evaluation.measurable import AS_CHECKOUT, INFERRED, NO_ORDERS
from simpersona.files import read_table
from simpersona.lab.storefront.launch import LabStores, looks
from simpersona.lab.variants import PLAIN
from simpersona.pages import Action, Decision
from simpersona.shopper.affordances import ADD
from simpersona.shopper.episode import run_episode
from simpersona.shopper.records import episode_tables
from simpersona.visits import Goal

from .conftest import command

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
RECORDED = {
    "product_viewed": "product_view_count",
    "collection_viewed": "collection_view_count",
    "search_submitted": "search_count",
    "product_added_to_cart": "add_to_cart_count",
}


@pytest.fixture(scope="module")
def folder(population, tmp_path_factory):
    return shutil.copytree(population, tmp_path_factory.mktemp("inferred") / "copy")


@pytest.fixture(scope="module")
def served(folder):
    """The stores, the id of the simulated shop, and the addresses."""
    run = folder / "runs/population"
    products = read_table(run / "events/products.parquet", PRODUCTS)
    shop = pq.read_table(run / "simulation/episodes.parquet")["shop_id"][0].as_py()
    with LabStores(folder / "served") as stores:
        look = looks(products["shop_id"].unique().to_pylist(), "varied", PLAIN)
        stores.build(look, products, read_table(run / "events/collections.parquet", COLLECTIONS))
        yield stores, shop, stores.start()


def recorded(stores, shop):
    """What the store's log has, by visitor."""
    counts = {}
    for line in stores.events_log(shop).read_text().splitlines():
        event = json.loads(line)
        counts.setdefault(event["clientId"], Counter())[RECORDED.get(event["name"])] += 1
    return counts


def test_a_run_says_what_is_inferred_and_what_cannot_be_measured(folder, served):
    stores, shop, urls = served
    stores.reset(shop)
    polite = "store.politeness.requests_per_minute=100000"
    said = command(folder, "run", "run.toml", "--set", f"simulation.store_url={urls[shop]}", "--set", polite)
    assert " ".join(said.split()).count(INFERRED) == 2  # the stage's line, and below the figures
    run = folder / "runs/population"
    quality = json.loads((run / "simulation/quality.json").read_text())["scorer"]
    assert quality["inferred_visits"] == 24
    assert set(quality["evidence"]) <= {"address", "cart_shown", "cart_answer"}
    assert quality["unknown"] == {"purchase_count": 24}

    truth = recorded(stores, shop)
    for row in pq.read_table(run / "simulation/episodes.parquet").to_pylist():
        assert row["purchase_count"] is None
        for column in ("product_view_count", "collection_view_count", "add_to_cart_count"):
            assert row[column] == truth.get(row["episode_id"], Counter())[column], row["episode_id"]

    metrics = json.loads((run / "evaluation/metrics.json").read_text())
    assert metrics["conversion.overall.agent.purchase"] is None
    assert metrics["notes"]["conversion.overall.agent.purchase"] == NO_ORDERS
    assert metrics["notes"]["conversion.overall.agent.add_to_cart"] == INFERRED
    known = [key for key in metrics if ".purchase.correct" in key and metrics[key] is not None]
    assert known
    assert all(AS_CHECKOUT in metrics["notes"][key] for key in known)
    page = (run / "report/index.html").read_text()
    assert INFERRED in page
    assert "cannot be measured" in page
    assert "placed an order" not in page
    replay = command(folder, "replay", "runs/population")
    assert "inferred, not recorded by the store" in (folder / replay.strip().splitlines()[-1]).read_text()


def test_a_single_visit_says_so(served):
    _, shop, urls = served
    polite = {"politeness": {"requests_per_minute": 100_000}}
    visit = simpersona.visit(urls[shop], 1, goal="You are here to buy something.", store=polite)
    assert list(visit.lines())[-1] == f"These events are {INFERRED}."
    assert visit.row["purchase_count"].to_pylist() == [None]


class Buyer:
    """Opens a list and a product, adds it twice, looks at the cart, and goes on to the checkout, as far as a page offers that."""

    name = "buyer"

    def __init__(self, collections):
        self.collections, self.wanted = collections, ["collection", "product", "add", "add", "cart", "checkout"]

    async def act(self, observation):
        while self.wanted:
            want = self.wanted.pop(0)
            for node in observation.page.nodes:
                if node.role in ("link", "button") and self.fits(want, node.name):
                    return Decision(Action(node.id, "click", "Clicking"), "")
        return Decision(None, "")

    def fits(self, want, name):
        match want:
            case "collection":
                return name in self.collections
            case "product":
                return name not in self.collections and bool(re.search(r"\$\d+\.\d\d$", name))
            case "add":
                return bool(ADD.search(name))
            case "cart":
                return bool(re.match(r"(cart|bag|basket|view)\b", name, re.IGNORECASE))
        return "checkout" in name.lower()


@pytest.mark.parametrize("driver", [Browser, HttpVisitors])
def test_what_a_buyer_does_is_inferred_as_the_store_records_it(folder, served, driver):
    stores, _, urls = served
    titles = read_table(folder / "runs/population/events/collections.parquet", COLLECTIONS)["title"].to_pylist()

    async def run(shop):
        settings = StoreConfig(politeness=PolitenessConfig(requests_per_minute=100_000))
        async with driver(settings, may_pay=False) as visitors:
            return await run_episode(
                visitors.visitor(urls[shop], f"buyer-{driver.__name__}"), Buyer(titles), Goal("", shop, "", "", None),
                episode_id=f"buyer-{driver.__name__}", seed=0, max_steps=12, time_limit_seconds=120,
            )  # fmt: skip

    added = 0
    for shop in urls:
        episode = asyncio.run(run(shop))
        table, _ = episode_tables([replace(episode, recorded=False)], EVENTS.empty(), {})
        (row,) = table.to_pylist()
        truth = recorded(stores, shop)[episode.episode_id]
        assert {name: row[name] for name in RECORDED.values()} == {name: truth[name] for name in RECORDED.values()}
        added += row["add_to_cart_count"]
    assert added >= len(urls)
