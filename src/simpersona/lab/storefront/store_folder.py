"""The data folder of one store: built once, copied for serving, and copied again for a reset.

    built/     the clean state: store.sqlite3, products.parquet, collections.parquet, build.json, secret.key
    live-*/    the served copy, with events.jsonl (the log of visitors)
    live       a link to that copy

Folders are replaced by a rename, so that a killed process leaves either the old folder or the new one.
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
"""Version of the data folder; increase it when the loader's output changes, so that older folders are rebuilt."""
LOG_LINES = 15


@dataclass(frozen=True)
class Look:
    """The theme of a shop's store, one of themes.THEMES, and its variant."""

    theme: str = "classic"
    variant: Variant = PLAIN


class StoreFolder:
    """The data folder of one store at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.built, self.live = path / "built", path / "live"

    @property
    def events_log(self) -> Path:
        """The log of visitors since the last reset."""
        return self.live / "events.jsonl"

    def reset(self) -> None:
        """Resets the store to the clean state; a server on the link `live` uses the new copy.

        Raises ConfigError if the store was never built.
        """
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
        for old in set(self.path.glob("live-*")) - {fresh}:  # the previous copy, and copies of killed processes
            shutil.rmtree(old, ignore_errors=True)

    def require_live(self) -> None:
        """Creates the copy to serve if it is missing. Raises ConfigError if the store was never built."""
        if _marker(self.live).get("digest") != self._require_built():  # the process was killed before copying
            self.reset()

    def _require_built(self) -> str:
        built = _marker(self.built).get("digest")
        if built is None:
            raise ConfigError(f"{self.path}: no store was built here. Call build(shop_id, products, collections).")
        return built


def built_shop_id(folder: Path) -> str | None:
    """The id of the shop whose store was built in this folder, or None."""
    return _marker(StoreFolder(folder).built).get("shop_id")


@dataclass(frozen=True)
class BuildRequest:
    """The store of one shop to build in one folder. Its tables are validated and contain only this shop."""

    folder: StoreFolder
    shop_id: str
    look: Look
    products: pa.Table
    collections: pa.Table

    @cached_property
    def digest(self) -> str:
        """A hash of the store's content: catalogue, theme, variant, layout and version of django-oscar."""
        version = importlib.metadata.version("django-oscar")
        content = [LAYOUT, version, self.shop_id, self.look.theme, asdict(self.look.variant)]
        rows = [self.products.to_pylist(), self.collections.to_pylist()]
        return hashlib.sha256(json.dumps([content, rows]).encode()).hexdigest()


def build_request(folder: Path, shop_id: str, look: Look, products: pa.Table, collections: pa.Table) -> BuildRequest:
    """The request to build one shop of a catalogue, with prices multiplied by the variant's factor.

    Raises ConfigError for an unknown theme, ContractError for an invalid catalogue or one without this shop.
    """
    if look.theme not in THEMES:
        raise ConfigError(f"no theme {look.theme!r}; the themes are {', '.join(THEMES)}")
    if not look.variant.price_factor > 0:
        raise ConfigError(f"price_factor = {look.variant.price_factor}: expected a number above 0")
    products = PRODUCTS.check(_of_shop(PRODUCTS.conform(products), shop_id))
    if not products.num_rows:
        raise ContractError(f"products: no row for shop {shop_id!r}; expected at least one product.")
    if look.variant.price_factor != 1:
        prices = pc.round(pc.multiply(products["price"], look.variant.price_factor), ndigits=2)
        products = PRODUCTS.conform(products.set_column(products.column_names.index("price"), "price", prices))
    collections = COLLECTIONS.check(_of_shop(COLLECTIONS.conform(collections), shop_id))
    return BuildRequest(StoreFolder(folder), shop_id, look, products, collections)


def unbuilt(requests: Sequence[BuildRequest]) -> list[BuildRequest]:
    """The requests whose folder does not contain the same store yet."""
    return [request for request in requests if _marker(request.folder.built).get("digest") != request.digest]


def build(requests: Sequence[BuildRequest]) -> None:
    """Builds all requested stores and deletes their events. Raises StorefrontError if loading fails."""
    fresh: dict[str, Path] = {}
    try:
        for number, request in enumerate(requests):
            request.folder.path.mkdir(parents=True, exist_ok=True)
            for old in request.folder.path.glob("building-*"):  # left by a killed process
                shutil.rmtree(old, ignore_errors=True)
            fresh[str(number)] = Path(tempfile.mkdtemp(prefix="building-", dir=request.folder.path))
            _write_tables(request, fresh[str(number)])
        _load(requests, fresh)
        for request, folder in zip(requests, fresh.values(), strict=True):
            _swap_in(folder, request.folder.built)
            request.folder.reset()
    finally:
        for folder in fresh.values():
            shutil.rmtree(folder, ignore_errors=True)


def environment(folders: Mapping[str, Path]) -> dict[str, str]:
    """The environment variables of a process for these data folders, given by path prefix."""
    return os.environ | {
        STORES_VARIABLE: json.dumps({prefix: str(folder) for prefix, folder in folders.items()}),
        "DJANGO_SETTINGS_MODULE": "simpersona.lab.storefront.settings",
    }


def last_lines(text: str) -> str:
    """The end of a log, for an error message."""
    return "\n".join(text.strip().splitlines()[-LOG_LINES:]) or "(empty)"


def _write_tables(request: BuildRequest, folder: Path) -> None:
    pq.write_table(request.products, folder / "products.parquet")
    pq.write_table(request.collections, folder / "collections.parquet")
    marker = {
        "shop_id": request.shop_id,
        "theme": request.look.theme,
        "variant": asdict(request.look.variant),
        "products": request.products.num_rows,
        "digest": request.digest,
    }
    (folder / "build.json").write_text(json.dumps(marker), encoding="utf-8")
    (folder / "secret.key").write_text(secrets.token_urlsafe(50), encoding="utf-8")


def _load(requests: Sequence[BuildRequest], folders: Mapping[str, Path]) -> None:
    loading = subprocess.run(
        [sys.executable, "-m", "simpersona.lab.storefront.load"],
        env=environment(folders),
        capture_output=True,
        text=True,
        check=False,
    )
    if loading.returncode:
        shops = ", ".join(f"{each.shop_id!r} ({each.products.num_rows} products)" for each in requests[:5])
        raise StorefrontError(
            f"The catalogue of {shops}{' …' if len(requests) > 5 else ''} could not be loaded into "
            f"{requests[0].folder.path}:\n{last_lines(loading.stderr)}"
        )


def _of_shop(table: pa.Table, shop_id: str) -> pa.Table:
    return table.filter(pc.equal(table["shop_id"], shop_id))


def _marker(folder: Path) -> dict[str, str]:
    """The content of build.json; empty if it cannot be read."""
    try:
        return json.loads((folder / "build.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _swap_in(fresh: Path, target: Path) -> None:
    """Replaces the folder `target` by the folder `fresh`."""
    old = fresh.with_name(f"{fresh.name}-old")
    with contextlib.suppress(FileNotFoundError):
        target.rename(old)
    fresh.rename(target)
    shutil.rmtree(old, ignore_errors=True)
