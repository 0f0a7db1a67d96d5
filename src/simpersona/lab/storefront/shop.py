"""The shop that a request is for. One process serves several; each has its own database, log and look."""

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
    """A shop that is open on its data folder; many threads may serve it at once.

    `id` is the catalogue's shop_id, `name` how the pages call it, `theme` one of themes.THEMES; `key`
    differs between any two catalogues, themes and variants, for the names of cookies and caches.
    """

    def __init__(self, folder: Path) -> None:
        facts = json.loads((folder / "build.json").read_text(encoding="utf-8"))
        self.id: str = facts["shop_id"]
        self.name = self.id.replace("_", " ").replace("-", " ").title()
        self.theme: str = facts["theme"]
        self.variant = Variant(**facts["variant"])
        self.key: str = facts["digest"][:12]
        self.events = EventLog(folder / "events.jsonl")
        self.kept: dict[Callable[..., Any], Callable[..., Any]] = {}
        self._database = Database(folder / "store.sqlite3")

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Makes this the current shop of this thread, and its database the one that Django asks."""
        token = _current.set(self)
        try:
            with self._database.asked():
                yield
        finally:
            _current.reset(token)

    def close(self) -> None:
        """Lets go of the database, as soon as the requests under way are answered."""
        self._database.close()


_current: ContextVar[Shop] = ContextVar("shop")


def current() -> Shop:
    """The shop of the request that this thread answers. Raises LookupError outside of one."""
    return _current.get()


def kept(maxsize: int | None) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Like functools.lru_cache, for each shop apart: the catalogue never changes while a shop is open."""

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def ask(*args: P.args, **kwargs: P.kwargs) -> T:
            answers = current().kept
            own = answers.get(ask) or answers.setdefault(ask, lru_cache(maxsize)(function))
            return own(*args, **kwargs)

        return ask

    return decorate


def cache_key(key: Hashable, prefix: str, version: int) -> str:
    """Keys of Django's cache, for each shop apart (the setting KEY_FUNCTION)."""
    return f"{current().key}:{prefix}:{version}:{key}"
