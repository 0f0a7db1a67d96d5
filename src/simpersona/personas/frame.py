"""Reads a data frame with one row per buyer, validates it, and converts it to the shape of BUYERS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float, Int

from simpersona.contracts import BUYERS, CHANNELS, SCALAR_GROUPS, SCALARS, STRATA
from simpersona.errors import ContractError

CHUNK = 8192
"""Maximum number of buyers whose vectors are in memory."""
NAMES = ("shop_id", "buyer_id", "stratum")
_SHARES = (*SCALAR_GROUPS["funnel"], *SCALAR_GROUPS["intent"])
_SIMILAR = 0.85  # difflib's ratio from which an unknown column name counts as a misspelling

Catalogue = tuple[pa.Table, Float[np.ndarray, "m dim"]]
"""Products (shop_id, product_id) and one embedding per product."""


@dataclass(frozen=True)
class BuyerFrame:
    """A validated frame of buyers.

    `table` has shop_id, buyer_id, stratum, the 16 scalars (null where unknown) and the channels of the frame, which
    hold vectors or product ids of `catalogue`. `columns` names the scalars and channels that the frame had.
    """

    table: pa.Table
    columns: tuple[str, ...]
    catalogue: Catalogue | None
    dim: int
    """Dimensions of the product vectors; 1 without product vectors."""

    @classmethod
    def read(cls, frame: Any, products: Any = None, embeddings: Any = None, wanted: Sequence[str] = ()) -> BuyerFrame:
        """Validates a frame of any library that Arrow can read as a table, such as pandas, polars or pyarrow.

        `wanted` are the required columns. Raises ContractError that lists all problems.
        """
        table = _arrow(frame, "one row per buyer")
        columns = tuple(name for name in (*SCALARS, *CHANNELS) if name in table.column_names)
        _raise(_name_problems(table, columns, wanted))
        catalogue = None if products is None else _catalogue(products, embeddings)
        values, problems = _values(table)
        channels = {name: _lists(table[name], catalogue is not None) for name in CHANNELS if name in columns}
        dim, vector_problems = _vector_problems(channels, catalogue)
        _raise([*problems, *vector_problems])
        strata = {} if "stratum" in values else {"stratum": derived_strata(values)}
        return cls(pa.table(values | strata | channels), columns, catalogue, dim)

    def __len__(self) -> int:
        return self.table.num_rows

    def take(self, rows: Int[np.ndarray, " n"]) -> BuyerFrame:
        """The buyers at `rows`."""
        return replace(self, table=self.table.take(pa.array(rows)))

    def parts(self, dim: int, rows: int = CHUNK) -> Iterator[tuple[pa.Table, pa.Table, Float[np.ndarray, "m dim"]]]:
        """Yields BUYERS, products and their embeddings for at most `rows` buyers at a time.

        `dim` is the width of the embeddings if a part has no product vector.
        """
        for start in range(0, max(len(self), 1), rows):
            yield self._part(self.table.slice(start, rows).combine_chunks(), dim)

    def _part(self, table: pa.Table, dim: int) -> tuple[pa.Table, pa.Table, np.ndarray]:
        columns = {name: table[name] for name in table.column_names}
        shops, ids, rows = [pa.array([], pa.string())], [pa.array([], pa.string())], [np.zeros((0, dim), np.float32)]
        for channel in CHANNELS:
            lists = columns.get(channel, pa.nulls(len(table), pa.list_(pa.string())))
            if self.catalogue is None and channel in self.columns:
                # each buyer's vector becomes a separate product, so that vectors and product ids are read alike
                with_vector = np.flatnonzero(pc.greater(pc.fill_null(pc.list_value_length(lists), 0), 0))
                product_ids = pa.array([f"{channel} of {row}" for row in with_vector], pa.string())
                shops.append(table["shop_id"].take(pa.array(with_vector)).combine_chunks())
                ids.append(product_ids)
                if len(with_vector):
                    rows.append(np.asarray(pc.list_flatten(lists), np.float32).reshape(len(with_vector), -1))
                counts = np.bincount(with_vector, minlength=len(table))
                offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())
                lists = pa.ListArray.from_arrays(offsets, product_ids)
            columns[channel] = lists
            columns[f"has_{channel}"] = pc.greater(pc.fill_null(pc.list_value_length(lists), 0), 0)
        buyers = BUYERS.conform(pa.table(columns))
        if self.catalogue is not None:
            return buyers, *self.catalogue
        products = pa.table({"shop_id": pa.concat_arrays(shops), "product_id": pa.concat_arrays(ids)})
        return buyers, products, np.concatenate(rows[1:] if len(rows) > 1 else rows)


def derived_strata(scalars: dict[str, pa.Array]) -> pa.Array:
    """The strata A to E from the counts (REFERENCE 6, first match); an unknown count is 0."""

    def any_session(*steps: str) -> np.ndarray:
        counts = [np.nan_to_num(scalars[f"{step}_session_count"].to_numpy(zero_copy_only=False)) for step in steps]
        return np.sum(counts, axis=0) > 0

    steps = (("purchase",), ("checkout_start",), ("add_to_cart",), ("product_view", "collection", "search"))
    strata = np.select([any_session(*names) for names in steps], STRATA[:4], STRATA[4])
    return pa.array(strata.tolist(), pa.string())


def _arrow(frame: Any, rows: str) -> pa.Table:
    try:
        return frame if isinstance(frame, pa.Table) else pa.table(frame)
    except (TypeError, ValueError, pa.ArrowException) as error:
        raise ContractError(
            f"found {type(frame).__name__}, expected a data frame (pandas, polars, pyarrow) with {rows}. "
            f"Arrow reports: {error}"
        ) from error


def _name_problems(table: pa.Table, columns: tuple[str, ...], wanted: Sequence[str]) -> list[str]:
    names = table.column_names
    problems = [
        f"column {name} occurs {names.count(name)} times" for name in sorted({n for n in names if names.count(n) > 1})
    ]
    if missing := [name for name in wanted if name not in names]:
        problems.append(
            f"column(s) {', '.join(missing)} missing; the personas were trained on them. Add unknown columns with nulls"
        )
    absent = [name for name in (*NAMES, *SCALARS, *CHANNELS) if name not in names]
    problems += [
        f"column {name} is unknown; did you mean {close[0]}? Rename or drop it"
        for name in names
        if name not in {*NAMES, *columns} and (close := get_close_matches(name, absent, 1, _SIMILAR))
    ]
    if not any(name in SCALARS for name in columns):
        problems.append(
            f"no scalar column. Found {', '.join(names) or 'no column'}; expected at least one of {', '.join(SCALARS)}"
        )
    rates = [name for name in SCALAR_GROUPS["funnel"] if name in names]
    if rates and "session_count" not in names:
        problems.append(f"{', '.join(rates)} need the column session_count for smoothing")
    steps = [f"{step}_session_count" for step in ("purchase", "checkout_start", "add_to_cart", "product_view")]
    if "stratum" not in names and not any(step in names for step in steps):
        problems.append(f"the strata need a column stratum (A to E), or at least one of the counts {', '.join(steps)}")
    return problems


def _values(table: pa.Table) -> tuple[dict[str, pa.Array], list[str]]:
    """The columns shop_id, buyer_id, stratum (if present) and the 16 scalars, and the problems with them."""
    count, problems = table.num_rows, []
    values: dict[str, pa.Array] = {
        "shop_id": pa.array(["shop"] * count, pa.string()),
        "buyer_id": pc.cast(pa.array(np.arange(count)), pa.string()),
    }
    for name in (*NAMES, *SCALARS):
        kind = pa.float64() if name in SCALARS else pa.string()
        if name not in table.column_names:
            if name in SCALARS:
                values[name] = pa.nulls(count, kind)
            continue
        try:
            values[name] = table[name].cast(kind).combine_chunks()
        except pa.ArrowException:
            problems.append(f"column {name} has type {table.schema.field(name).type}; expected {kind}")
            continue
        if name in NAMES and (nulls := values[name].null_count):
            problems.append(f"column {name} is null in {nulls} row(s)")
    if "stratum" in values and (unknown := sorted({*values["stratum"].drop_null().to_pylist()} - {*STRATA})):
        problems.append(f"column stratum has {', '.join(unknown[:3])}; expected {', '.join(STRATA)}")
    for name in SCALARS:
        if name in values:
            numbers = values[name].to_numpy(zero_copy_only=False)
            upper = 1.0 if name in _SHARES else np.finfo(float).max
            wrong = np.flatnonzero((numbers < 0) | (numbers > upper))
            if len(wrong):
                expected = "0 to 1" if name in _SHARES else "finite numbers, 0 or more"
                problems.append(
                    f"column {name}: {len(wrong)} value(s) out of range, first {numbers[wrong[0]]} at row {wrong[0]}; "
                    f"expected {expected}"
                )
    return values, problems


def _lists(column: pa.ChunkedArray, ids: bool) -> pa.Array:
    """Casts a channel to lists of product ids or of float32; other types stay unchanged."""
    inner = getattr(column.type, "value_type", pa.null())
    if pa.types.is_null(column.type) or (pa.types.is_list(column.type) and pa.types.is_null(inner)):
        return pa.nulls(len(column), pa.list_(pa.string() if ids else pa.float32()))
    text = pa.types.is_string(inner) or pa.types.is_large_string(inner)
    if text or pa.types.is_floating(inner) or pa.types.is_integer(inner):
        column = column.cast(pa.list_(pa.string() if text else pa.float32()))
    return column.combine_chunks()


def _vector_problems(channels: dict[str, pa.Array], catalogue: Catalogue | None) -> tuple[int, list[str]]:
    """The dimension of the product vectors, and the problems with the channels."""
    lengths, problems = set() if catalogue is None else {catalogue[1].shape[1]}, []
    for name, column in channels.items():
        kind = column.type
        ids = kind == pa.list_(pa.string())
        if not ids and kind != pa.list_(pa.float32()):
            problems.append(f"column {name} has type {kind}; expected in each cell a vector or a list of product ids")
        elif ids and catalogue is None:
            problems.append(f"column {name} holds product ids, which need products= and embeddings=")
        elif not ids and catalogue is not None:
            problems.append(f"column {name} holds vectors; with products= it must hold product ids")
        elif not ids:
            sizes = set(pc.list_value_length(column).drop_null().to_pylist()) - {0}
            lengths |= sizes
            if not np.isfinite(np.asarray(pc.list_flatten(column))).all():
                problems.append(f"column {name} has vectors with nan or infinite numbers")
    if len(lengths) > 1:
        problems.append(
            f"the product vectors have {', '.join(map(str, sorted(lengths)))} dimensions; expected one length"
        )
    return max(lengths, default=1), problems


def _catalogue(products: Any, embeddings: Any) -> Catalogue:
    table = _arrow(products, "shop_id and product_id")
    if missing := {"shop_id", "product_id"} - {*table.column_names}:
        raise ContractError(
            f"products: column(s) {', '.join(sorted(missing))} missing; found {', '.join(table.column_names)}"
        )
    rows = np.asarray(embeddings, np.float32)
    if rows.ndim != 2 or len(rows) != table.num_rows:
        raise ContractError(
            f"embeddings have shape {rows.shape} for {table.num_rows} products; expected one row per product"
        )
    return pa.table({name: table[name].cast(pa.string()) for name in ("shop_id", "product_id")}), rows


def _raise(problems: list[str]) -> None:
    if problems:
        raise ContractError("data frame of buyers: " + "; ".join(problems) + ".")
