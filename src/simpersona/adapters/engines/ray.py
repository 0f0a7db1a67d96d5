"""Work on several machines: Ray. Each machine needs this package installed; what the work is about is sent to it.

Of Ray this uses actors and its object store alone.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Protocol, TypeVar

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # a worker without a GPU of its own sees what there is

import ray
from ray.exceptions import RayError, RayTaskError

from simpersona.errors import ConfigError

CORES = 2
"""What a worker takes: one for a store's server and one for its visitors."""
TRIES = 3
"""How often work is begun whose worker or machine is lost."""

T_contra = TypeVar("T_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)


class Worker(Protocol[T_contra, R_co]):
    """What does the work on a machine."""

    def work(self, batch: Sequence[T_contra]) -> Sequence[R_co]:
        """The results of a batch."""
        ...

    def close(self) -> None:
        """No more will come."""
        ...


def on_cluster(
    address: str, start: Callable[[Any], Worker[T_contra, R_co]], told: Any, batches: Sequence[Sequence[T_contra]]
) -> Iterator[R_co]:
    """The results of all batches, as they come.

    `address` is "ray" (the cluster of RAY_ADDRESS or of this machine, else one that is started here) or ray://host:port.
    `start(told)` makes a worker on each machine that has room. A batch whose worker is lost is done again by another.
    Raises what the work raises, and ConfigError if there is no cluster or if a batch loses its worker three times.
    """
    with _cluster(address):
        nodes = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
        cores = max(1, min(CORES, max(nodes, default=1)))
        make = ray.remote(num_cpus=cores)(_Actor).remote
        start_ref, told_ref = ray.put(start), ray.put(told)
        room = max(1, sum(cpus // cores for cpus in nodes))
        idle: list[Any] = [make(start_ref, told_ref) for _ in range(min(room, len(batches)))]
        waiting = deque((batch, TRIES - 1) for batch in batches)
        busy: dict[Any, tuple[Any, Sequence[T_contra], int]] = {}
        while waiting or busy:
            while waiting and idle:
                actor, (batch, tries) = idle.pop(), waiting.popleft()
                busy[actor.work.remote(batch)] = actor, batch, tries
            for done in ray.wait(list(busy))[0]:
                actor, batch, tries = busy.pop(done)
                try:
                    yield from ray.get(done)
                except RayTaskError as error:  # its own words are the worker's whole traceback
                    raise error.cause from None
                except RayError as error:
                    if not tries:
                        raise ConfigError(f"{address}: a worker was lost {TRIES} times ({error})") from error
                    waiting.append((batch, tries - 1))
                    actor = make(start_ref, told_ref)
                idle.append(actor)
        for actor in idle:
            with suppress(RayError):
                ray.get(actor.close.remote())


class _Actor:
    def __init__(self, start: Callable[[Any], Worker[Any, Any]], told: Any) -> None:
        self._worker = start(told)

    def work(self, batch: Sequence[Any]) -> Sequence[Any]:
        return self._worker.work(batch)

    def close(self) -> None:
        self._worker.close()


@contextmanager
def _cluster(address: str) -> Iterator[None]:
    """Connected, unless this process is already."""
    if ray.is_initialized():
        yield
        return
    try:
        ray.init(address=None if address == "ray" else address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError, ImportError) as error:
        raise ConfigError(f"{address}: no Ray cluster can be had there ({error})") from error
    try:
        yield
    finally:
        ray.shutdown()
