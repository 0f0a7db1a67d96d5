"""Visits on the machines of a Ray cluster: each has stores and policies of its own, made of what it is sent."""

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
from simpersona.simulation.journal import Played
from simpersona.simulation.visits import Player, Scene, VisitPlace, open_stores, play, shops_of


@dataclass(frozen=True)
class Told:
    """What a machine is sent: all that the visits depend on. `files` are the trained policy's, by their place."""

    place: VisitPlace
    settings: PolicySettings
    policy: Literal["lm", "scorer"]
    scene: Scene
    shops: tuple[str, ...]
    files: dict[str, bytes]


def ray_player(place: VisitPlace, engine: str, policy: PolicyMaker) -> Player:
    """Plays on the cluster that `engine` names ("ray", or its address). Raises ConfigError if Ray is not installed."""
    try:
        from simpersona.adapters.engines.ray import on_cluster  # noqa: PLC0415 - heavy
    except ImportError as error:
        raise ConfigError(
            f"simulation.engine = {engine!r} needs a package that is not installed ({error}). "
            "Get it with: pip install 'simpersona[ray]'"
        ) from error

    def play_there(visits: Sequence[Visit], scene: Scene, keep: Callable[[Played], None]) -> None:
        files = _contents(policy.folder, policy.files)
        sent = replace(place, progress=_nothing)  # a bar of this machine's terminal cannot be sent
        told = Told(sent, policy.settings, policy.policy, scene, tuple(shops_of(visits)), files)
        size = 2 * scene.limits.concurrency
        batches = [visits[first : first + size] for first in range(0, len(visits), size)]
        for played in on_cluster(engine, VisitWorker, told, batches):
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
        here = replace(told.place, work=folder / "work", stores=folder / "stores", scratch=folder / "scratch")
        self._make_policy = PolicyMaker(told.settings, folder, told.policy)
        self._stores = self._open.enter_context(open_stores(here, told.shops, told.scene.store_url, told.scene.variant))

    def work(self, batch: Sequence[Visit]) -> list[Played]:
        """The visits of a batch, played."""
        played: list[Played] = []
        play(self._told.place.store, self._stores, batch, self._told.scene, self._make_policy, played.append)
        return played

    def close(self) -> None:
        """Stops the stores."""
        self._open.close()


def _nothing(_done: int, _total: int, _note: str) -> None: ...


def _contents(root: Path, places: Sequence[str]) -> dict[str, bytes]:
    files = [file for place in places for file in sorted([root / place, *(root / place).rglob("*")]) if file.is_file()]
    return {str(file.relative_to(root)): file.read_bytes() for file in files}
