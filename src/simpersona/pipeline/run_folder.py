"""The run folder: its paths, its manifest, which stages are up to date, and atomic writes of a stage.

A stage writes to `.NAME.partial`, which is renamed when the stage is finished; then its record is added to
`manifest.json`. A record has the stage's cache key as its fingerprint: a hash of the settings that the stage reads, of the
results of the stages that it depends on, of its input file, and of the package's version.
"""

from __future__ import annotations

import json
import resource
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from simpersona.errors import ConfigError
from simpersona.files import write_json, write_text


@dataclass
class StageRecord:
    """One finished stage. `summary` is one plain sentence; `facts` are its figures; `fingerprint` is its cache key;
    `details` and `warnings` are those of its StageResult.
    """

    stage: str
    fingerprint: str
    rows_in: int = 0
    rows_out: int = 0
    rejected: int = 0
    seconds: float = 0.0
    peak_memory_mb: float = 0.0
    summary: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    details: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class RunFolder:
    """One run on disk; its records are in the order of `stages`. Use `locked` before writing."""

    def __init__(self, path: Path, stages: Sequence[str] = ()) -> None:
        self.path = path
        self.stages = stages
        self.versions: dict[str, str] = {}
        self.records = self._load_manifest()

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    @contextmanager
    def locked(self, *, wait: bool = False) -> Iterator[None]:
        """Locks the run for this process. If another process holds the lock: waits for it, or raises ConfigError."""
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.path / ".lock", timeout=-1 if wait else 0):
                self._clear_partials()  # left by a killed run
                self.records = self._load_manifest()
                try:
                    yield
                finally:  # an interrupt may come before `writing` guards its folder, or while it clears it
                    self._clear_partials()
        except Timeout:
            raise ConfigError(
                f"{self.path}: another simpersona process is writing this run. Wait for it, or set another `name`."
            ) from None

    def up_to_date(self, stage: str, cache_key: str) -> bool:
        """Whether the stage finished with this cache key and its folder is still there."""
        record = self.records.get(stage)
        return record is not None and record.fingerprint == cache_key and (self / stage).is_dir()

    @contextmanager
    def writing(self, record: StageRecord) -> Iterator[Path]:
        """A new folder for the stage's files; on success it replaces the stage's folder, and `record` enters the manifest."""
        partial = self / f".{record.stage}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        try:
            partial.mkdir(parents=True)
            reset_peak_memory()
            started = time.perf_counter()
            yield partial
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        record.seconds = round(time.perf_counter() - started, 6)
        record.peak_memory_mb = round(peak_memory_mb(), 1)
        final = self / record.stage
        self.records.pop(record.stage, None)
        self._save_manifest()
        shutil.rmtree(final, ignore_errors=True)
        partial.rename(final)
        known = self.records | {record.stage: record}
        order = [name for name in self.stages if name in known] + [name for name in known if name not in self.stages]
        self.records = {name: known[name] for name in order}
        self._save_manifest()

    def work(self, stage: str) -> Path:
        """Folder of a stage's unfinished work: a killed run continues from it."""
        return self.path / f".{stage}.work"

    def forget_work(self, stage: str) -> None:
        """Deletes the unfinished work of a stage."""
        shutil.rmtree(self.work(stage), ignore_errors=True)

    def write_config(self, toml: str, versions: Mapping[str, str]) -> None:
        """Writes the settings (config.toml) and the versions of the packages (in the manifest)."""
        write_text(self / "config.toml", toml)
        self.versions = dict(versions)
        self._save_manifest()

    def _clear_partials(self) -> None:
        for partial in self.path.glob(".*.partial"):
            shutil.rmtree(partial, ignore_errors=True)

    def _load_manifest(self) -> dict[str, StageRecord]:
        try:
            manifest = json.loads((self / "manifest.json").read_text(encoding="utf-8"))
            self.versions = manifest["versions"]
            return {name: StageRecord(**record) for name, record in manifest["stages"].items()}
        except (FileNotFoundError, json.JSONDecodeError, KeyError, TypeError):
            return {}  # no run yet, or one of an older version: every stage runs

    def _save_manifest(self) -> None:
        stages = {name: asdict(record) for name, record in self.records.items()}
        write_json(self / "manifest.json", {"versions": self.versions, "stages": stages})


def reset_peak_memory() -> None:
    """Starts a new measurement of this process's peak memory, if the system can (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return


def peak_memory_mb() -> float:
    """Peak resident memory in MB since `reset_peak_memory` (since the start if it cannot be reset)."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1024**2
