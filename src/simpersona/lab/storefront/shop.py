"""The shop of a request. One process serves several shops, each with a separate database, log and theme."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from simpersona.lab.storefront.database import Database
from simpersona.lab.storefront.log_file import EventLog
from simpersona.lab.variants import Variant

P = ParamSpec("P")
T = TypeVar("T")


class Shop:
    """A shop with its open data folder; many threads may serve it concurrently.

    `id` is the catalogue's shop_id, `name` its name on the pages, and `theme` one of themes.THEMES. `key` is unique per
    catalogue, theme and variant, for the names of cookies and caches.
    """

    def __init__(self, folder: Path) -> None:
        build = json.loads((folder / "build.json").read_text(encoding="utf-8"))
        self.id: str = build["shop_id"]
        self.name = self.id.replace("_", " ").replace("-", " ").title()
        self.theme: str = build["theme"]
        self.variant = Variant(**build["variant"])
        self.key: str = build["digest"][:12]
        self.events = EventLog(folder / "events.jsonl")
        self.caches: dict[Callable[..., Any], Callable[..., Any]] = {}
        self._database = Database(folder / "store.sqlite3")

    @contextmanager
    def serving(self) -> Iterator[None]:
        """A context in which this is the current shop of the thread, and its database is Django's default database."""
        token = _current.set(self)
        try:
            with self._database.as_default():
                yield
        finally:
            _current.reset(token)

    def close(self) -> None:
        """Closes the database; connections in use are closed when their requests end."""
        self._database.close()


_current: ContextVar[Shop] = ContextVar("shop")


def current() -> Shop:
    """The shop of the thread's current request. Raises LookupError outside of a request."""
    return _current.get()


def cached_per_shop(maxsize: int | None) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Like functools.lru_cache with a separate cache per shop; a catalogue never changes while its shop is open."""

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def cached(*args: P.args, **kwargs: P.kwargs) -> T:
            caches = current().caches
            cache = caches.get(cached) or caches.setdefault(cached, lru_cache(maxsize)(function))
            return cache(*args, **kwargs)

        return cached

    return decorate


def cache_key(key: Hashable, prefix: str, version: int) -> str:
    """The key of an entry in Django's cache, with the shop's key as prefix (the setting KEY_FUNCTION)."""
    return f"{current().key}:{prefix}:{version}:{key}"
