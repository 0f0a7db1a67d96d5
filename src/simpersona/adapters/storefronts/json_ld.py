"""The structured data (JSON-LD) that pages state for search engines."""

from __future__ import annotations

import json
from typing import Any

PRODUCTS = frozenset({"Product", "ProductGroup", "IndividualProduct", "ProductModel"})
"""The types of schema.org that are products."""


def stated(text: str) -> Any:
    """What the text of a script states; None for one that is no JSON, which is the page's own error."""
    try:
        return json.loads(text.strip(), strict=False)
    except (ValueError, RecursionError):
        return None


def types_of(thing: dict[str, Any]) -> set[str]:
    """The types of a thing, without the address of the vocabulary."""
    types = thing.get("@type")
    return {
        str(one).rsplit("/", 1)[-1].removeprefix("schema:")
        for one in (types if isinstance(types, list) else [types])
        if one
    }
