"""What the store's launcher and its server agree on; light, as both import it."""

from __future__ import annotations

import re
from hashlib import sha256

READY_PATH = "/-/ready"
STORES_VARIABLE = "SIMPERSONA_STORES"
"""The environment variable that names the data folders to serve: a JSON object from path prefix to folder."""

_SPOKEN_FOR = re.compile(r"carts?|baskets?|bags?|checkouts?|search|products?|items?|collections?|categor(y|ies)|[pc]")
"""A visitor knows the kind of a page by such a part of its address, so no shop's prefix may be one."""


def slug(shop_id: str) -> str:
    """A shop's id as a part of an address and a folder's name; a hash keeps ids apart that would fall together."""
    plain = re.sub(r"[^a-z0-9_-]", "-", shop_id.lower())[:40]
    if plain == shop_id and plain[:1].isalnum() and not _SPOKEN_FOR.fullmatch(plain):
        return plain
    return f"{plain.strip('-') or 'shop'}-{sha256(shop_id.encode()).hexdigest()[:8]}"
