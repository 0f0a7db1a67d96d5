"""Loads shops' catalogues into new stores: Oscar's tables and the search index.

It runs as a program on the folders named in the environment, where the launcher wrote the catalogues.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import count, repeat
from pathlib import Path
from typing import Any

import django
import pyarrow.parquet as pq
from django.core.management import call_command
from django.db import connection, transaction
from django.utils.text import slugify

COUNTRY = ("US", "United States")
Row = dict[str, Any]


def main(folders: Iterable[Path]) -> None:
    """Creates store.sqlite3 in each folder."""
    django.setup()
    from simpersona.lab.storefront.database import Database  # noqa: PLC0415 - needs Django's settings

    first: Path | None = None
    for folder in folders:
        file = folder / "store.sqlite3"
        if first is not None:
            shutil.copyfile(first, file)
        database = Database(file)
        with database.as_default():
            if first is None:
                call_command("migrate", run_syncdb=True, verbosity=0, skip_checks=True)
                _checkpoint()
                first = Path(shutil.copyfile(file, folder / "empty.sqlite3"))
            with transaction.atomic():  # pyright: ignore[reportGeneralTypeIssues] - Django is untyped
                fill(
                    pq.read_table(folder / "products.parquet").to_pylist(),
                    pq.read_table(folder / "collections.parquet").to_pylist(),
                )
            _checkpoint()
        database.close()
    if first is not None:
        first.unlink()


def _checkpoint() -> None:
    """Moves the content of SQLite's write-ahead log into the database file."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA optimize")
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def fill(products: list[Row], collections: list[Row]) -> None:
    """Writes the catalogue into Oscar's tables.

    A vendor becomes a partner, a product type a product class, a collection a category, and a variant a child product.
    The ids of the catalogue are stored as the products' upc and the categories' code.
    """
    from oscar.core.loading import get_model  # noqa: PLC0415 - models need django.setup()

    from simpersona.lab.storefront.search_index import write_index  # noqa: PLC0415 - heavy

    model = get_model
    model("address", "Country").objects.create(
        iso_3166_1_a2=COUNTRY[0], printable_name=COUNTRY[1], name=COUNTRY[1], is_shipping_country=True
    )
    partners, classes, categories = _write_groups(model, products, collections)

    product_model = model("catalogue", "Product")
    slugs = unique_slugs(row["title"] for row in products)
    parents = product_model.objects.bulk_create(
        [
            product_model(
                upc=row["product_id"],
                title=row["title"],
                slug=slug,
                description=row["text"],
                structure="parent" if row["variants"] else "standalone",
                product_class=classes[row["product_type"] or ""],
            )
            for row, slug in zip(products, slugs, strict=True)
        ],
        batch_size=500,
    )
    children = product_model.objects.bulk_create(
        [
            product_model(
                upc=f"{row['product_id']}:{number}",
                title=variant,
                slug=f"{parent.slug}-{number}",
                structure="child",
                parent=parent,
            )
            for row, parent in zip(products, parents, strict=True)
            for number, variant in enumerate(row["variants"] or (), start=1)
        ],
        batch_size=500,
    )
    rows_by_parent = {parent.pk: row for parent, row in zip(parents, products, strict=True)}
    sold = [(product, rows_by_parent[product.pk]) for product in parents if product.structure == "standalone"]
    sold += [(product, rows_by_parent[product.parent.pk]) for product in children]
    stock_model = model("partner", "StockRecord")
    stock_model.objects.bulk_create(
        [
            stock_model(
                product=product,
                partner=partners[row["vendor"] or ""],
                partner_sku=product.upc,
                price=Decimal(str(row["price"] or 0)).quantize(Decimal("0.01")),
            )
            for product, row in sold
        ],
        batch_size=500,
    )
    link_model = model("catalogue", "ProductCategory")
    link_model.objects.bulk_create(
        [
            link_model(product=parent, category=categories[collection])
            for parent, row in zip(parents, products, strict=True)
            for collection in dict.fromkeys(row["collection_ids"] or ())
            if collection in categories
        ],
        batch_size=500,
    )
    titles = {row["collection_id"]: row["title"] for row in collections}
    write_index(
        (
            parent.pk,
            row["title"],
            " ".join(
                filter(
                    None,
                    [row["product_type"], row["vendor"], *(titles.get(i) for i in row["collection_ids"] or ())],
                )
            ),
            row["text"],
        )
        for parent, row in zip(parents, products, strict=True)
    )


def _write_groups(
    model: Any, products: list[Row], collections: list[Row]
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Writes partners by vendor, product classes by type, and categories by collection id; "" stands for a missing name."""
    partner_model, class_model = model("partner", "Partner"), model("catalogue", "ProductClass")
    vendors = dict.fromkeys(row["vendor"] or "" for row in products)
    partners = partner_model.objects.bulk_create(
        [partner_model(name=vendor, code=f"vendor-{number}") for number, vendor in enumerate(vendors)]
    )
    kinds = dict.fromkeys(row["product_type"] or "" for row in products)
    classes = class_model.objects.bulk_create(
        [
            class_model(name=kind, slug=f"type-{number}", track_stock=False, requires_shipping=True)
            for number, kind in enumerate(kinds)
        ]
    )
    category_model = model("catalogue", "Category")
    categories = category_model.objects.bulk_create(
        [
            category_model(
                name=row["title"], slug=slug, code=row["collection_id"], depth=1,
                path=category_model._get_path("", 1, number),  # noqa: SLF001 - treebeard has no bulk call for roots
            )
            for number, row, slug in zip(
                count(1), collections, unique_slugs(row["title"] for row in collections), strict=False
            )
        ]
    )  # fmt: skip
    return (
        dict(zip(vendors, partners, strict=True)),
        dict(zip(kinds, classes, strict=True)),
        {category.code: category for category in categories},
    )


def unique_slugs(titles: Iterable[str]) -> Iterator[str]:
    """Yields one unique address part per title, in order; repeated titles get a number."""
    used: set[str] = set()
    for title in titles:
        stem = slugify(title)[:80].strip("-") or "item"
        slug = next(
            slug
            for slug in (stem if n == 1 else f"{s}-{n}" for n, s in zip(count(1), repeat(stem)))
            if slug not in used
        )
        used.add(slug)
        yield slug


if __name__ == "__main__":
    from django.conf import settings

    main(settings.STORES.values())
