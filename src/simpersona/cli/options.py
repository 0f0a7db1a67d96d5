"""The options that several commands share, and how a config comes from them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simpersona.errors import ConfigError

if TYPE_CHECKING:
    from simpersona.config import Config, StoreConfig
    from simpersona.pipeline.run import Reporter

FORMATS = "shopify, ga4, segment, snowplow, rees46, retailrocket, webshop, table, amplitude, mixpanel, otto, taobao, yoochoose, adobe"
"""Schemas of a log of events, as `--help` lists them. A test compares them with the config's."""

ConfigFile = Annotated[Path | None, typer.Argument(help="TOML file; without one, the embedded demo.", metavar="CONFIG")]
Input = Annotated[Path | None, typer.Option("--input", help="File or folder of raw events; overrides source.path.")]
Name = Annotated[str | None, typer.Option("--name", help="Name of the run; overrides `name`.")]
Folder = Annotated[Path | None, typer.Option("--folder", help="Folder that holds the runs; overrides `folder`.")]
Setting = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="One setting: personas.codes=64. Can be repeated."),
]
Engine = Annotated[
    str | None,
    typer.Option(
        "--engine",
        help="Engine for tables: duckdb, spark, local[4], spark://host:port, or an address for ibis.connect; overrides "
        "events.engine.",
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="ADDRESS",
        help="Run the visits on a Ray cluster: ray (this machine's), or ray://host:port; overrides simulation.engine.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Re-run even if nothing changed.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print only errors and the last line.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object per line: each stage, then the result.")]
Open = Annotated[bool, typer.Option("--open", help="Show the page in your browser (run, report, replay).")]
PackArgument = Annotated[
    str, typer.Option("--pack", help="\"default\" (comes with the package), a pack's folder, or a run's folder.")
]


def settings_of(
    config: Path | None,
    input_: Path | None = None,
    name: str | None = None,
    folder: Path | None = None,
    set_: list[str] | None = None,
    engine: str | None = None,
    cluster: str | None = None,
) -> Config:
    """The config of a TOML file, or of the demo, with the options of the command line applied.

    Raises ConfigError for a wrong setting.
    """
    from simpersona.config.file import load_config, with_settings

    settings = load_config(config) if config else _demo()
    data = settings.model_dump(mode="json")
    if name:
        data["name"] = name
    if folder:
        data["folder"] = str(folder)
    if input_:
        data["source"]["path"] = str(input_.resolve())
    changes = [*(set_ or []), *_engine_setting(engine), *_cluster_setting(cluster)]
    changed = with_settings(data, changes, str(config or "demo"))
    if input_ and changed.source.format == "lab":
        raise ConfigError(
            '--input needs a log\'s format (--set source.format=shopify, or a config of `simpersona init`); "lab" generates '
            "its own events"
        )
    return changed


def store_settings(command: str, changes: list[str] | None) -> StoreConfig:
    """The settings of [store] with the changes of --set, for a command that reads no others. Raises ConfigError."""
    from simpersona.config.file import with_settings

    if others := [change for change in changes or [] if not change.strip().startswith("store.")]:
        raise ConfigError(
            f"--set {others[0]}: `{command}` reads settings of [store] only; the others are options of this command"
        )
    return with_settings({}, changes, "--set").store


@contextmanager
def reporting(quiet: bool, as_json: bool) -> Iterator[Reporter]:
    """What shows the progress of a run: a bar per stage, JSON lines, or nothing."""
    from simpersona.cli.console import JsonReporter, QuietReporter, TerminalReporter

    reporter = JsonReporter() if as_json else QuietReporter() if quiet else TerminalReporter()
    try:
        yield reporter
    finally:
        reporter.close()


def show_page(page: Path) -> None:
    """Opens an HTML file in the user's browser."""
    import webbrowser

    if not webbrowser.open(page.resolve().as_uri()):
        typer.echo(f"no browser was found to show the page; open {page} yourself", err=True)


def print_json(value: object) -> None:
    """One JSON object on a line of standard output."""
    typer.echo(json.dumps(value))


def _engine_setting(engine: str | None) -> list[str]:
    if not engine:
        return []
    if engine == "asyncio" or engine.startswith("ray"):
        raise ConfigError(
            f"--engine {engine}: --engine is the engine for tables (duckdb, spark, ...). For visits on a Ray cluster use "
            f"--cluster {engine if engine != 'asyncio' else 'ray'}, on `simpersona simulate` or `simpersona run`."
        )
    return [f"events.engine={engine}"]


def _cluster_setting(cluster: str | None) -> list[str]:
    if not cluster:
        return []
    if cluster != "ray" and not cluster.startswith("ray://"):
        raise ConfigError(f"--cluster {cluster}: expected ray, or ray://host:port. Tables have --engine.")
    return [f"simulation.engine={cluster}"]


def _demo() -> Config:
    """The embedded demo. It takes personas and policies from the pack of the package, where that exists."""
    from simpersona.config import Config
    from simpersona.pack.files import DEFAULT, comes_with_package

    return Config(pack=DEFAULT if comes_with_package() else None)
