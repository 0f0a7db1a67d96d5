"""What a metric is: its key, unit, label and direction, the paper's figure, and why a run may lack it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

Unit = Literal["share", "number", "count", "p value", "events", "actions", "pages", "products", "text"]
"""A share is a fraction in 0..1 that is shown as a percentage; a number has no unit."""
Direction = Literal["higher", "lower", "none"]
"""Which values are better; "none" for sizes, test results and descriptions."""

INTERVAL, ADJUSTED = "_ci95", "_adjusted"
"""What a key ends with that holds the 95 % interval, or the adjusted p value, of the key before the suffix."""


@dataclass(frozen=True)
class Dimension:
    """A part of a key that takes one of several values. `name` stands for it in the documentation."""

    name: str
    labels: Mapping[str, str]
    """The values, each with its label."""


@dataclass(frozen=True)
class PaperFigure:
    """A value in the unit of the metric (shares in 0..1) and the paper's table or section that has it."""

    value: float
    where: str


@dataclass(frozen=True)
class Paper:
    """The paper's figures of one entry: `values` by the dimensions' values joined with dots ("" without dimensions)."""

    where: str
    values: Mapping[str, float]


@dataclass(frozen=True)
class Entry:
    """One declared metric: the last part of its key, and what is known of it whatever its dimensions are."""

    name: str
    label: str
    unit: Unit = "number"
    better: Direction = "none"
    paper: Paper | None = None
    missing: str = ""
    """Why a run may lack it, as a clause; empty: the reason of its block."""
    interval: str = ""
    """The last part of its interval's key, where it is not `name` with the suffix `_ci95`."""
    of: str = ""
    """The name of the entry that this one is the interval or the adjusted p value of."""


@dataclass(frozen=True)
class Metric:
    """One key of metrics.json. The `parts` of the key are its dimensions' values and its name."""

    parts: tuple[str, ...]
    label: str
    """The entry's label, without the dimensions."""
    title: str
    """The label with the dimensions: it can stand alone."""
    unit: Unit
    better: Direction
    paper: PaperFigure | None
    missing: str
    interval_name: str
    by_policy: bool
    """Measured once per policy of the run."""
    required: bool
    """Part of every metrics.json; otherwise only of those whose data has it."""

    @property
    def key(self) -> str:
        """The key in metrics.json; of the policy that the run is named after, where it is measured per policy."""
        return ".".join(self.parts)

    @property
    def group(self) -> str:
        """The first part of the key."""
        return self.parts[0]

    def key_of(self, policy: str | None) -> str:
        """The key of a further policy's figure. With None, and for what is not measured per policy: `key`."""
        return self.key if policy is None or not self.by_policy else f"policies.{policy}.{self.key}"

    def interval_key_of(self, policy: str | None) -> str:
        """The key that holds the 95 % interval of a policy's figure, where one is computed."""
        return replace(self, parts=(*self.parts[:-1], self.interval_name)).key_of(policy)

    @property
    def adjusted_key(self) -> str:
        """The key that holds the p value adjusted for the number of tests."""
        return self.key + ADJUSTED


@dataclass(frozen=True)
class Block:
    """Entries that share the beginning of their keys: fixed parts and dimensions. The file has its keys in this order."""

    path: tuple[str | Dimension, ...]
    entries: tuple[Entry, ...]
    title: str = ""
    """A metric's title, with {label} and {NAME} of each dimension; empty: the label, then the dimensions' labels."""
    missing: str = ""
    """Why a run may lack the metrics; empty for those that every run has."""
    by_policy: bool = False
    required: bool = True

    @property
    def dimensions(self) -> tuple[Dimension, ...]:
        """The dimensions, in the order of the key."""
        return tuple(part for part in self.path if isinstance(part, Dimension))

    @property
    def pattern(self) -> str:
        """The beginning of the keys as the documentation writes it: "clusters.METHOD"."""
        return ".".join(part.name if isinstance(part, Dimension) else part for part in self.path)

    def metrics(self, values: Mapping[str, Sequence[str]] | None = None) -> Iterator[Metric]:
        """Every metric of the block. `values` replaces the values of a dimension, by its name."""
        chosen = values or {}
        choices = [
            tuple(chosen.get(part.name, part.labels)) if isinstance(part, Dimension) else (part,) for part in self.path
        ]
        for parts in product(*choices):
            taken = {
                dimension.name: value
                for dimension, value in zip(self.path, parts, strict=True)
                if isinstance(dimension, Dimension)
            }
            for entry in self.entries:
                yield self._metric(entry, parts, taken)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the entries, without intervals and adjusted p values."""
        return tuple(entry.name for entry in self.entries if not entry.of)

    def labels(self, names: Collection[str] | None = None) -> dict[str, str]:
        """The entries' labels by name, of all or of the `names` in their order."""
        known = {entry.name: entry.label for entry in self.entries}
        return known if names is None else {name: known[name] for name in names}

    def _metric(self, entry: Entry, parts: tuple[str, ...], taken: Mapping[str, str]) -> Metric:
        labels = {part.name: part.labels.get(taken[part.name], taken[part.name]) for part in self.dimensions}
        template = self.title or ", ".join(["{label}", *(f"{{{name}}}" for name in labels)])
        value = entry.paper.values.get(".".join(taken.values())) if entry.paper else None
        return Metric(
            parts=(*parts, *((entry.name,) if entry.name else ())),
            label=entry.label,
            title=template.format(label=entry.label, **labels),
            unit=entry.unit,
            better=entry.better,
            paper=PaperFigure(value, entry.paper.where) if entry.paper and value is not None else None,
            missing=entry.missing or self.missing or "not computed in this run",
            interval_name=entry.interval or entry.name + INTERVAL,
            by_policy=self.by_policy,
            required=self.required,
        )


def interval_of(entry: Entry) -> Entry:
    """The entry of the 95 % interval of `entry`."""
    name = entry.interval or entry.name + INTERVAL
    return Entry(name, f"{entry.label}, 95 % interval", entry.unit, missing=entry.missing, of=entry.name)


def adjusted_of(entry: Entry) -> Entry:
    """The entry of the p value of `entry` adjusted for the number of tests."""
    return Entry(entry.name + ADJUSTED, f"{entry.label}, adjusted", entry.unit, missing=entry.missing, of=entry.name)
