"""The commands `lab world` and `lab store`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from simpersona.cli.options import reporting
from simpersona.errors import ConfigError

lab = typer.Typer(help="Generate a world, or serve its storefronts.", no_args_is_help=True)

Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--variant",
        metavar="NAME",
        help="A change to the plain store: free_shipping_notice, hidden_search, one_page_checkout or "
        "price_factor=1.1. Can be repeated.",
    ),
]
SHOPS, BUYERS, PRODUCTS, TYPES, DAYS, OUTPUT, SEED = 12, 6000, 60, 24, 120, "jsonl", 15
"""The defaults of the section [lab], repeated here because `--help` does not load the config. A test compares them."""


@lab.command("world")
def lab_world(
    out: Annotated[Path, typer.Option("--out", help="Folder to write.")],
    shops: Annotated[int, typer.Option("--shops", help="Number of stores; the paper has 39 + 42 = 81.")] = SHOPS,
    buyers: Annotated[int, typer.Option("--buyers", help="Number of buyers over all stores.")] = BUYERS,
    products: Annotated[int, typer.Option("--products", help="Products per store, on average.")] = PRODUCTS,
    types: Annotated[int, typer.Option("--types", help="Number of latent buyer types.")] = TYPES,
    days: Annotated[
        int, typer.Option("--days", help="Days of events: about 20 events per buyer in 120 days, 12 in 60.")
    ] = DAYS,
    output: Annotated[
        str, typer.Option("--output", help="Format of the events: jsonl, parquet (for large worlds), or both.")
    ] = OUTPUT,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the world.")] = SEED,
    variant: Changes = None,
) -> None:
    """Generate events, catalogues and the true type of every buyer."""
    from simpersona.config.file import with_settings
    from simpersona.lab.world import generate_world

    asked = {"shops": shops, "buyers": buyers, "products_per_shop": products, "types": types, "days": days}
    settings = with_settings(
        {"lab": asked | {"output": output, "seed": seed}}, _changes("lab", variant), "lab world"
    ).lab
    if out.exists() and any(out.iterdir()):
        raise ConfigError(f"{out} is not empty; it is not overwritten. Give another --out.")
    with reporting(quiet=False, as_json=False) as reporter:
        reporter.started("world")
        events = generate_world(out, settings, reporter.progress)
    typer.echo(
        f"{out}: {shops} shops, {buyers:,} buyers, {events:,} events. Read it with "
        f"source.format = {'table' if output == 'parquet' else 'shopify'}, source.path = {out}/events"
    )


@lab.command("store")
def lab_store(
    catalog: Annotated[
        Path, typer.Option("--catalog", help="products.parquet of a run or a world; collections.parquet beside it.")
    ],
    port: Annotated[int, typer.Option("--port", help="Port to listen on; 0: any free port.", min=0, max=65535)] = 8000,
    shop: Annotated[
        str | None, typer.Option("--shop", help="Serve this store alone, at /. By default each store is at /SHOP/.")
    ] = None,
    theme: Annotated[
        str, typer.Option("--theme", help="classic, sidebar, boutique, outlet, or varied: the themes in turn.")
    ] = "varied",
    variant: Changes = None,
) -> None:
    """Serve the stores of a catalogue as real storefronts, until Ctrl-C."""
    from simpersona.config.file import with_settings
    from simpersona.lab.storefront.serve_command import serve_store
    from simpersona.lab.variants import Variant

    settings = with_settings({"store": {"theme": theme}}, _changes("store", variant), "lab store").store
    serve_store(catalog, shop, port, settings.theme, Variant(**settings.variant.model_dump()), typer.echo)


def _changes(section: str, variant: list[str] | None) -> list[str]:
    """The changes that --variant names, in the form of --set."""
    return [f"{section}.variant.{change if '=' in change else change + '=true'}" for change in variant or []]
