"""The commands `visit` and `replay`: one visit now, and a page that steps through visits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from simpersona.cli.options import Open, PackArgument, show_page, store_settings
from simpersona.errors import ConfigError


def visit(
    url: Annotated[str, typer.Argument(help="Address of the store.", metavar="URL")],
    persona: Annotated[
        int | None, typer.Option("--persona", help="Code of the persona; without it, a buyer without a persona token.")
    ] = None,
    pack: PackArgument = "default",
    goal: Annotated[
        str | None, typer.Option("--goal", help="What the buyer wants; by default what the persona is interested in.")
    ] = None,
    intent: Annotated[
        str | None, typer.Option("--intent", help="buy or browse: makes the default goal say so.")
    ] = None,
    policy: Annotated[
        str | None, typer.Option("--policy", help="scorer or lm; by default the pack's first one.")
    ] = None,
    driver: Annotated[str, typer.Option("--driver", help="http, or browser (Chromium).")] = "http",
    seed: Annotated[int, typer.Option("--seed", help="Another seed gives another visit.")] = 0,
    max_steps: Annotated[int, typer.Option("--max-steps", min=1, help="Actions before the visit is stopped.")] = 30,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="One setting of [store]: store.max_page_tokens=2000. Can be repeated."
        ),
    ] = None,
    replay: Annotated[
        Path | None, typer.Option("--replay", metavar="FILE", help="HTML file to write that steps through the visit.")
    ] = None,
    open_: Open = False,
) -> None:
    """Send one simulated buyer to a store, now. The buyer never pays."""
    from simpersona.pipeline.single_visit import visit as visit_store

    if open_ and replay is None:
        raise ConfigError("--open shows the page that --replay FILE writes: give both")
    store = store_settings("visit", set_)
    done = visit_store(
        url,
        persona,
        pack=pack,
        goal=goal,
        intent=cast("Literal['buy', 'browse'] | None", intent),
        policy=cast("Literal['scorer', 'lm'] | None", policy),
        driver=cast("Literal['http', 'browser']", driver),
        seed=seed,
        max_steps=max_steps,
        store=store,
    )
    for line in done.lines():
        typer.echo(line)
    if replay is not None:
        typer.echo(str(done.write_replay(replay)))
        if open_:
            show_page(replay)


def replay(
    run: Annotated[Path, typer.Argument(help="Folder of a run with visits.", metavar="RUN")],
    episode: Annotated[str | None, typer.Argument(help="One visit; without it, a list of all visits.")] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="HTML file to write; by default in RUN/replays.", show_default=False),
    ] = None,
    stage: Annotated[
        str, typer.Option("--of", help="simulation: simulated buyers. traces: the replays of recorded sessions.")
    ] = "simulation",
    open_: Open = False,
) -> None:
    """Write a page that steps through visits.

    It shows pages, actions, reasons and screenshots.
    """
    from simpersona.pipeline.replay import write_replays

    if stage not in ("simulation", "traces"):
        raise ConfigError(f"--of {stage}: expected simulation or traces")
    page = write_replays(run, episode, stage, out)
    typer.echo(str(page))
    if open_:
        show_page(page)
