"""Work on several machines with Ray. Each machine needs this package installed; the inputs are sent to it.

Only Ray's actors and its object store are used.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Protocol, TypeVar

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no usage statistics are sent
os.environ.setdefault(
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0"
)  # a worker that asks for no GPU still sees those of its machine

import ray
from ray.exceptions import RayError, RayTaskError

from simpersona.errors import ConfigError

CORES = 2
"""Cores of a worker: one for a store's server and one for its visitors."""
TRIES = 3
"""How often a batch is started if its worker or machine is lost."""

T_contra = TypeVar("T_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)


class Worker(Protocol[T_contra, R_co]):
    """Does the work on a machine."""

    def work(self, batch: Sequence[T_contra]) -> Sequence[R_co]:
        """The results of a batch."""
        ...

    def close(self) -> None:
        """Called after the last batch."""
        ...


def on_cluster(
    address: str, start: Callable[[Any], Worker[T_contra, R_co]], setup: Any, batches: Sequence[Sequence[T_contra]]
) -> Iterator[R_co]:
    """The results of all batches, as they come.

    `address` is "ray" (the cluster of RAY_ADDRESS or of this machine, else one that is started here) or ray://host:port.
    `start(setup)` makes a worker on each machine that has room. A batch whose worker is lost goes to another worker.
    Raises the errors of the work, and ConfigError if there is no cluster or if a batch loses its worker three times.
    """
    with _cluster(address):
        nodes = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
        cores = max(1, min(CORES, max(nodes, default=1)))
        make = ray.remote(num_cpus=cores)(_Actor).remote
        start_ref, setup_ref = ray.put(start), ray.put(setup)
        room = max(1, sum(cpus // cores for cpus in nodes))
        idle: list[Any] = [make(start_ref, setup_ref) for _ in range(min(room, len(batches)))]
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
                except RayTaskError as error:  # its message is the worker's whole traceback
                    raise error.cause from None
                except RayError as error:
                    if not tries:
                        raise ConfigError(f"{address}: a worker was lost {TRIES} times ({error})") from error
                    waiting.append((batch, tries - 1))
                    actor = make(start_ref, setup_ref)
                idle.append(actor)
        for actor in idle:
            with suppress(RayError):
                ray.get(actor.close.remote())


class _Actor:
    def __init__(self, start: Callable[[Any], Worker[Any, Any]], setup: Any) -> None:
        self._worker = start(setup)

    def work(self, batch: Sequence[Any]) -> Sequence[Any]:
        return self._worker.work(batch)

    def close(self) -> None:
        self._worker.close()


@contextmanager
def _cluster(address: str) -> Iterator[None]:
    """Connects this process to the cluster, unless it is connected."""
    if ray.is_initialized():
        yield
        return
    _connect(address)
    try:
        yield
    finally:
        ray.shutdown()


def _connect(address: str, tries: int = TRIES) -> None:
    """Connects this process; a cluster that answers but fails to start a server for it is asked again."""
    try:
        ray.init(address=None if address == "ray" else address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError, ImportError) as error:
        ray.shutdown()
        if isinstance(error, ConnectionAbortedError) and tries > 1:  # Ray's forks fail at times on a busy machine
            _connect(address, tries - 1)
            return
        raise ConfigError(f"{address}: there is no Ray cluster ({error})") from error
