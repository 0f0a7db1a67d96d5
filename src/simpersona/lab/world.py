"""A generated world: shops with known buyers, their events as a store would log them, and the truth.

FOLDER/events/SHOP.jsonl or SHOP-NNNN.parquet, products.parquet, collections.parquet     what a source would give
FOLDER/truth/types, habits, rates, effects, shops, mixes, lifts, buyers, sessions        what only the lab knows
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa

from simpersona.config import LabConfig
from simpersona.errors import ConfigError
from simpersona.lab.catalogue import catalogue_sizes, make_catalogue
from simpersona.lab.choices import Shelves
from simpersona.lab.clientele import draw_clientele, draw_mix, plan_visits, shop_sizes
from simpersona.lab.effects import NAMED
from simpersona.lab.funnel import CART_LINES
from simpersona.lab.part import Part
from simpersona.lab.shopper_types import make_types
from simpersona.lab.truth import mix_table, shop_tables, type_tables
from simpersona.lab.variants import PLAIN, Variant
from simpersona.lab.visits import Ways, visit_shop
from simpersona.lab.world_files import FOLDERS, WorldFiles
from simpersona.ports import Progress

FEWEST_PRODUCTS = CART_LINES + 2
"""There must be a product to look at beside a full cart and the one just seen."""
MOST_PRODUCTS = 20_000
"""Of a shop on average; the words make more titles than the largest shop then needs."""


def generate_world(folder: Path, config: LabConfig, progress: Progress, buyers_at_once: int = 10_000) -> int:
    """Writes a world of `config.shops` shops and `config.buyers` buyers in all; gives the number of events.

    The same seed gives the same bytes. A shop is made in parts of `buyers_at_once` buyers, each from a
    seed of its own, so that memory does not grow with the world. It is written beside `folder` and
    renamed when whole; an earlier world in `folder` is replaced. `progress` is told (buyers done,
    buyers, note). Raises ConfigError for a world that cannot be made and for a folder that holds
    anything but a world.
    """
    folder = folder.absolute()
    _require_possible(config)
    _require_free(folder)
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        events = _write(partial, config, progress, buyers_at_once)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    if folder.exists():
        shutil.rmtree(folder)
    partial.rename(folder)
    return events


def _write(folder: Path, config: LabConfig, progress: Progress, buyers_at_once: int) -> int:
    common = _stream(config, 0)
    types = make_types(config.types, common)
    sizes = shop_sizes(config.shops, config.buyers, common)
    products = catalogue_sizes(config.shops, config.products_per_shop, common)
    variants = shop_variants(config)
    ways = {variant: Ways(types, variant) for variant in dict.fromkeys(variants)}
    mixes: list[pa.Table] = []
    events = done = 0
    with WorldFiles(folder, config.output) as files:
        for name, table in type_tables(types, PLAIN if config.variants == "varied" else variants[0]).items():
            files.add(f"truth/{name}", table)
        for shop, size in enumerate(sizes.tolist()):
            catalogue = make_catalogue(
                shop, int(products[shop]), _stream(config, 1 + shop, 0), variants[shop].price_factor
            )
            shares = draw_mix(shop, types, _stream(config, 1 + shop, 1))
            drawn = np.zeros(len(shares), int)
            shelves = Shelves(catalogue)
            files.open_shop(catalogue)
            for number, first in enumerate(range(0, size, buyers_at_once)):
                rng = _stream(config, 1 + shop, 2 + number)
                clientele = draw_clientele(shares, min(buyers_at_once, size - first), rng)
                plan = plan_visits(clientele, catalogue, types, config.days, rng)
                part = Part(number, catalogue, clientele, plan, visit_shop(shelves, ways[variants[shop]], plan, rng))
                files.add_part(part, rng)
                drawn += np.bincount(clientele.type, minlength=len(drawn))
                events += len(part.trail)
                done += len(clientele.type)
                progress(done, config.buyers, f"{catalogue.shop_id}: {events:,} events")
            mixes.append(mix_table(catalogue.shop_id, shares, drawn))
        for name, table in shop_tables(pa.concat_tables(mixes), types, config.days, variants).items():
            files.add(f"truth/{name}", table)
    return events


def shop_variants(config: LabConfig) -> list[Variant]:
    """Of each shop, in the order in which shops are made."""
    named = [*NAMED.values()] if config.variants == "varied" else [Variant(**config.variant.model_dump())]
    return [named[shop % len(named)] for shop in range(config.shops)]


def _stream(config: LabConfig, *place: int) -> np.random.Generator:
    """The random numbers of one part of the world, whatever is drawn elsewhere."""
    return np.random.default_rng(np.random.SeedSequence(config.seed, spawn_key=place))


def _require_possible(config: LabConfig) -> None:
    if config.buyers < config.shops:
        raise ConfigError(
            f"lab.buyers is {config.buyers} for {config.shops} shops; every shop needs a buyer: "
            "raise lab.buyers or lower lab.shops."
        )
    if not FEWEST_PRODUCTS <= config.products_per_shop <= MOST_PRODUCTS:
        raise ConfigError(
            f"lab.products_per_shop is {config.products_per_shop}; expected {FEWEST_PRODUCTS} to {MOST_PRODUCTS:,}."
        )


def _require_free(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ConfigError(f"{folder} is a file; expected a folder for the world. Name another folder.")
    if others := sorted(child.name for child in folder.iterdir() if child.name not in FOLDERS):
        raise ConfigError(
            f"{folder} holds {', '.join(others[:3])}; expected an empty folder or an earlier world "
            f"({' and '.join(FOLDERS)}). Name another folder or empty it."
        )
