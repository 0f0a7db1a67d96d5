"""The command line: all commands, and how their errors are shown.

Exit codes: 0 done, 2 the user's input is wrong, 1 anything else, 130 stopped by the user.
"""

from __future__ import annotations

import logging
import sys
from typing import Annotated, NoReturn

import typer

from simpersona import __version__
from simpersona.cli import stages
from simpersona.cli.doctor import doctor
from simpersona.cli.experiment import experiment, power
from simpersona.cli.failures import path_error, suggestion
from simpersona.cli.lab import lab
from simpersona.cli.models import export, pack
from simpersona.cli.new import init
from simpersona.cli.personas import assign, coldstart, drift, vectors
from simpersona.cli.visits import replay, visit
from simpersona.errors import ConfigError, ContractError, SimPersonaError, SourceError

USER_ERROR, STOPPED = 2, 130

app = typer.Typer(
    help="From the raw clickstream of online stores to a population of simulated buyers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    suggest_commands=False,  # `main` does, in its own form
)
app.command()(init)
stages.add_commands(app)
for _command in (assign, drift, coldstart, vectors, visit, replay):
    app.command()(_command)
app.command(short_help="Let the same buyers visit two stores: which one wins?")(experiment)
app.command(short_help="Compute how many buyers it takes to detect a lift.")(power)
for _command in (pack, export, doctor):
    app.command()(_command)
app.add_typer(lab, name="lab")


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"simpersona {__version__}")
        raise typer.Exit


def main() -> None:
    """Runs a command. Errors of the user's input are printed without a trace."""
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
        elif isinstance(error, OSError) and (message := path_error(error)):
            _stop(f"error: {message}", USER_ERROR)
        elif hasattr(error, "format_message"):  # wrong usage; without any argument, the message is the help
            message = error.format_message()
            hint = suggestion(message, _command_names())
            _stop(
                message if message.startswith("Usage:") else f"error: {message}{hint}  (simpersona --help)", USER_ERROR
            )
        else:
            raise
    if code == STOPPED:
        logging.getLogger("asyncio").disabled = True  # it would report what was cut off as errors
        _stop("stopped; finished stages are kept, and the next run continues from there", STOPPED)
    sys.exit(code or 0)


def _command_names() -> list[str]:
    """The commands of the group that the arguments name."""
    group = typer.main.get_group(app)
    inner = group.commands.get(sys.argv[1]) if len(sys.argv) > 1 else None
    return list(getattr(inner, "commands", group.commands))


def _interrupted(error: BaseException | None) -> bool:
    """Whether Ctrl-C is behind this error: a compiled module that is stopped during its import raises its own error."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _stop(message: str, code: int) -> NoReturn:
    typer.echo(message, err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
