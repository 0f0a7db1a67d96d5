"""Vectors that come with a catalogue: the column `embedding` of the products.parquet beside the log."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from jaxtyping import Float

from simpersona.errors import SourceError

COLUMN = "embedding"
NAME = "given"
"""Used as the name of the embedder."""


def given_embeddings(catalogue: Path, products: pa.Table) -> Float[np.ndarray, "m dim"]:
    """The float32 vector of each row of `products` (PRODUCTS) in the file `catalogue`. The row is NaN if a product has no
    vector, or a vector with a number that is not finite.

    Raises SourceError if the file or the column is missing, the column holds no lists of numbers, the lists differ in
    length, or no product has a vector.
    """
    table = _read(catalogue)
    vectors, lists = table[COLUMN].combine_chunks(), table.filter(pc.is_valid(table[COLUMN]))
    lengths = pc.value_counts(pc.list_value_length(vectors.drop_null())).to_pylist()
    if len(lengths) != 1 or not lengths[0]["values"]:
        raise SourceError(f"{catalogue}: {_odd(lists, lengths)} Expected one length for all products.")
    dim = lengths[0]["values"]
    numbers = np.asarray(pc.list_flatten(vectors.drop_null()).cast(pa.float32()).fill_null(np.nan))
    given = numbers.reshape(-1, dim)
    row = pc.index_in(_keys(products), _keys(lists)).fill_null(-1).to_numpy()
    embeddings = np.where(row[:, None] >= 0, given[row], np.float32(np.nan))
    embeddings[~np.isfinite(embeddings).all(axis=1)] = np.nan
    if np.isnan(embeddings).all():
        raise SourceError(
            f"{catalogue}: no product of the log has an {COLUMN} of finite numbers. Expected one for each."
        )
    return embeddings


def _read(catalogue: Path) -> pa.Table:
    advice = f'buyers.embedder = "{NAME}" needs a column {COLUMN} there, a list of numbers for each product.'
    try:
        schema = pq.read_schema(catalogue)
        if COLUMN not in schema.names:
            raise SourceError(f"{catalogue}: no column {COLUMN}. Found: {', '.join(schema.names)}. {advice}")
        kind = schema.field(COLUMN).type
        is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
        if not (is_list and (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type))):
            raise SourceError(f"{catalogue}: the column {COLUMN} is of type {kind}. {advice}")
        return pq.read_table(catalogue, columns=["shop_id", "product_id", COLUMN])
    except (OSError, pa.ArrowException) as error:
        raise SourceError(f"{catalogue}: cannot be read ({error}). {advice}") from error


def _odd(lists: pa.Table, lengths: list[dict[str, int]]) -> str:
    if not lengths:
        return f"every {COLUMN} is null."
    usual = max(lengths, key=lambda length: length["counts"])["values"]
    odd = lists.filter(pc.not_equal(pc.list_value_length(lists[COLUMN]), usual or -1))
    first = odd.select(["shop_id", "product_id"]).slice(0, 1).to_pylist()[0]
    size = len(odd[COLUMN][0])
    others = f", {usual} elsewhere" if size != usual else ""
    return (
        f"{len(odd)} product(s) have an {COLUMN} of another length, first {first['product_id']!r} of shop"
        f" {first['shop_id']!r}: {size} numbers{others}."
    )


def _keys(table: pa.Table) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(table["shop_id"].cast("string"), table["product_id"].cast("string"), "\x1f")
