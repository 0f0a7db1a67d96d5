"""A journal of finished visits with what the store recorded of each: a killed run continues with the other visits.

Several processes may share the visits: each writes its own part, and the last one reads them all.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError

from simpersona.errors import ConfigError, StorefrontError
from simpersona.files import write_text
from simpersona.visits import Episode


@dataclass(frozen=True)
class Shard:
    """Part `number` (from 1) of the visits, of `of` parts."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """The shard "2/4". Raises ConfigError."""
        number, _, of = text.partition("/")
        if not (
            number.isascii() and of.isascii() and number.isdigit() and of.isdigit() and 1 <= int(number) <= int(of)
        ):
            raise ConfigError(f"--shard {text}: expected I/N with I from 1 to N, for example 2/4")
        return cls(int(number), int(of))

    def __str__(self) -> str:
        return f"{self.number}-of-{self.of}"


@dataclass(frozen=True)
class FinishedVisit:
    """A finished episode, and its lines of the store's log; None where the store keeps no log for us."""

    episode: Episode
    recorded: tuple[str, ...] | None


_FINISHED = TypeAdapter(FinishedVisit)


class VisitJournal:
    """The finished visits of one set of goals, a JSON line each as it ends. Use it in a `with` block.

    `identity` is a key of everything that the visits depend on; visits with another key are deleted. Raises ConfigError
    if another process is writing the same part, or, without a shard, any part.
    """

    def __init__(self, folder: Path, identity: str, shard: Shard | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._identity = folder, identity
        self._file = folder / (f"episodes-{shard}.jsonl" if shard else "episodes.jsonl")
        self._locks = [FileLock(f"{file}.lock", timeout=0) for file in {self._file, *([] if shard else self._files())}]
        self.finished: dict[str, FinishedVisit] = {}

    def __enter__(self) -> Self:
        try:
            for lock in self._locks:
                lock.acquire()
        except Timeout as error:
            self.__exit__(None, None, None)
            raise ConfigError(
                f"{Path(error.lock_file).with_suffix('')}: another process is running these visits. Wait for it."
            ) from None
        kept = {visit.episode.episode_id: visit for visit in _kept(self._file, self._identity)}
        lines = [self._identity, *(_FINISHED.dump_json(visit).decode() for visit in kept.values())]
        write_text(self._file, "\n".join(lines) + "\n")  # drops a line that a kill left half written
        for file in self._files():
            self.finished |= {visit.episode.episode_id: visit for visit in _kept(file, self._identity)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for lock in self._locks:
            lock.release()

    def add(self, visit: FinishedVisit) -> None:
        """Writes a finished visit."""
        with self._file.open("ab") as file:
            file.write(_FINISHED.dump_json(visit) + b"\n")
        self.finished[visit.episode.episode_id] = visit

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("episodes*.jsonl"))


class StoreLog:
    """A store's log, read further as it grows."""

    def __init__(self, path: Path) -> None:
        self._path, self._read = path, 0
        self._lines: defaultdict[str, list[str]] = defaultdict(list)

    def take(self, visitor: str) -> tuple[str, ...]:
        """A visitor's lines so far; each line is returned once. Raises StorefrontError for a line that cannot be read."""
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._read)
                new = file.read()
            whole = new[: new.rfind(b"\n") + 1]
            self._read += len(whole)
            for line in whole.decode("utf-8").split("\n")[:-1]:  # a title may contain other line separators
                self._lines[self._visitor(line)].append(line)
        return tuple(self._lines.pop(visitor, ()))

    def _visitor(self, line: str) -> str:
        try:
            return json.loads(line)["clientId"]
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise StorefrontError(f"{self._path}: a line of the store's own log cannot be read ({error!r})") from error


def _kept(file: Path, identity: str) -> Iterator[FinishedVisit]:
    if not file.exists():
        return
    with file.open(encoding="utf-8") as lines:
        if next(lines, "").rstrip("\n") != identity:
            return
        for line in lines:
            try:
                yield _FINISHED.validate_json(line)
            except ValidationError:
                return  # the kill came while it was written
