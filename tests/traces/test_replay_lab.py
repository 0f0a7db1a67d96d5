"""Sessions replayed in a real browser on the lab's own stores, one in each theme, and judged by the stores' logs."""

import asyncio
from statistics import median

import pyarrow as pa
import pytest

from simpersona.adapters.engines.duckdb import connect
from simpersona.adapters.sources.shopify import ShopifySource
from simpersona.adapters.storefronts.browser import Browser
from simpersona.adapters.storefronts.http import HttpVisitors
from simpersona.config import StoreConfig
from simpersona.contracts import COLLECTIONS, EVENTS, PRODUCTS, Moment
from simpersona.lab.storefront.launch import LabStores
from simpersona.lab.storefront.store_folder import Look
from simpersona.lab.storefront.themes import THEMES
from simpersona.shopper.episode import run_episode
from simpersona.shopper.goals import neutral_goal, replay_goal
from simpersona.shopper.records import episode_tables, read_episodes
from simpersona.shopper.rollout import rollout, visits_of
from simpersona.traces.examples import training_steps
from simpersona.traces.judge import judge, replaced_titles
from simpersona.traces.replay import ReplayPolicy

pytestmark = pytest.mark.slow

KINDS = {"skirts": "Skirt", "dresses": "Dress", "bags": "Bag"}
STYLES = ("Pleated", "Long", "Denim", "Silk", "Wool", "Mini")


def product(kind, style):
    return {"product_id": f"{kind}-{style}", "title": f"{style} {KINDS[kind]}", "product_type": kind}


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """A store in each theme, all with the same catalogue; the address by theme, and the stores."""
    products = [
        {
            **product(kind, style),
            "shop_id": theme,
            "text": f"{style} {kind}",
            "price": 10.0 + len(style),
            "collection_ids": [kind],
            "variants": ["S", "M"] if kind != "bags" else [],
        }
        for theme in THEMES
        for kind in KINDS
        for style in STYLES
    ]
    collections = [
        {"shop_id": theme, "collection_id": kind, "title": kind.title()} for theme in THEMES for kind in KINDS
    ]
    with LabStores(tmp_path_factory.mktemp("stores")) as running:
        running.build(
            {theme: Look(theme) for theme in THEMES},
            pa.Table.from_pylist(products, schema=PRODUCTS.schema),
            pa.Table.from_pylist(collections, schema=COLLECTIONS.schema),
        )
        yield running.start(), running


@pytest.fixture
def sessions(session):
    return [
        session(
            Moment("page_viewed"),
            Moment("collection_viewed", collection_id="skirts", collection="Skirts"),
            Moment("product_viewed", **product("skirts", "Denim")),
            Moment("product_viewed", **product("skirts", "Silk")),
            Moment("product_added_to_cart", **product("skirts", "Silk")),
            Moment("search_submitted", query="wool dress"),
            Moment("product_viewed", **product("dresses", "Wool")),
            Moment("product_added_to_cart", **product("dresses", "Wool")),
            Moment("product_removed_from_cart", **product("skirts", "Silk")),
            Moment("cart_viewed"),
            Moment("checkout_started"),
            Moment("checkout_completed", **product("dresses", "Wool")),
            session_id="buys",
        ),
        session(
            Moment("collection_viewed", collection_id="bags", collection="Bags"),
            Moment("product_viewed", **product("bags", "Long")),
            Moment("product_added_to_cart", **product("bags", "Long")),
            Moment("checkout_started"),
            Moment("collection_viewed", collection_id="dresses", collection="Dresses"),
            stratum="B",
            session_id="turns back",
        ),
        session(
            Moment("product_viewed", **product("bags", "Mini")),
            Moment("product_viewed", **product("skirts", "Long")),
            stratum="D",
            session_id="browses",
        ),
    ]


@pytest.mark.parametrize("theme", THEMES)
def test_sessions_happen_again_and_become_examples(stores, sessions, tmp_path, theme):
    async def visits():
        async with Browser(StoreConfig(), may_pay=True) as browser:
            return await rollout(
                visits_of([replay_goal(one) for one in sessions], 0, "trace"),
                lambda visit: browser.visitor(stores[0][theme], visit.name),
                lambda goal, seed: ReplayPolicy(next(s for s in sessions if s.session_id == goal.session_id), seed),
                max_steps=40,
                time_limit_seconds=120,
                concurrency=2,
            )

    episodes = asyncio.run(visits())
    assert [episode.ending for episode in episodes] == ["goal_reached"] * 3
    engine = connect(tmp_path / "spill")
    log = EVENTS.conform(ShopifySource().read(stores[1].events_log(theme), engine).events.to_pyarrow())
    rows = {
        episode.episode_id: [row for row in log.to_pylist() if row["buyer_id"] == episode.episode_id]
        for episode in episodes
    }
    verdicts = {
        episode.episode_id: judge(one, rows[episode.episode_id])
        for episode, one in zip(episodes, sessions, strict=True)
    }
    assert {name: verdict.reason for name, verdict in verdicts.items() if not verdict.verified} == {}
    table, steps = episode_tables(episodes, log, verdicts)
    assert table["add_to_cart_count"].to_pylist() == [2, 1, 0]
    assert table["purchase_count"].to_pylist() == [1, 0, 0]
    assert steps.num_rows == sum(len(episode.steps) for episode in episodes)
    assert not judge(sessions[0], rows[episodes[2].episode_id]).verified
    assert len(training_steps(episodes[0], neutral_goal(sessions[0]), "neutral")) == len(episodes[0].steps)
    assert read_episodes(table, steps) == episodes
    assert median(len(step.page.nodes) for episode in episodes for step in episode.steps) <= 30  # a prompt's room


def test_a_store_that_has_lost_a_product_sells_the_nearest_in_its_place(stores, session, tmp_path):
    gone = {"product_id": "gone", "title": "Woolen Skirt", "product_type": "skirts"}
    asked = session(
        Moment("product_viewed", **gone),
        Moment("product_viewed", **product("bags", "Mini")),
        Moment("product_added_to_cart", **gone),
        Moment("product_removed_from_cart", **gone),
        session_id="late",
    )

    async def visit():
        async with HttpVisitors(StoreConfig(), may_pay=True) as visitors:
            return await run_episode(
                visitors.visitor(stores[0]["classic"], "late"),
                ReplayPolicy(asked),
                replay_goal(asked),
                episode_id="late",
                seed=0,
                max_steps=40,
                time_limit_seconds=120,
            )

    episode = asyncio.run(visit())
    engine = connect(tmp_path / "spill")
    log = EVENTS.conform(ShopifySource().read(stores[1].events_log("classic"), engine).events.to_pyarrow())
    rows = [row for row in log.to_pylist() if row["buyer_id"] == episode.episode_id]
    assert replaced_titles(episode) == {"Woolen Skirt"}
    told = judge(asked, rows, replaced_titles(episode))
    assert (told.verified, told.reason) == (
        True,
        "everything happened, in order; the nearest title in place of Woolen Skirt",
    )
    assert {row["product_id"] for row in rows if row["event"] == "product_added_to_cart"} == {"skirts-Wool"}
    assert not judge(asked, rows).verified
