"""What can be known of a store before anybody visits it: whether visits will work there, and what to change if not.

It sends a few GET requests, under the rules of the visits: robots.txt, the rate, the guard of payments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from simpersona.adapters.storefronts.open import open_reader, open_visitors
from simpersona.adapters.storefronts.plain_get import Answer
from simpersona.config import StoreConfig
from simpersona.errors import ConfigError, StorefrontError
from simpersona.simulation import preflight_findings as judge
from simpersona.simulation.preflight_findings import Finding, StoreRead
from simpersona.simulation.store_goals import lacks_wishes, offered
from simpersona.simulation.store_outline import (
    StoreOutline,
    outline,
    product_names,
    product_titles,
    sitemap_addresses,
    words_of_address,
)

if TYPE_CHECKING:
    from simpersona.adapters.storefronts.store_reader import StoreReader

OFFER_PAGES = 3
"""Collections that are opened for the names of their products, where visits have nothing to look for."""
SITEMAPS = 2
"""Sitemaps that are read besides the index."""
WHOLE_PAGE_TOKENS = 100_000
"""Chromium shows the pages for the comparison undivided."""


@dataclass(frozen=True)
class Preflight:
    """The findings on one store. `lacks` says what is missing without a browser, empty if nothing is.

    `offers` are collections and products that its pages name, if the sessions name none for most visits; otherwise empty.
    """

    url: str
    findings: tuple[Finding, ...]
    lacks: str = ""
    offers: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The findings as plain values."""
        findings = [asdict(finding) for finding in self.findings]
        return {"url": self.url, "findings": findings, "lacks": self.lacks, "offers": list(self.offers)}

    def lines(self) -> list[str]:
        """The findings as lines of text."""
        return [finding.line() for finding in self.findings]

    def require_scripts_run(self, setting: str) -> None:
        """Raises ConfigError if the store needs scripts, for visits without a browser; `setting` is the one to change."""
        if self.lacks:
            raise ConfigError(
                f'{self.url} needs scripts, which {setting} = "http" does not run: {self.lacks}. Set {setting} = "browser"'
            )


async def examine(
    config: StoreConfig, url: str, wishes: Sequence[str], drivers: Sequence[str], *, compare: bool | None = None
) -> Preflight:
    """The findings on the store at `url`. `wishes` are what the goals of the visits name, one for each visit; `drivers` what
    the visits are made with.

    A store that needs scripts is recognised by comparing its pages with Chromium's where Chromium is there, otherwise by
    the markup; `compare` decides that instead. Raises ConfigError for a secret that is missing from the environment.
    """
    reader = open_reader(config, url)
    read = await _read(reader)
    if read.home_outline is not None and ("http" in drivers if compare is None else compare):
        await _open_in_browser(config, url, read)
    offers: tuple[str, ...] = ()
    if lacks_wishes(wishes):
        await _add_offers(reader, read)
        offers = offered(read.collections, read.products)
    lacking = judge.lacks(read)
    of_robots = [finding async for finding in judge.robots(reader, config, read)]
    findings = [
        judge.answer(read, url),
        *of_robots,
        *judge.scripts(read, lacking, drivers),
        judge.checkout(read, of_robots, config),
        *(judge.nameless(wishes, offers) if lacks_wishes(wishes) else ()),
        *judge.goals(wishes, read),
        *judge.access(config),
        judge.recognition(config, drivers),
    ]
    return Preflight(url, tuple(findings), reader.access.hide(lacking), offers)


async def _read(reader: StoreReader) -> StoreRead:
    read = StoreRead()
    try:
        read.home = await reader.get(reader.url)
    except StorefrontError as error:
        read.refused = str(error)
        return read
    if read.home.status >= 400:
        return read
    read.home_outline = page = outline(read.home.text, read.home.url)
    read.names += page.names()
    read.products += page.product_names()
    collections = set(page.addresses(of_products=False))
    read.collections = [text for text, address in page.links if address in collections]
    products = page.addresses(of_products=True) + await _from_lists(reader, read)
    for address in products[:1]:
        read.product_url = address
        if (answer := await _page(reader, address)) is not None:
            read.product = outline(answer.text, answer.url)
            read.names += read.product.names()
    return read


async def _from_lists(reader: StoreReader, read: StoreRead) -> list[str]:
    """Addresses of products in the store's own lists, whose titles are added to what it sells."""
    products: list[str] = []
    if (answer := await _page(reader, urljoin(reader.url, "/products.json?limit=100"))) is not None:
        titles, handles = product_titles(answer.text)
        read.names += titles
        read.products += product_names(answer.text)
        products += [urljoin(reader.url, f"/products/{handle}") for handle in handles]
    todo, number = [urljoin(reader.url, "/sitemap.xml")], 0
    while todo and number <= SITEMAPS and not products:
        answer, number = await _page(reader, todo.pop(0)), number + 1
        addresses = sitemap_addresses(answer.text) if answer is not None else []
        sitemaps = [address for address in addresses if address.partition("?")[0].endswith(".xml")]
        todo += sorted(sitemaps, key=lambda address: "product" not in address)
        pages = StoreOutline(reader.url, links=[("", address) for address in addresses if address not in sitemaps])
        read.names += [words_of_address(address) for address in addresses if address not in sitemaps]
        products += pages.addresses(of_products=True)
    return products


async def _add_offers(reader: StoreReader, read: StoreRead) -> None:
    """Adds the names of the products on a few of the store's collections."""
    if read.home_outline is None:
        return
    for address in read.home_outline.addresses(of_products=False)[:OFFER_PAGES]:
        if (answer := await _page(reader, address)) is not None:
            read.products += outline(answer.text, answer.url).product_names()


async def _page(reader: StoreReader, url: str) -> Answer | None:
    """The answer without an error, None for any other."""
    try:
        answer = await reader.get(url)
    except StorefrontError:
        return None
    return answer if answer.status < 400 else None


async def _open_in_browser(config: StoreConfig, url: str, read: StoreRead) -> None:
    """Opens the first page and the product's in Chromium, where there is one."""
    whole = config.model_copy(update={"max_page_tokens": WHOLE_PAGE_TOKENS, "screenshots": False})
    try:
        async with open_visitors(whole, "browser", may_pay=False) as visitors:
            for address in filter(None, (url, read.product_url)):
                session = visitors.visitor(address, "preflight")
                try:
                    page = await session.open()
                finally:
                    await session.close()
                if address == url:
                    read.home_page = page
                else:
                    read.product_page = page
    except (ConfigError, StorefrontError) as error:
        read.browser = str(error)
