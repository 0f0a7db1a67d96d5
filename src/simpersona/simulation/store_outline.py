"""What the markup of a store's page holds without scripts: its title, links, headings, buttons and text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import unquote, urljoin, urlsplit

from simpersona.shopper.affordances import ADD
from simpersona.shopper.prices import title_in

_UNSEEN = frozenset({"script", "style", "template", "noscript", "svg", "head"})
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)  # fmt: skip
_APP_ROOTS = frozenset({"root", "app", "__next", "__nuxt", "___gatsby", "svelte", "main-app", "q-app", "app-root"})
_PRODUCT = re.compile(
    r"/(products?|produkte?|produits?|productos?|prodott[io]|items?|p|dp|artikel|shop)/[^/?#]+|-p-?\d+|/\d+-[^/]+\.html",
    re.IGNORECASE,
)
_COLLECTION = re.compile(
    r"/(collections?|categor(y|ies)|product-categor(y|ies)|kategorien?|categorias?|categorie|c|shop)/[^/?#]+",
    re.IGNORECASE,
)
_NEEDS_SCRIPT = re.compile(r"java ?script", re.IGNORECASE)


@dataclass
class StoreOutline:
    """A page's parts that can be seen and used without scripts. `links` are (text, absolute address)."""

    address: str
    title: str = ""
    links: list[tuple[str, str]] = field(default_factory=list)
    headings: list[str] = field(default_factory=list)
    buttons: list[tuple[str, bool]] = field(default_factory=list)
    """(text, whether it sends a form)."""
    fields: int = 0
    frames: list[str] = field(default_factory=list)
    text: str = ""
    """All that can be read, names of pictures and fields included, in small letters with single spaces."""
    scripts: int = 0
    asks_for_scripts: bool = False
    """Whether a note for visitors without scripts says that they are needed."""
    empty_root: str = ""
    """The id of the element that a script fills, where the markup has nothing in it."""

    @property
    def controls(self) -> int:
        """Links, buttons and fields."""
        return len(self.links) + len(self.buttons) + self.fields

    @property
    def adds_by_form(self) -> bool | None:
        """Whether a button that adds to the cart sends a form; None if there is no such button."""
        adding = [sends for text, sends in self.buttons if ADD.search(text)]
        return any(adding) if adding else None

    def addresses(self, *, of_products: bool) -> list[str]:
        """The addresses on the same host that look like those of products, or else of collections."""
        pattern, host = _PRODUCT if of_products else _COLLECTION, urlsplit(self.address).netloc
        found = [url for _, url in self.links if urlsplit(url).netloc == host and pattern.search(urlsplit(url).path)]
        return list(dict.fromkeys(url.partition("#")[0] for url in found))

    def product_names(self) -> list[str]:
        """The titles of its links to products, without prices."""
        products = set(self.addresses(of_products=True))
        return [title_in(text) for text, url in self.links if url.partition("#")[0] in products]

    def names(self) -> list[str]:
        """The texts that say what the store sells: those of its links and headings."""
        return [*(text for text, _ in self.links), *self.headings]


def outline(markup: str, address: str) -> StoreOutline:
    """The outline of a page's markup."""
    reader = _Reader(address)
    reader.feed(markup)
    reader.close()
    return reader.finished()


def product_titles(answer: str) -> tuple[list[str], list[str]]:
    """The titles with product types, and the handles, in a `products.json` of a Shopify store; empty for anything else."""
    try:
        products = json.loads(answer)["products"]
        titles = [f"{product.get('title') or ''} {product.get('product_type') or ''}".strip() for product in products]
        handles = [str(product["handle"]) for product in products if product.get("handle")]
    except (ValueError, KeyError, TypeError, AttributeError):
        return [], []
    return titles, handles


def product_names(answer: str) -> list[str]:
    """The titles alone in a `products.json` of a Shopify store; empty for anything else."""
    try:
        return [str(product["title"]) for product in json.loads(answer)["products"] if product.get("title")]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []


def sitemap_addresses(markup: str) -> list[str]:
    """The addresses in a sitemap, or in an index of sitemaps (sitemaps.org)."""
    return [found.strip() for found in re.findall(r"<loc>\s*(?:<!\[CDATA\[)?([^<\]]+)", markup)]


def words_of_address(url: str) -> str:
    """The last part of an address as words: "denim-skirt.html" is "denim skirt"."""
    last = unquote(urlsplit(url).path).rstrip("/").rpartition("/")[2]
    return " ".join(re.findall(r"[^\W\d_]{2,}", last.removesuffix(".html").removesuffix(".htm")))


class _Reader(HTMLParser):
    """Reads the tags in order; an element that is not closed ends with the one around it."""

    def __init__(self, address: str) -> None:
        super().__init__(convert_charrefs=True)
        self._page = StoreOutline(address)
        self._base = address
        self._open: list[str] = []
        self._texts: list[str] = []
        self._parts: list[tuple[str, str, list[str]]] = []  # open links, headings, buttons: tag, address or type, text
        self._forms = 0
        self._roots: list[tuple[str, int, int]] = []  # id, depth, texts and controls before it

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "script":
            self._page.scripts += 1
        if tag == "base" and "href" in given:
            self._base = urljoin(self._base, given["href"])
        if tag == "form":
            self._forms += 1
        if tag == "iframe" and given.get("src"):
            self._page.frames.append(urljoin(self._base, given["src"]))
        if not self._is_unseen():
            self._see(tag, given)
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            while self._open.pop() != tag:
                pass
        if tag == "form" and self._forms:
            self._forms -= 1
        if self._parts and self._parts[-1][0] == tag:
            self._finish(*self._parts.pop())
        while self._roots and len(self._open) <= self._roots[-1][1]:
            name, _, before = self._roots.pop()
            if self._seen() == before:
                self._page.empty_root = name

    def handle_data(self, data: str) -> None:
        if "title" in self._open and "svg" not in self._open:
            self._page.title += data
        if "noscript" in self._open and _NEEDS_SCRIPT.search(data):
            self._page.asks_for_scripts = True
        if not self._is_unseen():
            self._add(data)

    def finished(self) -> StoreOutline:
        while self._parts:
            self._finish(*self._parts.pop())
        self._page.title = " ".join(self._page.title.split())
        self._page.text = " ".join(" ".join(self._texts).split()).casefold()
        return self._page

    def _see(self, tag: str, given: dict[str, str]) -> None:
        if tag == "div" or "-" in tag:
            root = given.get("id", "") or (tag if tag in _APP_ROOTS else "")
            if root.lower() in _APP_ROOTS:
                self._roots.append((root, len(self._open), self._seen()))
        kind = given.get("type", "").lower()
        for name in ("alt", "aria-label", "placeholder", "title", *(["value"] if kind in ("submit", "button") else [])):
            if given.get(name):
                self._add(given[name])
        if tag == "a" and given.get("href") and not given["href"].startswith("javascript:"):
            self._begin("a", urljoin(self._base, given["href"].strip()), given)
        elif tag == "button" or re.fullmatch("h[1-6]", tag):
            self._begin(tag, kind if not self._forms or kind in ("button", "reset") else "sends", given)
        elif tag == "input" and kind in ("submit", "image", "button"):
            self._page.buttons.append((given.get("value") or given.get("alt") or "Submit", bool(self._forms)))
        elif tag in ("input", "select", "textarea") and kind != "hidden":
            self._page.fields += 1

    def _begin(self, tag: str, about: str, given: dict[str, str]) -> None:
        self._parts.append((tag, about, [given.get("aria-label", "")]))

    def _finish(self, tag: str, about: str, texts: list[str]) -> None:
        text = " ".join((texts[0] or " ".join(texts)).split())
        if tag == "a":
            self._page.links.append((text, about))
        elif tag == "button":
            self._page.buttons.append((text, about == "sends"))
        elif text:
            self._page.headings.append(text)

    def _add(self, text: str) -> None:
        if text.strip():
            self._texts.append(text)
            for _, _, texts in self._parts:
                texts.append(text)

    def _seen(self) -> int:
        return len(self._texts) + self._page.controls + len(self._parts)

    def _is_unseen(self) -> bool:
        return any(tag in _UNSEEN for tag in self._open)


def stems(texts: Iterator[str] | list[str]) -> set[str]:
    """The words of texts, without the endings of plurals."""
    words = {word for text in texts for word in re.findall(r"[^\W\d_]{3,}", text.casefold())}
    return {word.removesuffix("s").removesuffix("e") for word in words}
