"""Addresses in settings: a run stores its settings, so no address may hold a secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from pydantic import AfterValidator, Field

EnvironmentName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""The name of an environment variable that holds a secret, never the secret itself."""

_SECRET_WORDS = frozenset(
    {"key", "apikey", "token", "accesstoken", "secret", "password", "passwd", "passphrase", "pass", "pwd", "pw", "auth",
     "authorization", "signature", "sig", "credential", "credentials", "jwt", "session", "sessionid", "sid"}
)  # fmt: skip
_WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z0-9]+")
_LOGIN = re.compile(r"(?<=//)[^/?#\s]*@")
_QUERY_VALUE = re.compile(r"([?&;])([^=&;#\s]+)=([^&;#\s'\"]*)")
HIDDEN = "***"
"""What is shown in the place of a secret."""


def names_secret(name: str) -> bool:
    """Whether the value of a parameter of this name is a secret, such as "key", "access_token" or "sessionId"."""
    words = {word.lower() for word in _WORD.findall(name)}
    return bool(words & _SECRET_WORDS) or name.lower() in _SECRET_WORDS


def secret_parameters(url: str) -> list[str]:
    """The names of the parameters in an address's query that hold secrets."""
    return [name for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True) if names_secret(name)]


def without_secrets(text: str) -> str:
    """A text with the logins and the secret parameters of the addresses in it replaced by "***"."""
    text = _LOGIN.sub(f"{HIDDEN}@", text)
    return _QUERY_VALUE.sub(
        lambda found: f"{found[1]}{found[2]}={HIDDEN}" if names_secret(found[2]) else found[0], text
    )


def with_query(url: str, parameters: Mapping[str, str]) -> str:
    """The address with parameters added to its query, already encoded."""
    if not parameters:
        return url
    parts = urlsplit(url)
    query = "&".join(
        [*([parts.query] if parts.query else []), *(f"{name}={value}" for name, value in parameters.items())]
    )
    return urlunsplit(parts._replace(query=query))


def address_problem(url: str, *, login: str, query: str = "") -> str | None:
    """What is wrong with an address of a setting: no host, or a secret in it; None if nothing is.

    `login` and `query` are the names of the settings to use for a name with a password and for a secret parameter. Without
    `query` the parameters are not examined.
    """
    try:
        parts = urlsplit(url)
        is_address = bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    else:
        if "@" in parts.netloc:
            return f"an address must hold no name and password, because a run stores its settings: use {login}"
        if query and (secrets := secret_parameters(url)):
            names = ", ".join(secrets)
            return (
                f"the parameter {names} of the address looks like a secret, and a run stores its settings: leave it out, and "
                f"name the environment variable that holds its value, {query}.{secrets[0]} = VARIABLE"
            )
    return None if is_address else "not the address of a server; expected an address such as http://127.0.0.1:8000/"


def address_without_secrets(*, login: str, query: str = "") -> AfterValidator:
    """Checks a setting that is an address (address_problem)."""

    def check(url: str) -> str:
        if (problem := address_problem(url, login=login, query=query)) is not None:
            raise ValueError(problem)
        return url

    return AfterValidator(check)
