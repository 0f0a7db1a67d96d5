"""Parquet logs that already have the columns of EVENTS, read shop by shop for the fast path."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from simpersona.adapters.engines.duckdb import log_files
from simpersona.adapters.sources.named_products import CATALOGUE_FILES
from simpersona.contracts import EVENTS, Capabilities
from simpersona.errors import SourceError

_NEEDED = ("shop_id", "buyer_id", "time", "event", "product_id")
_TELLING = {
    "has_search": "search_submitted",
    "has_collection": "collection_viewed",
    "has_checkout_start": "checkout_started",
    "has_cart": "product_added_to_cart",
}


@dataclass(frozen=True)
class TypedLog:
    """Where the rows of each shop stand (files and row groups), and what the whole log can tell."""

    pieces: dict[str, list[tuple[Path, int]]]
    rows: dict[str, int]
    """Of each shop; of a row group that several shops share, all rows count for each."""
    rows_in: int
    has: Capabilities
    """The same as `TableSource` finds."""
    catalogue: Path

    @classmethod
    def at(cls, path: Path) -> TypedLog | None:
        """The log at `path`, a file or a folder, or None if it is not one of this kind: parquet beside its
        products.parquet, with the columns of EVENTS in their types, every row with a shop, and no session ids.
        """
        catalogue = (path if path.is_dir() else path.parent) / CATALOGUE_FILES[0]
        try:
            files = [file for file in log_files(path, ("*.parquet",), "parquet") if file.name not in CATALOGUE_FILES]
            known = {file: pq.read_metadata(file) for file in files}
        except (SourceError, OSError, pa.ArrowInvalid):
            return None  # the general reader says what is wrong with it
        groups = {(file, n): meta.row_group(n) for file, meta in known.items() for n in range(meta.num_row_groups)}
        if (
            not groups
            or not catalogue.is_file()
            or not all(_is_typed(meta.schema.to_arrow_schema()) for meta in known.values())
            or any(
                _filled(group, "session_id") or _filled(group, "shop_id") < group.num_rows for group in groups.values()
            )
        ):
            return None
        pieces: dict[str, list[tuple[Path, int]]] = {}
        rows: dict[str, int] = {}
        for place, group in groups.items():
            for shop in _shops(*place, group):
                pieces.setdefault(shop, []).append(place)
                rows[shop] = rows.get(shop, 0) + group.num_rows
        met: set[str] = set()
        for place in groups:
            met |= set(pc.unique(_read(*place, ["event"])["event"]).to_pylist())
            if met.issuperset(_TELLING.values()):
                break
        flags = {flag: name in met for flag, name in _TELLING.items()}
        has_price = any(_filled(group, name) for group in groups.values() for name in ("price", "value"))
        rows_in = sum(group.num_rows for group in groups.values())
        return cls(pieces, rows, rows_in, Capabilities(has_price=has_price, has_text=True, **flags), catalogue)

    def events(self, shop: str) -> pa.Table:
        """All rows of one shop, all columns; texts are dictionaries."""
        tables = []
        for place in self.pieces[shop]:
            table = _read(*place)
            if pc.count_distinct(table["shop_id"].cast(pa.string())).as_py() > 1:
                table = table.filter(pc.equal(table["shop_id"].cast(pa.string()), shop))
            tables.append(table)
        return pa.concat_tables(tables)


def _is_typed(schema: pa.Schema) -> bool:
    kinds = {
        "string": lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind),
        "timestamp[us, tz=UTC]": lambda kind: pa.types.is_timestamp(kind) and kind.tz == "UTC",
        "double": pa.types.is_floating,
        "int64": pa.types.is_integer,
    }
    there = set(schema.names)
    return there.issuperset(_NEEDED) and all(
        kinds[str(field.type)](schema.field(field.name).type) for field in EVENTS.schema if field.name in there
    )


def _filled(group: pq.RowGroupMetaData, name: str) -> int:
    """How many rows have a value in the column; all, where the file does not say."""
    for number in range(group.num_columns):
        column = group.column(number)
        if column.path_in_schema == name:
            told = column.statistics
            return group.num_rows - (told.null_count if told is not None and told.has_null_count else 0)
    return 0


def _shops(file: Path, number: int, group: pq.RowGroupMetaData) -> list[str]:
    for position in range(group.num_columns):
        column = group.column(position)
        told = column.statistics
        if column.path_in_schema == "shop_id" and told is not None and told.has_min_max and told.min == told.max:
            return [told.min]
    return pc.unique(_read(file, number, ["shop_id"])["shop_id"]).to_pylist()


def _read(file: Path, number: int, columns: list[str] | None = None) -> pa.Table:
    texts = [field.name for field in EVENTS.schema if pa.types.is_string(field.type)]
    with pq.ParquetFile(file, read_dictionary=texts) as opened:
        return opened.read_row_group(number, columns=columns, use_threads=False)
