"""The file of a store's events."""

from __future__ import annotations

import json
import os
import threading
import weakref
from pathlib import Path
from typing import Any


class EventLog:
    """An append-only file with one line per event; numbering continues after the lines that the file has."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        weakref.finalize(self, os.close, self._file)  # closed after the last request that may write to it
        content = path.read_bytes()
        self._number = content.count(b"\n")
        if content and not content.endswith(b"\n"):  # the process was killed while it wrote a line
            os.write(self._file, b"\n")
            self._number += 1
        self._lock = threading.Lock()

    def write(self, event: dict[str, Any]) -> None:
        """Appends the event with its number `seq` (from 1)."""
        with self._lock:
            self._number += 1
            line = json.dumps(event | {"seq": self._number}, ensure_ascii=False) + "\n"
            os.write(self._file, line.encode())
