"""Settings of the access to a store that is not open to everybody. Secrets stand in the environment, never in the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from simpersona.config.address import EnvironmentName, address_without_secrets
from simpersona.config.section import ReadBy, Section

HeaderName = Annotated[str, Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")]
_VISITS = ReadBy("simulation", "experiment")
_RESERVED = frozenset({"host", "cookie", "content-length", "connection", "transfer-encoding", "user-agent"})


class AccessConfig(Section):
    """How visitors get into a store that is not the lab's. A setting that ends with `_env` names an environment variable; the
    secret in it is sent to the store's host alone and is never written. That another value of a variable changes what the
    store shows is not noticed: run the visits again with --force.
    """

    login_env: EnvironmentName | None = None
    """Variable that holds NAME:PASSWORD, for a store behind HTTP basic authentication."""
    headers_env: Annotated[dict[HeaderName, EnvironmentName], _VISITS] = Field(default={})
    """Further headers of each request to the store: by the header's name, the variable that holds its value."""
    cookies_env: Annotated[EnvironmentName | None, _VISITS] = None
    """Variable that holds cookies with which every visitor arrives, as a browser sends them: NAME=VALUE; NAME=VALUE."""
    query_env: Annotated[dict[str, EnvironmentName], _VISITS] = Field(default={})
    """Secret parameters of the address at which a visit begins, such as the key of a theme preview: by the parameter's name,
    the variable that holds its value. Later requests have only the cookies that the store sets for it."""
    state_file: Annotated[Path | None, _VISITS] = None
    """A saved login state (Playwright's storage state, a JSON file): every visitor begins with its cookies, and in Chromium
    with its local storage. All visitors are then the same customer. It is read where it lies and is not copied."""
    proxy: (
        Annotated[str, Field(pattern=r"^http://"), address_without_secrets(login="store.access.proxy_login_env")] | None
    ) = None
    """Address of an HTTP proxy through which stores are visited, such as http://proxy.example:3128."""
    proxy_login_env: EnvironmentName | None = None
    """Variable that holds NAME:PASSWORD of the proxy."""
    any_certificate: bool = False
    """Whether a certificate that no known authority has signed, or of another host, is accepted, such as the self-signed one
    of a staging store. Anyone on the way to the store could then read what is sent, secrets included."""

    @model_validator(mode="after")
    def _headers_can_be_set(self) -> AccessConfig:
        if wrong := sorted(name for name in self.headers_env if name.lower() in _RESERVED):
            raise ValueError(
                f"headers_env: {', '.join(wrong)} cannot be set as a header; use cookies_env for cookies and store.user_agent "
                "for the user agent"
            )
        if self.login_env is not None and any(name.lower() == "authorization" for name in self.headers_env):
            raise ValueError("headers_env: Authorization and login_env are two ways to log in: set one of them")
        return self
