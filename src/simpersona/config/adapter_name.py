"""The check of a setting that names an adapter: by a short name, or by an import path such as "my_shop.pixels:Source"."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from pydantic import AfterValidator


def is_import_path(name: str) -> bool:
    """Whether a name has the form of an import path, "package.module:Name"."""
    module, colon, attribute = name.partition(":")
    return bool(colon) and all(part.isidentifier() for part in (*module.split("."), *attribute.split(".")))


def adapter_name(*short_names: str) -> AfterValidator:
    """Checks a setting that names an adapter: by one of its short names, or by an import path."""

    def check(name: str) -> str:
        if name not in short_names and not is_import_path(name):
            raise ValueError(unknown_adapter(name, short_names))
        return name

    return AfterValidator(check)


def unknown_adapter(name: str, short_names: Sequence[str]) -> str:
    """The message for a name that is neither."""
    close = get_close_matches(name, short_names, 1)
    return (
        f'no adapter has this name; expected {", ".join(short_names)}, or an import path such as "my_shop.parts:Name".'
        + (f" Did you mean {close[0]!r}?" if close else "")
    )
