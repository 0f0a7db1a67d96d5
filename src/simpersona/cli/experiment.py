"""The commands `experiment` and `power`: which of two stores wins, and how many buyers it takes to see a lift."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from simpersona.cli.options import Setting, print_json, reporting
from simpersona.errors import ConfigError

if TYPE_CHECKING:
    from simpersona.config import Config

Level = Annotated[
    float, typer.Option("--level", help="Significance level (alpha): how often chance alone may produce a winner.")
]
Lift = Annotated[
    float, typer.Option("--lift", help="Minimum detectable effect: relative lift to plan for; 0.02 is 2 %.")
]
Power = Annotated[
    float, typer.Option("--power", help="Statistical power: probability that an effect of this size is detected.")
]

WIDTH = 120
"""Least width of the table of outcomes, in characters."""


def experiment(
    a: Annotated[Path, typer.Argument(help="TOML file of the run, with store A.", metavar="A.toml")],
    b: Annotated[Path | None, typer.Argument(help="The same with another store: B.", metavar="B.toml")] = None,
    store_a: Annotated[str | None, typer.Option("--store-a", metavar="URL", help="Address of store A.")] = None,
    store_b: Annotated[str | None, typer.Option("--store-b", metavar="URL", help="Address of store B.")] = None,
    buyers: Annotated[
        int | None,
        typer.Option(
            "--buyers", min=1, help="Number of buyers over all stores; by default as many as the run simulates."
        ),
    ] = None,
    policy: Annotated[
        str | None, typer.Option("--policy", help="lm or scorer; by default the scorer, where it is trained.")
    ] = None,
    level: Level = 0.05,
    lift: Lift = 0.02,
    power: Power = 0.8,
    reseed: Annotated[
        bool, typer.Option("--reseed", help="Use another seed in B: to test a store against itself.")
    ] = False,
    set_: Setting = None,
    force: Annotated[bool, typer.Option("--force", help="Re-run the visits of both stores.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only errors and the verdict.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Let the same buyers visit two variants of a store: which one wins, by how much, or that the data cannot tell.

    Give two configs that differ only in the store, or one config and two addresses. Stages that are not up to date run
    first, up to the trained agent, with the settings of A.
    """
    from simpersona.pipeline.experiment import experiment as compare_stores

    arms = _arms(a, b, (store_a, store_b), set_)
    with reporting(quiet, json_) as reporter:
        done = compare_stores(
            *arms,
            buyers=buyers,
            policy=cast("Literal['lm', 'scorer'] | None", policy),
            level=level,
            lift=lift,
            power=power,
            reseed=reseed,
            force=force,
            progress=reporter,
        )
    if json_:
        print_json(done.figures | {"result": str(done.folder)})
        return
    if not quiet:
        _show(done.figures)
    typer.echo(f"{done.verdict}: {done.reason}")
    typer.echo(str(done.page))


def power(
    folder: Annotated[Path, typer.Argument(help="Folder of an experiment: runs/NAME/experiment-...", metavar="FOLDER")],
    lift: Lift = 0.02,
    power: Power = 0.8,
    level: Level = 0.05,
) -> None:
    """Compute how many buyers it takes to detect a lift, from the rates and the discordance of a finished experiment."""
    from simpersona.pipeline.experiment import figures_in
    from simpersona.pipeline.experiment import power as cost_of_lift

    figures = figures_in(folder)
    cost = cost_of_lift(figures, lift=lift, power=power, level=level)
    for outcome, needed in cost["outcomes"].items():
        rates = figures["outcomes"][outcome]
        if needed["buyers"] is None:
            typer.echo(f"{outcome}: unknown, because none of {figures['pairs']:,} pairs differed or A's rate is 0")
            continue
        live = f"{needed['visitors_per_arm']:,}" if needed["visitors_per_arm"] else "–"
        typer.echo(
            f"{outcome}: {needed['buyers']:,} buyers detect {lift:+.1%} of {rates['rate_a']:.1%} with power {power:g} at "
            f"level {level:g} (Holm's first step); a live test needs {live} visitors per arm. These {figures['pairs']:,} "
            f"pairs detect {needed['detectable']:.1%}."
        )


def _arms(
    a: Path, b: Path | None, urls: tuple[str | None, str | None], set_: list[str] | None
) -> tuple[Config, Config]:
    from simpersona.config.file import load_config, with_settings

    if (b is None) == (None in urls) or (b is not None and any(urls)):
        raise ConfigError("experiment: give two configs, or one config with --store-a URL and --store-b URL")
    configs = [load_config(path) for path in (a, b or a)]
    arms = []
    for config, path, url in zip(configs, (a, b or a), urls, strict=True):
        address = [f"simulation.store_url={url}"] if url else []
        arms.append(with_settings(config.model_dump(mode="json"), [*(set_ or []), *address], str(path)))
    return arms[0], arms[1]


def _show(figures: dict[str, Any]) -> None:
    """Prints the table of the outcomes (standard output)."""
    from rich.console import Console
    from rich.table import Table

    from simpersona.evaluation.measurable import INFERRED
    from simpersona.report.experiment_page import outcome_rows, store_label

    title = f"A: {store_label(figures['a'])}\nB: {store_label(figures['b'])}\n{figures['pairs']:,} buyers in both"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    columns = ("outcome", "A", "B", "lift, points", "relative", "p (Holm)", "verdict")
    for column in (*columns, f"buyers for {figures['cost']['lift']:+.1%}"):
        table.add_column(column, justify="left" if column in ("outcome", "verdict") else "right")
    for row in outcome_rows(figures, figures["cost"]):
        table.add_row(row.outcome, row.rate_a, row.rate_b, row.lift, row.relative, row.p, row.verdict, row.needed)
    console = Console(highlight=False, soft_wrap=True, width=max(Console().width, WIDTH))
    console.print(table)
    if figures.get("inferred"):
        console.print(f"Events are {INFERRED}; purchases cannot be measured there.", markup=False)
    for shop, part in figures["shops"].items():
        console.print(f"{shop}: {part['verdict']} ({part['pairs']:,} buyers; {part['reason']})", markup=False)
