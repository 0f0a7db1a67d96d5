"""Visits of a store that fails on purpose: how many break, and what the others survived."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from benchmarks.fault_proxy import STALL_SECONDS, FaultyStore
from benchmarks.measure import Stopwatch
from benchmarks.results import Section, Table, number
from benchmarks.store_server import catalogues
from simpersona.adapters.storefronts.browser import Browser
from simpersona.adapters.storefronts.browser_session import BrowserSession
from simpersona.adapters.storefronts.http import HttpVisitors
from simpersona.config import StoreConfig
from simpersona.lab.storefront.launch import LabStore
from simpersona.pages import Decision
from simpersona.ports import Storefront
from simpersona.shopper.affordances import choices
from simpersona.shopper.candidates import Candidate, as_action
from simpersona.shopper.goals import goal_for
from simpersona.shopper.rollout import Visit, rollout, visits_of
from simpersona.visits import ENDINGS, Episode, Observation

STEPS, LEAVES, CLOSED, KILLED = 30, 0.1, 0.01, 0.0005
"""At most, in a visit; the chances of a step to be the last, to lose its tab, and to lose the whole browser."""
VISITS = int(os.environ.get("SIMPERSONA_BENCH_VISITS", "1000"))
"""Of each driver."""
GOAL = goal_for("toys", "browse", shop_id="shop")


class Wanderer:
    """Takes random actions and leaves at a random step; sometimes loses the tab or the browser."""

    name = "wanderer"

    def __init__(self, window: Storefront, broken: Counter[str], seed: int) -> None:
        self._window, self._broken, self._rng = window, broken, np.random.default_rng(seed)

    async def act(self, observation: Observation) -> Decision:
        """Anything."""
        if self._rng.random() < LEAVES:
            return Decision(None, "")
        if isinstance(self._window, BrowserSession):
            await self._break(self._window)
        able = list(choices(observation.page))
        if not able:
            return Decision(None, "")
        node, method = able[int(self._rng.integers(len(able)))]
        return Decision(as_action(Candidate(node, method), observation.goal, self._rng), "")

    async def _break(self, window: BrowserSession) -> None:
        opened, chance = window._tab, self._rng.random()  # noqa: SLF001 - no shopper can do this
        if opened is None:
            return
        tab = opened.tab
        if chance < KILLED and tab.context.browser is not None:
            self._broken["browser died"] += 1
            await tab.context.browser.close()
        elif chance < KILLED + CLOSED:
            self._broken["tab closed"] += 1
            await tab.close()


def section(episodes: int = VISITS, concurrency: int = 4) -> Section:
    """`episodes` visits in Chromium, and as many over plain HTTP."""
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (catalogue,) = catalogues(folder, 1, 60)
        with LabStore(folder / "store") as store:
            store.build(*catalogue)
            for name, windows in (("Chromium", Browser), ("no browser", HttpVisitors)):
                with FaultyStore(store.start()) as faulty:
                    watch, began = Stopwatch(), time.perf_counter()
                    played, broken = asyncio.run(_visits(windows, faulty.url, episodes, concurrency))
                    rows.append(_row(name, played, faulty.injected + broken, time.perf_counter() - began))
                    watch.lap()
    table = Table(("driver", "injected", "survived", "endings", "steps", "seconds"), rows)
    note = (
        f"Each request: 2 % answered with a 500, 1 % dropped without an answer, 0.5 % held for {STALL_SECONDS} s; every fifth page redraws its main part when the mouse button is first pressed. Each step in Chromium: {CLOSED:.0%} lose the tab, {KILLED:.2%} the whole browser with all its visitors. "
        "The paper counts 5.3 % crashed episodes on stores that do not fail on purpose; the aim is less than 1 % `other`."
    )
    what = f"{episodes:,} visits, {concurrency} at once, of a shopper who takes random actions, in a storefront of the lab that fails on purpose."
    return Section("faults", what, [(table, note)], ("playwright", "httpx2", "django-oscar"))


async def _visits(
    windows: type[Browser | HttpVisitors], url: str, episodes: int, concurrency: int
) -> tuple[list[Episode], Counter[str]]:
    broken: Counter[str] = Counter()
    async with windows(StoreConfig(), may_pay=True) as running:
        opened: list[Storefront] = []

        def window(visit: Visit) -> Storefront:
            opened.append(running.visitor(url, visit.name, within=urlsplit(url).path))
            return opened[-1]

        played = await rollout(
            visits_of([GOAL] * episodes, 0, "wander"),
            window,
            lambda _goal, seed: Wanderer(opened[-1], broken, seed),
            max_steps=STEPS,
            time_limit_seconds=600,
            concurrency=concurrency,
        )
    return played, broken


def _row(name: str, played: Sequence[Episode], injected: Counter[str], seconds: float) -> list[str]:
    steps = [step for episode in played for step in episode.steps]
    survived = Counter(kind for step in steps for kind in step.page.troubles)
    endings = Counter(episode.ending for episode in played)
    share = partial("{:.1%}".format)
    why = Counter(episode.error for episode in played if episode.error)
    told = [f"{ending} {share(endings[ending] / len(played))}" for ending in ENDINGS]
    return [
        name,
        ", ".join(f"{kind} {times}" for kind, times in injected.most_common()),
        ", ".join(f"{kind} {times}" for kind, times in survived.most_common()),
        ", ".join(told)
        + (" (" + "; ".join(f"{words}: {times}" for words, times in why.most_common(3)) + ")" if why else ""),
        number(len(steps)),
        number(seconds),
    ]
