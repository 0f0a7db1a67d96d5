"""Constants and address rules shared by the store's launcher and its server; both import it, so it stays light."""

from __future__ import annotations

import re
from hashlib import sha256

READY_PATH = "/-/ready"
STORES_VARIABLE = "SIMPERSONA_STORES"
"""The environment variable with the data folders to serve: a JSON object from path prefix to folder."""

_RESERVED = re.compile(r"carts?|baskets?|bags?|checkouts?|search|products?|items?|collections?|categor(y|ies)|[pc]")
"""Address parts from which a visitor infers the kind of a page; a shop's prefix must not be one of them."""


def slug(shop_id: str) -> str:
    """A shop's id as an address part and folder name; a hash distinguishes ids with equal or reserved slugs."""
    plain = re.sub(r"[^a-z0-9_-]", "-", shop_id.lower())[:40]
    if plain == shop_id and plain[:1].isalnum() and not _RESERVED.fullmatch(plain):
        return plain
    return f"{plain.strip('-') or 'shop'}-{sha256(shop_id.encode()).hexdigest()[:8]}"
