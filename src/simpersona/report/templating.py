"""The templates of all pages. Unescaped are only the package's own files and JSON that cannot close its element."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from simpersona.contracts import STRATA
from simpersona.report.formatting import MISSING
from simpersona.report.strata import strata_parts


@cache
def templates() -> Environment:
    """The environment of all pages. It escapes every text that a template gets."""
    environment = Environment(
        loader=PackageLoader("simpersona.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["text"] = plain
    environment.globals["asset"] = _asset
    environment.globals["persona_parts"] = _persona_parts
    environment.globals["safe_json"] = _safe_json
    return environment


def plain(value: Any) -> str:
    """A setting or a count as text."""
    match value:
        case None | "" | () | []:
            return MISSING
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.4g}"
        case list() | tuple():
            return ", ".join(plain(item) for item in value)
        case _:
            return str(value)


def _persona_parts(card: Mapping[str, Any]) -> tuple[tuple[str, float, str], ...]:
    """The strata of a card's buyers, as parts of a stacked bar."""
    return strata_parts({stratum: card[f"share_{stratum}"] for stratum in STRATA})


def _asset(name: str) -> Markup:
    return Markup(files("simpersona.report").joinpath("templates", name).read_text("utf-8"))  # noqa: S704 - our own file


def _safe_json(value: object) -> Markup:
    """JSON for a script element, which it cannot close."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))  # noqa: S704 - escaped
