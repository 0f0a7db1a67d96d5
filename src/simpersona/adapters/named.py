"""Adapters by name: a setting names one by its short name or by an import path such as "my_shop.pixels:Source"."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import reduce
from importlib import import_module
from typing import Any, NamedTuple, TypeVar

from simpersona.errors import ConfigError

Port = TypeVar("Port")


class Shipped(NamedTuple):
    """An adapter that comes with this package: its import path, and the extra of the package that it needs."""

    path: str
    extra: str | None = None


def build(
    port: type[Port], name: str, shipped: Mapping[str, Shipped], setting: str, *arguments: Any, **options: Any
) -> Port:
    """The adapter that `setting` names, made with the arguments: an instance with all members of the protocol `port`.

    `name` is a key of `shipped` or an import path, "module:Class"; a function that returns an instance serves as well.

    Raises ConfigError if there is no such name, module or attribute, if a package is not installed, if the arguments
    are not those of the adapter, or if the instance lacks a member of the protocol.
    """
    make = load(name, shipped, setting)
    try:
        inspect.signature(make).bind(*arguments, **options)
    except (TypeError, ValueError) as error:
        given = ", ".join([*(type(argument).__name__ for argument in arguments), *options]) or "nothing"
        raise ConfigError(
            f"{setting} = {name!r} cannot be made: {error}. It takes {inspect.signature(make)} and is given {given}."
        ) from None
    made = make(*arguments, **options)
    members = [member for member in vars(port) if not member.startswith("_")]
    if missing := [member for member in members if not hasattr(made, member)]:
        raise ConfigError(
            f"{setting} = {name!r} is no {port.__name__}: it has no {' and no '.join(missing)}."
            f" Expected a class with {', '.join(members)}, as {port.__module__}.{port.__name__} says."
        )
    return made


def load(name: str, shipped: Mapping[str, Shipped], setting: str) -> Callable[..., Any]:
    """The class or function that `setting` names, imported now.

    Raises ConfigError if there is no such name, module or attribute, it cannot be called, or a package is missing.
    """
    part = shipped.get(name) or Shipped(name)
    module, colon, attribute = part.path.partition(":")
    if not colon:
        close = get_close_matches(name, shipped, 1)
        raise ConfigError(
            f'{setting} = {name!r} names no adapter; expected {", ".join(shipped)}, or an import path "module:Class".'
            + (f" Did you mean {close[0]!r}?" if close else "")
        )
    try:
        imported = import_module(module)
    except ImportError as error:
        raise ConfigError(_not_imported(name, module, part.extra, setting, error)) from error
    try:
        loaded = reduce(getattr, attribute.split("."), imported)
    except AttributeError:
        close = get_close_matches(attribute, dir(imported), 1)
        raise ConfigError(
            f"{setting} = {name!r}: the module {module} has no {attribute}."
            + (f" Did you mean {close[0]!r}?" if close else "")
        ) from None
    if not callable(loaded):
        raise ConfigError(f"{setting} = {name!r} is of type {type(loaded).__name__}; expected a class or a function.")
    return loaded


def _not_imported(name: str, module: str, extra: str | None, setting: str, error: ImportError) -> str:
    missing = error.name or ""
    if missing and f"{module}.".startswith(f"{missing}."):
        return (
            f"{setting} = {name!r}: there is no module {missing}. Install its package, or put its folder on PYTHONPATH."
        )
    advice = f" Get it with: pip install 'simpersona[{extra}]'" if extra else ""
    return f"{setting} = {name!r} needs a package that is not installed ({error}).{advice}"
