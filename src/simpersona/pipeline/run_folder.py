"""The run folder: paths, the manifest, what is up to date, and how a stage is written whole or not at all.

A stage writes to `.NAME.partial` and is renamed when it is done; then its record enters `manifest.json`.
A record carries the fingerprint of everything the stage's result depends on: its settings, the
fingerprints of the stages it needs, its input file, and the package's version.
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
    """What is known of one finished stage. `summary` is one plain sentence; `facts` are its figures."""

    stage: str
    fingerprint: str
    rows_in: int = 0
    rows_out: int = 0
    rejected: int = 0
    seconds: float = 0.0
    peak_memory_mb: float = 0.0
    summary: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


class RunFolder:
    """One run on disk; its records are kept in the order of `stages`. Use `locked` before writing."""

    def __init__(self, path: Path, stages: Sequence[str] = ()) -> None:
        self.path = path
        self.stages = stages
        self.versions: dict[str, str] = {}
        self.records = self._load_manifest()

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    @contextmanager
    def locked(self, *, wait: bool = False) -> Iterator[None]:
        """Holds the run for this process. Where another has it, waits for it, or raises ConfigError."""
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

    def up_to_date(self, stage: str, fingerprint: str) -> bool:
        """The stage finished with this fingerprint and its folder is still there."""
        record = self.records.get(stage)
        return record is not None and record.fingerprint == fingerprint and (self / stage).is_dir()

    @contextmanager
    def writing(self, record: StageRecord) -> Iterator[Path]:
        """A fresh folder to write the stage into; on success it replaces the stage and `record` is kept."""
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
        record.seconds = round(time.perf_counter() - started, 2)
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
        """Where a stage keeps work that is not done, so that a killed run goes on with it."""
        return self.path / f".{stage}.work"

    def forget_work(self, stage: str) -> None:
        """Throws away what a killed run has left of a stage."""
        shutil.rmtree(self.work(stage), ignore_errors=True)

    def write_config(self, toml: str, versions: Mapping[str, str]) -> None:
        """Keeps what was asked (config.toml) and with what (versions in the manifest)."""
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
            return {}  # no run yet, or one that an older version wrote: everything is done anew

    def _save_manifest(self) -> None:
        stages = {name: asdict(record) for name, record in self.records.items()}
        write_json(self / "manifest.json", {"versions": self.versions, "stages": stages})


def reset_peak_memory() -> None:
    """Starts a new measurement of this process's peak memory, where the system can (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return


def peak_memory_mb() -> float:
    """Peak resident memory in MB since `reset_peak_memory` (since the start where it cannot be reset)."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1024**2
