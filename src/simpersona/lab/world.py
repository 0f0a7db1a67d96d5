"""A generated world: shops with known buyers, their events as a store would log them, and the truth.

FOLDER/events/SHOP.jsonl, products.parquet, collections.parquet     what a source would give
FOLDER/truth/types, buyers, mixes, rates, sessions (.parquet)       what only the lab knows
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from simpersona.config import LabConfig
from simpersona.errors import ConfigError
from simpersona.lab import web_pixels
from simpersona.lab.catalogue import FIRST_COLLECTION, Catalogue, make_catalogue
from simpersona.lab.clientele import Clientele, Plan, draw_clientele, plan_visits, shop_sizes
from simpersona.lab.funnel import CART_LINES
from simpersona.lab.shopper_types import INTENTS, ShopperType, make_types
from simpersona.lab.truth import TRUE_BUYERS, TRUE_MIXES, TRUE_SESSIONS, rates_table, types_table
from simpersona.lab.visits import Trail, visit_shop
from simpersona.ports import Progress

PARTS = ("events", "truth")
FEWEST_PRODUCTS = CART_LINES + 2
"""There must be a product to look at beside a full cart and the one just seen."""


def generate_world(folder: Path, config: LabConfig, progress: Progress) -> None:
    """Writes a world of `config.shops` shops and `config.buyers` buyers in all; same seed, same bytes.

    It is written beside `folder` and renamed when whole; an earlier world in `folder` is replaced.
    `progress` is told (shops done, shops, note). Raises ConfigError for a world that cannot be made
    and for a folder that holds anything but a world.
    """
    folder = folder.absolute()
    _require_possible(config)
    _require_free(folder)
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    for part in PARTS:
        (partial / part).mkdir(parents=True)

    common = np.random.default_rng([config.seed, 0])
    types = make_types(config.types, common)
    sizes = shop_sizes(config.shops, config.buyers, common)
    tables: dict[str, list[pa.Table]] = {}
    for shop, size in enumerate(sizes.tolist()):
        made = _make_shop(partial / "events", shop, size, types, config)
        for name, table in made.items():
            tables.setdefault(name, []).append(table)
        progress(shop + 1, config.shops, f"{made['products']['shop_id'][0]}: {size:,} buyers")

    tables["truth/types"], tables["truth/rates"] = [types_table(types)], [rates_table(types)]
    for name, parts in tables.items():
        place = name if "/" in name else f"events/{name}"
        pq.write_table(pa.concat_tables(parts), partial / f"{place}.parquet")
    _move(partial, folder)


def _make_shop(
    events: Path, shop: int, size: int, types: Sequence[ShopperType], config: LabConfig
) -> dict[str, pa.Table]:
    """Writes the shop's events and gives its tables by the name of their file."""
    rng = np.random.default_rng([config.seed, 1 + shop])
    catalogue = make_catalogue(shop, config.products_per_shop, rng)
    clientele = draw_clientele(shop, size, types, rng)
    plan = plan_visits(clientele, catalogue, types, config.days, rng)
    trail = visit_shop(catalogue, types, plan, rng)
    with (events / f"{catalogue.shop_id}.jsonl").open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in web_pixels.lines(catalogue, clientele, plan, trail, rng))
    return {
        "products": catalogue.products,
        "collections": catalogue.collections,
        "truth/buyers": _buyers(catalogue, clientele),
        "truth/mixes": _mixes(catalogue, clientele),
        "truth/sessions": _sessions(catalogue, clientele, plan, trail),
    }


def _buyers(catalogue: Catalogue, clientele: Clientele) -> pa.Table:
    return TRUE_BUYERS.conform(
        pa.table(
            {
                "shop_id": [catalogue.shop_id] * len(clientele.type),
                "buyer_id": clientele.buyer_id,
                "type": clientele.type,
                "second_type": pa.array(clientele.second, mask=clientele.second < 0),
                "second_share": clientele.second_share,
            }
        )
    )


def _mixes(catalogue: Catalogue, clientele: Clientele) -> pa.Table:
    count = len(clientele.shares)
    return TRUE_MIXES.check(
        pa.table(
            {
                "shop_id": [catalogue.shop_id] * count,
                "type": np.arange(count),
                "share": clientele.shares,
                "buyers": np.bincount(clientele.type, minlength=count),
            }
        )
    )


def _sessions(catalogue: Catalogue, clientele: Clientele, plan: Plan, trail: Trail) -> pa.Table:
    plurals = np.array([kind.plural for _, kind in catalogue.kinds])
    return TRUE_SESSIONS.conform(
        pa.table(
            {
                "shop_id": [catalogue.shop_id] * len(plan),
                "buyer_id": [clientele.buyer_id[buyer] for buyer in plan.buyer],
                "session": plan.rank,
                "start": pa.array(web_pixels.moment(trail.start)).cast(TRUE_SESSIONS.schema.field("start").type),
                "events": np.bincount(trail.visit, minlength=len(plan)),
                "type": plan.type,
                "intent": np.array(INTENTS)[plan.intent],
                "wanted": pa.array(plurals[plan.wanted], mask=plan.wanted < 0),
            }
        )
    )


def _require_possible(config: LabConfig) -> None:
    if config.buyers < config.shops:
        raise ConfigError(
            f"lab.buyers is {config.buyers} for {config.shops} shops; every shop needs a buyer: "
            "raise lab.buyers or lower lab.shops."
        )
    if not FEWEST_PRODUCTS <= config.products_per_shop <= FIRST_COLLECTION:
        raise ConfigError(
            f"lab.products_per_shop is {config.products_per_shop}; expected {FEWEST_PRODUCTS} to {FIRST_COLLECTION}."
        )


def _require_free(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ConfigError(f"{folder} is a file; expected a folder for the world. Name another folder.")
    if others := sorted(child.name for child in folder.iterdir() if child.name not in PARTS):
        raise ConfigError(
            f"{folder} holds {', '.join(others[:3])}; expected an empty folder or an earlier world "
            f"({' and '.join(PARTS)}). Name another folder or empty it."
        )


def _move(partial: Path, folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
    partial.rename(folder)
