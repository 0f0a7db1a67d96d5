"""One shop's catalogue: products, collections, and which products a search finds.

Ids and titles are unique over all shops, since each shop has makers of its own and titles begin with
the maker. Each product type has a collection of its own, beside a few themes.
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
"""How many products of a type a shop aims at; a large shop carries more types."""
IDS_PER_SHOP = 1_000_000
"""Ids are numbers, as Shopify's; each shop has a block of its own: products, then collections."""
FIRST_COLLECTION = 900_000
SMALLEST, SMALLEST_SHARE = 30, 0.4
"""A shop has at least so many products and this share of the mean, unless the mean itself is smaller."""
LARGEST = 100_000
SIZE_SPREAD = 1.0
"""Of the log-normal numbers of products above that."""
MANY_PRODUCTS = 400
"""From here on a shop has a collection of best sellers."""
PRICE_SPREAD = 0.4
"""Of the log-normal prices around a type's."""
VARIANTS_SHARE = 0.6
"""Of the products in a department that has sizes."""
OPENINGS = (
    "{title} is {purpose}.", "{title}, {purpose}.", "Meet {title}, {purpose}.", "{title}. This {noun} is {purpose}."
)  # fmt: skip
SENTENCE_SHARE = 0.7
"""Of the sentences that a description may have beside the first two."""


@dataclass(frozen=True)
class Catalogue:
    """What a shop sells. Products, kinds, searches and collections are numbered from 0."""

    shop_id: str
    products: pa.Table
    """In the shape of PRODUCTS."""
    collections: pa.Table
    """In the shape of COLLECTIONS."""
    departments: tuple[str, ...]
    kinds: tuple[tuple[Department, Kind], ...]
    """The product types it carries."""
    kind: Int[np.ndarray, " products"]
    price: Float[np.ndarray, " products"]
    queries: tuple[str, ...]
    """What buyers search for; the first ones are the plurals of `kinds`, in that order."""
    found: tuple[Int[np.ndarray, " found"], ...]
    """The products that each query finds."""
    specific: Int[np.ndarray, "products 2"]
    """Two queries more exact than the plural that find the product."""
    members: tuple[Int[np.ndarray, " members"], ...]
    """The products of each collection; the first ones are those of `kinds`, in that order."""


def catalogue_sizes(shops: int, mean: int, rng: np.random.Generator) -> Int[np.ndarray, " shops"]:
    """Products per shop: a heavy tail above a smallest number, `mean` on average."""
    smallest = min(mean, max(SMALLEST, math.ceil(SMALLEST_SHARE * mean)))
    weights = rng.lognormal(0, SIZE_SPREAD, shops)
    return np.minimum(smallest + rng.multinomial((mean - smallest) * shops, weights / weights.sum()), LARGEST)


def make_catalogue(number: int, products: int, rng: np.random.Generator, price_factor: float = 1.0) -> Catalogue:
    """The catalogue of shop `number` (from 0) with this many products, from one to three departments."""
    departments = [DEPARTMENTS[i] for i in rng.permutation(len(DEPARTMENTS))[: rng.integers(1, 4)]]
    kinds = _choose_kinds(departments, products, rng)
    shop_id = _shop_id(number, departments[0])

    kind = np.sort(np.concatenate([np.arange(len(kinds)), rng.integers(0, len(kinds), products - len(kinds))]))
    makers = vendors(number)
    goods = [
        one
        for pair, count in zip(kinds, np.bincount(kind).tolist(), strict=True)
        for one in _make_goods(pair, count, makers, rng)
    ]
    searches: dict[str, list[int]] = {one.plural: [] for _, one in kinds}
    for row, one in enumerate(goods):
        for query in (one.plural, *one.exact):
            searches.setdefault(query, []).append(row)
    price = np.round(np.array([one.price for one in goods]) * price_factor, 2)
    collection_titles, members = _collections(kinds, kind, price, rng)
    first_id = (number + 1) * IDS_PER_SHOP
    collection_ids = [str(first_id + FIRST_COLLECTION + i) for i in range(len(members))]
    inside: defaultdict[int, list[str]] = defaultdict(list)
    for collection_id, rows in zip(collection_ids, members, strict=True):
        for row in rows:
            inside[int(row)].append(collection_id)
    queries = tuple(searches)
    place = {query: i for i, query in enumerate(queries)}
    return Catalogue(
        shop_id=shop_id,
        products=PRODUCTS.check(
            pa.table(
                {
                    "shop_id": [shop_id] * products,
                    "product_id": [str(first_id + i) for i in range(products)],
                    "title": [one.title for one in goods],
                    "text": [one.text for one in goods],
                    "vendor": [one.vendor for one in goods],
                    "product_type": [one.plural for one in goods],
                    "price": price,
                    "collection_ids": [inside[i] for i in range(products)],
                    "variants": pa.array([one.variants for one in goods], pa.list_(pa.string())),
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
        found=tuple(np.array(rows) for rows in searches.values()),
        specific=np.array([[place[query] for query in one.exact] for one in goods]),
        members=members,
    )


@dataclass(frozen=True)
class _Good:
    title: str
    text: str
    vendor: str
    plural: str
    price: float
    variants: list[str]
    exact: tuple[str, str]
    """What a buyer who wants just this would search for."""


def _make_goods(pair: tuple[Department, Kind], count: int, makers: list[str], rng: np.random.Generator) -> list[_Good]:
    """`count` products of one type, each title once."""
    department, kind = pair
    words = (makers, department.makes, department.styles, department.finishes)
    size = tuple(map(len, words))
    chosen = np.unravel_index(rng.choice(math.prod(size), count, replace=False), size)
    price = kind.price * rng.lognormal(0, PRICE_SPREAD, count)
    several = rng.random(count) < VARIANTS_SHARE
    openings = rng.integers(0, len(OPENINGS), count)
    told = _tell(department, count, rng)
    goods = []
    for i, places in enumerate(np.stack(chosen, axis=1).tolist()):
        vendor, make, style, finish = (options[place] for options, place in zip(words, places, strict=True))
        title = f"{vendor} {department.template}".format(make=make, style=style, noun=kind.noun, finish=finish)
        opening = OPENINGS[openings[i]].format(title=title, noun=kind.noun.lower(), purpose=department.purpose)
        text = " ".join([opening, f"{make} {department.made[places[1]]}.", *told[i]])
        goods.append(
            _Good(
                title=title,
                text=text.replace("{finish}", finish),
                vendor=vendor,
                plural=kind.plural,
                price=_round_price(float(price[i])),
                variants=list(department.variants) if several[i] else [],
                exact=(f"{style} {kind.noun}".lower(), f"{make} {kind.noun}".lower()),
            )
        )
    return goods


def _tell(department: Department, count: int, rng: np.random.Generator) -> list[list[str]]:
    """Some of the department's sentences for each of `count` products: at most one of tone, use, size and care."""
    said = rng.random((count, len(department.sentences))) < SENTENCE_SHARE
    which = rng.integers(0, [len(options) for options in department.sentences], said.shape)
    return [
        [options[place] for options, place, says in zip(department.sentences, *row, strict=True) if says]
        for row in zip(which.tolist(), said.tolist(), strict=True)
    ]


def _shop_id(number: int, department: Department) -> str:
    again, word = divmod(number, len(SHOP_WORDS))
    return f"{SHOP_WORDS[word]}-{department.name}" + (f"-{again + 1}" if again else "")


def _choose_kinds(
    departments: list[Department], products: int, rng: np.random.Generator
) -> list[tuple[Department, Kind]]:
    """Product types in turn from each department, so that every one has its share."""
    shuffled = [[(d, d.kinds[i]) for i in rng.permutation(len(d.kinds))] for d in departments]
    turns = [pair for together in zip(*shuffled, strict=True) for pair in together]
    return turns[: min(products, max(len(departments), 2, round(products / PRODUCTS_PER_KIND)))]


def _collections(
    kinds: list[tuple[Department, Kind]], kind: np.ndarray, price: np.ndarray, rng: np.random.Generator
) -> tuple[list[str], tuple[np.ndarray, ...]]:
    everything = np.arange(len(kind))
    some = max(1, len(kind) // 6)
    limit = max(5, 5 * math.ceil(float(np.quantile(price, 0.3)) / 5))
    themes = {
        "New arrivals": np.sort(rng.choice(everything, some, replace=False)),
        f"Under ${limit}": np.flatnonzero(price < limit),
        "Gift ideas": np.sort(rng.choice(everything, some, replace=False)),
    }
    if len(kind) >= MANY_PRODUCTS:
        themes["Best sellers"] = np.sort(rng.choice(everything, some, replace=False))
    titles = [one.plural.capitalize() for _, one in kinds] + list(themes)
    members = [np.flatnonzero(kind == k) for k in range(len(kinds))] + list(themes.values())
    kept = [i for i, rows in enumerate(members) if len(rows)]
    return [titles[i] for i in kept], tuple(members[i] for i in kept)


def _round_price(price: float) -> float:
    """Ends in .99 or .50, as prices do."""
    whole = max(1, math.floor(price))
    return whole + (0.99 if price - whole >= 0.5 or whole == 1 else 0.5)
