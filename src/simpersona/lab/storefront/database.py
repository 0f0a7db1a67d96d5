"""A shop's own SQLite file in the place of the one database that Django and Oscar know."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections


class Database:
    """The file at `path`. Its connections are kept for all threads together: one for each request at the same time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: list[Any] = []
        self._is_open = True

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Within, whatever this thread asks the default database goes to this file.

        The default connection is exchanged, not an alias chosen by a router: transactions, too, are asked of it.
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
        """Lets go of the file, as soon as the requests under way are answered."""
        self._is_open = False
        self._disconnect()

    def _connect(self) -> Any:
        connection = connections.create_connection(DEFAULT_DB_ALIAS)
        connection.settings_dict = connection.settings_dict | {"NAME": self._path}
        connection.inc_thread_sharing()  # used by one thread at a time, but not always the same
        return connection

    def _disconnect(self) -> None:
        while True:
            try:
                self._idle.pop().close()
            except IndexError:
                return
