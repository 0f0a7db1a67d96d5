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

from simpersona.contracts import COLLECTIONS, PRODUCTS
from simpersona.errors import ContractError, SourceError
from simpersona.events.cleaning import possible_or_null
from simpersona.files import matching_files
from simpersona.tables import Contract

CATALOGUE_FILES = ("products.parquet", "collections.parquet")
"""The tables that may lie beside a log, in the shape of PRODUCTS and COLLECTIONS."""


def catalogue(
    engine: SQLBackend, folder: Path, named: Callable[[], tuple[ibis.Table, ibis.Table]]
) -> tuple[ibis.Table, ibis.Table]:
    """PRODUCTS and COLLECTIONS from CATALOGUE_FILES in the folder; where one is missing, what `named` gives takes
    its place: every mention of a product and of a collection, as in `products_named` and `collections_named`.
    A catalogue is small, so it is checked in memory.

    Raises SourceError for a file that is no such table.
    """
    paths = [folder / file for file in CATALOGUE_FILES]
    mentions = (None, None) if all(path.is_file() for path in paths) else named()
    tables = []
    for path, contract, mentioned, made in zip(
        paths, (PRODUCTS, COLLECTIONS), mentions, (products_named, collections_named), strict=True
    ):
        try:
            given = path.is_file() or mentioned is None
            checked = contract.check(_read(path, contract) if given else made(mentioned).to_pyarrow())
        except (ContractError, OSError, pa.ArrowException) as error:
            raise SourceError(f"{path}: not a catalogue as expected: {error}") from error
        kept = engine.create_table(ibis.util.gen_name(contract.name), ibis.memtable(checked))
        tables.append(kept.order_by(*contract.key))
    return tables[0], tables[1]


def catalogue_file(log: Path) -> Path:
    """Where the products of the log at `log` (a file, a folder or a pattern) lie, if they are given."""
    if log.is_dir():
        return log / CATALOGUE_FILES[0]
    first = log if log.is_file() else next(iter(matching_files(log)), log)
    return first.with_name(CATALOGUE_FILES[0])


def _read(path: Path, contract: Contract) -> pa.Table:
    """The file without what the contract does not know: vectors are large."""
    return pq.read_table(path, columns=[name for name in pq.read_schema(path).names if name in contract.columns])


def products_named(seen: ibis.Table) -> ibis.Table:
    """PRODUCTS from every mention of one: shop_id, product_id, title, vendor, product_type, price and
    collection_id, any but the first two null. Of several titles the last in the alphabet is taken, of prices
    the median; a product without a title is called by its type and id.
    """
    seen = seen.filter(seen.product_id.notnull() & seen.shop_id.notnull())
    none = ibis.literal([], type="array<string>")
    products = seen.mutate(price=possible_or_null(seen.price)).group_by("shop_id", "product_id")
    products = products.aggregate(
        title=ibis._.title.max(),  # max: any one, but always the same one
        vendor=ibis._.vendor.max(),
        product_type=ibis._.product_type.max(),
        price=ibis._.price.median(),
        collection_ids=ibis.coalesce(ibis._.collection_id.collect(distinct=True), none).sort(),
    )
    untitled = products.product_type.fill_null("product") + " " + products.product_id
    products = products.mutate(title=products.title.fill_null(untitled))
    words = [ibis.coalesce(products[name], ibis.literal("")) for name in ("vendor", "product_type")]
    text = (products.title + " " + words[0] + " " + words[1]).strip()
    return products.mutate(text=text, variants=ibis.null("array<string>"))


def collections_named(seen: ibis.Table) -> ibis.Table:
    """COLLECTIONS from every mention of one: shop_id, collection_id and title, which may be null."""
    seen = seen.filter(seen.collection_id.notnull() & seen.shop_id.notnull())
    named = seen.group_by("shop_id", "collection_id").aggregate(title=seen.title.max())
    return named.mutate(title=named.title.fill_null(named.collection_id))
