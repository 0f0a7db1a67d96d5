"""The products of a store, made from lists of words: the same in every process."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count

_PLAIN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})


@dataclass(frozen=True)
class Product:
    """One product. `options` are the values among which a buyer has to choose; empty where there is nothing to choose."""

    id: int
    title: str
    collection: str
    """The slug of its collection."""
    cents: int
    options: tuple[str, ...] = ()
    sold_out: bool = False

    @property
    def slug(self) -> str:
        """Its title in an address: "blue-mug"."""
        return slug_of(self.title)


@dataclass(frozen=True)
class Catalogue:
    """The products of one store, and its collections by slug."""

    products: tuple[Product, ...]
    collections: Mapping[str, str]
    """The title of each collection by its slug."""

    def of(self, collection: str) -> list[Product]:
        """The products of a collection."""
        return [product for product in self.products if product.collection == collection]

    def by_slug(self, slug: str) -> Product | None:
        """The product with this slug, or None."""
        return next((product for product in self.products if product.slug == slug), None)

    def by_id(self, number: str) -> Product | None:
        """The product with this id as text, or None."""
        return next((product for product in self.products if str(product.id) == number), None)

    def search(self, query: str) -> list[Product]:
        """The products whose title or collection holds any of the query's words, those with most first; a plural finds the
        singular.
        """
        words = [_stem(word) for word in re.findall(r"\w+", query.lower())]
        hits = {
            product: sum(word in f"{product.title} {self.collections[product.collection]}".lower() for word in words)
            for product in self.products
        }
        return sorted((product for product in self.products if hits[product]), key=lambda product: -hits[product])


def make_catalogue(
    collections: Mapping[str, Sequence[str]],
    styles: Sequence[str],
    prices: Sequence[int],
    options: Mapping[str, Sequence[str]],
    *,
    per_collection: int,
) -> Catalogue:
    """Products named "style noun" from each collection's nouns. `options` are those of a collection's products: every third
    product has none; every eleventh is sold out. `prices` are in cents and taken in turn.
    """
    numbers, products, slugs = count(101), [], {}
    for title, nouns in collections.items():
        slugs[slug_of(title)] = title
        for place in range(per_collection):
            number = next(numbers)
            chosen = () if place % 3 == 2 else tuple(options.get(title, ()))
            name = f"{styles[(place + number) % len(styles)]} {nouns[place % len(nouns)]}"
            taken = {product.title for product in products}
            name = name if name not in taken else f"{name} {number}"
            price = prices[number % len(prices)]
            products.append(Product(number, name, slug_of(title), price, chosen, sold_out=number % 11 == 0))
    return Catalogue(tuple(products), slugs)


def slug_of(text: str) -> str:
    """A title as a part of an address."""
    return "-".join(re.findall(r"[a-z0-9]+", text.lower().translate(_PLAIN)))


def _stem(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith(("s", "n")) else word
