"""The stages in order. Each reads the run folder, calls its room, and writes its own folder.

    world ─► events ─► buyers ─► personas ─► traces ─► agent ─► tasks, simulation ─► evaluation ─► report

A stage runs when something that its result depends on has changed; otherwise it is skipped.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Protocol

from simpersona import __version__
from simpersona.config import Config
from simpersona.config.file import config_toml
from simpersona.contracts import COLLECTIONS, PRODUCTS
from simpersona.errors import ConfigError
from simpersona.files import file_identity, fingerprint
from simpersona.pack.folder import PackFolder
from simpersona.pipeline import agent, buyers, evaluation, events, personas, report, simulation, tasks, traces, world
from simpersona.pipeline.run_folder import RunFolder, StageRecord
from simpersona.pipeline.stage import StageContext, StageResult
from simpersona.simulation.journal import Shard


@dataclass(frozen=True)
class Stage:
    """One stage: what it does, the stages it needs, and the settings its result depends on."""

    name: str
    run: Callable[[StageContext, Path], StageResult]
    depends_on: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    asked: object = None
    """What else it depends on."""


STAGES = (
    Stage("world", world.run, (), ("lab",)),
    Stage("events", events.run, ("world",), ("source", "events")),
    Stage("buyers", buyers.run, ("events",), ("buyers",)),
    Stage("personas", personas.run, ("buyers",), ("split", "personas", "pack")),
    Stage("traces", traces.run, ("personas",), ("store", "traces")),
    Stage("agent", agent.run, ("traces",), ("agent", "pack")),
    Stage("tasks", tasks.run, ("agent",), ("tasks", "simulation")),
    Stage("simulation", simulation.run, ("agent",), ("simulation",)),
    Stage("evaluation", evaluation.run, ("tasks", "simulation"), ("evaluation",)),
    Stage("report", report.run, ("evaluation",), ()),
)
STAGE_NAMES = tuple(stage.name for stage in STAGES)

PARTS = ("torch", "transformers", "duckdb", "ibis-framework", "playwright", "django-oscar", "scikit-learn")
"""Packages whose versions the manifest keeps."""
CATALOGUE = tuple(f"{table.name}.parquet" for table in (PRODUCTS, COLLECTIONS))
"""What may lie beside a log."""


class Reporter(Protocol):
    """Told what the pipeline does."""

    did_work: bool
    """Some stage was not skipped."""

    def started(self, stage: str) -> None:
        """A stage begins."""
        ...

    def progress(self, done: int, total: int, note: str) -> None:
        """The running stage goes on."""
        ...

    def finished(self, record: StageRecord, skipped: bool) -> None:
        """A stage is done, now or (skipped) in an earlier run."""
        ...

    def close(self) -> None:
        """Nothing more will come."""
        ...


def run_pipeline(
    config: Config,
    reporter: Reporter,
    upto: str = "report",
    force: tuple[str, ...] = (),
    *,
    then: Stage | None = None,
    wait: bool = False,
) -> RunFolder:
    """Runs the stages up to `upto` that are not up to date, and a further one; `force` names stages to do anew. With
    `wait`, after another process that has the run.

    Raises SimPersonaError; what finished before stays, and the next run goes on from there.
    """
    if upto not in STAGE_NAMES:
        raise ConfigError(f"no stage named {upto!r}; there are {', '.join(STAGE_NAMES)}")
    stages = [*STAGES[: STAGE_NAMES.index(upto) + 1], *([then] if then else [])]
    folder = RunFolder(config.run_folder, STAGE_NAMES)
    with folder.locked(wait=wait):
        folder.write_config(config_toml(config), _versions())
        prints: dict[str, str] = {}
        for stage in stages:
            prints[stage.name] = _fingerprint(stage, config, prints)
            if stage.name != "world" or config.source.format == "lab":
                _do(stage, config, folder, reporter, prints[stage.name], force)
    return folder


def play_shard(config: Config, reporter: Reporter, shard: Shard) -> RunFolder:
    """Plays one part of the simulation's visits, and runs the stages before where they are not up to date.

    Several shards may play at once, in one folder or in copies of it. What they played lies in `.simulation.work`;
    the stage `simulation` without a shard joins it, and plays what is missing.
    """
    stage = STAGES[STAGE_NAMES.index("simulation")]
    folder = run_pipeline(config, reporter, upto=STAGE_NAMES[STAGE_NAMES.index("simulation") - 1], wait=True)
    prints: dict[str, str] = {}
    for one in STAGES[: STAGES.index(stage) + 1]:
        prints[one.name] = _fingerprint(one, config, prints)
    reporter.started(stage.name)
    record, started = StageRecord(stage.name, prints[stage.name]), time.perf_counter()
    run = StageContext(config, folder, reporter.progress, stage.name, record.fingerprint, shard)
    result = stage.run(run, folder.work(stage.name))
    record.rows_in, record.rows_out, record.summary = result.rows_in, result.rows_out, result.summary
    record.seconds = round(time.perf_counter() - started, 2)
    reporter.finished(record, skipped=False)
    return folder


def help_pipeline(config: Config, reporter: Reporter) -> RunFolder:
    """What the other processes of `torchrun … simpersona agent` do: they train with the first, which runs the pipeline."""
    folder = RunFolder(config.run_folder, STAGE_NAMES)
    prints = {"world": ""}
    for stage in STAGES[: STAGE_NAMES.index("agent") + 1]:
        if stage.name != "world" or config.source.format == "lab":
            prints[stage.name] = _fingerprint(stage, config, prints)
    agent.help_training(StageContext(config, folder, reporter.progress, "agent", prints["agent"]))
    return folder


def _do(
    stage: Stage, config: Config, folder: RunFolder, reporter: Reporter, print_: str, force: tuple[str, ...]
) -> None:
    if folder.up_to_date(stage.name, print_) and stage.name not in force:
        reporter.finished(folder.records[stage.name], skipped=True)
        return
    reporter.started(stage.name)
    if stage.name in force:
        folder.forget_work(stage.name)
    record = StageRecord(stage.name, print_)
    with folder.writing(record) as out:
        result = stage.run(StageContext(config, folder, reporter.progress, stage.name, print_), out)
        record.rows_in, record.rows_out, record.rejected = result.rows_in, result.rows_out, result.rejected
        record.summary, record.facts = result.summary, result.figures
    reporter.finished(record, skipped=False)


def _fingerprint(stage: Stage, config: Config, prints: dict[str, str]) -> str:
    if stage.name == "world" and config.source.format != "lab":
        return ""
    settings = config.model_dump(
        mode="json", include={*stage.settings, *(["llm"] if config.asks_llm(stage.name) else [])}
    )
    settings.get("simulation", {}).pop("engine", None)  # the visits are the same whatever plays them
    source = file_identity(config.source.path, CATALOGUE) if stage.name == "events" else []
    if "pack" in stage.settings and config.pack is not None:
        source = [PackFolder.at(config.pack).identity]
    needed = [prints[name] for name in stage.depends_on]
    asked = [stage.asked] if stage.asked is not None else []
    return fingerprint(__version__, stage.name, config.seed, settings, source, needed, *asked)


def _versions() -> dict[str, str]:
    versions = {"simpersona": __version__, "python": platform.python_version(), "platform": platform.platform()}
    for part in PARTS:
        try:
            versions[part] = version(part)
        except PackageNotFoundError:
            continue
    return versions
