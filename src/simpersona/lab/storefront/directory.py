"""Routes a request to its shop: by the first part of its address, or to the only shop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from html import escape
from http import HTTPStatus
from pathlib import Path
from typing import Any
from wsgiref.util import shift_path_info

from simpersona.lab.storefront.addresses import READY_PATH
from simpersona.lab.storefront.shop import Shop

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


class Directory:
    """A WSGI application that sets the current shop and passes the request to `store`.

    `folders` maps path prefixes to data folders. With the prefix "" a single shop has all addresses; otherwise "/"
    lists the shops and "/PREFIX/..." belongs to a shop.
    """

    def __init__(self, folders: Mapping[str, Path], store: Application) -> None:
        self._shops = {prefix: _ServedShop(folder) for prefix, folder in folders.items()}
        self._store = store

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == READY_PATH:
            return _answer(start_response, HTTPStatus.NO_CONTENT)
        served = self._shops.get("")
        if served is None:
            prefix = path.lstrip("/").partition("/")[0]
            if not prefix:
                return _answer(start_response, HTTPStatus.OK, self._index())
            served = self._shops.get(prefix)
            if served is None:
                body = '<h1>Not found</h1><p>No shop here is called so.</p><p><a href="/">All shops</a></p>'
                return _answer(start_response, HTTPStatus.NOT_FOUND, body)
            if path == f"/{prefix}":
                query = f"?{environ['QUERY_STRING']}" if environ.get("QUERY_STRING") else ""
                return _answer(start_response, HTTPStatus.FOUND, location=f"/{prefix}/{query}")
            shift_path_info(environ)
        with served.shop().serving():
            return self._store(environ, start_response)

    def _index(self) -> str:
        links = "\n".join(
            f'<li><a href="/{prefix}/">{escape(served.shop().name)}</a></li>'
            for prefix, served in sorted(self._shops.items())
        )
        return f"<h1>Shops</h1>\n<ul>\n{links}\n</ul>"


class _ServedShop:
    """Opens the shop behind a link to the served folder, and reopens it after a reset changes the link."""

    def __init__(self, link: Path) -> None:
        self._link, self._lock = link, threading.Lock()
        self._folder = link.readlink()
        self._shop = Shop(link.resolve())

    def shop(self) -> Shop:
        """The shop of the folder that the link points to now."""
        if self._link.readlink() != self._folder:
            with self._lock:
                folder = self._link.readlink()
                if folder != self._folder:
                    old, self._shop = self._shop, Shop(self._link.parent / folder)
                    self._folder = folder
                    old.close()
        return self._shop


def _answer(start_response: Callable[..., Any], status: HTTPStatus, body: str = "", location: str = "") -> list[bytes]:
    head = '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Shops</title></head>'
    page = f"{head}\n<body>{body}</body></html>\n" if body else ""
    content = page.encode()
    headers = [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(content)))] if content else []
    start_response(f"{status.value} {status.phrase}", headers + ([("Location", location)] if location else []))
    return [content] if content else []
