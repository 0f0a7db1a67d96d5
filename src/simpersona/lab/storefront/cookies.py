"""Separates the cookies of the shops, because a browser shares cookies between all ports and paths of a host."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from simpersona.lab.storefront.event_log import COOKIE
from simpersona.lab.storefront.shop import current


class CookieScopeMiddleware:
    """Adds the shop's key to the names of cookies, limits them to the shop's path, and ignores those of other shops.

    The cookie `visitor` keeps its name, because a visitor may set it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        suffix, path = f"_{current().key}", f"{request.META.get('SCRIPT_NAME', '')}/"
        request.COOKIES = {
            name.removesuffix(suffix): value
            for name, value in request.COOKIES.items()
            if name == COOKIE or name.endswith(suffix)
        }
        response = self.get_response(request)
        cookies = list(response.cookies.items())
        response.cookies.clear()
        for name, cookie in cookies:
            sent = name if name == COOKIE else name + suffix
            response.cookies[sent] = cookie.value
            response.cookies[sent].update(cookie)
            response.cookies[sent]["path"] = path
        return response
