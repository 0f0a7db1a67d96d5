"""RESULTS.md: one section per subject, each with where and when it was measured."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.measure import NOT_IDLE, Machine

RESULTS = Path(__file__).parent / "RESULTS.md"
TOP = """# Results

`make bench` (`python -m benchmarks`) writes this file; `python -m benchmarks NAME` writes one section. All data are generated, except
in the sections `real` and `webshop_replays`. CPU seconds count all threads and all processes started (browser, store); times are medians. Ratios are of CPU seconds unless a row says otherwise, since wall times depend on other processes.
"""


@dataclass(frozen=True)
class Table:
    """A table of the file; every cell is text already."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def lines(self) -> list[str]:
        """Markdown; columns after the first are right-aligned."""
        rule = ["---", *["---:"] * (len(self.head) - 1)]
        return ["| " + " | ".join(cells) + " |" for cells in (self.head, rule, *self.rows)]


@dataclass(frozen=True)
class Section:
    """The results of one subject: a sentence on what was done, tables with a sentence below each, the packages it depends on."""

    subject: str
    what: str
    tables: Sequence[tuple[Table, str]]
    packages: Sequence[str] = field(default=())

    def text(self, machine: Machine, numbers: Mapping[str, int] | None = None) -> str:
        """The section in Markdown; `numbers` were set on the command line."""
        versions = [f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in self.packages)]
        others = machine.others
        busy = (
            f" Other processes used {others:.0%} of it: wall times on a machine that was not idle."
            if others > NOT_IDLE
            else ""
        )
        parts = [f"## {self.subject}", self.what]
        for table, note in self.tables:
            parts.append("\n".join(table.lines()))
            if note:
                parts.append(note)
        options = "".join(f" --set {name}={value}" for name, value in (numbers or {}).items())
        today = datetime.now(UTC).date().isoformat()
        parts.append(
            f"`python -m benchmarks {self.subject}{options}`, {today}, {machine.described()}; {', '.join(versions)}.{busy}"
        )
        return "\n\n".join(parts) + "\n"


def write_section(path: Path, subject: str, text: str, order: Sequence[str]) -> None:
    """Replaces the section of the same name in the file, or adds it; the other sections stay unchanged."""
    sections: dict[str, str] = {}
    if path.exists():
        for part in path.read_text(encoding="utf-8").split("\n## ")[1:]:
            sections[part.split("\n", 1)[0]] = f"## {part.rstrip()}\n"
    sections[subject] = text
    known = [name for name in order if name in sections]
    path.write_text("\n".join([TOP, *(sections[name] for name in known)]), encoding="utf-8")


def number(value: float | None, digits: int = 3) -> str:
    """With `digits` significant digits and thousands separated; a dash for what could not be computed."""
    if value is None:
        return "–"
    if value == 0:
        return "0"
    if abs(value) >= 10 ** (digits - 1):
        scale = 10 ** (len(str(int(abs(value)))) - digits)
        return f"{round(value / scale) * scale:,.0f}" if scale >= 1 else f"{value:,.0f}"
    return f"{value:.{digits}g}"
