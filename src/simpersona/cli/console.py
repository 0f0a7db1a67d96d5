"""Output of the command line while the pipeline works: a bar per stage, JSON lines, or nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from simpersona.evaluation.measurable import INFERRED
from simpersona.evaluation.metric import Metric
from simpersona.evaluation.metric_lookup import measured_training, metric
from simpersona.files import read_json
from simpersona.pipeline.run_folder import RunFolder, StageRecord
from simpersona.report.formatting import formatted
from simpersona.simulation.preflight import Preflight

WIDTH = 120
"""Least width of the table of findings, in characters."""
LOG_SECONDS = 60
"""Seconds between two lines of progress in a log, which shows no bars."""


class _Part:
    """The pace of one part of a stage's work, without the share that an earlier run had done."""

    def __init__(self) -> None:
        self._first, self._last, self._total, self._began = 0.0, 0.0, -1.0, 0.0

    def pace(self, done: float, total: float) -> tuple[str, str]:
        """The rate and the time left, as texts."""
        if total != self._total or done < self._last:
            self._first, self._total, self._began = done, total, time.monotonic()
        self._last = done
        seconds, finished = time.monotonic() - self._began, done - self._first
        if not (finished and seconds):
            return "", ""
        left = int((total - done) * seconds / finished)
        return f"{finished / seconds:.1f}/s", f"{left // 60}:{left % 60:02} left"


class TerminalReporter:
    """A bar for the running stage with rate and time left, and one line per finished stage (standard error)."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<11}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", style="dim"),
            console=self._console,
            transient=True,
        )
        self._task: TaskID | None = None
        self._part = _Part()
        self._logged = 0.0
        self.did_work = False
        self._bars.start()

    def started(self, stage: str) -> None:
        self._task = self._bars.add_task(stage, total=1, note="", rate="")
        self._part, self._logged = _Part(), time.monotonic()
        if not self._console.is_terminal:
            self._console.print(f"  {stage} …")

    def progress(self, done: int, total: int, note: str) -> None:
        if self._task is None:
            return
        rate, left = self._part.pace(done, total)
        self._bars.update(self._task, completed=done, total=total, note=note, rate=rate)
        if not self._console.is_terminal and time.monotonic() - self._logged > LOG_SECONDS:
            self._logged = time.monotonic()
            self._console.print(f"    {done:.0f}/{total:.0f}  {rate}  {left}  {note}")

    def finished(self, record: StageRecord, skipped: bool) -> None:
        self._end_task()
        self.did_work |= not skipped
        cost = "up to date" if skipped else f"{record.seconds:.1f} s, {record.peak_memory_mb:.0f} MB"
        self._console.print(
            Text.assemble((f"  {record.stage:<11}", "bold"), f"{record.summary}  ", (f"[{cost}]", "dim"))
        )
        for line in record.details:
            self._console.print(Text(f"    {line}"))
        for line in record.warnings:
            self._console.print(Text.assemble(("    warning: ", "bold yellow"), line))

    def close(self) -> None:
        self._end_task()
        self._bars.stop()

    def _end_task(self) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None


class QuietReporter:
    """Shows nothing."""

    def __init__(self) -> None:
        self.did_work = False

    def started(self, stage: str) -> None: ...

    def progress(self, done: int, total: int, note: str) -> None: ...

    def finished(self, record: StageRecord, skipped: bool) -> None:  # noqa: ARG002 - JsonReporter uses it
        self.did_work |= not skipped

    def close(self) -> None: ...


class JsonReporter(QuietReporter):
    """One JSON object a line on standard output for each finished stage."""

    def finished(self, record: StageRecord, skipped: bool) -> None:
        super().finished(record, skipped)
        print(json.dumps(asdict(record) | {"skipped": skipped}), flush=True)  # noqa: T201 - this is its output


def show_findings(found: Preflight) -> None:
    """Prints the findings on a store as a table (standard output)."""
    table = Table(title=found.url, title_justify="left", box=None, pad_edge=False)
    for column in ("", "what", "found", "what to do"):
        table.add_column(column, overflow="fold")
    shown = {"good": "ok", "weak": "note", "bad": "problem", "unknown": "unknown"}
    for finding in found.findings:
        table.add_row(shown[finding.mark], finding.topic, Text(finding.found), Text(finding.advice))
    Console(highlight=False, width=max(Console().width, WIDTH)).print(table)


HEADLINE = (
    ("clusters", "vqvae", "stratum_purity"),
    ("clusters", "kmeans", "stratum_purity"),
    ("clusters", "vqvae", "incoherent_engagement"),
    ("clusters", "kmeans", "incoherent_engagement"),
    ("population", "js_mean"),
    ("planted", "adjusted_rand"),
    ("conversion", "stratified", "ara", "correct"),
    ("conversion", "represented", "ara", "correct"),
    ("conversion", "represented", "ara", "skill"),
    ("conversion", "overall", "agent", "add_to_cart"),
    ("conversion", "overall", "real", "add_to_cart"),
    ("goal_following", "agent", "views"),
    ("goal_following", "real", "views"),
)
"""The metrics shown after a run, by the parts of their keys; the report has all."""
ENDINGS_SHOWN = ("goal_reached", "other")


def headline_metrics(values: Mapping[str, Any]) -> list[Metric]:
    """The metrics shown after a run with these values. Endings are those of the model's training; planted types are shown in the lab only."""
    training = measured_training(values)
    shown = [metric(*parts) for parts in (*HEADLINE, *(("outcomes", training, ending) for ending in ENDINGS_SHOWN))]
    return [row for row in shown if row.group != "planted" or values["source"] == "lab"]


def show_headline(folder: RunFolder) -> None:
    """Prints a short table of figures beside the paper's (standard output)."""
    values = read_json(folder / "evaluation/metrics.json")
    table = Table(title=f"{folder.path.name} ({values['source']} data)", title_justify="left", box=None, pad_edge=False)
    for column in ("figure", "this run", "paper"):
        table.add_column(column, justify="left" if column == "figure" else "right")
    for shown in headline_metrics(values):
        paper = formatted(shown.paper.value, shown.unit) if shown.paper else ""
        table.add_row(shown.title, formatted(values.get(shown.key), shown.unit), paper)
    console = Console(highlight=False)
    console.print(table)
    visits = folder / "simulation/quality.json"
    if visits.is_file() and any(figures.get("inferred_visits") for figures in read_json(visits).values()):
        console.print(f"Simulated visits: {INFERRED}; orders cannot be measured there.")
    console.print(
        "The paper: 42 real stores, 8.37 M buyers, K = 256, a 14 B model. The size of this run, its intervals, and the reasons for "
        "missing figures (–) are in the report.",
        style="dim",
    )
