"""Generates a world: shops with known buyers, their events as a store would log them, and the ground truth.

FOLDER/events/SHOP.jsonl or SHOP-NNNN.parquet, products.parquet, collections.parquet     the log of a real source
FOLDER/truth/types, habits, rates, effects, shops, mixes, lifts, buyers, sessions        the planted truth

The steps and their modules: `shopper_types` and `effects` plant the truth, `catalogue` generates products, `clientele`
draws buyers and plans visits, `visits` draws the events of the visits along the chain of `funnel`, `expected_rates` and
`truth_tables` compute the true rates, and `world_files` writes everything (events by `web_pixels` and `event_rows`).
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa

from simpersona.config import LabConfig
from simpersona.errors import ConfigError
from simpersona.lab.catalogue import catalogue_sizes, make_catalogue
from simpersona.lab.clientele import draw_clientele, draw_mix, plan_visits, shop_sizes
from simpersona.lab.effects import NAMED_VARIANTS
from simpersona.lab.funnel import CART_LINES
from simpersona.lab.product_choice import ProductLists
from simpersona.lab.shop_part import ShopPart
from simpersona.lab.shopper_types import make_types
from simpersona.lab.truth_tables import mix_table, shop_tables, type_tables
from simpersona.lab.variants import PLAIN, Variant
from simpersona.lab.visits import TransitionTables, draw_visits
from simpersona.lab.world_files import FOLDERS, WorldFiles
from simpersona.ports import Progress

FEWEST_PRODUCTS = CART_LINES + 2
"""A visit needs a product to view beside those in a full cart and the last viewed one."""
MOST_PRODUCTS = 20_000
"""Maximum mean number of products per shop; the vocabulary has enough titles for the largest shop then."""


def generate_world(folder: Path, config: LabConfig, progress: Progress, buyers_at_once: int = 10_000) -> int:
    """Writes a world of `config.shops` shops and `config.buyers` buyers in all; returns the number of events.

    The same seed gives the same bytes. A shop is generated in parts of `buyers_at_once` buyers, each with a separate
    seed, so that memory does not grow with the world. The world is written beside `folder` and renamed when complete;
    it replaces an earlier world in `folder`. `progress` receives (buyers done, buyers, note).

    Raises ConfigError for impossible settings, and for a folder that holds anything but a world.
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
    transitions = {variant: TransitionTables(types, variant) for variant in dict.fromkeys(variants)}
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
            product_lists = ProductLists(catalogue)
            files.open_shop(catalogue)
            for number, first in enumerate(range(0, size, buyers_at_once)):
                rng = _stream(config, 1 + shop, 2 + number)
                clientele = draw_clientele(shares, min(buyers_at_once, size - first), rng)
                plan = plan_visits(clientele, catalogue, types, config.days, rng)
                visit_events = draw_visits(product_lists, transitions[variants[shop]], plan, rng)
                part = ShopPart(number, catalogue, clientele, plan, visit_events)
                files.add_part(part, rng)
                drawn += np.bincount(clientele.type, minlength=len(drawn))
                events += len(part.visit_events)
                done += len(clientele.type)
                progress(done, config.buyers, f"{catalogue.shop_id}: {events:,} events")
            mixes.append(mix_table(catalogue.shop_id, shares, drawn))
        for name, table in shop_tables(pa.concat_tables(mixes), types, config.days, variants).items():
            files.add(f"truth/{name}", table)
    return events


def shop_variants(config: LabConfig) -> list[Variant]:
    """The variant of each shop, in the order in which the shops are generated."""
    named = [*NAMED_VARIANTS.values()] if config.variants == "varied" else [Variant(**config.variant.model_dump())]
    return [named[shop % len(named)] for shop in range(config.shops)]


def _stream(config: LabConfig, *key: int) -> np.random.Generator:
    """The random generator of one part of the world, independent of draws elsewhere."""
    return np.random.default_rng(np.random.SeedSequence(config.seed, spawn_key=key))


def _require_possible(config: LabConfig) -> None:
    if config.buyers < config.shops:
        raise ConfigError(
            f"lab.buyers is {config.buyers} for {config.shops} shops; expected at least one buyer per shop. "
            "Raise lab.buyers or lower lab.shops."
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
