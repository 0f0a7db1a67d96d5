"""The store's record of what visitors did: JSON lines in the format of Shopify's Web Pixels events.

A line names the visitor by the cookie `visitor`. It holds no name, address or e-mail address.
"""

from __future__ import annotations

import json
import os
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

COOKIE, COOKIE_SECONDS, COOKIE_LENGTH = "visitor", 365 * 24 * 3600, 200


class EventLog:
    """An append-only file: one whole line per event, numbered on from what it already holds."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        content = path.read_bytes()
        self._number = content.count(b"\n")
        if content and not content.endswith(b"\n"):  # a line cut off by a kill
            os.write(self._file, b"\n")
            self._number += 1
        self._lock = threading.Lock()

    def write(self, event: dict[str, Any]) -> None:
        """Appends the event with its number `seq` (from 1)."""
        with self._lock:
            self._number += 1
            line = json.dumps(event | {"seq": self._number}, ensure_ascii=False) + "\n"
            os.write(self._file, line.encode())


class VisitorMiddleware:
    """Opens the log, and gives each visitor an id in the cookie `visitor`, unless it has one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.events = EventLog(settings.EVENTS_LOG)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        known = request.COOKIES.get(COOKIE, "")[:COOKIE_LENGTH]
        request.visitor = known or uuid.uuid4().hex
        request.events = self.events
        response = self.get_response(request)
        if not known:
            response.set_cookie(COOKIE, request.visitor, max_age=COOKIE_SECONDS, httponly=True, samesite="Lax")
        return response


def record(request: HttpRequest, name: str, title: str, data: dict[str, Any] | None = None) -> None:
    """Appends one event of this request's visitor; `title` is the page's, `data` the event's own part."""
    own = request.build_absolute_uri()
    address = request.headers.get("Referer", own) if request.method == "POST" else own  # a form is sent from its page
    request.events.write(
        {
            "id": uuid.uuid4().hex,
            "name": name,
            "clientId": request.visitor,
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "type": "standard",
            "shop": settings.SHOP_ID,
            "context": {"document": {"location": {"href": address}, "title": title}},
            "data": data or {},
        }
    )
