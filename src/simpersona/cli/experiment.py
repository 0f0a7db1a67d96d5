"""The commands `experiment` and `power`: which of two stores wins, and how many buyers it takes to see it."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from simpersona.cli.console import JsonReporter, QuietReporter, TerminalReporter
from simpersona.config import Config
from simpersona.config.file import load_config, with_settings
from simpersona.errors import ConfigError
from simpersona.pipeline.run import Reporter, Stage, run_pipeline

Level = Annotated[float, typer.Option("--level", help="How often a winner may be named where there is none.")]
Lift = Annotated[float, typer.Option("--lift", help="The relative lift whose cost in buyers is told: 0.02 is 2 %.")]
Power = Annotated[float, typer.Option("--power", help="The probability with which it is to be found.")]

WIDTH = 120
"""Characters that the table of outcomes may take in the least."""


def experiment(
    a: Annotated[Path, typer.Argument(help="TOML file of the run, with store A.", metavar="A.toml")],
    b: Annotated[Path | None, typer.Argument(help="The same but for the store: B.", metavar="B.toml")] = None,
    store_a: Annotated[str | None, typer.Option("--store-a", metavar="URL", help="Address of store A.")] = None,
    store_b: Annotated[str | None, typer.Option("--store-b", metavar="URL", help="Address of store B.")] = None,
    buyers: Annotated[
        int | None, typer.Option("--buyers", min=1, help="Over all shops; as many as the run simulates by default.")
    ] = None,
    policy: Annotated[
        str | None, typer.Option("--policy", help="lm or scorer; the scorer by default, where it is trained.")
    ] = None,
    level: Level = 0.05,
    lift: Lift = 0.02,
    power: Power = 0.8,
    reseed: Annotated[
        bool, typer.Option("--reseed", help="B's buyers draw their moves anew: for a test of a store against itself.")
    ] = False,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="One setting, in both. May be given again.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Visit both stores anew.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print errors and the verdict only.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """The same buyers visit two variants of a store: which one wins, by how much, or that nobody can tell.

    Give two configs that are the same but for the store, or one and two addresses. Stages that are not up to date run first,
    up to the trained agent, with the settings of A.
    """
    from simpersona.pipeline import experiment as stage
    from simpersona.simulation.experiment import Question

    question = Question(level, lift, power)
    one, other = _arms(a, b, (store_a, store_b), set_)
    stage.require_one_run(one, other)
    _require_shares(level=level, power=power)
    acting = _acting(one, policy)
    settings = one.simulation if acting == one.simulation.policy else one.simulation.scorer
    plan = stage.Plan(one, other, question, acting, buyers or settings.episodes, reseed)
    reporter: Reporter = JsonReporter() if json_ else QuietReporter() if quiet else TerminalReporter()
    then = Stage(plan.name, partial(stage.run, plan), ("agent",), reader="experiment", inputs=plan.asked)
    try:
        folder = run_pipeline(one, reporter, "agent", (plan.name,) if force else (), then=then)
    finally:
        reporter.close()
    figures = stage.figures_in(folder / plan.name)
    if json_:
        typer.echo(json.dumps(figures | {"result": str(folder / plan.name)}))
        return
    if not quiet:
        _show(figures)
    typer.echo(f"{figures['verdict']}: {figures['reason']}")
    typer.echo(str(folder / plan.name / "index.html"))


def power(
    folder: Annotated[Path, typer.Argument(help="Folder of an experiment: runs/NAME/experiment-…", metavar="FOLDER")],
    lift: Lift = 0.02,
    power: Power = 0.8,
    level: Level = 0.05,
) -> None:
    """How many buyers it takes to see a lift, from the rates and the discordance of an experiment that was made."""
    from simpersona.pipeline.experiment import figures_in
    from simpersona.simulation.experiment import Question, cost_of_lifts

    _require_shares(level=level, power=power)
    figures = figures_in(folder)
    cost = cost_of_lifts(figures, Question(level, lift, power))
    for outcome, told in cost["outcomes"].items():
        it = figures["outcomes"][outcome]
        if told["buyers"] is None:
            typer.echo(f"{outcome}: cannot be told, for no pair of {figures['pairs']:,} differed or A never came to it")
            continue
        live = f"{told['visitors_per_arm']:,}" if told["visitors_per_arm"] else "–"
        typer.echo(
            f"{outcome}: {told['buyers']:,} buyers see {lift:+.1%} of {it['rate_a']:.1%} with probability {power:g} at level "
            f"{level:g} (Holm's first step); a live test, {live} visitors per arm. These {figures['pairs']:,} pairs see "
            f"{told['detectable']:.1%}."
        )


def _arms(
    a: Path, b: Path | None, urls: tuple[str | None, str | None], set_: list[str] | None
) -> tuple[Config, Config]:
    if (b is None) == (None in urls) or (b is not None and any(urls)):
        raise ConfigError("experiment: give two configs, or one config with --store-a URL and --store-b URL")
    configs = [load_config(path) for path in (a, b or a)]
    arms = []
    for config, path, url in zip(configs, (a, b or a), urls, strict=True):
        address = [f"simulation.store_url={url}"] if url else []
        arms.append(with_settings(config.model_dump(mode="json"), [*(set_ or []), *address], str(path)))
    return arms[0], arms[1]


def _acting(config: Config, policy: str | None) -> Literal["lm", "scorer"]:
    for name in reversed(config.acting):
        if policy in (None, name):
            return name
    raise ConfigError(f"--policy {policy}: the buyers of this run act by {' and '.join(config.acting)}")


def _require_shares(**shares: float) -> None:
    for name, value in shares.items():
        if not 0 < value < 1:
            raise ConfigError(f"--{name} {value:g}: expected a number between 0 and 1")


def _show(figures: dict[str, Any]) -> None:
    """The table of the outcomes (standard output)."""
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
    for shop, part in figures["shops"].items():
        console.print(f"{shop}: {part['verdict']} ({part['pairs']:,} buyers; {part['reason']})", markup=False)
