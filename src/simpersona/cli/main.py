"""One command per stage, plus `run`, `init`, `assign`, `lab` and `doctor`.

Exit codes: 0 done, 2 the user's input is wrong, 1 anything else, 130 stopped by the user.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from simpersona import __version__
from simpersona.agent.grounding import process_number
from simpersona.cli.console import JsonReporter, QuietReporter, TerminalReporter, show_headline
from simpersona.cli.experiment import experiment, power
from simpersona.cli.lab import lab
from simpersona.cli.trained import Setting, assign, coldstart, drift, export, vectors
from simpersona.config import Config
from simpersona.config.file import config_toml, load_config, parse_config, with_settings
from simpersona.config.source import FORMATS, SOURCE_EXAMPLES, SourceConfig
from simpersona.errors import ConfigError, ContractError, SimPersonaError, SourceError
from simpersona.pipeline.run import STAGE_NAMES, Reporter, help_pipeline, play_shard, run_pipeline

app = typer.Typer(
    help="From the raw clickstream of online stores to a population of simulated buyers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
USER_ERROR, STOPPED = 2, 130

ConfigFile = Annotated[Path | None, typer.Argument(help="TOML file; without one, the embedded demo.", metavar="CONFIG")]
Input = Annotated[Path | None, typer.Option("--input", help="File or folder of raw events; overrides source.path.")]
Name = Annotated[str | None, typer.Option("--name", help="Name of the run; overrides `name`.")]
Folder = Annotated[Path | None, typer.Option("--folder", help="Where runs are written; overrides `folder`.")]
Engine = Annotated[
    str | None,
    typer.Option(
        "--engine",
        help="For tables duckdb, spark, local[4], spark://host:port or an address for ibis.connect (overrides events.engine); "
        "for visits asyncio, ray or ray://host:port (overrides simulation.engine).",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Do it anew, even if nothing changed.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print errors and the last line only.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object a line: each stage, then the result.")]
Open = Annotated[bool, typer.Option("--open", help="Show the page in your browser (run, report, replay).")]
PIPELINE_COMMANDS = {  # command: the stage it ends with, and what it does
    "run": ("report", "All stages; what is up to date is skipped. No CONFIG: the demo."),
    "events": ("events", "Raw logs to clean events and enriched sessions."),
    "buyers": ("buyers", "Sessions to buyers: strata, scalars, product channels."),
    "personas": ("personas", "Buyers to persona codes: trains the VQ-VAE."),
    "traces": ("traces", "Sessions replayed on storefronts, as training examples."),
    "agent": ("agent", "Examples to a language model that shops, in two stages."),
    "tasks": ("tasks", "Shopping tasks from sessions, judged by the store's log."),
    "evaluate": ("evaluation", "Simulated against real buyers: metrics.json."),
    "report": ("report", "One self-contained HTML file."),
}


def _pipeline_command(command: str, stage: str, words: str) -> None:
    def pipeline_command(
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
            raise ConfigError(f"--open: `{command}` makes no page; `simpersona report` does")
        settings = _settings(config, input_, name, folder, _with_engine(set_, engine))
        anew = STAGE_NAMES if command == "run" else (stage,)
        _run(settings, stage, anew if force else (), quiet, json_)
        if open_:
            _show(settings.run_folder / "report/index.html")

    app.command(
        command, short_help=words, help=f"{words} Runs the stages before it first, where they are not up to date."
    )(pipeline_command)


for _command, (_stage, _words) in PIPELINE_COMMANDS.items():
    _pipeline_command(_command, _stage, _words)


app.add_typer(lab, name="lab")
for _command in (assign, drift, coldstart, vectors, export):
    app.command()(_command)
app.command(short_help="The same buyers in two variants of a store: which one wins?")(experiment)
app.command(short_help="How many buyers an experiment takes to see a lift.")(power)


@app.command()
def simulate(
    config: ConfigFile = None,
    input_: Input = None,
    name: Name = None,
    folder: Folder = None,
    set_: Setting = None,
    engine: Engine = None,
    shard: Annotated[
        str | None,
        typer.Option(
            "--shard", metavar="I/N", help="Play the I-th of N parts of the visits; `simulate` without it joins them."
        ),
    ] = None,
    force: Force = False,
    quiet: Quiet = False,
    json_: Json = False,
) -> None:
    """Agents drawn from a store's mix browse the store. Runs the stages before it first, where they are not up to date."""
    settings = _settings(config, input_, name, folder, _with_engine(set_, engine))
    if shard is None:
        _run(settings, "simulation", ("simulation",) if force else (), quiet, json_)
        return
    from simpersona.simulation.journal import Shard

    if force:
        raise ConfigError("--shard goes on with what was played; --force would throw away the other shards' visits")
    part, reporter = Shard.parse(shard), _reporter(quiet, json_)
    try:
        place = play_shard(settings, reporter, part)
    finally:
        reporter.close()
    typer.echo(str(place.work("simulation")))


@app.command()
def init(
    format_: Annotated[str, typer.Option("--format", help=f"Schema of the raw log: {', '.join(FORMATS)}.")] = "shopify",
    out: Annotated[Path, typer.Option("--out", help="File to write.")] = Path("simpersona.toml"),
) -> None:
    """A commented config with every setting and its meaning."""
    source = {"format": format_} | SOURCE_EXAMPLES.get(format_, {})
    settings = parse_config({"name": out.stem, "source": source}, "init")
    if out.exists():
        raise ConfigError(f"{out} exists already; it is not overwritten. Give another --out.")
    out.write_text(config_toml(settings, comments=True), encoding="utf-8")
    typer.echo(f"{out} written. {'Now' if format_ == 'lab' else 'Set source.path, then'}: simpersona run {out}")


@app.command()
def pack(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run, or the config of one.", metavar="RUN")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write.")],
) -> None:
    """A run's models as a folder to load elsewhere, with a card."""
    from simpersona.pipeline.pack_export import export_pack

    place = run
    if run.is_file():
        settings = load_config(run)
        _run(settings, "evaluation", (), quiet=True, as_json=False)
        place = settings.run_folder
    written = export_pack(place, out)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    typer.echo(f"{out}: {written.about['codes']} personas, {', '.join(written.policies)}; {size / 1e6:.1f} MB")


@app.command()
def replay(
    run: Annotated[Path, typer.Argument(help="Folder of a run with visits.", metavar="RUN")],
    episode: Annotated[str | None, typer.Argument(help="One visit; without it, all in a list.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="HTML file to write; RUN/replays/… without it.", show_default=False)
    ] = None,
    stage: Annotated[
        str, typer.Option("--of", help="simulation: simulated buyers. traces: the sessions that were replayed.")
    ] = "simulation",
    open_: Open = False,
) -> None:
    """Steps through visits: pages, actions, reasons, screenshots."""
    from simpersona.pipeline.replay import write_replays

    if stage not in ("simulation", "traces"):
        raise ConfigError(f"--of {stage}: expected simulation or traces")
    page = write_replays(run, episode, stage, out)
    typer.echo(str(page))
    if open_:
        _show(page)


@app.command()
def doctor(
    install_browser: Annotated[
        bool, typer.Option("--install-browser", help="Get a Chromium if there is none.")
    ] = False,
    install_java: Annotated[
        bool, typer.Option("--install-java", help="Get a Java, for tables on Spark, if there is none.")
    ] = False,
) -> None:
    """What is installed, and what each missing piece would enable."""
    from simpersona.cli.doctor import examine

    if install_browser:
        from simpersona.adapters.storefronts import browser_setup

        browser_setup.install_browser(lambda line: typer.echo(line, err=True))
    if install_java:
        from simpersona.adapters.engines import java_setup

        java_setup.install_java(lambda line: typer.echo(line, err=True))

    findings = examine()
    for finding in findings:
        typer.echo(f"{'ok     ' if finding.found else 'missing'}  {finding.part:<24} {finding.detail}")
    raise typer.Exit(0 if all(finding.found or not finding.needed for finding in findings) else 1)


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"simpersona {__version__}")
        raise typer.Exit


def _settings(
    config: Path | None, input_: Path | None, name: str | None, folder: Path | None, set_: list[str] | None
) -> Config:
    settings = load_config(config) if config else _demo()
    data = settings.model_dump(mode="json")
    if name:
        data["name"] = name
    if folder:
        data["folder"] = str(folder)
    if input_:
        data["source"]["path"] = str(input_.resolve())
        if data["source"]["format"] == SourceConfig().format:
            raise ConfigError(
                '--input needs a config with source.format (see `simpersona init`); "lab" generates its own'
            )
    return with_settings(data, set_, str(config or "demo"))


def _with_engine(set_: list[str] | None, engine: str | None) -> list[str] | None:
    """The settings with what --engine names: one for tables, or one for visits."""
    if not engine:
        return set_
    section = "simulation" if engine == "asyncio" or engine.startswith("ray") else "events"
    return [*(set_ or []), f"{section}.engine={engine}"]


def _reporter(quiet: bool, as_json: bool) -> Reporter:
    return JsonReporter() if as_json else QuietReporter() if quiet else TerminalReporter()


def _demo() -> Config:
    """The embedded demo: personas and policies of the pack that comes with the package, where it does."""
    from simpersona.pack.files import DEFAULT, comes_with_package

    return Config(pack=DEFAULT if comes_with_package() else None)


def _run(settings: Config, upto: str, force: tuple[str, ...], quiet: bool, as_json: bool) -> None:
    reporter = _reporter(quiet, as_json)
    try:
        helps = upto == "agent" and process_number() > 0
        folder = help_pipeline(settings, reporter) if helps else run_pipeline(settings, reporter, upto, force)
    finally:
        reporter.close()
    if not reporter.did_work and not (quiet or as_json):
        typer.echo("nothing to do: every stage is up to date", err=True)
    result = folder / "report/index.html" if upto == "report" else folder / upto
    if as_json:
        typer.echo(json.dumps({"run": str(folder.path), "result": str(result)}))
        return
    if upto == "report" and not quiet:
        show_headline(folder)
    typer.echo(str(result))


def _show(page: Path) -> None:
    import webbrowser

    if not webbrowser.open(page.resolve().as_uri()):
        typer.echo(f"no browser was found to show it; open {page} yourself", err=True)


def main() -> None:
    """The command line. Errors of the user's input are printed without a trace."""
    try:
        code = app(standalone_mode=False)
    except (ConfigError, SourceError, ContractError) as error:
        _stop(f"error: {error}", USER_ERROR)
    except SimPersonaError as error:
        _stop(f"error: {type(error).__name__}: {error}", 1)
    except (typer.Abort, KeyboardInterrupt):
        code = STOPPED
    except Exception as error:
        if _interrupted(error):
            code = STOPPED
        elif hasattr(error, "format_message"):
            words = error.format_message()  # wrong usage; or no words at all: then this is the help
            _stop(words if words.startswith("Usage:") else f"error: {words}  (simpersona --help)", USER_ERROR)
        else:
            raise
    if code == STOPPED:
        logging.getLogger("asyncio").disabled = True  # it would report what was cut off as errors
        _stop("stopped; finished stages are kept, the next run goes on from there", STOPPED)
    sys.exit(code or 0)


def _interrupted(error: BaseException | None) -> bool:
    """Ctrl-C is behind this error: a compiled module that is stopped while it is imported raises its own."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _stop(message: str, code: int) -> NoReturn:
    typer.echo(message, err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
