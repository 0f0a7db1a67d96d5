"""Visits to stores: starts the storefronts, runs the visits, and reads back what the stores recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.compute as pc

from simpersona.adapters.engines.duckdb import connect
from simpersona.adapters.sources.shopify import ShopifySource
from simpersona.adapters.storefronts.access import Access
from simpersona.adapters.storefronts.open import open_visitors
from simpersona.adapters.storefronts.plain_get import plain_get
from simpersona.adapters.storefronts.user_agent import visitor_headers
from simpersona.config import Driver, StoreConfig
from simpersona.contracts import EVENTS
from simpersona.errors import ConfigError, StorefrontError
from simpersona.files import write_text
from simpersona.lab.storefront.launch import LabStores, looks
from simpersona.lab.variants import PLAIN, Variant
from simpersona.ports import Policy, Progress, Storefront
from simpersona.shopper.known_products import KnownProducts, known_titles
from simpersona.shopper.observed import observed_events
from simpersona.shopper.rollout import Visit, rollout, visits_of
from simpersona.shopper.screenshots import PicturedWindow, episode_pictures
from simpersona.simulation.journal import FinishedVisit, Shard, StoreLog, VisitJournal
from simpersona.visits import Episode, Goal


@dataclass(frozen=True)
class OpenStore:
    """A store that answers at `url`; `log` is its event log, None for a store that is not the lab's.

    `titles` are the products of its catalogue, as far as it is known, for a store whose pages may not show which links are products.
    """

    url: str
    log: Path | None
    titles: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Limits:
    """The limits of one visit, and the number of visits that run at once."""

    max_steps: int
    time_limit_seconds: float
    concurrency: int


Variants = Variant | Mapping[str, Variant]
"""The variant of all stores, or of each store by its shop id; other stores are plain."""


@dataclass(frozen=True)
class VisitConditions:
    """Which stores are visited, by which driver, and the limits of each visit."""

    limits: Limits
    store_url: str | None = None
    variant: Variants = PLAIN
    driver: Driver | None = None
    """"browser" or "http"; None: the setting of the store."""
    pictures: Path | None = None
    """Folder for pictures of the pages that visitors see; None: no pictures."""


@dataclass(frozen=True)
class VisitSetup:
    """What the visits of one stage share: the stores, and the folders they use."""

    store: StoreConfig
    products: pa.Table
    """PRODUCTS of the lab's storefronts."""
    collections: pa.Table
    """COLLECTIONS of these."""
    work: Path
    """Folder that keeps finished visits until the stage is done."""
    stores: Path
    """Folder in which the lab's storefronts are built."""
    scratch: Path
    """Folder for the table engine; the engine's owner removes it."""
    seed: int
    cache_key: str
    """Key of everything that the visits depend on: kept visits with another key are deleted."""
    progress: Progress
    shard: Shard | None = None
    """The part of the visits that this process runs; None: all."""


VisitRunner = Callable[[Sequence[Visit], VisitConditions, Callable[[FinishedVisit], None]], None]
"""Runs visits and passes each on as it ends."""


@contextmanager
def open_stores(
    setup: VisitSetup, shops: Sequence[str], url: str | None, variant: Variants
) -> Iterator[dict[str, OpenStore]]:
    """The open store of each shop: the one at `url`, or the lab's storefront of the shop, reset to its first state."""
    if url is not None:
        require_answer(url, "simulation.store_url", setup.store)
        yield {shop_id: OpenStore(url, None, _titles(setup.products, shop_id)) for shop_id in shops}
        return

    stores = LabStores(setup.stores)
    look = looks(setup.products["shop_id"].unique().to_pylist(), setup.store.theme, variant)
    stores.build({shop_id: look[shop_id] for shop_id in shops}, setup.products, setup.collections)
    for shop_id in shops:
        stores.reset(shop_id)
    with stores:
        addresses = stores.start(shops=shops)
        yield {shop_id: OpenStore(addresses[shop_id], stores.events_log(shop_id)) for shop_id in shops}


def _titles(products: pa.Table, shop_id: str) -> frozenset[str]:
    """The titles of a shop's products."""
    return known_titles(products.filter(pc.equal(products["shop_id"], shop_id))["title"].to_pylist())


def visit_stores(
    setup: VisitSetup,
    goals: Sequence[Goal],
    make_policy: Callable[[Goal, int], Policy],
    limits: Limits,
    prefix: str,
    store_url: str | None = None,
    variant: Variants = PLAIN,
    driver: Driver | None = None,
    runner: VisitRunner | None = None,
) -> tuple[list[Episode], pa.Table]:
    """Visits a store for each goal: its shop's, or the one store at `store_url`. Many visits run at once.

    Returns the episodes in the order of the goals, and the stores' EVENTS rows until each visit's end; `buyer_id` of the
    rows is the episode's id. Episode n of shop s is `prefix-s-n`; its seed depends on the run's seed, s and n. With
    `setup.shard` only the visits of that shard run, and only finished visits are returned. Visits that finished in a run
    that was killed, or in a shard, do not run again; the caller deletes the stage's work when it is done. `runner` runs
    the visits elsewhere than in this process.
    """
    if not goals:
        return [], EVENTS.empty()
    visits = visits_of(goals, setup.seed, prefix)
    work, shard = setup.work / prefix, setup.shard
    pictures = work if setup.store.screenshots else None
    conditions = VisitConditions(limits, store_url, variant, driver, pictures)
    with VisitJournal(work, setup.cache_key, shard) as journal:
        planned = _by_turns(visits)[shard.number - 1 :: shard.of] if shard else _by_turns(visits)
        todo = [visit for visit in planned if visit.name not in journal.finished]
        done_before = len(planned) - len(todo)
        ended = iter(range(1, len(todo) + 1))

        def on_finished(finished: FinishedVisit) -> None:
            journal.add(finished)
            episode = finished.episode
            note = f"{prefix}, {episode.goal.shop_id}: {episode.ending}, {len(episode.steps)} steps"
            setup.progress(done_before + next(ended), len(planned), note)

        if todo:
            setup.progress(done_before, len(planned), f"{prefix}: opening the stores")
            if runner is None:
                with open_stores(setup, shops_of(todo), store_url, variant) as stores:
                    run_visits(setup.store, stores, todo, conditions, make_policy, on_finished)
            else:
                runner(todo, conditions, on_finished)
        finished = [journal.finished[visit.name] for visit in visits if visit.name in journal.finished]
        return [visit.episode for visit in finished], _recorded_events(finished, work, setup.scratch)


def shops_of(visits: Sequence[Visit]) -> list[str]:
    """The shops that are visited."""
    return list(dict.fromkeys(visit.goal.shop_id for visit in visits))


def run_visits(
    config: StoreConfig,
    stores: Mapping[str, OpenStore],
    visits: Sequence[Visit],
    conditions: VisitConditions,
    make_policy: Callable[[Goal, int], Policy],
    on_finished: Callable[[FinishedVisit], None],
) -> None:
    """Runs visits in this process and passes each on as it ends."""
    logs = {shop_id: StoreLog(store.log) for shop_id, store in stores.items() if store.log is not None}
    is_lab = len(logs) == len(stores)

    def on_episode(episode: Episode) -> None:
        log = logs.get(episode.goal.shop_id)
        recorded = log.take(episode.episode_id) if log is not None else None
        on_finished(FinishedVisit(replace(episode, recorded=log is not None), recorded))

    async def run_all() -> None:
        async with open_visitors(config, conditions.driver or config.driver, may_pay=is_lab) as visitors:

            def session(visit: Visit) -> Storefront:
                url = stores[visit.goal.shop_id].url
                titles = stores[visit.goal.shop_id].titles
                opened: Storefront = visitors.visitor(url, visit.name, within=urlsplit(url).path if is_lab else "/")
                opened = KnownProducts(opened, titles) if titles else opened
                if conditions.pictures is None:
                    return opened
                return PicturedWindow(opened, episode_pictures(conditions.pictures, visit.name))

            await rollout(
                visits,
                session,
                make_policy,
                max_steps=conditions.limits.max_steps,
                time_limit_seconds=conditions.limits.time_limit_seconds,
                concurrency=conditions.limits.concurrency,
                on_episode=on_episode,
            )

    asyncio.run(run_all())


def _by_turns(visits: Sequence[Visit]) -> list[Visit]:
    """The first visit of each shop, then the second of each, and so on: no store gets its visits in a burst."""
    number = {visit.name: int(visit.name.rpartition("-")[2]) for visit in visits}
    return sorted(visits, key=lambda visit: number[visit.name])


def _recorded_events(finished: Sequence[FinishedVisit], work: Path, scratch: Path) -> pa.Table:
    """EVENTS rows of all visits: from the logs of the lab's stores, or inferred for stores that keep no log for us."""
    if any(visit.recorded is None for visit in finished):
        return observed_events([visit.episode for visit in finished])
    lines = [line for visit in finished for line in visit.recorded or ()]
    if not lines:
        return EVENTS.empty()

    log = work / "recorded" / "events.jsonl"
    log.parent.mkdir(exist_ok=True)
    write_text(log, "".join(f"{line}\n" for line in lines))
    engine = connect(scratch)
    raw = ShopifySource().read(log, engine)
    if lost := raw.rejected.filter(raw.rejected.reason.contains("JSON")).count().to_pyarrow().as_py():
        raise StorefrontError(f"{log}: {lost} line(s) of the stores' own logs cannot be read")
    table = EVENTS.conform(raw.events.order_by(["row", "part"]).to_pyarrow())
    engine.disconnect()
    return table


def require_answer(url: str, setting: str, config: StoreConfig) -> None:
    """Raises ConfigError, which names the `setting`, if no server answers at `url`; any answer will do, and the visitor handles
    what it says. A secret of `config.access` that is missing from the environment is a ConfigError too.
    """
    access = Access.of(config)
    try:
        plain_get(access.start(url), access, visitor_headers(config), store=url)
    except OSError as error:
        reason = access.hide(str(error))
        hint = (
            " A certificate of its own is accepted with store.access.any_certificate."
            if "CERTIFICATE" in reason
            else ""
        )
        raise ConfigError(
            f"{setting} = {url}: the store does not answer ({reason}). Is it running there?{hint}"
        ) from None
