"""The products of a page: its cards, by structure.

A card is an element that repeats, or looks like one that would, and holds the link of one product and a price: the price may
stand in the link or beside it, in any currency. Lists without an element around each product are read by the order of links and
prices. The structured data of a page (JSON-LD) names products too.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from simpersona.adapters.storefronts.json_ld import PRODUCTS, stated, types_of
from simpersona.adapters.storefronts.kept import Kept
from simpersona.adapters.storefronts.markup import Element, Markup, all_around
from simpersona.adapters.storefronts.store_addresses import purpose_of_address
from simpersona.shopper import store_words as words
from simpersona.shopper.prices import amounts, is_price_line, is_priced_title, title_beside, title_in
from simpersona.shopper.store_words import KEPT

_CARD_TAGS = frozenset({"li", "article", "tr", "product-card"})
_CARD_NAMES = re.compile(r"product|card|item|tile|teaser|artikel|produkt|produit|article", re.IGNORECASE)
_NO_CARD = frozenset({"html", "body", "main", "header", "footer", "nav", "aside", "form", "table", "ul", "ol"})
_DETAILS = re.compile(
    r"^(quick (view|look|shop)|(view|see|show|open)( (product|item|details?|more|options))?|details?|(choose|select) options|"
    r"(read|learn|find out) more|shop now|more( info)?|(zum |zur )?(produkt|artikel)|(mehr )?(details|erfahren|ansehen|anzeigen|infos?)|"
    r"(optionen |ausf[üu]hrung )?w[äa]hlen|(voir|d[ée]couvrir)( (le |ce )?(produit|d[ée]tails?|plus))?|choix des options|"
    r"(ver|descubrir)( (el )?(producto|detalles?|m[áa]s))?|(scopri|vedi)( (il )?(prodotto|dettagli|di pi[ùu]))?|dettagli|"
    r"bekijk( (product|details))?|meer info(rmatie)?)\W*$",
    re.IGNORECASE,
)
"""Links to a product that do not name it."""
_OTHER = re.compile(
    r"^(wish ?list|compare|(add|save) to (wish ?list|favou?rites|compare).*|(zur |auf die )?(merkliste|wunschliste).*|vergleichen|"
    r"\W*\(?\d+\)?( (reviews?|ratings?|bewertung(en)?|avis|rese[ñn]as|recensioni|beoordelingen))?)\W*$",
    re.IGNORECASE,
)
"""Links of a card that do not lead to the product."""
_OPTION = re.compile(
    r"(?<=[?&])(colou?r|size|variant|farbe|groesse|taille|couleur|talla|utm_\w+|ref|_pos|_sid|_ss|_psq|_v|pr_\w+)=[^&#]*&?|[?&]?#.*$"
)
"""The part of a product's address that only says which option of it is shown, or from where it is opened."""
_ITEM = re.compile(r"schema\.org/(Product|IndividualProduct|ProductModel)\b")
_TITLE = re.compile(r"[^\W\d_]{2}|[^\W\d_\x00-\u02af]")
"""Two letters, or one of a script that writes words with one."""


@dataclass(frozen=True)
class Card:
    """One product of a page: the address of its link, its title, and its price as the page shows it, if it does."""

    address: str
    title: str
    price: str = ""


def product_cards(lines: Sequence[Kept], markup: Markup) -> list[Card | None]:
    """For each line of a page the card that it stands in; the lines with the card's address are the product's own links."""
    cards: list[Card | None] = [None] * len(lines)
    found = _Cards(lines, markup)
    for members, card in found.cards():
        for number in members:
            cards[number] = cards[number] or card
    known = _known_products(markup.data)
    for number, line in enumerate(lines):
        if cards[number] is None and line.node.role == "link" and (_is_known(line, known) or found.is_item(number)):
            cards[number] = Card(same_product(line.href), title_in(line.node.name))
    return cards


@lru_cache(maxsize=KEPT)
def same_product(address: str) -> str:
    """The address of a product without the option that it shows: two links to one product have the same."""
    return _OPTION.sub("", address).rstrip("?&")


class _Cards:
    """The search for the cards of one page."""

    def __init__(self, lines: Sequence[Kept], markup: Markup) -> None:
        self._lines = lines
        self._elements = [markup.element(line) for line in lines]
        self._links: defaultdict[Element, list[int]] = defaultdict(list)
        self._unnamed: defaultdict[Element, list[int]] = defaultdict(list)
        """Links such as "Details", which count where no link has the product's name."""
        self._found: dict[Element, set[str]] = {}
        self._has_items = any("itemtype" in one.attributes for one in all_around(self._elements))
        headings = {one for element in self._elements if element is not None and (one := element.nearest("h1"))}
        self._main = all_around(headings) if len(headings) == 1 else set[Element]()
        """The elements with the page's heading in them: what they say is about the page, not about one of its products."""
        for number, (line, element) in enumerate(zip(lines, self._elements, strict=True)):
            if element is None:
                continue
            if _may_be_product(line) and line.leads_on(element.get("href")):
                links = self._links if is_title(line.node.name) else self._unnamed
                for above in element.around:
                    links[above].append(number)

    def cards(self) -> Iterator[tuple[Sequence[int], Card]]:
        """The lines of each card, and the card."""
        holders: defaultdict[Element, list[int]] = defaultdict(list)  # the nearest around each price that hold a link
        for number, (line, element) in enumerate(zip(self._lines, self._elements, strict=True)):
            if element is not None and _is_price(line):
                holder = next((above for above in element.around if self._titles(above)), None)
                if holder is not None and holder not in self._main:
                    holders[holder].append(number)
        alike = Counter(map(_shape, holders))
        for holder, prices in holders.items():
            if len(self._addresses(holder)) == 1 or (alike[_shape(holder)] > 1 and not self._is_list(prices)):
                if alike[_shape(holder)] > 1 or self._may_be_card(holder):
                    yield self._card(holder, prices)
            elif self._is_list(prices):
                yield from self._listed(prices)

    def is_item(self, number: int) -> bool:
        """Whether a link is the only one of an item that the markup says is a product (microdata)."""
        element = self._elements[number]
        around = element.around if self._has_items and element is not None else ()
        item = next((one for one in around if "itemtype" in one.attributes and _ITEM.search(one.get("itemtype"))), None)
        return (
            item is not None
            and item not in self._main
            and number in self._links[item]
            and len(self._addresses(item)) == 1
        )

    def _titles(self, element: Element) -> list[int]:
        """The links in an element that may be those of products."""
        return self._links.get(element) or self._unnamed.get(element, [])

    def _addresses(self, element: Element) -> set[str]:
        if element not in self._found:
            self._found[element] = {same_product(self._lines[number].href) for number in self._titles(element)}
        return self._found[element]

    def _may_be_card(self, holder: Element) -> bool:
        """Whether an element looks like a card though no other is like it, as on a page with one result."""
        if holder.nearest("header", "nav", "footer"):
            return False
        grown = self._grown(holder)
        named = any(_CARD_NAMES.search(one.get("class", "itemtype", "id")) for one in (holder, grown))
        return {holder.tag, grown.tag} & _CARD_TAGS != set() or named or holder.tag == "a"

    def _grown(self, holder: Element) -> Element:
        """The largest element around that holds no other product: with the buttons of the card."""
        addresses = self._addresses(holder)
        card = holder
        for above in holder.around:
            if above.tag in _NO_CARD or above in self._main or self._addresses(above) != addresses:
                break
            card = above
        return card

    def _card(self, holder: Element, prices: Sequence[int]) -> tuple[Sequence[int], Card]:
        card = self._grown(holder)
        link = self._title_link(self._titles(card))
        inside = [number for number, one in enumerate(self._elements) if one is not None and card in one.around]
        return inside, self._made(link, prices, inside)

    def _title_link(self, links: Sequence[int]) -> int:
        """The link of the product: that of a heading, else the one that stands there most often, else the longest name."""
        headed = [
            number for number in links if (one := self._elements[number]) and one.nearest("h2", "h3", "h4", "h5", "h6")
        ]
        often = Counter(same_product(self._lines[number].href) for number in links)

        def rank(number: int) -> tuple[int, int]:
            line = self._lines[number]
            return often[same_product(line.href)], len(line.node.name)

        return max(headed or links, key=rank)

    def _made(self, link: int, prices: Sequence[int], inside: Sequence[int]) -> Card:
        address = same_product(self._lines[link].href)
        own = [number for number in inside if same_product(self._lines[number].href) == address]
        names = [self._lines[number].node.name for number in own]
        title = max((title_in(name) for name in names if is_title(name)), key=len, default="")
        if not title:
            headings = [
                self._lines[number].node.name for number in inside if self._lines[number].node.role == "heading"
            ]
            title = next(iter(headings), "")
        price = amounts(self._lines[prices[0]].node.name)[-1]
        return Card(address, title, price)

    def _is_list(self, prices: Sequence[int]) -> bool:
        """Whether prices with one element around them belong to different products."""
        return len({same_product(self._lines[link].href) for link, _ in self._pairs(prices)}) > 1

    def _pairs(self, prices: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Each price with the link that stands before it and after the price before."""
        links = [number for number, line in enumerate(self._lines) if _may_be_product(line)]
        for before, price in zip([-1, *prices], prices, strict=False):
            if between := [link for link in links if before <= link <= price]:
                yield between[-1], price

    def _listed(self, prices: Sequence[int]) -> Iterator[tuple[Sequence[int], Card]]:
        pairs = list(self._pairs(prices))
        ends = [link for link, _ in pairs[1:]]
        for (link, price), end in zip(pairs, [*ends, pairs[-1][1] + 2], strict=True):
            members = range(link, min(end, len(self._lines)))
            yield members, self._made(link, [price], members)


def _shape(element: Element) -> tuple[str, str, int]:
    """What elements that repeat have in common."""
    return element.tag, element.parent.tag if element.parent is not None else "", len(element.around)


def _is_price(line: Kept) -> bool:
    name, role = line.node.name, line.node.role
    if role == "link":
        return is_priced_title(name) or (bool(amounts(name)) and not title_beside(name))
    return role in ("StaticText", "heading") and is_price_line(name)


def _may_be_product(line: Kept) -> bool:
    """Whether a link may be that of a product: neither one without a name nor one that does something else."""
    return line.node.role == "link" and line.leads_on() and _may_lead(line.href, line.node.name)


@lru_cache(maxsize=KEPT)
def _may_lead(address: str, name: str) -> bool:
    return purpose_of_address(address) is None and _may_name(name)


def _may_name(name: str) -> bool:
    """Whether the name of a link may be that of a product."""
    if not _TITLE.search(name):
        return False
    if amounts(name) and not is_priced_title(name):
        return False
    does = (words.ADD, words.REMOVE, words.CHECKOUT, words.LOGIN)
    return not (words.is_cart_name(name) or _OTHER.match(name) or any(word.search(name) for word in does))


@lru_cache(maxsize=KEPT)
def is_title(name: str) -> bool:
    """Whether the name of a product's link is the product's."""
    return bool(name) and not _DETAILS.match(name)


# --- structured data --------------------------------------------------------------------------


def _known_products(data: Sequence[str]) -> tuple[frozenset[str], frozenset[str]]:
    """The addresses (without their query) and the titles of the products that the structured data lists."""
    addresses, titles = set[str](), set[str]()
    for text in data:
        found = list(_things(stated(text)))
        for thing in found:
            types = types_of(thing)
            if "ItemList" in types:
                items = thing.get("itemListElement")
                found += (
                    [{**item, "@type": "Product"} for item in items if isinstance(item, dict)]
                    if isinstance(items, list)
                    else []
                )
            if types & PRODUCTS:
                addresses |= {_path(url) for url in (thing.get("url"), thing.get("@id")) if isinstance(url, str)}
                titles |= {" ".join(name.casefold().split()) for name in (thing.get("name"),) if isinstance(name, str)}
    return frozenset(addresses - {"", "/"}), frozenset(titles - {""})


def _things(value: Any) -> Iterator[dict[str, Any]]:
    """All objects of a JSON document."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            value = list(value.values())
        if isinstance(value, list):
            waiting.extend(reversed(value))


def _is_known(line: Kept, known: tuple[frozenset[str], frozenset[str]]) -> bool:
    addresses, titles = known
    if not addresses and not titles:
        return False
    title = " ".join(title_in(line.node.name).casefold().split())
    return line.leads_on() and (_path(line.href) in addresses or title in titles)


def _path(address: str) -> str:
    try:
        return urlsplit(address).path.rstrip("/")
    except ValueError:
        return ""
