"""The data folder of one store: built once, copied to be served, and copied again for a reset.

    built/     the clean state: store.sqlite3, products.parquet, collections.parquet, build.json, secret.key
    live-*/    a copy of it that is served, with events.jsonl (what visitors did)
    live       a link to that copy

A folder is put in place by one rename, so that a kill at any moment leaves the old one or the new one.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from simpersona.contracts import COLLECTIONS, PRODUCTS
from simpersona.errors import ConfigError, ContractError, StorefrontError
from simpersona.lab.storefront.addresses import STORES_VARIABLE
from simpersona.lab.storefront.themes import THEMES
from simpersona.lab.variants import PLAIN, Variant

LAYOUT = 2
"""Raised when the loader changes what it writes, so that older data folders are built again."""
LOG_LINES = 15


@dataclass(frozen=True)
class Look:
    """How a shop's store looks and what differs from the plain one. `theme` is one of themes.THEMES."""

    theme: str = "classic"
    variant: Variant = PLAIN


class StoreFolder:
    """The data folder at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.built, self.live = path / "built", path / "live"

    @property
    def events_log(self) -> Path:
        """What visitors did since the last reset."""
        return self.live / "events.jsonl"

    def reset(self) -> None:
        """Back to the clean state; a server on the link `live` goes on with it. Raises ConfigError if never built."""
        self._require_built()
        fresh = Path(tempfile.mkdtemp(prefix="live-", dir=self.path))
        shutil.copytree(self.built, fresh, dirs_exist_ok=True)
        (fresh / "events.jsonl").touch()
        link = self.path / "live.new"
        link.unlink(missing_ok=True)
        link.symlink_to(fresh.name)
        if not self.live.is_symlink():  # a folder of an earlier layout
            shutil.rmtree(self.live, ignore_errors=True)
        link.replace(self.live)
        for left in set(self.path.glob("live-*")) - {fresh}:  # the copy served so far; others of killed processes
            shutil.rmtree(left, ignore_errors=True)

    def require_live(self) -> None:
        """Makes the copy to serve unless it is there. Raises ConfigError for a store that was never built."""
        if _marker(self.live).get("digest") != self._require_built():  # a kill between building and copying
            self.reset()

    def _require_built(self) -> str:
        built = _marker(self.built).get("digest")
        if built is None:
            raise ConfigError(f"{self.path}: no store was built here. Call build(shop_id, products, collections).")
        return built


def shop_in(folder: Path) -> str | None:
    """The id of the shop whose store was built in this folder, if one was."""
    return _marker(StoreFolder(folder).built).get("shop_id")


@dataclass(frozen=True)
class Order:
    """What to build: the store of one shop in one folder. Its tables are checked, and hold this shop alone."""

    folder: StoreFolder
    shop_id: str
    look: Look
    products: pa.Table
    collections: pa.Table

    @cached_property
    def digest(self) -> str:
        """Of all that the store is made of."""
        version = importlib.metadata.version("django-oscar")
        content = [LAYOUT, version, self.shop_id, self.look.theme, asdict(self.look.variant)]
        rows = [self.products.to_pylist(), self.collections.to_pylist()]
        return hashlib.sha256(json.dumps([content, rows]).encode()).hexdigest()


def order(folder: Path, shop_id: str, look: Look, products: pa.Table, collections: pa.Table) -> Order:
    """An order for one shop of a catalogue, its prices changed as the variant wants it.

    Raises ConfigError for an unknown theme, ContractError for a broken catalogue or one without this shop.
    """
    if look.theme not in THEMES:
        raise ConfigError(f"no theme {look.theme!r}; there are {', '.join(THEMES)}")
    if not look.variant.price_factor > 0:
        raise ConfigError(f"price_factor = {look.variant.price_factor}: expected a number above 0")
    products = PRODUCTS.check(_of_shop(PRODUCTS.conform(products), shop_id))
    if not products.num_rows:
        raise ContractError(f"products: no row for shop {shop_id!r}, so there is nothing to sell.")
    if look.variant.price_factor != 1:
        prices = pc.round(pc.multiply(products["price"], look.variant.price_factor), ndigits=2)
        products = PRODUCTS.conform(products.set_column(products.column_names.index("price"), "price", prices))
    collections = COLLECTIONS.check(_of_shop(COLLECTIONS.conform(collections), shop_id))
    return Order(StoreFolder(folder), shop_id, look, products, collections)


def unbuilt(orders: Sequence[Order]) -> list[Order]:
    """Those whose folder does not hold this very store."""
    return [one for one in orders if _marker(one.folder.built).get("digest") != one.digest]


def build(orders: Sequence[Order]) -> None:
    """Writes all these stores; the visits so far are dropped. Raises StorefrontError if loading fails."""
    fresh: dict[str, Path] = {}
    try:
        for number, one in enumerate(orders):
            one.folder.path.mkdir(parents=True, exist_ok=True)
            for left in one.folder.path.glob("building-*"):  # by a killed process
                shutil.rmtree(left, ignore_errors=True)
            fresh[str(number)] = Path(tempfile.mkdtemp(prefix="building-", dir=one.folder.path))
            _write_tables(one, fresh[str(number)])
        _load(orders, fresh)
        for one, folder in zip(orders, fresh.values(), strict=True):
            _swap_in(folder, one.folder.built)
            one.folder.reset()
    finally:
        for folder in fresh.values():
            shutil.rmtree(folder, ignore_errors=True)


def environment(folders: Mapping[str, Path]) -> dict[str, str]:
    """The environment of a process on these data folders, by path prefix."""
    return os.environ | {
        STORES_VARIABLE: json.dumps({prefix: str(folder) for prefix, folder in folders.items()}),
        "DJANGO_SETTINGS_MODULE": "simpersona.lab.storefront.settings",
    }


def last_lines(text: str) -> str:
    """The end of a log, for an error message."""
    return "\n".join(text.strip().splitlines()[-LOG_LINES:]) or "(empty)"


def _write_tables(one: Order, folder: Path) -> None:
    pq.write_table(one.products, folder / "products.parquet")
    pq.write_table(one.collections, folder / "collections.parquet")
    marker = {
        "shop_id": one.shop_id,
        "theme": one.look.theme,
        "variant": asdict(one.look.variant),
        "products": one.products.num_rows,
        "digest": one.digest,
    }
    (folder / "build.json").write_text(json.dumps(marker), encoding="utf-8")
    (folder / "secret.key").write_text(secrets.token_urlsafe(50), encoding="utf-8")


def _load(orders: Sequence[Order], folders: Mapping[str, Path]) -> None:
    loading = subprocess.run(
        [sys.executable, "-m", "simpersona.lab.storefront.load"],
        env=environment(folders),
        capture_output=True,
        text=True,
        check=False,
    )
    if loading.returncode:
        shops = ", ".join(f"{one.shop_id!r} ({one.products.num_rows} products)" for one in orders[:5])
        raise StorefrontError(
            f"The catalogue of {shops}{' …' if len(orders) > 5 else ''} could not be loaded into "
            f"{orders[0].folder.path}:\n{last_lines(loading.stderr)}"
        )


def _of_shop(table: pa.Table, shop_id: str) -> pa.Table:
    return table.filter(pc.equal(table["shop_id"], shop_id))


def _marker(folder: Path) -> dict[str, str]:
    """build.json, empty if it cannot be read."""
    try:
        return json.loads((folder / "build.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _swap_in(fresh: Path, place: Path) -> None:
    """Puts the folder `fresh` where `place` is; what was there is removed."""
    old = fresh.with_name(f"{fresh.name}-old")
    with contextlib.suppress(FileNotFoundError):
        place.rename(old)
    fresh.rename(place)
    shutil.rmtree(old, ignore_errors=True)
