"""The commands `lab world` and `lab store`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from simpersona.cli.console import TerminalReporter
from simpersona.config import LabConfig
from simpersona.config.file import with_settings
from simpersona.errors import ConfigError

lab = typer.Typer(help="A generated world, and a storefront to run it in.", no_args_is_help=True)

Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--variant",
        metavar="NAME",
        help="What differs from the plain store: free_shipping_notice, hidden_search, one_page_checkout or "
        "price_factor=1.1. May be given again.",
    ),
]
WORLD = LabConfig()


@lab.command("world")
def lab_world(
    out: Annotated[Path, typer.Option("--out", help="Folder to write.")],
    shops: Annotated[int, typer.Option("--shops", help="81 are the paper's 39 + 42.")] = WORLD.shops,
    buyers: Annotated[int, typer.Option("--buyers", help="Over all shops.")] = WORLD.buyers,
    products: Annotated[int, typer.Option("--products", help="Of a shop, on average.")] = WORLD.products_per_shop,
    types: Annotated[int, typer.Option("--types", help="Latent buyer types.")] = WORLD.types,
    days: Annotated[int, typer.Option("--days", help="About 20 events a buyer in 120 days, 12 in 60.")] = WORLD.days,
    output: Annotated[
        str, typer.Option("--output", help="Events as jsonl, as parquet (for large worlds), or both.")
    ] = WORLD.output,
    seed: Annotated[int, typer.Option("--seed")] = WORLD.seed,
    variant: Changes = None,
) -> None:
    """Generate events, catalogues and the truth about every buyer."""
    from simpersona.lab.world import generate_world

    asked = {"shops": shops, "buyers": buyers, "products_per_shop": products, "types": types, "days": days}
    settings = with_settings(
        {"lab": asked | {"output": output, "seed": seed}}, _changes("lab", variant), "lab world"
    ).lab
    if out.exists() and any(out.iterdir()):
        raise ConfigError(f"{out} is not empty; it is not overwritten. Give another --out.")
    reporter = TerminalReporter()
    reporter.started("world")
    try:
        events = generate_world(out, settings, reporter.progress)
    finally:
        reporter.close()
    typer.echo(
        f"{out}: {shops} shops, {buyers:,} buyers, {events:,} events. Read it with "
        f"source.format = {'table' if output == 'parquet' else 'shopify'}, source.path = {out}/events"
    )


@lab.command("store")
def lab_store(
    catalog: Annotated[
        Path, typer.Option("--catalog", help="products.parquet of a run or a world; collections.parquet beside it.")
    ],
    port: Annotated[int, typer.Option("--port", help="0: any free port.")] = 8000,
    shop: Annotated[
        str | None, typer.Option("--shop", help="This shop alone, at /. Otherwise each shop is at /SHOP/.")
    ] = None,
    theme: Annotated[
        str, typer.Option("--theme", help="classic, sidebar, boutique, outlet, or varied: the shops take turns.")
    ] = "varied",
    variant: Changes = None,
) -> None:
    """Serve the shops of a catalogue as real storefronts, until Ctrl-C."""
    from simpersona.lab.storefront.serve_command import serve_store
    from simpersona.lab.variants import Variant

    settings = with_settings({"store": {"theme": theme}}, _changes("store", variant), "lab store").store
    serve_store(catalog, shop, port, settings.theme, Variant(**settings.variant.model_dump()), typer.echo)


def _changes(section: str, variant: list[str] | None) -> list[str]:
    """What --variant names, as --set has it."""
    return [f"{section}.variant.{one if '=' in one else one + '=true'}" for one in variant or []]
