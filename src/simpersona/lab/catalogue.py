"""Generates one shop's catalogue: products, collections, and the products that each search finds.

Ids and titles are unique over all shops: titles begin with the vendor, and no two shops share a vendor. Each product
type has a collection; further collections are themes such as "Gift ideas".
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int

from simpersona.contracts import COLLECTIONS, PRODUCTS
from simpersona.lab.departments import DEPARTMENTS, SHOP_WORDS, Department, Kind, vendors

PRODUCTS_PER_KIND = 12
"""Target number of products per product type; a large shop has more types."""
IDS_PER_SHOP = 1_000_000
"""Ids are numbers, as in Shopify. Each shop has a separate block of ids: products, then collections."""
FIRST_COLLECTION = 900_000
SMALLEST, SMALLEST_SHARE = 30, 0.4
"""A shop has at least this number of products and this share of the mean, unless the mean is smaller."""
LARGEST = 100_000
SIZE_SPREAD = 1.0
"""Sigma of the log-normal weights that distribute the products above that minimum."""
MANY_PRODUCTS = 400
"""Number of products from which a shop has a collection of best sellers."""
PRICE_SPREAD = 0.4
"""Sigma of the log-normal prices around the typical price of a product type."""
VARIANTS_SHARE = 0.6
"""Share of products with variants in a department that has variants."""
OPENINGS = (
    "{title} is {purpose}.", "{title}, {purpose}.", "Meet {title}, {purpose}.", "{title}. This {noun} is {purpose}."
)  # fmt: skip
SENTENCE_SHARE = 0.7
"""Probability that a description contains each optional sentence after the first two."""


@dataclass(frozen=True)
class Catalogue:
    """A shop's products, product types (kinds), search queries and collections, each numbered from 0."""

    shop_id: str
    products: pa.Table
    """PRODUCTS."""
    collections: pa.Table
    """COLLECTIONS."""
    departments: tuple[str, ...]
    kinds: tuple[tuple[Department, Kind], ...]
    """The product types of the shop."""
    kind: Int[np.ndarray, " products"]
    """The product type of each product."""
    price: Float[np.ndarray, " products"]
    queries: tuple[str, ...]
    """The search queries of buyers; the first ones are the plurals of `kinds`, in that order."""
    query_products: tuple[Int[np.ndarray, " _"], ...]
    """The products that each query finds."""
    exact_queries: Int[np.ndarray, "products 2"]
    """For each product, two queries that are more exact than the plural."""
    collection_products: tuple[Int[np.ndarray, " _"], ...]
    """The products of each collection; the first collections are those of `kinds`, in that order."""


def catalogue_sizes(shops: int, mean: int, rng: np.random.Generator) -> Int[np.ndarray, " shops"]:
    """Draws the number of products per shop: heavy-tailed above a minimum, `mean` on average."""
    smallest = min(mean, max(SMALLEST, math.ceil(SMALLEST_SHARE * mean)))
    weights = rng.lognormal(0, SIZE_SPREAD, shops)
    return np.minimum(smallest + rng.multinomial((mean - smallest) * shops, weights / weights.sum()), LARGEST)


def make_catalogue(number: int, products: int, rng: np.random.Generator, price_factor: float = 1.0) -> Catalogue:
    """Generates the catalogue of shop `number` (from 0) with `products` products of one to three departments."""
    departments = [DEPARTMENTS[i] for i in rng.permutation(len(DEPARTMENTS))[: rng.integers(1, 4)]]
    kinds = _choose_kinds(departments, products, rng)
    shop_id = _shop_id(number, departments[0])

    kind = np.sort(np.concatenate([np.arange(len(kinds)), rng.integers(0, len(kinds), products - len(kinds))]))
    makers = vendors(number)
    goods = [
        product
        for pair, count in zip(kinds, np.bincount(kind).tolist(), strict=True)
        for product in _make_goods(pair, count, makers, rng)
    ]
    searches: dict[str, list[int]] = {each.plural: [] for _, each in kinds}
    for row, product in enumerate(goods):
        for query in (product.plural, *product.exact):
            searches.setdefault(query, []).append(row)
    price = np.round(np.array([product.price for product in goods]) * price_factor, 2)
    collection_titles, members = _collections(kinds, kind, price, rng)
    first_id = (number + 1) * IDS_PER_SHOP
    collection_ids = [str(first_id + FIRST_COLLECTION + i) for i in range(len(members))]
    collections_of: defaultdict[int, list[str]] = defaultdict(list)
    for collection_id, rows in zip(collection_ids, members, strict=True):
        for row in rows:
            collections_of[int(row)].append(collection_id)
    queries = tuple(searches)
    query_number = {query: i for i, query in enumerate(queries)}
    return Catalogue(
        shop_id=shop_id,
        products=PRODUCTS.check(
            pa.table(
                {
                    "shop_id": [shop_id] * products,
                    "product_id": [str(first_id + i) for i in range(products)],
                    "title": [product.title for product in goods],
                    "text": [product.text for product in goods],
                    "vendor": [product.vendor for product in goods],
                    "product_type": [product.plural for product in goods],
                    "price": price,
                    "collection_ids": [collections_of[i] for i in range(products)],
                    "variants": pa.array([product.variants for product in goods], pa.list_(pa.string())),
                }
            )
        ),
        collections=COLLECTIONS.check(
            pa.table({"shop_id": [shop_id] * len(members), "collection_id": collection_ids, "title": collection_titles})
        ),
        departments=tuple(department.name for department in departments),
        kinds=tuple(kinds),
        kind=kind,
        price=price,
        queries=queries,
        query_products=tuple(np.array(rows) for rows in searches.values()),
        exact_queries=np.array([[query_number[query] for query in product.exact] for product in goods]),
        collection_products=members,
    )


@dataclass(frozen=True)
class _Product:
    title: str
    text: str
    vendor: str
    plural: str
    price: float
    variants: list[str]
    exact: tuple[str, str]
    """The two queries of a buyer who wants exactly this product."""


def _make_goods(
    pair: tuple[Department, Kind], count: int, makers: list[str], rng: np.random.Generator
) -> list[_Product]:
    """Generates `count` products of one type with distinct titles."""
    department, kind = pair
    parts = (makers, department.makes, department.styles, department.finishes)
    size = tuple(map(len, parts))
    chosen = np.unravel_index(rng.choice(math.prod(size), count, replace=False), size)
    price = kind.price * rng.lognormal(0, PRICE_SPREAD, count)
    has_variants = rng.random(count) < VARIANTS_SHARE
    openings = rng.integers(0, len(OPENINGS), count)
    sentences = _draw_sentences(department, count, rng)
    goods = []
    for i, indices in enumerate(np.stack(chosen, axis=1).tolist()):
        vendor, make, style, finish = (options[index] for options, index in zip(parts, indices, strict=True))
        title = f"{vendor} {department.template}".format(make=make, style=style, noun=kind.noun, finish=finish)
        opening = OPENINGS[openings[i]].format(title=title, noun=kind.noun.lower(), purpose=department.purpose)
        text = " ".join([opening, f"{make} {department.made[indices[1]]}.", *sentences[i]])
        goods.append(
            _Product(
                title=title,
                text=text.replace("{finish}", finish),
                vendor=vendor,
                plural=kind.plural,
                price=_round_price(float(price[i])),
                variants=list(department.variants) if has_variants[i] else [],
                exact=(f"{style} {kind.noun}".lower(), f"{make} {kind.noun}".lower()),
            )
        )
    return goods


def _draw_sentences(department: Department, count: int, rng: np.random.Generator) -> list[list[str]]:
    """Draws optional sentences for each of `count` products: at most one each on tone, use, size and care."""
    included = rng.random((count, len(department.sentences))) < SENTENCE_SHARE
    choice = rng.integers(0, [len(options) for options in department.sentences], included.shape)
    return [
        [options[index] for options, index, is_in in zip(department.sentences, *row, strict=True) if is_in]
        for row in zip(choice.tolist(), included.tolist(), strict=True)
    ]


def _shop_id(number: int, department: Department) -> str:
    again, word = divmod(number, len(SHOP_WORDS))
    return f"{SHOP_WORDS[word]}-{department.name}" + (f"-{again + 1}" if again else "")


def _choose_kinds(
    departments: list[Department], products: int, rng: np.random.Generator
) -> list[tuple[Department, Kind]]:
    """Chooses product types from the departments in turn, so that each department has an equal share."""
    shuffled = [[(d, d.kinds[i]) for i in rng.permutation(len(d.kinds))] for d in departments]
    in_turn = [pair for pairs in zip(*shuffled, strict=True) for pair in pairs]
    return in_turn[: min(products, max(len(departments), 2, round(products / PRODUCTS_PER_KIND)))]


def _collections(
    kinds: list[tuple[Department, Kind]], kind: np.ndarray, price: np.ndarray, rng: np.random.Generator
) -> tuple[list[str], tuple[np.ndarray, ...]]:
    everything = np.arange(len(kind))
    size = max(1, len(kind) // 6)
    limit = max(5, 5 * math.ceil(float(np.quantile(price, 0.3)) / 5))
    themes = {
        "New arrivals": np.sort(rng.choice(everything, size, replace=False)),
        f"Under ${limit}": np.flatnonzero(price < limit),
        "Gift ideas": np.sort(rng.choice(everything, size, replace=False)),
    }
    if len(kind) >= MANY_PRODUCTS:
        themes["Best sellers"] = np.sort(rng.choice(everything, size, replace=False))
    titles = [each.plural.capitalize() for _, each in kinds] + list(themes)
    members = [np.flatnonzero(kind == k) for k in range(len(kinds))] + list(themes.values())
    non_empty = [i for i, rows in enumerate(members) if len(rows)]
    return [titles[i] for i in non_empty], tuple(members[i] for i in non_empty)


def _round_price(price: float) -> float:
    """Rounds to a price that ends in .99 or .50."""
    whole = max(1, math.floor(price))
    return whole + (0.99 if price - whole >= 0.5 or whole == 1 else 0.5)
