"""A single GET request to a store without a visitor: its robots.txt, and what is read of it before the visits."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPException, HTTPResponse
from typing import IO
from urllib.error import HTTPError
from urllib.request import (
    HTTPCookieProcessor,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    build_opener,
)

from simpersona.adapters.storefronts.access import Access

ANSWER_SECONDS = 15
MAX_BYTES = 4 * 1024 * 1024
"""More of an answer is not read."""


@dataclass(frozen=True)
class Answer:
    """What a store answered: the status, the headers (names in lower case), the text, the address at the end of the redirects."""

    url: str
    status: int
    headers: Mapping[str, str]
    text: str = field(repr=False)
    seconds: float

    @property
    def kind(self) -> str:
        """The type of its content, such as "text/html"."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


def plain_get(
    url: str, access: Access, headers: Mapping[str, str], *, store: str = "", max_bytes: int = MAX_BYTES
) -> Answer:
    """The answer to a GET request; an error of the store is an answer too. `store` is the store to which the secrets of
    `access` may go, by default the one at `url`.

    Raises OSError if no server answers.
    """
    store = store or url
    request = Request(url, headers={**headers, **access.headers_for(url, store)})  # noqa: S310 - callers pass http(s) addresses
    started = time.monotonic()
    try:
        try:
            with _opener(access, store).open(request, timeout=ANSWER_SECONDS) as answer:
                return _answer(answer, answer.status, max_bytes, started)
        except HTTPError as error:
            with error:
                return _answer(error, error.code, max_bytes, started)
    except (HTTPException, ValueError) as error:
        raise OSError(f"the answer cannot be read ({type(error).__name__})") from error


class _SameStoreRedirects(HTTPRedirectHandler):
    """Follows redirects, and takes the secrets off where they leave the store."""

    def __init__(self, access: Access, store: str) -> None:
        self._access, self._store = access, store

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> Request | None:
        request = super().redirect_request(req, fp, code, msg, headers, newurl)  # pyright: ignore[reportArgumentType]
        if request is not None:
            for name in self._access.headers:
                request.remove_header(name.capitalize())
            for name, value in self._access.headers_for(newurl, self._store).items():
                request.add_header(name, value)
        return request


def _opener(access: Access, store: str) -> OpenerDirector:
    cookies = HTTPCookieProcessor(access.jar(store))
    handlers = [cookies, HTTPSHandler(context=access.context()), _SameStoreRedirects(access, store)]
    if access.proxy is not None:
        server = access.proxy.with_login
        handlers.append(ProxyHandler({"http": server, "https": server}))
    return build_opener(*handlers)


def _answer(answer: HTTPResponse | HTTPError, status: int, max_bytes: int, started: float) -> Answer:
    headers = {name.lower(): value for name, value in answer.headers.items()}
    text = answer.read(max_bytes).decode(answer.headers.get_content_charset() or "utf-8", "replace")
    return Answer(answer.url or "", status, headers, text, time.monotonic() - started)
