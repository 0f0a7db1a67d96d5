"""What the command line shows while the pipeline works: a bar per stage, JSON lines, or nothing."""

from __future__ import annotations

import json
import time
from dataclasses import asdict

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from simpersona.files import read_json
from simpersona.pipeline.run_folder import RunFolder, StageRecord
from simpersona.report.paper_figures import PAPER

TOLD_SECONDS = 60
"""How often a log, which shows no bars, is told how far a stage is."""


class _Part:
    """One piece of a stage's work: how fast it goes on, without what an earlier run had done of it."""

    def __init__(self) -> None:
        self._first, self._last, self._total, self._began = 0.0, 0.0, -1.0, 0.0

    def pace(self, done: float, total: float) -> tuple[str, str]:
        """The rate and the time left, in words."""
        if total != self._total or done < self._last:
            self._first, self._total, self._began = done, total, time.monotonic()
        self._last = done
        seconds, gone = time.monotonic() - self._began, done - self._first
        if not (gone and seconds):
            return "", ""
        left = int((total - done) * seconds / gone)
        return f"{gone / seconds:.1f}/s", f"{left // 60}:{left % 60:02} left"


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
        self._told = 0.0
        self.did_work = False
        self._bars.start()

    def started(self, stage: str) -> None:
        self._task = self._bars.add_task(stage, total=1, note="", rate="")
        self._part, self._told = _Part(), time.monotonic()
        if not self._console.is_terminal:
            self._console.print(f"  {stage} …")

    def progress(self, done: int, total: int, note: str) -> None:
        if self._task is None:
            return
        rate, left = self._part.pace(done, total)
        self._bars.update(self._task, completed=done, total=total, note=note, rate=rate)
        if not self._console.is_terminal and time.monotonic() - self._told > TOLD_SECONDS:
            self._told = time.monotonic()
            self._console.print(f"    {done:.0f}/{total:.0f}  {rate}  {left}  {note}")

    def finished(self, record: StageRecord, skipped: bool) -> None:
        self._end_task()
        self.did_work |= not skipped
        cost = "up to date" if skipped else f"{record.seconds:.1f} s, {record.peak_memory_mb:.0f} MB"
        self._console.print(
            Text.assemble((f"  {record.stage:<11}", "bold"), f"{record.summary}  ", (f"[{cost}]", "dim"))
        )

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


HEADLINE = {
    "clusters.vqvae.stratum_purity": "stratum purity of the codes",
    "clusters.kmeans.stratum_purity": "  k-means on the same buyers",
    "clusters.vqvae.incoherent_engagement": "buyers in engagement-incoherent codes",
    "clusters.kmeans.incoherent_engagement": "  k-means on the same buyers",
    "population.js_mean": "JS divergence of strata, held-out shops",
    "planted.adjusted_rand": "adjusted Rand index, planted types",
    "conversion.stratified.ara.correct": "ARA, mean of the four strata",
    "conversion.represented.ara.correct": "  of those that personas stand for",
    "conversion.represented.ara.skill": "  skill, there",
    "conversion.overall.agent.add_to_cart": "episodes that added to cart",
    "conversion.overall.real.add_to_cart": "  real sessions of the same shops",
    "outcomes.two_stage.goal_reached": "episodes that ended by themselves",
    "outcomes.two_stage.other": "episodes that ended as `other`",
}
"""The figures shown after a run; the report has all."""


def show_headline(folder: RunFolder) -> None:
    """Prints a short table of figures beside the paper's (standard output)."""
    metrics = read_json(folder / "evaluation/metrics.json")
    table = Table(
        title=f"{folder.path.name} ({metrics['source']} data)", title_justify="left", box=None, pad_edge=False
    )
    for column in ("figure", "this run", "paper"):
        table.add_column(column, justify="left" if column == "figure" else "right")
    for key, words in HEADLINE.items():
        if key.startswith("planted") and metrics["source"] != "lab":
            continue
        ours, paper = metrics.get(key), PAPER.get(key)
        table.add_row(words, "–" if ours is None else f"{ours:.3f}", f"{paper.value:.3f}" if paper else "")
    console = Console(highlight=False)
    console.print(table)
    console.print(
        "The paper: 42 real shops, 8.37 M buyers, K = 256, a 14 B model. This run: see the report for its size, "
        "its intervals and what is too small to be measured (–).",
        style="dim",
    )
