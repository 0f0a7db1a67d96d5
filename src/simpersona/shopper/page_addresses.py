"""The kind of a page by its address alone, where the address says it: addresses of the platforms, of shops in seven languages.

An address such as /blue-mug.html or /mugs/ does not say whether it leads to a product or to a collection.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from simpersona.pages import PageKind
from simpersona.shopper import page_words as words

_LOCALE = re.compile(r"[a-z]{2}([-_][a-z]{2,4})?")
_ENDING = re.compile(r"\.(php\d?|html?|aspx?|jsp|do|cfm)$", re.IGNORECASE)
_LONG_ID = r"[0-9a-f]{32}"
_SHAPES: tuple[tuple[PageKind, re.Pattern[str]], ...] = (
    ("product", re.compile(r"\d+(-\d+)?-[^/]+\.html?")),  # PrestaShop: id, combination, name
    ("product", re.compile(r"SW-?\d{3,}(\.\d+)?", re.IGNORECASE)),  # Shopware: the number of a product
    ("product", re.compile(r".+-p\d{5,}")),  # Ecwid
    ("collection", re.compile(r".+-c\d{5,}")),
    ("collection", re.compile(r"\d{1,6}-[a-z][^/.]*", re.IGNORECASE)),  # PrestaShop: id, name
)
"""Shapes of the last part of an address."""
_VIEW = re.compile(r"/catalog/(?P<kind>product|category)/view/(?:.*?/)?id/(?P<id>\d+)")  # Magento
_NUMBERED = re.compile(r"/(?P<kind>detail|cat)/index/s(?:Article|Category)/(?P<id>\d+)")  # Shopware 5
_HASHED = re.compile(rf"/(?P<kind>detail|navigation)/(?P<id>{_LONG_ID})$")  # Shopware 6
_BY_MARK: Mapping[str, PageKind] = {
    "product": "product",
    "detail": "product",
    "category": "collection",
    "cat": "collection",
    "navigation": "collection",
}


Place = Literal["cart", "checkout", "search", "login"]
"""A place that every store has."""


@dataclass(frozen=True)
class PageAddress:
    """What an address says. `kind` is None where it does not say the kind; `name` is the part that names the page.

    `query` holds the words of a search; None where the address has none.
    """

    kind: PageKind | None
    name: str
    query: str | None = None


@dataclass(frozen=True)
class _Address:
    """An address in parts: `parts` of the path without a language, `keys` the same as words, `given` the parameters."""

    path: str
    parts: Sequence[str]
    keys: Sequence[str]
    given: Mapping[str, str]

    @property
    def last(self) -> str:
        """The last part, without an ending such as ".html"."""
        return _ENDING.sub("", self.parts[-1]) if self.parts else ""

    @property
    def is_home(self) -> bool:
        return not self.keys or (len(self.keys) == 1 and self.keys[0] in words.HOME)

    def first(self, names: Sequence[str]) -> str | None:
        """The first of the parameters that has a value."""
        return next((self.given[name] for name in names if self.given.get(name)), None)


_SEARCHES = ("q", "query", "search", "search_query")
"""Parameters that hold the words of a search wherever they stand; a short "s" may be a page's size or order."""


def is_route(fragment: str) -> bool:
    """Whether what follows an address from its "#" on is a page of an application ("#/bag"), not a place on the page."""
    return fragment.startswith(("#/", "#!/"))


@lru_cache(maxsize=8192)  # the links of a page are asked about again on the next one
def page_address(url: str) -> PageAddress:
    """The kind of the page at `url`, the part of the address that names it, and the words of a search."""
    address = _read(url)
    for reader in _READERS:
        if (page := reader(address)) is not None:
            return page
    return PageAddress(None, address.last, address.first(_SEARCHES))


def place_of(url: str) -> Place | None:
    """The place in the store that a link to `url` leads to, None for any other page.

    The address of what is done at a place, such as a change of the cart, or of a list of results that a word of the path names,
    is none.
    """
    kind = page_address(url).kind
    if kind in ("product", "collection", "order"):
        return None
    address = _read(url)
    if kind in ("cart", "search", "checkout") and (_by_route(address) or (address.keys and _by_script(address))):
        return kind
    last = next((key for key in reversed(address.keys) if key not in words.HOME | words.RESULTS), "")
    if (kind == "cart" and last in words.CART) or (kind == "search" and last in words.SEARCH):
        return kind
    if kind == "checkout" and words.CHECKOUT.intersection(address.keys):
        return kind
    return "login" if kind in (None, "other") and words.LOGIN.intersection(address.keys) else None


def _read(url: str) -> _Address:
    address = urlsplit(url)
    inside = address.fragment.lstrip("!")  # of an application that keeps its addresses there: #/search?q=mug
    path, _, query = inside.partition("?") if inside.startswith("/") else (address.path, "", "")
    given = {
        name.lower(): value
        for name, value in parse_qsl(f"{address.query}&{query}", keep_blank_values=True)
        if not name.endswith("]")
    }
    parts = [unquote(part) for part in path.split("/") if part]
    for _ in range(2):  # a country and a language
        if parts and _LOCALE.fullmatch(parts[0].lower()) and parts[0].lower() not in words.PRODUCT | words.CART:
            parts = parts[1:]
    keys = [_ENDING.sub("", part).lower().replace("_", "-") for part in parts]
    if len(keys) > 2 and keys[-1].isdigit() and keys[-2] in words.PAGING:
        parts, keys = parts[:-2], keys[:-2]
    return _Address(path, parts, keys, given)


def _by_platform(address: _Address) -> PageAddress | None:
    """A page by the form of an address that only one platform has."""
    for pattern in (_VIEW, _NUMBERED, _HASHED):
        if match := pattern.search(address.path):
            return PageAddress(_BY_MARK[match["kind"]], match["id"])
    return None


def _by_route(address: _Address) -> PageAddress | None:
    """A page that a parameter names, whatever the path is."""
    for parameter, routes in words.ROUTES.items():
        if (kind := routes.get(address.given.get(parameter, "").strip("/"))) is not None:
            return _of_parameters(kind, address)
    if address.given.get("main_page") == "index" and "cpath" in address.given:
        return _of_parameters("collection", address)
    return None


def _home(address: _Address) -> PageAddress | None:
    """The home page, and the pages that have its address and parameters (WordPress)."""
    if not address.is_home:
        return None
    if query := address.first(words.ON_ANY_PAGE):
        return PageAddress("search", "", query)
    if product := address.given.get("product"):
        return PageAddress("product", product)
    if collection := address.first(("product_cat", "post_type")):
        return PageAddress("collection", collection)
    return PageAddress("other", address.last)


def _by_script(address: _Address) -> PageAddress | None:
    """A script that gets a product or a collection as a parameter."""
    kind = words.SCRIPTS.get(address.keys[-1])
    if kind is None or not (_ENDING.search(address.parts[-1]) or "-" in address.parts[-1]):
        return None
    if kind in ("product", "collection") and not address.given:
        return None
    return _of_parameters("collection" if kind == "search" and "cgid" in address.given else kind, address)


def _of_parameters(kind: PageKind, address: _Address) -> PageAddress:
    names = {"product": words.PRODUCT_ID, "collection": words.COLLECTION_ID}.get(kind, ())
    query = address.first(words.QUERY) if kind == "search" else None
    return PageAddress(kind, address.first(names) or address.last, query)


def _outside(address: _Address) -> PageAddress | None:
    """A page that no event is counted for, such as an account or a blog."""
    return PageAddress("other", address.last) if address.keys[0] in words.OTHER else None


def _listed(address: _Address) -> PageAddress | None:
    """A product or a collection that follows a word for it. A product in a collection is a product."""
    keys, parts = address.keys, address.parts
    found: PageAddress | None = None
    index = 0
    while index < len(keys) - 1 and keys[index] not in words.CART | words.CHECKOUT:
        if keys[index] in words.PRODUCT and keys[index + 1] not in words.COLLECTION | words.SEARCH:
            return PageAddress("product", address.last)
        if keys[index] in words.COLLECTION:
            is_next = keys[index] in ("collection", "collections")  # what comes after that are filters
            found = PageAddress("collection", _ENDING.sub("", parts[index + 1]) if is_next else address.last)
            index += 1
        index += 1
    if found is None and len(keys) > 1 and keys[-1] == "p":  # VTEX: /blue-mug/p
        return PageAddress("product", parts[-2])
    return found


def _buying(address: _Address) -> PageAddress | None:
    """The step of a purchase that the last telling word names."""
    kind: PageKind | None = None
    for index, key in enumerate(address.keys):
        before = address.keys[index - 1] if index else ""
        is_last = index == len(address.keys) - 1
        if _confirms(key, before, kind, is_last=is_last):
            return PageAddress("order", address.last)
        if key in words.CART:
            if not is_last and address.keys[index + 1] in words.ADDING:
                return PageAddress(None, address.last)
            kind = "cart"
        elif key in words.CHECKOUT or (key in words.ORDERING and is_last):
            kind = "checkout"
    return None if kind is None else PageAddress(kind, address.last)


def _confirms(key: str, before: str, kind: PageKind | None, *, is_last: bool) -> bool:
    """Whether a word says that an order was placed; `kind` is the step that the words before it name."""
    if key in words.CONFIRMED:
        return before not in words.OTHER
    if key == "orders":  # Squarespace, Shopify
        return not is_last and (before == "commerce" or before.isdigit())
    return key in words.CONFIRMED_AFTER and (kind == "checkout" or before in words.ORDERING)


def _searched(address: _Address) -> PageAddress | None:
    keys = address.keys
    index = next((index for index, key in enumerate(keys) if key in words.SEARCH), None)
    if index is None:
        return None
    query, following = address.first(words.QUERY), keys[index + 1] if index + 1 < len(keys) else ""
    if query is None and following not in ("", "result", "results", "index", "ajax", "advanced"):
        query = address.parts[index + 1].replace("+", " ")
    return PageAddress("search", address.last, query)


def _by_last_part(address: _Address) -> PageAddress | None:
    for kind, pattern in _SHAPES:
        if pattern.fullmatch(address.parts[-1]):
            return PageAddress(kind, address.last)
    if address.keys[-1] in words.WHOLE_SHOP:
        return PageAddress("collection", address.last)
    return PageAddress("other", address.last) if address.keys[-1] in words.COLLECTION else None


_READERS: tuple[Callable[[_Address], PageAddress | None], ...] = (
    *(_by_platform, _by_route, _home, _by_script, _outside, _listed, _buying, _searched, _by_last_part),
)
"""What an address may say, the most certain first."""
