"""The population: many visits killed and gone on with, and how fast they go beside what the store can serve."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import httpx2
import numpy as np
import psutil
import pyarrow.parquet as pq

from benchmarks.measure import tree_cpu
from benchmarks.results import Section, Table, number
from benchmarks.store_server import catalogues
from simpersona.adapters.storefronts.browser import Browser
from simpersona.adapters.storefronts.http import HttpVisitors
from simpersona.config import StoreConfig
from simpersona.lab.storefront.launch import LabStores, looks
from simpersona.pages import Decision
from simpersona.ports import Storefront
from simpersona.shopper.affordances import choices
from simpersona.shopper.candidates import Candidate, as_action
from simpersona.shopper.goals import goal_for
from simpersona.shopper.rollout import Visit, rollout, visits_of
from simpersona.visits import Episode, Observation

STEPS, LEAVES = 30, 0.1
"""Of a scripted visit: at most, and the chance of a step to be the last."""
SETTINGS = """
name = "killed"
[lab]
shops = 6
buyers = 1500
products_per_shop = 30
types = 8
[split]
held_out_share = 0.5
[buyers]
embedder = "hashing"
[personas]
codes = 16
epochs = 10
[store]
driver = "http"
[traces]
sessions = 60
concurrency = 8
[agent]
policies = ["scorer"]
[simulation]
policy = "scorer"
episodes = {episodes}
max_steps = 30
concurrency = 8
"""


def section(
    episodes: int = 1000, kills: int = 5, visits: tuple[int, int] = (60, 8), shops: int = 3, rounds: int = 2
) -> Section:
    """`episodes` killed `kills` times; `visits` over HTTP and in Chromium for the throughput, in `shops` stores at once."""
    with tempfile.TemporaryDirectory() as scratch:
        killed = _killed(Path(scratch) / "killed", episodes, kills)
        fast = asyncio.run(_throughput(Path(scratch) / "fast", visits, shops, rounds))
    what = "Simulated visits of the lab's storefronts: what kills do to them, and what the harness costs."
    return Section("population", what, [killed, fast], ("playwright", "httpx2", "django-oscar"))


# --- kills ------------------------------------------------------------------------------------


def _killed(folder: Path, episodes: int, kills: int) -> tuple[Table, str]:
    folder.mkdir(parents=True)
    (folder / "run.toml").write_text(SETTINGS.format(episodes=episodes))
    _run(folder, "agent").wait()
    calm = folder / "calm"
    calm.mkdir()
    shutil.copy(folder / "run.toml", calm)
    shutil.copytree(folder / "runs", calm / "runs", symlinks=True)
    began = time.perf_counter()
    if _run(calm, "evaluate").wait():
        raise RuntimeError(f"the undisturbed run in {calm} failed")
    calm_seconds = time.perf_counter() - began
    journal = folder / "runs/killed/.simulation.work/scorer/episodes.jsonl"
    at = sorted(random.Random(1).sample(range(episodes // 20, episodes - episodes // 20), kills))
    found: list[int] = []
    began = time.perf_counter()
    for wanted in at:
        process = _run(folder, "evaluate")
        while _lines(journal) < wanted and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        found.append(_lines(journal))
    if _run(folder, "evaluate").wait():
        raise RuntimeError(f"the killed run in {folder} failed")
    seconds = time.perf_counter() - began
    rows = [
        _run_row("undisturbed", calm / "runs/killed", "", calm_seconds),
        _run_row(f"killed {kills} times", folder / "runs/killed", ", ".join(map(str, found)), seconds),
    ]
    same = _metrics(calm) == _metrics(folder)
    differing = _differing(calm, folder)
    note = (
        f"A run with the scorer as its policy, killed (SIGKILL) at {kills} random times during its {episodes:,} visits and started again each time. "
        f"Rows of the two tables of episodes that differ in more than the seconds: {differing}. "
        f"`metrics.json` is {'the same' if same else 'NOT the same'} in every figure. Aim: no visit lost, none twice, same figures."
    )
    head = ("run", "visits kept when killed", "episodes", "distinct", "steps", "seconds")
    return Table(head, rows), note


def _run(folder: Path, command: str) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "simpersona", command, "run.toml", "--quiet"]
    return subprocess.Popen(words, cwd=folder, stdout=subprocess.DEVNULL)


def _lines(journal: Path) -> int:
    return max(journal.read_bytes().count(b"\n") - 1, 0) if journal.exists() else 0


def _run_row(name: str, run: Path, kept: str, seconds: float) -> list[str]:
    ids = pq.read_table(run / "simulation/episodes.parquet")["episode_id"]
    steps = pq.read_metadata(run / "simulation/steps.parquet").num_rows
    return [name, kept or "–", number(len(ids)), number(len(ids.unique())), number(steps), number(seconds)]


def _metrics(folder: Path) -> dict:
    return json.loads((folder / "runs/killed/evaluation/metrics.json").read_text(encoding="utf-8"))


def _differing(one: Path, other: Path) -> int:
    tables = [
        pq.read_table(folder / "runs/killed/simulation/episodes.parquet").drop_columns(["seconds"]).to_pylist()
        for folder in (one, other)
    ]
    return sum(a != b for a, b in zip(*tables, strict=True))


# --- throughput -------------------------------------------------------------------------------


@dataclass
class Lap:
    """Visits played: seconds of the clock, of our processor time (with a browser's) and of the store's."""

    wall: float
    ours: float
    store: float
    visits: int
    steps: int
    requests: int


class Stroller:
    """Does anything that a page offers, and leaves at some time: a model that takes no time."""

    name = "scripted"

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    async def act(self, observation: Observation) -> Decision:
        """Anything."""
        able = list(choices(observation.page))
        if not able or self._rng.random() < LEAVES:
            return Decision(None, "")
        node, method = able[int(self._rng.integers(len(able)))]
        return Decision(as_action(Candidate(node, method), observation.goal, self._rng), "")


class Recorder(httpx2.AsyncBaseTransport):
    """Connections that count what is asked for, and keep it by visitor, as it went over the wire, where `keep` is set."""

    def __init__(self, *, keep: bool) -> None:
        self._connections, self._keep = httpx2.AsyncHTTPTransport(), keep
        self.count = 0
        self.asked: dict[str, list[bytes]] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """As the connections do."""
        self.count += 1
        if self._keep:
            headers = b"".join(b"%s: %s\r\n" % (name, value) for name, value in request.headers.raw)
            line = b"%s %s HTTP/1.1\r\n" % (request.method.encode(), request.url.raw_path)
            visitor = request.headers["cookie"].partition("visitor=")[2].partition(";")[0]
            self.asked.setdefault(visitor, []).append(line + headers + b"\r\n" + request.content)
        return await self._connections.handle_async_request(request)

    async def aclose(self) -> None:
        await self._connections.aclose()


async def _throughput(folder: Path, visits: tuple[int, int], shops: int, rounds: int) -> tuple[Table, str]:
    found = catalogues(folder / "world", shops, 60)
    stores = LabStores(folder / "stores")
    stores.build(looks([shop for shop, _, _ in found]), found[0][1], found[0][2])
    with stores:
        addresses = stores.start()
        asked = await _asked(addresses, visits[0])
        laps: dict[str, list[Lap]] = {"bare": [], "over HTTP": [], "in Chromium": []}
        for _ in range(rounds):
            stores.reset()
            laps["bare"].append(await _bare(next(iter(addresses.values())), asked, 8))
            stores.reset()
            recorder = Recorder(keep=False)
            http = HttpVisitors(StoreConfig(), may_pay=True, connections=recorder)
            laps["over HTTP"].append(await _lap(http, addresses, visits[0], 8))
            laps["over HTTP"][-1].requests = recorder.count
            stores.reset()
            laps["in Chromium"].append(await _lap(Browser(StoreConfig(), may_pay=True), addresses, visits[1], 4))
    limit = median(lap.requests / lap.wall for lap in laps["bare"])
    rows = []
    for name, own in laps.items():
        rate = median(lap.requests / lap.wall for lap in own) if name != "in Chromium" else 0
        ours, store = (median(getattr(lap, part) / lap.steps for lap in own) * 1000 for part in ("ours", "store"))
        rows.append(
            [
                {"bare": "the same requests, over bare sockets"}.get(name, f"scripted visits {name}"),
                number(median(3600 * lap.visits / lap.wall for lap in own)),
                number(median(lap.steps / lap.wall for lap in own)),
                number(ours),
                number(store),
                f"{rate / limit:.2f}" if rate else "–",
            ]
        )
    head = ("", "visits/hour", "steps/s", "our CPU ms/step", "the store's CPU ms/step", "requests/s beside bare")
    note = (
        f"{shops} stores in one server process, visited at once: {visits[0]} over HTTP (8 at once), {visits[1]} in Chromium (4 at once), medians of "
        f"{rounds} rounds that take turns. A shopper takes random actions and leaves with a chance of {LEAVES:.0%} a step. The bare row sends the same bytes as the visits over HTTP, from 8 sockets, and reads no page: it shows what the store can serve. Aim: 0.8 of it. The server is one process: with a core for each, "
        "visitors are as fast as the server while their CPU a step is below the server's. On a busy machine the ratio of wall times shows which process got the processor."
    )
    return Table(head, rows), note


async def _asked(addresses: dict[str, str], count: int) -> list[list[bytes]]:
    """The requests of each visitor."""
    recorder = Recorder(keep=True)
    async with HttpVisitors(StoreConfig(), may_pay=True, connections=recorder) as windows:
        await _play(windows, addresses, count, 8)
    return list(recorder.asked.values())


async def _play(
    windows: HttpVisitors | Browser, addresses: dict[str, str], count: int, concurrency: int
) -> list[Episode]:
    shops = list(addresses)
    goals = [goal_for("toys", "browse", shop_id=shops[n % len(shops)]) for n in range(count)]

    def window(visit: Visit) -> Storefront:
        address = addresses[visit.goal.shop_id]
        return windows.visitor(address, visit.name, within=urlsplit(address).path)

    return await rollout(
        visits_of(goals, 0, "stroll"),
        window,
        lambda _goal, seed: Stroller(seed),
        max_steps=STEPS,
        time_limit_seconds=600,
        concurrency=concurrency,
    )


async def _lap(windows: HttpVisitors | Browser, addresses: dict[str, str], count: int, concurrency: int) -> Lap:
    async with windows:
        watch = _Watch()
        played = await _play(windows, addresses, count, concurrency)
        wall, ours, store = watch.lap()
    return Lap(wall, ours, store, count, sum(len(episode.steps) for episode in played), 0)


async def _bare(address: str, asked: Sequence[Sequence[bytes]], concurrency: int) -> Lap:
    parts, waiting = urlsplit(address), iter(asked)

    async def one() -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        for visitor in waiting:
            for request in visitor:
                writer.write(request)
                await _skip_answer(reader)
        writer.close()

    watch = _Watch()
    await asyncio.gather(*(one() for _ in range(concurrency)))
    count = sum(map(len, asked))
    return Lap(*watch.lap(), len(asked), count, count)


async def _skip_answer(reader: asyncio.StreamReader) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if b"transfer-encoding: chunked" in head:
        while size := int(await reader.readuntil(b"\r\n"), 16):
            await reader.readexactly(size + 2)
        await reader.readexactly(2)
    elif b"content-length:" in head:
        await reader.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r\n")[0]))


class _Watch:
    def __init__(self) -> None:
        self._start = self._now()

    def lap(self) -> tuple[float, float, float]:
        """Seconds of the clock, of our processor time, of the store's."""
        wall, ours, store = (now - then for now, then in zip(self._now(), self._start, strict=True))
        return wall, ours - store, store

    @staticmethod
    def _now() -> tuple[float, float, float]:
        served = 0.0
        for process in psutil.Process().children(recursive=True):
            try:
                if any("storefront.serve" in word for word in process.cmdline()):
                    times = process.cpu_times()
                    served += times.user + times.system
            except psutil.Error:  # a browser's process that has just ended
                continue
        return time.perf_counter(), tree_cpu(), served
