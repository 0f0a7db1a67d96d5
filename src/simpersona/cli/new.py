"""The command `init`: a config to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from simpersona.cli.options import FORMATS
from simpersona.errors import ConfigError


def init(
    format_: Annotated[str, typer.Option("--format", help=f"Schema of the raw log: lab, {FORMATS}.")] = "shopify",
    out: Annotated[Path, typer.Option("--out", help="File to write.")] = Path("simpersona.toml"),
    all_: Annotated[bool, typer.Option("--all", help="Write every setting, with its meaning.")] = False,
) -> None:
    """Write a commented config to start from."""
    from simpersona.config.file import config_toml, parse_config, starter_toml
    from simpersona.config.source import SOURCES

    source = {"format": format_} | (SOURCES[format_].example if format_ in SOURCES else {})
    settings = parse_config({"name": out.stem, "source": source}, "init")
    if out.exists():
        raise ConfigError(f"{out} exists already; it is not overwritten. Give another --out.")
    out.write_text(config_toml(settings, comments=True) if all_ else starter_toml(settings), encoding="utf-8")
    typer.echo(f"{out} written. {'Now' if format_ == 'lab' else 'Set source.path, then'}: simpersona run {out}")
