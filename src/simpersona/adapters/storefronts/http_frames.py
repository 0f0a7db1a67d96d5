"""The frames of a page without a browser that a checkout fits in, as far as attributes say it."""

from __future__ import annotations

import math
from urllib.parse import urldefrag, urljoin

from simpersona.adapters.storefronts.checkout_way import fits_checkout
from simpersona.adapters.storefronts.http_tree import Document, shown_frames


def large_frames(page: Document) -> list[str]:
    """The addresses of a page's frames that are shown large enough for a checkout, as far as attributes say it."""
    return [
        urldefrag(urljoin(page.base, frame.get("src") or "")).url
        for frame in shown_frames(page.root)
        if fits_checkout(*(_pixels(frame.get(name)) for name in ("width", "height")))
    ]


def _pixels(size: str | None) -> float:
    """The length in an attribute; one that is not in pixels counts as large."""
    return float(size) if size is not None and size.isdecimal() else math.inf
