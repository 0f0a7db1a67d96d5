"""Visits on the machines of a Ray cluster: each machine starts its own stores and policies from what it is sent."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from simpersona.agent.policies import PolicyMaker, PolicySettings
from simpersona.errors import ConfigError
from simpersona.shopper.rollout import Visit
from simpersona.simulation.journal import FinishedVisit
from simpersona.simulation.visits import VisitConditions, VisitRunner, VisitSetup, open_stores, run_visits, shops_of


@dataclass(frozen=True)
class WorkerSetup:
    """What a machine is sent: everything that the visits depend on. `files` holds the trained policy's files by path."""

    setup: VisitSetup
    settings: PolicySettings
    policy: Literal["lm", "scorer"]
    conditions: VisitConditions
    shops: tuple[str, ...]
    files: dict[str, bytes]


def ray_runner(setup: VisitSetup, engine: str, policy: PolicyMaker) -> VisitRunner:
    """Runs visits on the cluster that `engine` names ("ray", or its address). Raises ConfigError if Ray is not installed."""
    try:
        from simpersona.adapters.engines.ray import on_cluster  # noqa: PLC0415 - heavy
    except ImportError as error:
        raise ConfigError(
            f"simulation.engine = {engine!r} needs a package that is not installed ({error}). "
            "Install it with: pip install 'simpersona[ray]'"
        ) from error

    def run_there(
        visits: Sequence[Visit], conditions: VisitConditions, on_finished: Callable[[FinishedVisit], None]
    ) -> None:
        files = _contents(policy.folder, policy.files)
        sent = replace(setup, progress=_nothing)  # the progress bar of this machine's terminal cannot be sent
        worker = WorkerSetup(sent, policy.settings, policy.policy, conditions, tuple(shops_of(visits)), files)
        size = 2 * conditions.limits.concurrency
        batches = [visits[first : first + size] for first in range(0, len(visits), size)]
        for finished in on_cluster(engine, VisitWorker, worker, batches):
            on_finished(finished)

    return run_there


class VisitWorker:
    """Runs visits on one machine, in a temporary folder."""

    def __init__(self, worker: WorkerSetup) -> None:
        self._worker, self._open = worker, ExitStack()
        folder = Path(self._open.enter_context(tempfile.TemporaryDirectory(prefix="simpersona-")))
        for name, content in worker.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        here = replace(worker.setup, work=folder / "work", stores=folder / "stores", scratch=folder / "scratch")
        self._make_policy = PolicyMaker(worker.settings, folder, worker.policy)
        conditions = worker.conditions
        stores = open_stores(here, worker.shops, conditions.store_url, conditions.variant)
        self._stores = self._open.enter_context(stores)

    def work(self, batch: Sequence[Visit]) -> list[FinishedVisit]:
        """Runs the visits of a batch."""
        finished: list[FinishedVisit] = []
        worker = self._worker
        run_visits(worker.setup.store, self._stores, batch, worker.conditions, self._make_policy, finished.append)
        return finished

    def close(self) -> None:
        """Stops the stores."""
        self._open.close()


def _nothing(_done: int, _total: int, _note: str) -> None: ...


def _contents(root: Path, names: Sequence[str]) -> dict[str, bytes]:
    files = [file for name in names for file in sorted([root / name, *(root / name).rglob("*")]) if file.is_file()]
    return {str(file.relative_to(root)): file.read_bytes() for file in files}
