"""What a page of a store is, and which evidence says so.

Markup that states the kind for machines comes before the address, the address before the structure of the page. An address
of the cart, the checkout or an order comes first: such a page may also recommend products. A search stays one if its results
are stated as a list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from simpersona.pages import Page, PageContent, PageKind
from simpersona.shopper.page_addresses import PageAddress, page_address

PageEvidence = Literal["markup", "address", "structure"]
MANY_CARDS = 2
"""A page with at least this number of links to products with a price each is a list."""
LONG_LIST = 12
"""The same where the page also has a price outside these."""
MANY_TILES = 4
"""A page with at least this number of neighbours with a link and a picture may list products without prices."""


@dataclass(frozen=True)
class SeenPage:
    """The kind of a page, None where nothing tells it, with the evidence, and the name and the query of its address."""

    kind: PageKind | None
    evidence: PageEvidence | None
    name: str
    query: str | None = None


def seen_page(page: Page) -> SeenPage:
    """The kind of a page by its markup, its address and its structure."""
    address, content = page_address(page.url), page.content
    declared = content.declared if content is not None else None
    if address.kind in ("cart", "checkout", "order"):
        return _of(address, "address")
    if address.kind == "search" and declared in (None, "search", "collection", "other"):
        return _search(address, content, declared)
    if declared is not None and not (declared == "collection" and address.kind == "other"):
        name = content.product_id if declared == "product" and content and address.kind == "other" else None
        return SeenPage(declared, "markup", name or address.name, address.query)
    if address.kind is not None:
        return _of(address, "address")
    by_structure = _structure(content) if content is not None else None
    if by_structure in ("collection", "other") and address.query:
        # the search of a store in another language; a product's address may keep the words of the search
        return SeenPage("search", "address", address.name, address.query)
    return SeenPage(by_structure, "structure" if by_structure else None, address.name)


def _of(address: PageAddress, evidence: PageEvidence) -> SeenPage:
    return SeenPage(address.kind, evidence, address.name, address.query)


def _search(address: PageAddress, content: PageContent | None, declared: PageKind | None) -> SeenPage:
    """A search, or the page with the form of one: without a query in the address, the results tell."""
    if address.query is None and declared is None and content is not None and content.cards < 1:
        return SeenPage("other", "structure", address.name)
    return SeenPage("search", "markup" if declared == "search" else "address", address.name, address.query)


def _structure(content: PageContent) -> PageKind | None:
    """A page with a price and a control that adds it is a product, many cards are a list.

    With a price but no such control, only a long list is one: a product may have others beside it. A page without prices is
    neither, unless it shows as many pictures with links as a list does.
    """
    if content.prices and content.add_controls:
        return "product"
    if content.cards >= (LONG_LIST if content.prices else MANY_CARDS) and not content.add_controls:
        return "collection"
    if not (content.prices or content.add_controls or content.cards) and content.tiles < MANY_TILES:
        return "other"
    return None
