"""Signed requests, by which a store can verify who its visitor is.

HTTP Message Signatures (RFC 9421) with Ed25519, in the profile of Web Bot Auth (draft-meunier-web-bot-auth-architecture):
the signature covers the store's authority and, if one is named, the address where the public key is published.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from simpersona.errors import ConfigError

LIFETIME_SECONDS = 60
"""How long a signature is valid."""
_LABEL, _TAG = "sig1", "web-bot-auth"
Component = tuple[str, str]
"""A covered component's name and value."""


def signature_base(components: Sequence[Component], parameters: str) -> bytes:
    """What is signed (RFC 9421, 2.5); `parameters` is the value of @signature-params."""
    lines = [*(f'"{name}": {value}' for name, value in components), f'"@signature-params": {parameters}']
    return "\n".join(lines).encode("ascii")


def signature(key: Ed25519PrivateKey, components: Sequence[Component], parameters: str) -> str:
    """The signature in Base64."""
    return base64.b64encode(key.sign(signature_base(components, parameters))).decode()


def key_id(key: Ed25519PrivateKey) -> str:
    """The JWK thumbprint of the public key (RFC 8037, A.3)."""
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    jwk = json.dumps({"crv": "Ed25519", "kty": "OKP", "x": _base64url(public)}, separators=(",", ":"))
    return _base64url(hashlib.sha256(jwk.encode()).digest())


class RequestSigner:
    """Makes the headers of signed requests with one key."""

    def __init__(self, key: Ed25519PrivateKey, agent: str | None) -> None:
        self._key, self._agent, self._key_id = key, agent, key_id(key)

    @classmethod
    def of_file(cls, path: Path, agent: str | None) -> RequestSigner:
        """A signer with the private key of a PEM (PKCS 8) or JWK file. Raises ConfigError if the file holds none."""
        return cls(_key_in(path), agent)

    def headers(self, url: str, created: int, nonce: bytes) -> dict[str, str]:
        """The headers of one request to `url` at `created` (seconds since 1970), with a nonce that is used once."""
        covered = [("@authority", _authority(url))]
        if self._agent is not None:
            covered.append(("signature-agent", f'"{self._agent}"'))
        names = " ".join(f'"{name}"' for name, _ in covered)
        parameters = (
            f'({names});created={created};expires={created + LIFETIME_SECONDS};keyid="{self._key_id}";alg="ed25519"'
            f';nonce="{base64.b64encode(nonce).decode()}";tag="{_TAG}"'
        )
        headers = {
            "Signature-Input": f"{_LABEL}={parameters}",
            "Signature": f"{_LABEL}=:{signature(self._key, covered, parameters)}:",
        }
        return headers if self._agent is None else {"Signature-Agent": f'"{self._agent}"'} | headers


def _authority(url: str) -> str:
    """The host in lower case, with its port unless it is the scheme's default (RFC 9421, 2.2.3)."""
    address = urlsplit(url)
    is_usual = address.port is None or address.port == {"http": 80, "https": 443}.get(address.scheme)
    return address.hostname or "" if is_usual else f"{address.hostname}:{address.port}"


def _key_in(path: Path) -> Ed25519PrivateKey:
    try:
        content = path.read_bytes()
        if content.lstrip().startswith(b"{"):
            secret = json.loads(content)["d"]
            return Ed25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(secret + "=" * (-len(secret) % 4)))
        key = load_pem_private_key(content, password=None)
    except OSError as error:
        raise ConfigError(f"store.politeness.signature_key: {path} cannot be read ({error.strerror})") from None
    except (ValueError, TypeError, KeyError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(
            f"store.politeness.signature_key: {path} holds no Ed25519 private key; expected PEM (PKCS 8, without a password) "
            "or a JWK. Make one with: openssl genpkey -algorithm ed25519 -out key.pem"
        )
    return key


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
