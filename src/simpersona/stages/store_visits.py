"""Episodes in stores: opens the shops' storefronts, lets the visitors in, reads back what the stores recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

import pyarrow as pa

from simpersona.config import StoreConfig
from simpersona.contracts import COLLECTIONS, EVENTS, PRODUCTS, Episode, Goal
from simpersona.errors import ConfigError, StorefrontError
from simpersona.lab.variants import PLAIN, Variant
from simpersona.ports import Policy
from simpersona.stages.context import Run
from simpersona.stages.screenshots import pictured
from simpersona.stages.visit_journal import VisitJournal

if TYPE_CHECKING:
    from simpersona.adapters.store_browser import Browser
    from simpersona.adapters.store_http import HttpVisitors

ANSWER_SECONDS = 15


@dataclass(frozen=True)
class OpenStore:
    """A store that answers at `url`; `log` is its event log, None for a store that is not the lab's."""

    url: str
    log: Path | None


@dataclass(frozen=True)
class Limits:
    """What one episode may take, and how many run at once."""

    max_steps: int
    time_limit_seconds: float
    concurrency: int


@contextmanager
def open_stores(
    run: Run, shops: Sequence[str], url: str | None, variant: Variant, journal: VisitJournal
) -> Iterator[dict[str, OpenStore]]:
    """By shop the store at `url`, or else the lab's storefronts of these shops, clean but for the log of kept visits."""
    if url is not None:
        _require_answer(url)
        yield {shop_id: OpenStore(url, None) for shop_id in shops}
        return
    from simpersona.lab.storefront.launch import LabStores, looks

    stores = LabStores(run.folder / "stores")
    products = run.table("events/products.parquet", PRODUCTS)
    look = looks(products["shop_id"].unique().to_pylist(), run.config.store.theme, variant)
    collections = run.table("events/collections.parquet", COLLECTIONS)
    stores.build({shop_id: look[shop_id] for shop_id in shops}, products, collections)
    for shop_id in shops:
        journal.keep_events(shop_id, stores.events_log(shop_id), partial(stores.reset, shop_id))
    with stores:
        addresses = stores.start(shops=shops)
        yield {shop_id: OpenStore(addresses[shop_id], stores.events_log(shop_id)) for shop_id in shops}


def play_episodes(
    run: Run,
    goals: Sequence[Goal],
    make_policy: Callable[[Goal, int], Policy],
    limits: Limits,
    prefix: str,
    store_url: str | None = None,
    variant: Variant = PLAIN,
) -> tuple[list[Episode], pa.Table]:
    """All goals played in their shops, or in the one store at `store_url`: the episodes in the goals' order, and the stores' EVENTS rows.

    Visits that ended in a run that was killed are not made again; the caller forgets the stage's work when it is done.

    `buyer_id` of the rows is the episode's id. Episode n of shop s is `prefix-s-n`.
    """
    shops = list(dict.fromkeys(goal.shop_id for goal in goals))
    if not shops:
        return [], EVENTS.empty()
    journal = VisitJournal(run.folder.work(run.stage) / prefix, run.identity)
    run.progress(len(journal.episodes), len(goals), f"opening {len(shops)} store(s)")
    with open_stores(run, shops, store_url, variant, journal) as stores:
        played = asyncio.run(_play(run, stores, goals, make_policy, limits, prefix, journal))
        tables = [_recorded_events(run, stores[shop_id], episodes) for shop_id, episodes in played.items()]
    return [episode for episodes in played.values() for episode in episodes], pa.concat_tables(tables)


async def _play(
    run: Run,
    stores: Mapping[str, OpenStore],
    goals: Sequence[Goal],
    make_policy: Callable[[Goal, int], Policy],
    limits: Limits,
    prefix: str,
    journal: VisitJournal,
) -> dict[str, list[Episode]]:
    """The episodes by shop, one shop after the other."""
    from simpersona.shopper.rollout import episode_name, rollout

    ended = count(len(journal.episodes) + 1)

    def tell(episode: Episode) -> None:
        journal.add(episode)
        note = f"{episode.goal.shop_id}: {episode.ending}, {len(episode.steps)} steps"
        run.progress(next(ended), len(goals), note)

    played: dict[str, list[Episode]] = {}
    is_ours = all(store.log is not None for store in stores.values())
    async with _windows(run.config.store, may_pay=is_ours) as windows:
        for shop_id, store in stores.items():
            own, name = [goal for goal in goals if goal.shop_id == shop_id], f"{prefix}-{shop_id}"
            visit = partial(windows.visitor, store.url, within=urlsplit(store.url).path if is_ours else "/")
            await rollout(
                own,
                pictured(visit, run.folder.work(run.stage) / prefix) if run.config.store.screenshots else visit,
                make_policy,
                max_steps=limits.max_steps,
                time_limit_seconds=limits.time_limit_seconds,
                concurrency=limits.concurrency,
                seed=run.config.seed,
                prefix=name,
                on_episode=tell,
                skip=frozenset(journal.episodes),
            )
            played[shop_id] = [journal.episodes[episode_name(name, number)] for number in range(len(own))]
    return played


def _windows(config: StoreConfig, *, may_pay: bool) -> Browser | HttpVisitors:
    """What opens visitors' windows. Raises ConfigError if a package is missing."""
    try:
        if config.window == "http":
            from simpersona.adapters.store_http import HttpVisitors

            return HttpVisitors(config, may_pay=may_pay)
        from simpersona.adapters.store_browser import Browser

        return Browser(config, may_pay=may_pay)
    except ImportError as error:
        extra = "http" if config.window == "http" else "browser"
        raise ConfigError(
            f"store.window = {config.window!r} needs a package that is not installed ({error}). Get it with: pip install 'simpersona[{extra}]'"
        ) from error


def _recorded_events(run: Run, store: OpenStore, episodes: Sequence[Episode]) -> pa.Table:
    if store.log is None:
        from simpersona.shopper.observed import observed_events

        return observed_events(episodes)
    if not store.log.exists():
        return EVENTS.empty()
    from simpersona.adapters.engine_duckdb import connect
    from simpersona.adapters.events_shopify import ShopifySource

    engine = connect(run.folder / ".spill")
    raw = ShopifySource().read(store.log, engine)
    if lost := raw.rejected.filter(raw.rejected.reason.contains("JSON")).count().to_pyarrow().as_py():
        raise StorefrontError(f"{store.log}: {lost} line(s) of the store's own log cannot be read")
    table = EVENTS.conform(raw.events.order_by("time").to_pyarrow())
    engine.disconnect()
    return table


def _require_answer(url: str) -> None:
    try:
        with urlopen(url, timeout=ANSWER_SECONDS):  # noqa: S310 - the settings allow http(s) alone
            return
    except HTTPError:
        return  # it answers; what it says is the visitor's business
    except OSError as error:
        raise ConfigError(
            f"simulation.store_url = {url}: the store does not answer ({error}). Is it running there?"
        ) from None
