"""The access to a store that is not open to everybody: logins, headers, cookies, a proxy, from the environment.

Secrets go to the store's own host alone, and `hide` removes them from everything that is shown or written.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http.cookiejar import Cookie, CookieJar
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, urlencode, urlsplit, urlunsplit

from simpersona.config import StoreConfig
from simpersona.config.address import HIDDEN, with_query
from simpersona.errors import ConfigError

MIN_HIDDEN = 8
"""A shorter secret is not looked for in texts: it may be there by chance."""
MIN_PART = 4
"""A shorter beginning of a secret at the end of a cut text is not looked for."""
CUT = "…"
"""The end of a name that is cut."""


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy; `user` is empty if it asks for no login."""

    url: str
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def login(self) -> dict[str, str]:
        """`username` and `password`, as Playwright has them; empty without a login."""
        return {"username": self.user, "password": self.password} if self.user else {}

    @property
    def with_login(self) -> str:
        """The address with the login in it, for clients that expect it there."""
        if not self.user:
            return self.url
        parts = urlsplit(self.url)
        login = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}@"
        return urlunsplit(parts._replace(netloc=login + parts.netloc))


@dataclass(frozen=True)
class Access:
    """What visitors send to get into a store; without a secret by default."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    cookies: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    state: Mapping[str, Any] | None = field(default=None, repr=False)
    """A saved login state: `cookies` and `origins`, as Playwright has them."""
    proxy: Proxy | None = None
    any_certificate: bool = False
    signature: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The headers of a ready-made signature, which politeness sends."""

    @classmethod
    def of(cls, settings: StoreConfig) -> Access:
        """The access that the settings name. Raises ConfigError if a variable or the state file is missing or unusable."""
        config = settings.access
        headers = {name: _variable(f"headers_env.{name}", env) for name, env in config.headers_env.items()}
        if config.login_env is not None:
            login = ":".join(_login("login_env", config.login_env))
            headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
        proxy = None
        if config.proxy is None and config.proxy_login_env is not None:
            raise ConfigError("store.access.proxy_login_env needs store.access.proxy, the address of the proxy")
        if config.proxy is not None:
            login = _login("proxy_login_env", config.proxy_login_env) if config.proxy_login_env else ("", "")
            proxy = Proxy(config.proxy, *login)
        return cls(
            headers,
            _cookies(config.cookies_env),
            {name: _variable(f"query_env.{name}", env) for name, env in config.query_env.items()},
            _state(config.state_file) if config.state_file is not None else None,
            proxy,
            config.any_certificate,
            headers_of("store.politeness.signature_headers_env", settings.politeness.signature_headers_env),
        )

    def headers_for(self, url: str, store: str, given: Iterable[str] = ()) -> dict[str, str]:
        """The secret headers of a request to `url` on a visit to `store`: none for another host, and none by way of an
        unencrypted connection to a store with an encrypted one. A login that is among the `given` headers stays.
        """
        if not self.headers or not is_of_store(url, store):
            return {}
        has_login = any(name.lower() == "authorization" for name in given)
        return {name: value for name, value in self.headers.items() if not (has_login and name == "Authorization")}

    def start(self, url: str) -> str:
        """The address at which a visit to the store at `url` begins, with the secret parameters."""
        return with_query(url, {quote_plus(name): quote_plus(value) for name, value in self.query.items()})

    def jar(self, store: str, within: str = "/", further: Mapping[str, str] | None = None) -> CookieJar:
        """The cookies with which a visitor without a browser arrives at a store, and `further` ones below the path `within`."""
        jar, host = CookieJar(), urlsplit(store).hostname or ""
        for name, value in {**self.cookies, **(further or {})}.items():
            jar.set_cookie(_cookie(name, value, host, within))
        for cookie in self.state_cookies():
            saved = _cookie(cookie["name"], cookie["value"], cookie["domain"], cookie["path"])
            saved.secure = bool(cookie.get("secure"))
            jar.set_cookie(saved)
        return jar

    def state_cookies(self) -> list[dict[str, Any]]:
        """The cookies of the saved login state that have not expired."""
        cookies = (self.state or {}).get("cookies", [])
        return [cookie for cookie in cookies if not 0 < cookie.get("expires", -1) < time.time()]

    def context(self) -> ssl.SSLContext:
        """The TLS context of connections without a browser."""
        context = ssl.create_default_context()
        if self.any_certificate:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def hide(self, text: str) -> str:
        """The text without secrets: each is replaced by "***", and the secret parameters of addresses are left out."""
        if self.query and "?" in text:
            text = self._without_query(text)
        for secret in self._hidden:
            if secret in text:
                text = text.replace(secret, HIDDEN)
        return self._without_cut_secret(text) if text.endswith(CUT) else text

    def _without_cut_secret(self, text: str) -> str:
        """A cut text without the beginning of a secret at its end."""
        kept = text.removesuffix(CUT)
        longest = max((_overlap(kept, secret) for secret in self._hidden), default=0)
        return f"{kept[: len(kept) - longest]}{HIDDEN}{CUT}" if longest else text

    def _without_query(self, text: str) -> str:
        """An address without the secret parameters; any other text as it is."""
        if any(letter.isspace() for letter in text):
            return text
        parts = urlsplit(text)
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        kept = [pair for pair in pairs if pair[0] not in self.query]
        return text if kept == pairs else urlunsplit(parts._replace(query=urlencode(kept)))

    @property
    def has_secrets(self) -> bool:
        """Whether there is anything to hide."""
        return bool(self.headers or self.cookies or self.query or self.state or self.proxy or self.signature)

    @cached_property
    def _hidden(self) -> list[str]:
        """The secrets in the forms in which a text may hold them, the longest first."""
        found = [*self.headers.values(), *self.signature.values(), *self.query.values(), *self.cookies.values()]
        found += [str(cookie.get("value", "")) for cookie in (self.state or {}).get("cookies", [])]
        found += [
            str(item.get("value", ""))
            for origin in (self.state or {}).get("origins", [])
            for item in origin.get("localStorage", [])
        ]
        found += [value.removeprefix("Basic ").removeprefix("Bearer ") for value in self.headers.values()]
        found += [password for value in self.headers.values() if (password := _password(value))]
        if self.proxy is not None:
            found.append(self.proxy.password)
        forms = {form for secret in found for form in (secret, quote(secret, safe=""), quote_plus(secret))}
        return sorted((form for form in forms if len(form) >= MIN_HIDDEN), key=len, reverse=True)


def _overlap(text: str, secret: str) -> int:
    """The length of the longest beginning of the secret with which the text ends; 0 if it is short."""
    return next((size for size in range(len(secret), MIN_PART - 1, -1) if text.endswith(secret[:size])), 0)


def is_of_store(url: str, store: str) -> bool:
    """Whether an address is on the store's host, with or without "www.", and no less encrypted."""
    asked, ours = urlsplit(url), urlsplit(store)
    if asked.netloc.removeprefix("www.") != ours.netloc.removeprefix("www."):
        return False
    return asked.scheme in ("https", "wss") or (asked.scheme in ("http", "ws") and ours.scheme == "http")


def _cookie(name: str, value: str, domain: str, path: str) -> Cookie:
    local = domain if "." in domain else f"{domain}.local"  # as http.cookiejar calls a host without a dot
    return Cookie(
        0, name, value, None, False, local, True, local.startswith("."), path, True, False, None, True, None, None, {}
    )


def query_of(setting: str, query_env: Mapping[str, str]) -> dict[str, str]:
    """The encoded secret parameters that a setting such as store.cdp_query_env names. Raises ConfigError."""
    return {quote_plus(name): quote_plus(_read(f"{setting}.{name}", env)) for name, env in query_env.items()}


def headers_of(setting: str, headers_env: Mapping[str, str]) -> dict[str, str]:
    """The headers that a setting such as store.politeness.signature_headers_env names. Raises ConfigError."""
    return {name: _read(f"{setting}.{name}", env) for name, env in headers_env.items()}


def _variable(setting: str, variable: str) -> str:
    return _read(f"store.access.{setting}", variable)


def _read(setting: str, variable: str) -> str:
    value = os.environ.get(variable, "").strip()
    if not value:
        raise ConfigError(f"{setting} = {variable}: no such environment variable, or it is empty. Set it to the value")
    if not value.isprintable() or not value.isascii():
        raise ConfigError(f"{setting} = {variable}: its value holds characters that cannot be sent")
    return value


def _login(setting: str, variable: str) -> tuple[str, str]:
    user, colon, password = _variable(setting, variable).partition(":")
    if not colon or not user:
        raise ConfigError(f"store.access.{setting} = {variable}: expected NAME:PASSWORD in this environment variable")
    return user, password


def _cookies(variable: str | None) -> dict[str, str]:
    if variable is None:
        return {}
    pairs = [part.partition("=") for part in _variable("cookies_env", variable).split(";") if part.strip()]
    if not all(sign and name.strip() for name, sign, _ in pairs):
        raise ConfigError(
            f"store.access.cookies_env = {variable}: expected NAME=VALUE; NAME=VALUE in this environment variable"
        )
    return {name.strip(): value.strip() for name, _, value in pairs}


def _state(path: Path) -> dict[str, Any]:
    wrong = f"store.access.state_file: {path} is no saved login state"
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"store.access.state_file: {path} cannot be read ({error.strerror})") from None
    except ValueError:
        raise ConfigError(f"{wrong}; expected the JSON file of Playwright's storage state") from None
    cookies = state.get("cookies") if isinstance(state, dict) else None
    needed = ("name", "value", "domain", "path")
    if not isinstance(cookies, list) or not all(
        isinstance(cookie, dict) and all(isinstance(cookie.get(name), str) for name in needed) for cookie in cookies
    ):
        raise ConfigError(
            f"{wrong}; expected a JSON object with a list `cookies` of name, value, domain and path, as "
            "`playwright open --save-storage=FILE URL` writes it"
        )
    return {"cookies": cookies, "origins": state.get("origins") or []}


def _password(header: str) -> str:
    """The password in a header of HTTP basic authentication; empty for any other header."""
    if not header.startswith("Basic "):
        return ""
    try:
        return base64.b64decode(header.removeprefix("Basic "), validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""
