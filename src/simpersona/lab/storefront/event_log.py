"""Records the events of visitors as JSON lines in the format of Shopify's Web Pixels events.

The cookie `visitor` identifies the visitor. A line contains no name, address or e-mail address.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest, HttpResponse

from simpersona.lab.storefront.shop import current

COOKIE, COOKIE_SECONDS, COOKIE_LENGTH = "visitor", 365 * 24 * 3600, 200


class VisitorMiddleware:
    """Sets an id in the cookie `visitor` for visitors without one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        known = request.COOKIES.get(COOKIE, "")[:COOKIE_LENGTH]
        request.visitor = known or uuid.uuid4().hex
        response = self.get_response(request)
        if not known:
            response.set_cookie(COOKIE, request.visitor, max_age=COOKIE_SECONDS, httponly=True, samesite="Lax")
        return response


def record(request: HttpRequest, name: str, title: str, data: dict[str, Any] | None = None) -> None:
    """Appends one event of the request's visitor, with the page's `title` and the `data` of the event type."""
    shop, address = current(), request.build_absolute_uri()
    if request.method == "POST":  # a form belongs to the page that it is sent from
        address = request.headers.get("Referer", address)
    shop.events.write(
        {
            "id": uuid.uuid4().hex,
            "name": name,
            "clientId": request.visitor,
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "type": "standard",
            "shop": shop.id,
            "context": {"document": {"location": {"href": address}, "title": title}},
            "data": data or {},
        }
    )
