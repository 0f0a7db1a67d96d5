"""The settings of a run as TOML: read, checked, written."""

from __future__ import annotations

import logging
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import tomlkit
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from simpersona.config.address import names_secret, without_secrets
from simpersona.config.run import Config
from simpersona.config.section import Section, known_names
from simpersona.config.source import SourceConfig
from simpersona.errors import ConfigError

RENAMED: Mapping[str, str] = {
    "store.manners": "store.politeness",
    "store.window": "store.driver",
    "simulation.scorer.window": "simulation.scorer.driver",
}
"""Old names of settings and sections that still work in this version, and the new ones."""

EXPECTED: Mapping[str, str] = {
    "name": "expected letters, digits, dots, dashes and underscores, beginning with a letter or digit",
    "events.engine": "expected duckdb, spark, local[4], spark://HOST:PORT, an address for ibis.connect, or an import path",
    "simulation.engine": "expected asyncio, ray or ray://HOST:PORT",
    "simulation.store_url": "expected an address that begins with http:// or https://",
    "llm.url": "expected an address that begins with http:// or https://",
    "store.user_agent": "expected printable ASCII characters",
    "store.politeness.user_agent_suffix": "expected printable ASCII characters",
    "store.locale": "expected a language, or a language and a region, such as de or de-DE",
    "store.cdp_url": "expected an address that begins with http://, https://, ws:// or wss://",
    "store.access.proxy": "expected an address that begins with http://",
    "store.politeness.signature_agent": "expected an address that begins with https://",
}
"""What a setting with a pattern is expected to be; the others show their pattern."""

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
    """A Config from nested plain values. Raises ConfigError that lists every wrong setting at once.

    Old names are read with a warning of the logger `simpersona`, which a program without logging prints on standard error.
    """
    try:
        return Config.model_validate(_with_new_names(data, origin))
    except ValidationError as error:
        lines = [line for problem in error.errors() for line in _problem_lines(problem)]
        raise ConfigError(
            f"{origin}: {len(lines)} wrong setting(s)\n" + "\n".join(lines)
            + "\nSettings and their defaults: simpersona init --all"
        ) from error  # fmt: skip


def load_config(path: Path) -> Config:
    """The Config of a TOML file. A relative `source.path` is relative to the file's folder.

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
    """The Config of `data` with each `a.b=value` applied; a value is read as TOML, otherwise as text. `data` changes.

    Raises ConfigError for a change that is not of this form and for a wrong setting.
    """
    for change in changes or []:
        name, sign, text = change.partition("=")
        if not sign:
            raise ConfigError(f"--set {change}: expected SETTING=VALUE, for example personas.codes=64")
        if not name.strip():
            raise ConfigError(f"--set {change}: the setting has no name; expected SETTING=VALUE")
        *sections, last = _new_name(name.strip(), "--set").split(".")
        section = data
        for number, inner in enumerate(sections, start=1):
            section = section.setdefault(inner, {})
            if not isinstance(section, dict):
                outer = ".".join(sections[:number])
                raise ConfigError(f"--set {change}: {outer} is a setting, not a section; expected {outer}=VALUE")
        try:
            section[last] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            section[last] = text
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


def _problem_lines(problem: ErrorDetails) -> Iterator[str]:
    """A wrong setting as text; an unknown section as one line for each setting in it."""
    name, value = ".".join(str(part) for part in problem["loc"]), problem["input"]
    if problem["type"] != "extra_forbidden":
        # a section would be listed whole, and where a variable's name is expected a secret may stand
        is_shown = not isinstance(value, dict) and not _names_variable(problem)
        found = f" (found {_shown(value)})" if is_shown else ""
        yield f"  {f'{name}: ' if name else ''}{_expectation(problem)}{found}"
        return
    unknown = (
        {f"{name}.{inner}": inner_value for inner, inner_value in value.items()} if isinstance(value, dict) else {}
    )
    for full_name, found in (unknown or {name: value}).items():
        closest = _closest_name(full_name)
        shown = "" if names_secret(full_name.rpartition(".")[2]) else f" (found {_shown(found)})"
        yield f"  {full_name}: no such setting{shown}" + (f"; did you mean {closest}?" if closest else "")


def _shown(value: Any) -> str:
    """A wrong value as a message shows it, without the secrets of addresses in it."""
    return without_secrets(repr(value))


def _names_variable(problem: ErrorDetails) -> bool:
    return any(str(part).endswith("_env") for part in problem["loc"])


def _expectation(problem: ErrorDetails) -> str:
    """What a setting is expected to be."""
    if problem["type"] == "string_pattern_mismatch":
        name = ".".join(str(part) for part in problem["loc"])
        if _names_variable(problem):
            return "expected the name of an environment variable, which holds the value: a run stores its settings"
        return EXPECTED.get(name, f"expected a text of the form {problem.get('ctx', {}).get('pattern')}")
    if problem["type"] == "tuple_type":
        return 'expected a list, such as ["scorer"]'
    if problem["type"] == "model_type":
        return "a section; expected its settings, such as SECTION.SETTING = VALUE"
    return problem["msg"].removeprefix("Value error, ")


def _closest_name(name: str) -> str | None:
    """The known setting or section that a wrong name most likely means: of the same section, of a similar full name, or of
    a similar last part.
    """
    known = list(known_names(Config))
    section, _, last = name.rpartition(".")
    by_last_part = {full_name.rpartition(".")[2]: full_name for full_name in reversed(known)}
    of_section = {
        full_name.rpartition(".")[2]: full_name for full_name in known if full_name.rpartition(".")[0] == section
    }
    for text, names, cutoff in (
        (last, of_section, 0.6),
        (name, dict(zip(known, known, strict=True)), 0.8),
        (last, by_last_part, 0.8),
    ):
        if found := get_close_matches(text, names, n=1, cutoff=cutoff):
            return names[found[0]]
    return None


def _with_new_names(data: dict[str, Any], origin: str) -> dict[str, Any]:
    """The same values under the new names. Raises ConfigError if a setting is there under both."""
    for old, new in RENAMED.items():
        *sections, last = old.split(".")
        section: Any = data
        for inner in sections:
            section = section.get(inner) if isinstance(section, dict) else None
        if not isinstance(section, dict) or last not in section:
            continue
        renamed = new.rpartition(".")[2]
        if renamed in section:
            raise ConfigError(f"{origin}: {old} is the old name of {new}, and both are set: remove {old}")
        data = deepcopy(data)
        section = data
        for inner in sections:
            section = section[inner]
        section[renamed] = section.pop(last)
        _warn_of_old_name(old, new, origin)
    return data


def _new_name(name: str, origin: str) -> str:
    """The name under which a setting is known now."""
    for old, new in RENAMED.items():
        if name == old or name.startswith(f"{old}."):
            _warn_of_old_name(old, new, origin)
            return new + name.removeprefix(old)
    return name


def _warn_of_old_name(old: str, new: str, origin: str) -> None:
    logging.getLogger("simpersona").warning(
        "%s: %s is called %s now; the old name works in this version only", origin, old, new
    )


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
        if only is not None and full_name not in only and not _is_usual(section, name):
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


def _is_usual(section: Section, name: str) -> bool:
    """Whether a setting belongs in a short file: those of the log's own format, without the advanced ones."""
    return isinstance(section, SourceConfig) and name not in section.advanced


def _heading(name: str, text: str, *, comments: bool) -> list[str]:
    return ["", *_comment(text, comments=comments), f"[{name}]"]


def _comment(text: str, *, comments: bool) -> list[str]:
    return [f"# {line}" for line in text.splitlines()] if comments else []


def _toml(value: Any) -> str:
    return tomlkit.item(value).as_string()
