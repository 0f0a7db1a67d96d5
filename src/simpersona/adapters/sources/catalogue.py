"""The catalogue of a log: the files beside it, else what its events name."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis makes the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
from ibis.backends.sql import SQLBackend

from simpersona.adapters.engines.duckdb import above_partitions
from simpersona.contracts import COLLECTIONS, PRODUCTS
from simpersona.errors import ContractError, SourceError
from simpersona.events.cleaning import possible_or_null
from simpersona.files import matching_files
from simpersona.tables import Contract

CATALOGUE_FILES = ("products.parquet", "collections.parquet")
"""The tables that may lie beside a log, in the shape of PRODUCTS and COLLECTIONS."""


def catalogue(
    engine: SQLBackend, folder: Path, mentions: Callable[[], tuple[ibis.Table, ibis.Table]]
) -> tuple[ibis.Table, ibis.Table]:
    """PRODUCTS and COLLECTIONS from CATALOGUE_FILES in the folder. A table without a file is made from the mentions of
    products and of collections (see `products_named` and `collections_named`), which are asked for only then.
    A catalogue is small, so it is checked in memory.

    Raises SourceError for a file that is no such table.
    """
    paths = [above_partitions(folder) / file for file in CATALOGUE_FILES]
    mentioned = (None, None) if all(path.is_file() for path in paths) else mentions()
    tables = []
    for path, contract, rows, make in zip(
        paths, (PRODUCTS, COLLECTIONS), mentioned, (products_named, collections_named), strict=True
    ):
        try:
            is_given = path.is_file() or rows is None
            checked = contract.check(_read(path, contract) if is_given else make(rows).to_pyarrow())
        except (ContractError, OSError, pa.ArrowException) as error:
            raise SourceError(f"{path}: not a catalogue as expected: {error}") from error
        table = engine.create_table(ibis.util.gen_name(contract.name), ibis.memtable(checked))
        tables.append(table.order_by(*contract.key))
    return tables[0], tables[1]


def catalogue_file(log: Path) -> Path:
    """The path of the products beside the log at `log` (a file, a folder or a pattern); the file may be absent."""
    if log.is_dir():
        return log / CATALOGUE_FILES[0]
    first = log if log.is_file() else next(iter(matching_files(log)), log)
    return above_partitions(first.parent) / CATALOGUE_FILES[0]


def _read(path: Path, contract: Contract) -> pa.Table:
    """The columns of the contract alone: vectors are large."""
    return pq.read_table(path, columns=[name for name in pq.read_schema(path).names if name in contract.columns])


def products_named(mentions: ibis.Table) -> ibis.Table:
    """PRODUCTS from every mention of one: shop_id, product_id, title, vendor, product_type, price and
    collection_id, any but the first two null. Of several titles the last in the alphabet is taken, of prices
    the median. A product without a title gets its type and id as title.
    """
    mentions = mentions.filter(mentions.product_id.notnull() & mentions.shop_id.notnull())
    none = ibis.literal([], type="array<string>")
    products = mentions.mutate(price=possible_or_null(mentions.price)).group_by("shop_id", "product_id")
    products = products.aggregate(
        title=ibis._.title.max(),  # max: any of them, but always the same
        vendor=ibis._.vendor.max(),
        product_type=ibis._.product_type.max(),
        price=ibis._.price.median(),
        collection_ids=ibis.coalesce(ibis._.collection_id.collect(distinct=True), none).sort(),
    )
    untitled = products.product_type.fill_null("product") + " " + products.product_id
    products = products.mutate(title=products.title.fill_null(untitled))
    vendor, kind = (ibis.coalesce(products[name], ibis.literal("")) for name in ("vendor", "product_type"))
    text = (products.title + " " + vendor + " " + kind).strip()
    return products.mutate(text=text, variants=ibis.null("array<string>"))


def collections_named(mentions: ibis.Table) -> ibis.Table:
    """COLLECTIONS from every mention of one: shop_id, collection_id and title, which may be null."""
    mentions = mentions.filter(mentions.collection_id.notnull() & mentions.shop_id.notnull())
    named = mentions.group_by("shop_id", "collection_id").aggregate(title=mentions.title.max())
    return named.mutate(title=named.title.fill_null(named.collection_id))
