"""A data frame with one row per buyer, as a data scientist has it, in the shape of BUYERS."""

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
"""Buyers whose vectors are in memory at once."""
NAMES = ("shop_id", "buyer_id", "stratum")
_SHARES = (*SCALAR_GROUPS["funnel"], *SCALAR_GROUPS["intent"])
_ALIKE = 0.85  # of difflib: from here on an unknown name is taken for a misspelt one

Catalogue = tuple[pa.Table, Float[np.ndarray, "m dim"]]
"""Products (shop_id, product_id) and one embedding for each."""


@dataclass(frozen=True)
class BuyerFrame:
    """`table` has shop_id, buyer_id, stratum, the 16 scalars (null where unknown) and the channels as they were
    given: vectors, or product ids of `catalogue`. `columns` names the scalars and channels that the frame had.
    """

    table: pa.Table
    columns: tuple[str, ...]
    catalogue: Catalogue | None
    dim: int
    """Dimensions of the product vectors; 1 where there is none."""

    @classmethod
    def read(cls, frame: Any, products: Any = None, embeddings: Any = None, wanted: Sequence[str] = ()) -> BuyerFrame:
        """The frame, checked: anything that Arrow takes for a table, such as pandas, polars or pyarrow.

        `wanted` are columns that must be there. Raises ContractError that lists everything that is wrong at once.
        """
        table = _arrow(frame, "one row per buyer")
        columns = tuple(name for name in (*SCALARS, *CHANNELS) if name in table.column_names)
        _raise(_name_problems(table, columns, wanted))
        catalogue = None if products is None else _catalogue(products, embeddings)
        given, problems = _values(table)
        channels = {name: _lists(table[name], catalogue is not None) for name in CHANNELS if name in columns}
        dim, found = _vector_problems(channels, catalogue)
        _raise([*problems, *found])
        strata = {} if "stratum" in given else {"stratum": derived_strata(given)}
        return cls(pa.table(given | strata | channels), columns, catalogue, dim)

    def __len__(self) -> int:
        return self.table.num_rows

    def take(self, rows: Int[np.ndarray, " n"]) -> BuyerFrame:
        """The buyers at `rows`."""
        return replace(self, table=self.table.take(pa.array(rows)))

    def parts(self, dim: int, rows: int = CHUNK) -> Iterator[tuple[pa.Table, pa.Table, Float[np.ndarray, "m dim"]]]:
        """BUYERS, products and their embeddings of at most `rows` buyers at a time; `dim` where there is no vector."""
        for start in range(0, max(len(self), 1), rows):
            yield self._part(self.table.slice(start, rows).combine_chunks(), dim)

    def _part(self, table: pa.Table, dim: int) -> tuple[pa.Table, pa.Table, np.ndarray]:
        columns = {name: table[name] for name in table.column_names}
        shops, ids, rows = [pa.array([], pa.string())], [pa.array([], pa.string())], [np.zeros((0, dim), np.float32)]
        for channel in CHANNELS:
            lists = columns.get(channel, pa.nulls(len(table), pa.list_(pa.string())))
            if self.catalogue is None and channel in self.columns:
                # each buyer's vector becomes a product of its own, so that both kinds go the same way
                here = np.flatnonzero(pc.greater(pc.fill_null(pc.list_value_length(lists), 0), 0))
                own = pa.array([f"{channel} of {row}" for row in here], pa.string())
                shops.append(table["shop_id"].take(pa.array(here)).combine_chunks())
                ids.append(own)
                if len(here):
                    rows.append(np.asarray(pc.list_flatten(lists), np.float32).reshape(len(here), -1))
                has = np.bincount(here, minlength=len(table))
                lists = pa.ListArray.from_arrays(pa.array(np.concatenate([[0], np.cumsum(has)]), pa.int32()), own)
            columns[channel] = lists
            columns[f"has_{channel}"] = pc.greater(pc.fill_null(pc.list_value_length(lists), 0), 0)
        buyers = BUYERS.conform(pa.table(columns))
        if self.catalogue is not None:
            return buyers, *self.catalogue
        products = pa.table({"shop_id": pa.concat_arrays(shops), "product_id": pa.concat_arrays(ids)})
        return buyers, products, np.concatenate(rows[1:] if len(rows) > 1 else rows)


def derived_strata(scalars: dict[str, pa.Array]) -> pa.Array:
    """A to E by the counts (REFERENCE 6, first match); an unknown count is 0."""

    def some(*steps: str) -> np.ndarray:
        counts = [np.nan_to_num(scalars[f"{step}_session_count"].to_numpy(zero_copy_only=False)) for step in steps]
        return np.sum(counts, axis=0) > 0

    steps = (("purchase",), ("checkout_start",), ("add_to_cart",), ("product_view", "collection", "search"))
    return pa.array(np.select([some(*names) for names in steps], STRATA[:4], STRATA[4]).tolist(), pa.string())


def _arrow(frame: Any, rows: str) -> pa.Table:
    try:
        return frame if isinstance(frame, pa.Table) else pa.table(frame)
    except (TypeError, ValueError, pa.ArrowException) as error:
        raise ContractError(
            f"found {type(frame).__name__}, expected a data frame (pandas, polars, pyarrow) with {rows}; "
            f"Arrow says: {error}"
        ) from error


def _name_problems(table: pa.Table, columns: tuple[str, ...], wanted: Sequence[str]) -> list[str]:
    names = table.column_names
    problems = [
        f"column {name} is there {names.count(name)} times" for name in sorted({n for n in names if names.count(n) > 1})
    ]
    if missing := [name for name in wanted if name not in names]:
        problems.append(
            f"column(s) {', '.join(missing)} missing: these personas were trained on them. Where they are unknown, "
            "give them with nulls"
        )
    absent = [name for name in (*NAMES, *SCALARS, *CHANNELS) if name not in names]
    problems += [
        f"column {name} is not known; is it {close[0]}? Rename or drop it"
        for name in names
        if name not in {*NAMES, *columns} and (close := get_close_matches(name, absent, 1, _ALIKE))
    ]
    if not any(name in SCALARS for name in columns):
        problems.append(
            f"none of the scalars is there. Found {', '.join(names) or 'no column'}; expected some of {', '.join(SCALARS)}"
        )
    rates = [name for name in SCALAR_GROUPS["funnel"] if name in names]
    if rates and "session_count" not in names:
        problems.append(f"{', '.join(rates)} cannot be smoothed without the column session_count")
    steps = [f"{step}_session_count" for step in ("purchase", "checkout_start", "add_to_cart", "product_view")]
    if "stratum" not in names and not any(step in names for step in steps):
        problems.append(f"the strata need a column stratum (A to E), or counts to tell them by: {', '.join(steps)}")
    return problems


def _values(table: pa.Table) -> tuple[dict[str, pa.Array], list[str]]:
    """shop_id, buyer_id, stratum (if there) and the 16 scalars, and what is wrong with them."""
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
    if "stratum" in values and (strange := sorted({*values["stratum"].drop_null().to_pylist()} - {*STRATA})):
        problems.append(f"column stratum has {', '.join(strange[:3])}; expected {', '.join(STRATA)}")
    for name in SCALARS:
        if name in values:
            numbers = values[name].to_numpy(zero_copy_only=False)
            most = 1.0 if name in _SHARES else np.finfo(float).max
            wrong = np.flatnonzero((numbers < 0) | (numbers > most))
            if len(wrong):
                what = "expected 0 to 1" if name in _SHARES else "expected finite numbers, 0 or more"
                problems.append(
                    f"column {name}: {len(wrong)} value(s) out of range, first {numbers[wrong[0]]} at row {wrong[0]}; {what}"
                )
    return values, problems


def _lists(column: pa.ChunkedArray, ids: bool) -> pa.Array:
    """Lists of product ids or of float32; what is neither stays as it is."""
    inner = getattr(column.type, "value_type", pa.null())
    if pa.types.is_null(column.type) or (pa.types.is_list(column.type) and pa.types.is_null(inner)):
        return pa.nulls(len(column), pa.list_(pa.string() if ids else pa.float32()))
    text = pa.types.is_string(inner) or pa.types.is_large_string(inner)
    if text or pa.types.is_floating(inner) or pa.types.is_integer(inner):
        column = column.cast(pa.list_(pa.string() if text else pa.float32()))
    return column.combine_chunks()


def _vector_problems(channels: dict[str, pa.Array], catalogue: Catalogue | None) -> tuple[int, list[str]]:
    """The dimensions of the products' vectors, and what is wrong with the channels."""
    lengths, problems = set() if catalogue is None else {catalogue[1].shape[1]}, []
    for name, column in channels.items():
        kind = column.type
        ids = kind == pa.list_(pa.string())
        if not ids and kind != pa.list_(pa.float32()):
            problems.append(f"column {name} has type {kind}; expected in each cell a vector or a list of product ids")
        elif ids and catalogue is None:
            problems.append(f"column {name} holds product ids: give products= and embeddings= to look them up in")
        elif not ids and catalogue is not None:
            problems.append(f"column {name} holds vectors, but products= is for product ids")
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
        raise ContractError(f"embeddings of shape {rows.shape} for {table.num_rows} products; expected one row each")
    return pa.table({name: table[name].cast(pa.string()) for name in ("shop_id", "product_id")}), rows


def _raise(problems: list[str]) -> None:
    if problems:
        raise ContractError("data frame of buyers: " + "; ".join(problems) + ".")
