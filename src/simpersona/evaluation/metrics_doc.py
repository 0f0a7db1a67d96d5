"""The list of metrics in docs/evaluation.md. `python -m simpersona.evaluation.metrics_doc docs/evaluation.md` rewrites it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from simpersona.evaluation.metric import Block, Dimension, Entry
from simpersona.evaluation.metrics_table import BLOCKS

BEGIN = "<!-- metrics: written by python -m simpersona.evaluation.metrics_doc docs/evaluation.md -->"
END = "<!-- end of metrics -->"


def metrics_markdown() -> str:
    """The table of metrics as Markdown: one table per first part of the keys, one row per declared metric."""
    groups: dict[str, list[Block]] = {}
    for block in BLOCKS:
        groups.setdefault(str(block.path[0]) if block.path else "", []).append(block)
    return "\n\n".join("\n".join(_group(blocks)) for blocks in groups.values())


def with_metrics(page: str) -> str:
    """The page with the current list of metrics between its markers. Raises ValueError if it has no markers."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"no place for the list of metrics; expected the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{metrics_markdown()}\n\n{END}{after}"


def _group(blocks: list[Block]) -> Iterator[str]:
    yield "| key | meaning | unit | better | paper |"
    yield "|---|---|---|---|---|"
    for block in blocks:
        names = {entry.name for entry in block.entries}
        for entry in block.entries:
            if entry.of not in names or entry.of == entry.name:  # an interval stands in the row of its figure
                yield _row(block, entry)
    notes = [f"{dimension.name}: {_values(dimension)}." for dimension in _dimensions(blocks)]
    notes += [f"Null if {reason}: {', '.join(keys)}." for reason, keys in _reasons(blocks).items()]
    if notes:
        yield ""
        yield "  \n".join(notes)


def _row(block: Block, entry: Entry) -> str:
    keys = [_key(block, entry.name), *(other.name for other in block.entries if entry.name and other.of == entry.name)]
    paper = entry.paper.where if entry.paper else ""
    better = "" if entry.better == "none" else entry.better
    return f"| `{'`, `'.join(keys)}` | {entry.label} | {entry.unit} | {better} | {paper} |"


def _key(block: Block, name: str) -> str:
    return ".".join(part for part in (block.pattern, name) if part)


def _values(dimension: Dimension) -> str:
    return "; ".join(
        f"`{value}`" if value.replace("_", " ") == label else f"`{value}`: {label}"
        for value, label in dimension.labels.items()
    )


def _dimensions(blocks: list[Block]) -> list[Dimension]:
    return list({dimension.name: dimension for block in blocks for dimension in block.dimensions}.values())


def _reasons(blocks: list[Block]) -> dict[str, list[str]]:
    """The keys that may be null, by the reason; a whole block stands with its pattern."""
    reasons: dict[str, list[str]] = {}
    for block in blocks:
        if block.missing and block.path:
            reasons.setdefault(block.missing, []).append(f"`{block.pattern}{'.*' if block.entries[0].name else ''}`")
        for entry in block.entries:
            if entry.missing and not entry.of:
                reasons.setdefault(entry.missing, []).append(f"`{_key(block, entry.name)}`")
    return reasons


def main() -> None:
    """Rewrites the list of metrics in the page that the command line names."""
    path = Path(sys.argv[1])
    path.write_text(with_metrics(path.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
