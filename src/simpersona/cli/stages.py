"""The commands that run stages: `run`, one command per stage, and `simulate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from simpersona.cli.options import (
    Cluster,
    ConfigFile,
    Engine,
    Folder,
    Force,
    Input,
    Json,
    Name,
    Open,
    Quiet,
    Setting,
    print_json,
    reporting,
    settings_of,
    show_page,
)
from simpersona.errors import ConfigError

if TYPE_CHECKING:
    from simpersona.config import Config

STAGE_COMMANDS = {  # command: the stage it ends with, and what it does
    "events": ("events", "Clean the raw logs and derive enriched sessions."),
    "buyers": ("buyers", "Aggregate sessions to buyers: strata, scalars, product channels."),
    "personas": ("personas", "Train the VQ-VAE and assign buyers to persona codes."),
    "traces": ("traces", "Replay sessions on storefronts to make training examples."),
    "agent": ("agent", "Train a language model that shops, in two phases."),
    "tasks": ("tasks", "Run shopping tasks from sessions, judged by the store's log."),
    "evaluate": ("evaluation", "Compare simulated with real buyers: metrics.json."),
    "report": ("report", "Write one self-contained HTML file."),
}
BEFORE = "Runs the stages before it first, where they are not up to date."


def add_commands(app: typer.Typer) -> None:
    """Adds the commands of this module to `app`, in the order of the pipeline."""
    app.command(short_help="Run all stages; skip what is up to date. No CONFIG: the demo.")(run)
    for command, (stage, text) in STAGE_COMMANDS.items():
        app.command(command, short_help=text, help=f"{text} {BEFORE}")(_stage_command(command, stage))
        if command == "tasks":
            app.command(short_help="Let simulated buyers, drawn from a store's mix, visit it.")(simulate)


def run(
    config: ConfigFile = None,
    input_: Input = None,
    name: Name = None,
    folder: Folder = None,
    set_: Setting = None,
    engine: Engine = None,
    cluster: Cluster = None,
    force: Force = False,
    quiet: Quiet = False,
    json_: Json = False,
    open_: Open = False,
) -> None:
    """Run all stages; what is up to date is skipped. Without CONFIG: the embedded demo."""
    settings = settings_of(config, input_, name, folder, set_, engine, cluster)
    _run(settings, "report", "all" if force else None, quiet, json_)
    if open_:
        show_page(settings.run_folder / "report/index.html")


def simulate(
    config: ConfigFile = None,
    input_: Input = None,
    name: Name = None,
    folder: Folder = None,
    set_: Setting = None,
    engine: Engine = None,
    cluster: Cluster = None,
    shard: Annotated[
        str | None,
        typer.Option(
            "--shard", metavar="I/N", help="Make the I-th of N parts of the visits; `simulate` without it joins them."
        ),
    ] = None,
    force: Force = False,
    quiet: Quiet = False,
    json_: Json = False,
) -> None:
    """Let simulated buyers, drawn from a store's persona mix, visit the store. Runs the stages before it first, where they are
    not up to date.
    """
    settings = settings_of(config, input_, name, folder, set_, engine, cluster)
    if shard is None:
        _run(settings, "simulation", "simulation" if force else None, quiet, json_)
        return
    from simpersona.pipeline.run import play_shard
    from simpersona.simulation.journal import Shard

    if force:
        raise ConfigError("--shard continues the visits of all shards; --force would delete those of the other shards")
    part = Shard.parse(shard)
    with reporting(quiet, json_) as reporter:
        run_folder = play_shard(settings, reporter, part)
    typer.echo(str(run_folder.work("simulation")))


def _stage_command(command: str, stage: str):  # noqa: ANN202 - a function that typer reads
    def stage_command(
        config: ConfigFile = None,
        input_: Input = None,
        name: Name = None,
        folder: Folder = None,
        set_: Setting = None,
        engine: Engine = None,
        force: Force = False,
        quiet: Quiet = False,
        json_: Json = False,
        open_: Open = False,
    ) -> None:
        if open_ and stage != "report":
            raise ConfigError(f"--open: `{command}` writes no page; `simpersona report` does")
        settings = settings_of(config, input_, name, folder, set_, engine)
        _run(settings, stage, stage if force else None, quiet, json_)
        if open_:
            show_page(settings.run_folder / "report/index.html")

    return stage_command


def _run(settings: Config, upto: str, force: str | None, quiet: bool, as_json: bool) -> None:
    """Runs the stages up to `upto` and prints where the result is. `force` names a stage to re-run, or "all"."""
    from simpersona.agent.grounding import process_number
    from simpersona.cli.console import show_headline
    from simpersona.pipeline.run import STAGE_NAMES, help_pipeline, run_pipeline

    forced = STAGE_NAMES if force == "all" else (force,) if force else ()
    with reporting(quiet, as_json) as reporter:
        helps = upto == "agent" and process_number() > 0
        folder = help_pipeline(settings, reporter) if helps else run_pipeline(settings, reporter, upto, forced)
    if not reporter.did_work and not (quiet or as_json):
        typer.echo("nothing to do: every stage is up to date", err=True)
    result = folder / "report/index.html" if upto == "report" else folder / upto
    if as_json:
        print_json({"run": str(folder.path), "result": str(result)})
        return
    if upto == "report" and not quiet:
        show_headline(folder)
    typer.echo(str(result))
