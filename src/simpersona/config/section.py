"""What a section of settings is, and how a setting declares which stages read it.

A setting of Config declares its stages with ReadBy, or NO_RESULT if it cannot change a result. A section's declaration
holds for all its settings that have none of their own:

    store: Annotated[StoreConfig, ReadBy("traces", "simulation")] = StoreConfig()
    concurrency: Annotated[Positive, NO_RESULT] = 2

The pipeline makes the cache keys of its stages from these declarations, so a stage must read no setting that it is not
declared for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0)]

Reader = Literal[
    "world", "events", "buyers", "personas", "traces", "agent", "tasks", "simulation", "evaluation", "report",
    "experiment",
]  # fmt: skip
"""The stages of a run, and an experiment on it."""


class ReadBy:
    """Declares the stages whose result depends on a setting: they and the stages after them run again when it changes.

    The stages `beside` write something beside their result with it, such as pictures: they run again, the stages after
    them do not.
    """

    def __init__(self, *stages: Reader, beside: tuple[Reader, ...] = ()) -> None:
        self.stages, self.beside = frozenset(stages), frozenset(beside)


NO_RESULT = ReadBy()
"""The setting cannot change a result: no stage runs again when it changes."""


class Section(BaseModel):
    """A group of settings. It is frozen, and unknown names are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True)


@dataclass(frozen=True)
class Setting:
    """A single setting: its full name ("personas.codes"), its value as JSON has it, and its declaration."""

    name: str
    value: Any
    read_by: ReadBy | None
    """None if neither the setting nor a section around it has a declaration."""


def settings_of(section: Section, prefix: str = "", read_by: ReadBy | None = None) -> Iterator[Setting]:
    """All settings of a section and of the sections in it."""
    values = section.model_dump(mode="json")
    for name, field in type(section).model_fields.items():
        declared = next((item for item in field.metadata if isinstance(item, ReadBy)), read_by)
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from settings_of(value, f"{prefix}{name}.", declared)
        else:
            yield Setting(f"{prefix}{name}", values[name], declared)


def known_names(section: type[Section], prefix: str = "") -> Iterator[str]:
    """The full names of all settings and sections that a section can have."""
    for name, field in section.model_fields.items():
        yield f"{prefix}{name}"
        for inner in _sections_in(field.annotation):
            yield from known_names(inner, f"{prefix}{name}.")


def _sections_in(annotation: Any) -> list[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        # the settings of a source are those of any of its formats
        return [annotation, *(section for part in annotation.__subclasses__() for section in _sections_in(part))]
    return [section for part in get_args(annotation) for section in _sections_in(part)]


def known_time_zone(name: str) -> str:
    """The name itself. Raises ValueError if no time zone has it."""
    if name not in available_timezones():
        raise ValueError(f"no time zone named {name!r}; expected a name such as UTC or Europe/Berlin")
    return name
