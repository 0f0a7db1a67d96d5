"""Visits that are over, kept as they end: a run that is killed goes on with those that are not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from simpersona.artifacts import write_text
from simpersona.contracts import Episode

_EPISODE = TypeAdapter(Episode)


class VisitJournal:
    """The episodes of one set of goals, a JSON line each as they end, and what the stores recorded of them.

    `identity` names all that the visits depend on; what was kept under another one is thrown away.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        self._folder, self._file = folder, folder / "episodes.jsonl"
        self.episodes = {episode.episode_id: episode for episode in _kept(self._file, identity)}
        if not self.episodes:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        lines = [identity, *(_EPISODE.dump_json(episode).decode() for episode in self.episodes.values())]
        write_text(self._file, "\n".join(lines) + "\n")  # without a line that a kill left half written

    def add(self, episode: Episode) -> None:
        """Keeps an episode that has ended."""
        with self._file.open("ab") as file:
            file.write(_EPISODE.dump_json(episode) + b"\n")
        self.episodes[episode.episode_id] = episode

    def keep_events(self, shop_id: str, log: Path, reset: Callable[[], None]) -> None:
        """Resets a store, but for the lines of its log that tell of episodes kept here.

        They are written aside first: a kill between the reset and their return loses none.
        """
        aside = self._folder / f"{shop_id}.jsonl"
        found = [*_lines(aside), *(line for line in _lines(log) if _visitor(line) in self.episodes)]
        kept = "".join(f"{line}\n" for line in dict.fromkeys(found))
        if kept:
            write_text(aside, kept)
        reset()
        if kept:
            log.write_text(kept, encoding="utf-8")


def _kept(file: Path, identity: str) -> list[Episode]:
    lines = _lines(file)
    if lines[:1] != [identity]:
        return []
    episodes = []
    for line in lines[1:]:
        try:
            episodes.append(_EPISODE.validate_json(line))
        except ValidationError:
            break  # the kill came while it was written
    return episodes


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def _visitor(line: str) -> str | None:
    try:
        return json.loads(line)["clientId"]
    except (json.JSONDecodeError, KeyError, TypeError):
        return None
