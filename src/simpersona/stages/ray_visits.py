"""Visits on the machines of a Ray cluster: each has stores and policies of its own, made of what it is sent."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from simpersona.artifacts import RunFolder
from simpersona.config import Config
from simpersona.errors import ConfigError
from simpersona.shopper.rollout import Visit
from simpersona.stages.acting_policies import PolicyMaker
from simpersona.stages.context import Run
from simpersona.stages.store_visits import Player, Scene, open_stores, play, shops_of
from simpersona.stages.visit_journal import Played

CATALOGUE = ("events/products.parquet", "events/collections.parquet")


@dataclass(frozen=True)
class Told:
    """What a machine is sent: all that the visits depend on. `files` are parts of the run folder, by their place."""

    config: Config
    policy: Literal["lm", "scorer"]
    scene: Scene
    shops: tuple[str, ...]
    files: dict[str, bytes]


def ray_player(run: Run, policy: PolicyMaker) -> Player:
    """Plays on the cluster that `simulation.engine` names. Raises ConfigError if Ray is not installed."""
    try:
        from simpersona.adapters.engine_ray import on_cluster
    except ImportError as error:
        raise ConfigError(
            f"simulation.engine = {run.config.simulation.engine!r} needs a package that is not installed ({error}). "
            "Get it with: pip install 'simpersona[ray]'"
        ) from error

    def play_there(visits: Sequence[Visit], scene: Scene, keep: Callable[[Played], None]) -> None:
        files = _contents(run.folder.path, (*CATALOGUE, *policy.files))
        told = Told(run.config, policy.policy, scene, tuple(shops_of(visits)), files)
        size = 2 * scene.limits.concurrency
        batches = [visits[first : first + size] for first in range(0, len(visits), size)]
        for played in on_cluster(run.config.simulation.engine, VisitWorker, told, batches):
            keep(played)

    return play_there


class VisitWorker:
    """Plays on one machine, in a folder that is gone afterwards."""

    def __init__(self, told: Told) -> None:
        self._told, self._open = told, ExitStack()
        folder = Path(self._open.enter_context(tempfile.TemporaryDirectory(prefix="simpersona-")))
        for place, content in told.files.items():
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            (folder / place).write_bytes(content)
        run = Run(told.config, RunFolder(folder), lambda _done, _total, _note: None)
        self._make_policy = PolicyMaker(told.config, folder, told.policy)
        self._stores = self._open.enter_context(open_stores(run, told.shops, told.scene.store_url, told.scene.variant))

    def work(self, batch: Sequence[Visit]) -> list[Played]:
        """The visits of a batch, played."""
        played: list[Played] = []
        play(self._told.config.store, self._stores, batch, self._told.scene, self._make_policy, played.append)
        return played

    def close(self) -> None:
        """Stops the stores."""
        self._open.close()


def _contents(root: Path, places: Sequence[str]) -> dict[str, bytes]:
    files = [file for place in places for file in sorted([root / place, *(root / place).rglob("*")]) if file.is_file()]
    return {str(file.relative_to(root)): file.read_bytes() for file in files}
