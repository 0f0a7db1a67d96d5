"""Cookies stay with their shop: a browser keeps one jar for all ports of a host, and for all of their paths."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from simpersona.lab.storefront.event_log import COOKIE
from simpersona.lab.storefront.shop import current


class CookieScopeMiddleware:
    """Sends each cookie under a name of the shop's own and for the shop's path alone, and knows no other's.

    The cookie `visitor` keeps its name, since a visitor may bring it along.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        own, path = f"_{current().key}", f"{request.META.get('SCRIPT_NAME', '')}/"
        request.COOKIES = {
            name.removesuffix(own): value
            for name, value in request.COOKIES.items()
            if name == COOKIE or name.endswith(own)
        }
        response = self.get_response(request)
        cookies = list(response.cookies.items())
        response.cookies.clear()
        for name, cookie in cookies:
            sent = name if name == COOKIE else name + own
            response.cookies[sent] = cookie.value
            response.cookies[sent].update(cookie)
            response.cookies[sent]["path"] = path
        return response
