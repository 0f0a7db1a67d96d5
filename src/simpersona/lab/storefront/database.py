"""Replaces the default database of Django and Oscar by the SQLite file of a shop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections


class Database:
    """A pool of connections to the file at `path`, shared by all threads: one connection per concurrent request."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: list[Any] = []
        self._is_open = True

    @contextmanager
    def as_default(self) -> Iterator[None]:
        """A context in which this file is the default database of the current thread.

        It replaces the default connection instead of routing to an alias, because transactions use the default
        connection as well.
        """
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect()
        connections[DEFAULT_DB_ALIAS] = connection
        try:
            yield
        finally:
            del connections[DEFAULT_DB_ALIAS]
            connection.close_if_unusable_or_obsolete()
            self._idle.append(connection)
            if not self._is_open:
                self._disconnect()

    def close(self) -> None:
        """Closes the connections; those in use are closed when their requests end."""
        self._is_open = False
        self._disconnect()

    def _connect(self) -> Any:
        connection = connections.create_connection(DEFAULT_DB_ALIAS)
        connection.settings_dict = connection.settings_dict | {"NAME": self._path}
        connection.inc_thread_sharing()  # one thread uses it at a time, but the thread may change
        return connection

    def _disconnect(self) -> None:
        while True:
            try:
                self._idle.pop().close()
            except IndexError:
                return
