"""CPU and wall seconds of a piece of work, with the processes that it starts; a description of the machine."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Self, TypeVar

import numpy as np
import psutil
from threadpoolctl import threadpool_limits

T = TypeVar("T")
NOT_IDLE = 0.1
"""Share of the machine's time used by others from which wall times are not to be trusted."""


@dataclass(frozen=True)
class Cost:
    """Seconds of the clock, and of the processor over all threads and processes."""

    wall: float
    cpu: float

    def per(self, count: float) -> Cost:
        """The share of one of `count` things done."""
        return Cost(self.wall / count, self.cpu / count)


class Stopwatch:
    """The cost since it was made, or since the last lap."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), tree_cpu()

    def lap(self) -> Cost:
        """The cost since the last lap."""
        wall, cpu = time.perf_counter(), tree_cpu()
        cost = Cost(wall - self._wall, cpu - self._cpu)
        self._wall, self._cpu = wall, cpu
        return cost


def tree_cpu() -> float:
    """CPU seconds so far of this process and of all it started, those that ended included (Linux)."""
    total = 0.0
    own = psutil.Process()
    for process in [own, *own.children(recursive=True)]:
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system
        total += getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    return total


def costs(work: Callable[[], T], repeats: int) -> tuple[Cost, T]:
    """The median cost over `repeats`, and the last result."""
    laps: list[Cost] = []
    while True:
        watch = Stopwatch()
        result = work()
        laps.append(watch.lap())
        if len(laps) >= repeats:
            return median_cost(laps), result


def median_cost(laps: Sequence[Cost]) -> Cost:
    """Medians of wall and of CPU seconds."""
    return Cost(median(lap.wall for lap in laps), median(lap.cpu for lap in laps))


def percentile(values: Sequence[float], share: float) -> float:
    """For example the 95th with share = 0.95."""
    return float(np.quantile(np.asarray(values), share))


def sgemm_flops(size: int = 1024, repeats: int = 5) -> float:
    """Floating-point operations per CPU-second of numpy's float32 matrix product on one thread: the bound."""
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=(size, size)).astype(np.float32) for _ in range(2))
    with threadpool_limits(1):
        _ = a @ b
        cost, _ = costs(lambda: [a @ b for _ in range(10)], repeats)
    return 10 * 2 * size**3 / cost.cpu


class Machine:
    """A description of the machine, and how busy other processes made it since this was created."""

    def __init__(self) -> None:
        self._watch, self._busy = Stopwatch(), _busy_seconds()

    @classmethod
    def now(cls) -> Self:
        """Starts to watch."""
        return cls()

    @property
    def others(self) -> float:
        """The share of the machine's processor time that others used."""
        own = self._watch.lap()
        capacity = (psutil.cpu_count() or 1) * max(own.wall, 1e-9)
        return max(0.0, _busy_seconds() - self._busy - own.cpu) / capacity

    def described(self) -> str:
        """Cores, processor, memory."""
        memory = psutil.virtual_memory().total / 2**30
        return f"{_cores()} cores of {_processor()}, {memory:.0f} GiB of memory"


def _busy_seconds() -> float:
    times = psutil.cpu_times()
    return times.user + times.system + getattr(times, "nice", 0.0) + getattr(times, "irq", 0.0)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
