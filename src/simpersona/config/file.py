"""The settings of a run as TOML: read, checked, written."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tomlkit
from pydantic import ValidationError

from simpersona.config import Config
from simpersona.config.source import Section, SourceConfig
from simpersona.errors import ConfigError

STARTER: Mapping[str, str] = {
    "name": "",
    "pack": '"default"',
    "source.format": "",
    "source.path": "",
    "agent.policies": "",
    "simulation.store_url": '"https://my-store.example"',
    "simulation.policy": "",
    "simulation.episodes": "",
}
"""The settings of `starter_toml` beside the source's own, each with an example where it is not set by default."""


def parse_config(data: dict[str, Any], origin: str = "config") -> Config:
    """A Config from nested plain values. Raises ConfigError that lists every wrong setting at once."""
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        lines = [
            f"  {'.'.join(str(part) for part in problem['loc']) or '(top)'}: {problem['msg']}"
            f" (found {problem['input']!r})"
            for problem in error.errors()
        ]
        raise ConfigError(
            f"{origin}: {len(lines)} wrong setting(s)\n" + "\n".join(lines)
            + "\nSettings and their defaults: simpersona init"
        ) from error  # fmt: skip


def load_config(path: Path) -> Config:
    """The Config of a TOML file. A relative `source.path` is taken from the file's folder.

    Raises ConfigError if the file is missing, is not TOML or holds a wrong setting.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such config file. `simpersona init` writes one.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not a TOML file: {error}") from None
    config = parse_config(data, str(path))
    source = config.source.path
    if source is None or source.is_absolute():
        return config
    absolute = (path.parent / source).resolve()
    return config.model_copy(update={"source": config.source.model_copy(update={"path": absolute})})


def with_settings(data: dict[str, Any], changes: Sequence[str] | None, origin: str) -> Config:
    """`data` with each `a.b=value` put in; a value is read as TOML, else taken as text.

    Raises ConfigError for a change that is none and for a wrong setting.
    """
    for item in changes or []:
        place, sign, value = item.partition("=")
        if not sign:
            raise ConfigError(f"--set {item}: expected SETTING=VALUE, for example personas.codes=64")
        *sections, last = place.strip().split(".")
        into = data
        for section in sections:
            into = into.setdefault(section, {})
        try:
            into[last] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            into[last] = value
    return parse_config(data, origin)


def config_toml(config: Config, comments: bool = False) -> str:
    """All settings as TOML with their values; with `comments`, each setting's meaning stands above it."""
    return "\n".join(_section_lines(config, "", comments=comments, only=None)) + "\n"


def starter_toml(config: Config) -> str:
    """The settings that most users change, as TOML with comments: a file to begin with.

    These are STARTER and the settings of the source's own format. `config_toml` writes all settings.
    """
    head = "# The settings that most users change. All settings: simpersona init --all"
    return "\n".join([head, *_section_lines(config, "", comments=True, only=STARTER)]) + "\n"


def _section_lines(section: Section, prefix: str, *, comments: bool, only: Mapping[str, str] | None) -> Iterator[str]:
    """The section's settings, then its sub-tables: in TOML a key after a sub-table would belong to the sub-table."""
    values = section.model_dump(mode="json")
    sub_tables = [name for name, value in values.items() if isinstance(value, dict)]
    for name in sorted(values, key=sub_tables.__contains__):  # stable: otherwise in the order of the class
        full_name, value = f"{prefix}{name}", getattr(section, name)
        text = type(section).model_fields[name].description or ""
        if isinstance(value, Section):
            lines = list(_section_lines(value, f"{full_name}.", comments=comments, only=only))
            if only is None or lines:
                yield from _heading(full_name, (value.__doc__ or "").partition("\n")[0], comments=comments)
                yield from lines
            continue
        if comments and isinstance(section, SourceConfig) and not section.is_for(text):
            continue
        if only is not None and full_name not in only and " only: " not in text:
            continue
        if name in sub_tables:
            yield from _heading(full_name, text, comments=comments)
            yield from (f"{tomlkit.key(key).as_string()} = {_toml(inner)}" for key, inner in values[name].items())
            continue
        yield from _comment(text, comments=comments)
        if value is not None:
            yield f"{name} = {_toml(values[name])}"
        elif comments:
            yield f"# {name} = {(only or {}).get(full_name) or '(not set)'}"


def _heading(name: str, text: str, *, comments: bool) -> list[str]:
    return ["", *_comment(text, comments=comments), f"[{name}]"]


def _comment(text: str, *, comments: bool) -> list[str]:
    return [f"# {line}" for line in text.splitlines()] if comments else []


def _toml(value: Any) -> str:
    return tomlkit.item(value).as_string()
