"""The stages in order. Each reads the run folder, calls the package's other folders, and writes its folder.

    world ─► events ─► buyers ─► personas ─► traces ─► agent ─► tasks, simulation ─► evaluation ─► report

A stage runs if something that its result depends on has changed; otherwise it is skipped. `cache_keys` computes what a
result depends on from the declarations of the settings (config/section.py).
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Protocol

from simpersona import __version__
from simpersona.config import Config
from simpersona.config.file import config_toml
from simpersona.config.section import Reader
from simpersona.contracts import COLLECTIONS, PRODUCTS
from simpersona.errors import ConfigError
from simpersona.files import file_identity, fingerprint
from simpersona.pack.pack import Pack
from simpersona.pipeline import agent, buyers, evaluation, events, personas, report, simulation, tasks, traces, world
from simpersona.pipeline.run_folder import RunFolder, StageRecord
from simpersona.pipeline.stage import StageContext, StageResult
from simpersona.simulation.journal import Shard


@dataclass(frozen=True)
class Stage:
    """One stage: its name and folder, the function that runs it, and the stages whose results it reads."""

    name: str
    run: Callable[[StageContext, Path], StageResult]
    depends_on: tuple[str, ...] = ()
    reader: Reader | None = None
    """The name by which settings declare that the stage reads them; None: `name`."""
    inputs: object = None
    """What its result depends on besides the settings and other stages, as JSON-able values: the plan of an experiment."""


STAGES = (
    Stage("world", world.run),
    Stage("events", events.run, depends_on=("world",)),
    Stage("buyers", buyers.run, depends_on=("events",)),
    Stage("personas", personas.run, depends_on=("buyers",)),
    Stage("traces", traces.run, depends_on=("personas",)),
    Stage("agent", agent.run, depends_on=("traces",)),
    Stage("tasks", tasks.run, depends_on=("agent",)),
    Stage("simulation", simulation.run, depends_on=("agent",)),
    Stage("evaluation", evaluation.run, depends_on=("tasks", "simulation")),
    Stage("report", report.run, depends_on=("evaluation",)),
)
STAGE_NAMES = tuple(stage.name for stage in STAGES)

PACKAGES = ("torch", "transformers", "duckdb", "ibis-framework", "playwright", "django-oscar", "scikit-learn")
"""Packages whose versions the manifest records."""
CATALOGUE = tuple(f"{table.name}.parquet" for table in (PRODUCTS, COLLECTIONS))
"""Files that may be beside a log."""


class Reporter(Protocol):
    """Gets the progress of the pipeline."""

    did_work: bool
    """At least one stage was not skipped."""

    def started(self, stage: str) -> None:
        """A stage begins."""
        ...

    def progress(self, done: int, total: int, note: str) -> None:
        """The running stage has done a part of its work."""
        ...

    def finished(self, record: StageRecord, skipped: bool) -> None:
        """A stage is finished, now or (skipped) in an earlier run."""
        ...

    def close(self) -> None:
        """No further call follows."""
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
    """Runs the stages up to `upto` that are not up to date, and `then` a further one; the stages in `force` always run.

    If another process writes the run, `wait` waits for it. Raises SimPersonaError; finished stages are stored, and the
    next run continues after them.
    """
    if upto not in STAGE_NAMES:
        raise ConfigError(f"no stage named {upto!r}; there are {', '.join(STAGE_NAMES)}")
    stages = [*STAGES[: STAGE_NAMES.index(upto) + 1], *([then] if then else [])]
    folder = RunFolder(config.run_folder, STAGE_NAMES)
    with folder.locked(wait=wait):
        folder.write_config(config_toml(config), _versions())
        keys = cache_keys(config, stages)
        for stage in stages:
            if stage.name != "world" or config.source.format == "lab":
                _run_stage(stage, config, folder, reporter, keys[stage.name], force)
    return folder


def play_shard(config: Config, reporter: Reporter, shard: Shard) -> RunFolder:
    """Plays one part of the simulation's visits, after the earlier stages that are not up to date.

    Several shards may play at once, in one folder or in copies of it. Their visits are in `.simulation.work`; the stage
    `simulation` without a shard joins them, and plays what is missing.
    """
    stage = STAGES[STAGE_NAMES.index("simulation")]
    folder = run_pipeline(config, reporter, upto=STAGE_NAMES[STAGE_NAMES.index("simulation") - 1], wait=True)
    cache_key = cache_keys(config)[stage.name]
    reporter.started(stage.name)
    record, started = StageRecord(stage.name, cache_key), time.perf_counter()
    context = StageContext(config, folder, reporter.progress, stage.name, cache_key, shard)
    result = stage.run(context, folder.work(stage.name))
    record.rows_in, record.rows_out, record.summary = result.rows_in, result.rows_out, result.summary
    record.seconds = round(time.perf_counter() - started, 6)
    reporter.finished(record, skipped=False)
    return folder


def help_pipeline(config: Config, reporter: Reporter) -> RunFolder:
    """Runs in the other processes of `torchrun … simpersona agent`: they train with the first one, which runs the pipeline."""
    folder = RunFolder(config.run_folder, STAGE_NAMES)
    context = StageContext(config, folder, reporter.progress, "agent", cache_keys(config)["agent"])
    agent.help_training(context)
    return folder


def cache_keys(config: Config, stages: Sequence[Stage] = STAGES) -> dict[str, str]:
    """By stage, a hash of everything that its files depend on; `stages` are in order.

    These are the package's version, the settings that the stage reads, the log or the pack, and the results of the stages
    that it depends on. A setting that only adds files beside a result (ReadBy.beside) is in the stage's own key, but not in
    those of the stages after it.
    """
    result_keys: dict[str, str] = {}
    keys: dict[str, str] = {}
    for stage in stages:
        reader = stage.reader or stage.name
        settings = config.read_by(reader)
        inputs = [stage.inputs]
        if stage.name == "events":
            inputs.append(file_identity(config.source.path, CATALOGUE))
        if settings.get("pack") is not None:
            inputs.append(Pack.at(config.pack).identity)
        earlier = [result_keys[name] for name in stage.depends_on]
        result_keys[stage.name] = fingerprint(__version__, stage.name, settings, inputs, earlier)
        keys[stage.name] = fingerprint(result_keys[stage.name], config.read_by(reader, beside=True))
    return keys


def _run_stage(
    stage: Stage, config: Config, folder: RunFolder, reporter: Reporter, cache_key: str, force: tuple[str, ...]
) -> None:
    """Runs a stage if it is not up to date or is in `force`, and records it."""
    if folder.up_to_date(stage.name, cache_key) and stage.name not in force:
        reporter.finished(folder.records[stage.name], skipped=True)
        return
    reporter.started(stage.name)
    if stage.name in force:
        folder.forget_work(stage.name)
    record = StageRecord(stage.name, cache_key)
    with folder.writing(record) as out:
        result = stage.run(StageContext(config, folder, reporter.progress, stage.name, cache_key), out)
        record.rows_in, record.rows_out, record.rejected = result.rows_in, result.rows_out, result.rejected
        record.summary, record.facts = result.summary, result.figures
        record.details, record.warnings = list(result.details), list(result.warnings)
    reporter.finished(record, skipped=False)


def _versions() -> dict[str, str]:
    versions = {"simpersona": __version__, "python": platform.python_version(), "platform": platform.platform()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
