"""A run in a program: `run` runs the pipeline, `open_run` opens a run's folder, `OpenedRun` has its tables and figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from simpersona.config import Config
from simpersona.config.file import load_config, parse_config
from simpersona.contracts import ASSIGNMENTS, BUYERS, CARDS, EPISODES, MIX, SESSIONS, STEPS, Metrics
from simpersona.errors import ConfigError
from simpersona.files import read_json, read_table
from simpersona.pipeline.run import STAGE_NAMES, Reporter, run_pipeline
from simpersona.pipeline.run_folder import StageRecord
from simpersona.tables import Contract

OnProgress = Callable[[str, int, int, str], None]
"""Called with the stage, the work done, the work in all, and a note."""


def run(
    config: Config | str | Path | Mapping[str, Any],
    *,
    upto: str = "report",
    force: bool = False,
    progress: OnProgress | Reporter | None = None,
) -> OpenedRun:
    """Runs the pipeline and opens the run. Stages that are up to date are skipped, as by `simpersona run`.

    `config` is a Config, the path of a TOML file, or a dict of settings such as
    `{"source": {"format": "shopify", "path": "events/"}}`. `upto` names the last stage: events, buyers, personas, traces,
    agent, tasks, simulation, evaluation or report. `force` re-runs these stages even if nothing changed. `progress` is
    called as `progress(stage, done, total, note)`; by default nothing is printed.

    Raises ConfigError for a wrong setting, SourceError for events that cannot be used. Finished stages are kept.
    """
    settings = as_config(config)
    if upto not in STAGE_NAMES:
        raise ConfigError(f"upto = {upto!r}: there is no such stage; expected one of {', '.join(STAGE_NAMES)}")
    forced = STAGE_NAMES[: STAGE_NAMES.index(upto) + 1] if force else ()
    reporter = as_reporter(progress)
    try:
        folder = run_pipeline(settings, reporter, upto, forced)
    finally:
        reporter.close()
    return open_run(folder.path)


def open_run(path: str | Path) -> OpenedRun:
    """Opens the folder of a run. Tables are read when they are asked for.

    Raises ConfigError if the folder holds no run.
    """
    folder = Path(path)
    missing = [name for name in ("config.toml", "manifest.json") if not (folder / name).is_file()]
    if missing:
        raise ConfigError(
            f"{folder}: no run here ({' and '.join(missing)} missing). Give the folder of a run, runs/NAME; "
            "`simpersona run` or `simpersona.run` makes one."
        )
    return OpenedRun(folder)


@dataclass(frozen=True)
class OpenedRun:
    """The tables and figures of one run. Tables are pyarrow tables; `.to_pandas()` gives a data frame.

    A property raises ConfigError if its stage has not finished.
    """

    path: Path

    @cached_property
    def config(self) -> Config:
        """The settings of the run."""
        return load_config(self.path / "config.toml")

    @property
    def stages(self) -> dict[str, StageRecord]:
        """The record of each finished stage: rows, seconds, memory, and a summary in one sentence."""
        return {
            name: StageRecord(**record) for name, record in read_json(self.path / "manifest.json")["stages"].items()
        }

    @property
    def sessions(self) -> pa.Table:
        """One row per recorded session (shape of SESSIONS)."""
        return self._table("events/sessions.parquet", SESSIONS)

    @property
    def buyers(self) -> pa.Table:
        """One row per buyer of a store (shape of BUYERS): stratum, the 16 scalars, the products."""
        return self._table("buyers/buyers.parquet", BUYERS)

    @property
    def assignments(self) -> pa.Table:
        """The persona code of each buyer (shape of ASSIGNMENTS)."""
        return self._table("personas/assignments.parquet", ASSIGNMENTS)

    @property
    def personas(self) -> pa.Table:
        """The persona cards (shape of CARDS): one row per code, with a summary in plain English."""
        return self._table("personas/cards.parquet", CARDS)

    def mix(self, store: str | None = None) -> pa.Table:
        """Each code's share of a store's buyers, with its 95 % interval (Eq. 4, shape of MIX); without `store`, of all stores.

        Raises ConfigError for a store that the run does not have.
        """
        table = self._table("personas/mix.parquet", MIX)
        if store is None:
            return table
        stores = sorted(table["shop_id"].unique().to_pylist())
        if store not in stores:
            raise ConfigError(f"{self.path} has no store {store!r}; it has {', '.join(stores)}")
        return table.filter(pc.equal(table["shop_id"], store))

    @property
    def episodes(self) -> pa.Table:
        """One row per simulated visit (shape of EPISODES): goal, persona, ending, and what the store recorded."""
        return self._table("simulation/episodes.parquet", EPISODES)

    @property
    def steps(self) -> pa.Table:
        """One row per step of a simulated visit (shape of STEPS): the page, the action, its result."""
        return self._table("simulation/steps.parquet", STEPS)

    @cached_property
    def metrics(self) -> Metrics:
        """The figures of metrics.json: `.values` by key, and in `.notes` why a value is None."""
        figures = dict(read_json(self._file("evaluation/metrics.json")))
        notes = figures.pop("notes", {})
        return Metrics(figures, notes)

    @property
    def report(self) -> Path:
        """The path of the report, one self-contained HTML file."""
        return self._file("report/index.html")

    def _table(self, name: str, contract: Contract) -> pa.Table:
        return read_table(self._file(name), contract)

    def _file(self, name: str) -> Path:
        if not (self.path / name).is_file():
            stage = name.partition("/")[0]
            command = {"evaluation": "evaluate", "simulation": "simulate"}.get(stage, stage)
            raise ConfigError(
                f"{self.path}: the stage `{stage}` has not finished ({name} is missing). Run it with `simpersona {command}`, or "
                f"simpersona.run(config, upto={stage!r})."
            )
        return self.path / name

    def __repr__(self) -> str:
        return f"<run {self.path}: {', '.join(self.stages) or 'no finished stage'}>"


def as_config(config: Config | str | Path | Mapping[str, Any]) -> Config:
    """A Config from a Config, the path of a TOML file, or a dict of settings. Raises ConfigError for a wrong setting."""
    if isinstance(config, Config):
        return config
    if isinstance(config, Mapping):
        return parse_config(dict(config), "settings")
    if not isinstance(config, (str, Path)):
        raise ConfigError(f"config = {config!r}: expected a Config, the path of a TOML file, or a dict of settings")
    return load_config(Path(config))


def as_reporter(progress: OnProgress | Reporter | None) -> Reporter:
    """The given reporter, a reporter that calls the given function, or for None a reporter that does nothing."""
    if progress is None:
        return _CallingReporter(lambda *_: None)
    return _CallingReporter(progress) if callable(progress) else progress


class _CallingReporter:
    """Calls a function as the stages go on (Reporter)."""

    def __init__(self, call: OnProgress) -> None:
        self.did_work = False
        self._call, self._stage = call, ""

    def started(self, stage: str) -> None:
        self._stage = stage

    def progress(self, done: int, total: int, note: str) -> None:
        self._call(self._stage, done, total, note)

    def finished(self, record: StageRecord, skipped: bool) -> None:
        self.did_work |= not skipped
        self._call(record.stage, 1, 1, record.summary)

    def close(self) -> None: ...
