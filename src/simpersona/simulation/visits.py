"""Episodes in stores: opens the shops' storefronts, lets the visitors in, reads back what the stores recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

import pyarrow as pa

from simpersona.adapters.engines.duckdb import connect
from simpersona.adapters.sources.shopify import ShopifySource
from simpersona.config import Driver, StoreConfig
from simpersona.contracts import EVENTS
from simpersona.errors import ConfigError, StorefrontError
from simpersona.files import write_text
from simpersona.lab.storefront.launch import LabStores, looks
from simpersona.lab.variants import PLAIN, Variant
from simpersona.ports import Policy, Progress, Storefront
from simpersona.shopper.observed import observed_events
from simpersona.shopper.rollout import Visit, rollout, visits_of
from simpersona.shopper.screenshots import PicturedWindow, episode_pictures
from simpersona.simulation.journal import Played, Shard, StoreLog, VisitJournal
from simpersona.visits import Episode, Goal

if TYPE_CHECKING:
    from simpersona.adapters.storefronts.browser import Browser
    from simpersona.adapters.storefronts.http import HttpVisitors

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


Variants = Variant | Mapping[str, Variant]
"""One of all stores, or that of each by its shop's id; the plain one of the others."""


@dataclass(frozen=True)
class Scene:
    """Where visits take place and what each may take."""

    limits: Limits
    store_url: str | None = None
    variant: Variants = PLAIN
    window: Driver | None = None
    """None: what `store.driver` says."""
    pictures: Path | None = None
    """Where the pictures of what visitors see go, if they are kept."""


@dataclass(frozen=True)
class VisitPlace:
    """What visits of one stage share: the stores, and the folders they use."""

    store: StoreConfig
    products: pa.Table
    """PRODUCTS of the lab's storefronts."""
    collections: pa.Table
    """COLLECTIONS of these."""
    work: Path
    """Where visits that have ended are kept until the stage is done."""
    stores: Path
    """Where the lab's storefronts are built."""
    scratch: Path
    """For the table engine; removed by its owner."""
    seed: int
    cache_key: str
    """Names everything that the visits depend on: visits of another key are thrown away."""
    progress: Progress
    shard: Shard | None = None
    """The part of the visits that this process plays; None: all."""


Player = Callable[[Sequence[Visit], Scene, Callable[[Played], None]], None]
"""Plays visits and hands over each as it ends."""


@contextmanager
def open_stores(
    place: VisitPlace, shops: Sequence[str], url: str | None, variant: Variants
) -> Iterator[dict[str, OpenStore]]:
    """By shop the store at `url`, or else the lab's storefronts of these shops, as if nobody had visited them."""
    if url is not None:
        require_answer(url, "simulation.store_url")
        yield {shop_id: OpenStore(url, None) for shop_id in shops}
        return

    stores = LabStores(place.stores)
    look = looks(place.products["shop_id"].unique().to_pylist(), place.store.theme, variant)
    stores.build({shop_id: look[shop_id] for shop_id in shops}, place.products, place.collections)
    for shop_id in shops:
        stores.reset(shop_id)
    with stores:
        addresses = stores.start(shops=shops)
        yield {shop_id: OpenStore(addresses[shop_id], stores.events_log(shop_id)) for shop_id in shops}


def play_episodes(
    place: VisitPlace,
    goals: Sequence[Goal],
    make_policy: Callable[[Goal, int], Policy],
    limits: Limits,
    prefix: str,
    store_url: str | None = None,
    variant: Variants = PLAIN,
    window: Driver | None = None,
    player: Player | None = None,
) -> tuple[list[Episode], pa.Table]:
    """All goals played in their shops, or in the one store at `store_url`, many shops at once: the episodes in the
    goals' order, and the stores' EVENTS rows until each visit's end.

    `buyer_id` of the rows is the episode's id. Episode n of shop s is `prefix-s-n`; its seed depends on the run's seed,
    s and n. Where the run is one shard, only its visits are played, and only what was played is given. Visits that ended
    in a run that was killed, or in a shard, are not made again; the caller forgets the stage's work when it is done.
    `player` plays them elsewhere than in this process.
    """
    if not goals:
        return [], EVENTS.empty()
    visits = visits_of(goals, place.seed, prefix)
    work, shard = place.work / prefix, place.shard
    pictures = work if place.store.screenshots else None
    scene = Scene(limits, store_url, variant, window, pictures)
    with VisitJournal(work, place.cache_key, shard) as journal:
        own = _by_turns(visits)[shard.number - 1 :: shard.of] if shard else _by_turns(visits)
        todo = [visit for visit in own if visit.name not in journal.played]

        def keep(played: Played) -> None:
            journal.add(played)
            done = len(own) - len(todo) + next(ended)
            episode = played.episode
            note = f"{prefix}, {episode.goal.shop_id}: {episode.ending}, {len(episode.steps)} steps"
            place.progress(done, len(own), note)

        ended = iter(range(1, len(todo) + 1))
        if todo:
            place.progress(len(own) - len(todo), len(own), f"{prefix}: opening the stores")
            if player is None:
                with open_stores(place, shops_of(todo), store_url, variant) as stores:
                    play(place.store, stores, todo, scene, make_policy, keep)
            else:
                player(todo, scene, keep)
        played = [journal.played[visit.name] for visit in visits if visit.name in journal.played]
        return [one.episode for one in played], _recorded_events(played, work, place.scratch)


def shops_of(visits: Sequence[Visit]) -> list[str]:
    """The shops that are visited."""
    return list(dict.fromkeys(visit.goal.shop_id for visit in visits))


def play(
    config: StoreConfig,
    stores: Mapping[str, OpenStore],
    visits: Sequence[Visit],
    scene: Scene,
    make_policy: Callable[[Goal, int], Policy],
    keep: Callable[[Played], None],
) -> None:
    """Plays visits in this process; each is handed over as it ends."""
    logs = {shop_id: StoreLog(store.log) for shop_id, store in stores.items() if store.log is not None}
    is_ours = len(logs) == len(stores)

    def tell(episode: Episode) -> None:
        log = logs.get(episode.goal.shop_id)
        keep(Played(episode, log.take(episode.episode_id) if log is not None else None))

    async def everybody() -> None:
        async with _windows(config, scene.window or config.driver, may_pay=is_ours) as windows:

            def window(visit: Visit) -> Storefront:
                url = stores[visit.goal.shop_id].url
                opened = windows.visitor(url, visit.name, within=urlsplit(url).path if is_ours else "/")
                if scene.pictures is None:
                    return opened
                return PicturedWindow(opened, episode_pictures(scene.pictures, visit.name))

            await rollout(
                visits,
                window,
                make_policy,
                max_steps=scene.limits.max_steps,
                time_limit_seconds=scene.limits.time_limit_seconds,
                concurrency=scene.limits.concurrency,
                on_episode=tell,
            )

    asyncio.run(everybody())


def _by_turns(visits: Sequence[Visit]) -> list[Visit]:
    """The first visit of each shop, then the second of each …: all stores are busy, and none is asked in bursts."""
    number = {visit.name: int(visit.name.rpartition("-")[2]) for visit in visits}
    return sorted(visits, key=lambda visit: number[visit.name])


def _windows(config: StoreConfig, window: Driver, *, may_pay: bool) -> Browser | HttpVisitors:
    """What opens visitors' windows. Raises ConfigError if a package is missing."""
    try:
        if window == "http":
            from simpersona.adapters.storefronts.http import HttpVisitors  # noqa: PLC0415 - heavy

            return HttpVisitors(config, may_pay=may_pay)
        from simpersona.adapters.storefronts.browser import Browser  # noqa: PLC0415 - heavy

        return Browser(config, may_pay=may_pay)
    except ImportError as error:
        extra = "http" if window == "http" else "browser"
        raise ConfigError(
            f"a window of the kind {window!r} needs a package that is not installed ({error}). Get it with: pip install 'simpersona[{extra}]'"
        ) from error


def _recorded_events(played: Sequence[Played], work: Path, scratch: Path) -> pa.Table:
    """EVENTS rows of all visits: from the lines of the lab's stores, or inferred where a store keeps no log for us."""
    if any(one.recorded is None for one in played):
        return observed_events([one.episode for one in played])
    lines = [line for one in played for line in one.recorded or ()]
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


def require_answer(url: str, setting: str) -> None:
    """Raises ConfigError, which names the `setting`, if no server answers at `url`; any answer will do."""
    try:
        with urlopen(url, timeout=ANSWER_SECONDS):  # noqa: S310 - the settings allow http(s) alone
            return
    except HTTPError:
        return  # it answers; the visitor handles what it says
    except OSError as error:
        raise ConfigError(f"{setting} = {url}: the store does not answer ({error}). Is it running there?") from None
