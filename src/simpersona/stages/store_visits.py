"""Episodes in stores: opens each shop's storefront, lets the visitors in, reads back what the store recorded."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pyarrow as pa
import pyarrow.compute as pc

from simpersona.contracts import COLLECTIONS, EVENTS, PRODUCTS, Episode, Goal
from simpersona.errors import ConfigError, StorefrontError
from simpersona.ports import Policy
from simpersona.stages.context import Run

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
def open_store(run: Run, shop_id: str, url: str | None) -> Iterator[OpenStore]:
    """The store at `url`, or else the lab's storefront selling this shop's catalogue, in a clean state."""
    if url is not None:
        _require_answer(url)
        yield OpenStore(url, None)
        return
    from simpersona.lab.storefront.launch import LabStore

    def of_shop(table: pa.Table) -> pa.Table:
        return table.filter(pc.equal(table["shop_id"], shop_id))

    store = LabStore(run.folder / "stores" / folder_name(shop_id))
    store.build(
        shop_id,
        of_shop(run.table("events/products.parquet", PRODUCTS)),
        of_shop(run.table("events/collections.parquet", COLLECTIONS)),
    )
    store.reset()
    with store:
        yield OpenStore(store.start(), store.events_log)


def play_episodes(
    run: Run,
    goals: Sequence[Goal],
    make_policy: Callable[[Goal, int], Policy],
    limits: Limits,
    prefix: str,
    store_url: str | None = None,
) -> tuple[list[Episode], pa.Table]:
    """All goals played in their shops, or in the one store at `store_url`: the episodes in the goals' order, and the stores' EVENTS rows.

    `buyer_id` of the rows is the episode's id. Episode n of shop s is `prefix-s-n`.
    """
    ended = count(1)

    def tell(episode: Episode) -> None:
        note = f"{episode.goal.shop_id}: {episode.ending}, {len(episode.steps)} steps"
        run.progress(next(ended), len(goals), note)

    episodes: list[Episode] = []
    tables = [EVENTS.empty()]
    for shop_id in dict.fromkeys(goal.shop_id for goal in goals):
        own = [goal for goal in goals if goal.shop_id == shop_id]
        run.progress(len(episodes), len(goals), f"{shop_id}: opening the store")
        with open_store(run, shop_id, store_url) as store:
            played = asyncio.run(_play(run, store, own, make_policy, limits, f"{prefix}-{shop_id}", tell))
            tables.append(_recorded_events(run, store, played))
        episodes += played
    return episodes, pa.concat_tables(tables)


async def _play(
    run: Run,
    store: OpenStore,
    goals: Sequence[Goal],
    make_policy: Callable[[Goal, int], Policy],
    limits: Limits,
    prefix: str,
    on_episode: Callable[[Episode], None],
) -> list[Episode]:
    from simpersona.adapters.store_browser import Browser
    from simpersona.shopper.rollout import rollout

    async with Browser(run.config.store, may_pay=store.log is not None) as browser:
        return await rollout(
            goals,
            lambda episode_id: browser.visitor(store.url, episode_id),
            make_policy,
            max_steps=limits.max_steps,
            time_limit_seconds=limits.time_limit_seconds,
            concurrency=limits.concurrency,
            seed=run.config.seed,
            prefix=prefix,
            on_episode=on_episode,
        )


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


def folder_name(shop_id: str) -> str:
    """A shop's id as a safe folder name; a hash keeps names apart that would fall together."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "-", shop_id)
    return plain if plain == shop_id else f"{plain[:40]}-{sha256(shop_id.encode()).hexdigest()[:8]}"
