"""The settings of a run as TOML: read, checked, written."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tomlkit
from pydantic import ValidationError

from simpersona.config import Config
from simpersona.config.source import Section, SourceConfig
from simpersona.errors import ConfigError


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
    """The settings as TOML, every value written out; with `comments` each one's meaning above it."""
    document = tomlkit.document()
    _write_section(document, config, comments)
    return tomlkit.dumps(document)


def _write_section(into: tomlkit.TOMLDocument | tomlkit.items.Table, section: Section, comments: bool) -> None:
    values = section.model_dump(mode="json")
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if comments and isinstance(section, SourceConfig) and not section.is_for(field.description or ""):
            continue
        if isinstance(value, Section):
            table = tomlkit.table()
            if comments and value.__doc__:
                table.comment(value.__doc__.splitlines()[0])
            _write_section(table, value, comments)
            into.add(name, table)
            continue
        if comments and field.description:
            for line in field.description.splitlines():
                into.add(tomlkit.comment(line))
        if value is None:
            if comments:
                into.add(tomlkit.comment(f"{name} = (not set)"))
        else:
            into.add(name, values[name])
