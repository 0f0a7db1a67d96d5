"""Parquet logs that already have the columns of EVENTS, read shop by shop for the fast path."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from simpersona.adapters.engines.duckdb import log_files, partition_values
from simpersona.adapters.sources.catalogue import CATALOGUE_FILES
from simpersona.contracts import EVENTS, Capabilities
from simpersona.errors import SourceError

_NEEDED = ("shop_id", "buyer_id", "time", "event", "product_id")
_EVENT_OF_FLAG = {
    "has_search": "search_submitted",
    "has_collection": "collection_viewed",
    "has_checkout_start": "checkout_started",
    "has_cart": "product_added_to_cart",
}


@dataclass(frozen=True)
class TypedLog:
    """The files and row groups with the rows of each shop, and the capabilities of the whole log."""

    pieces: dict[str, list[tuple[Path, int]]]
    rows: dict[str, int]
    """Number of rows per shop; all rows of a row group count for each of its shops."""
    rows_in: int
    has: Capabilities
    """The same capabilities as `TableSource` gives."""
    catalogue: Path

    @classmethod
    def at(cls, path: Path) -> TypedLog | None:
        """The log at `path`, a file or a folder, or None if it is not of this kind: parquet beside its
        products.parquet, with the columns of EVENTS in their types, a shop in every row, no session ids and no currency.
        """
        catalogue = (path if path.is_dir() else path.parent) / CATALOGUE_FILES[0]
        try:
            files = [file for file in log_files(path, ("*.parquet",), "parquet") if file.name not in CATALOGUE_FILES]
            known = {file: pq.read_metadata(file) for file in files}
        except (SourceError, OSError, pa.ArrowInvalid):
            return None  # the general reader raises the error
        groups = {(file, n): meta.row_group(n) for file, meta in known.items() for n in range(meta.num_row_groups)}
        if (
            not groups
            or not catalogue.is_file()
            or any(partition_values(file) for file in files)  # whose keys may be columns
            or not all(_is_typed(meta.schema.to_arrow_schema()) for meta in known.values())
            or any(
                _filled(group, "session_id") or _filled(group, "shop_id") < group.num_rows for group in groups.values()
            )
        ):
            return None
        pieces: dict[str, list[tuple[Path, int]]] = {}
        rows: dict[str, int] = {}
        for piece, group in groups.items():
            for shop in _shops(*piece, group):
                pieces.setdefault(shop, []).append(piece)
                rows[shop] = rows.get(shop, 0) + group.num_rows
        names: set[str] = set()
        for piece in groups:
            names |= set(pc.unique(_read(*piece, ["event"])["event"]).to_pylist())
            if names.issuperset(_EVENT_OF_FLAG.values()):
                break
        flags = {flag: name in names for flag, name in _EVENT_OF_FLAG.items()}
        has_price = any(_filled(group, name) for group in groups.values() for name in ("price", "value"))
        rows_in = sum(group.num_rows for group in groups.values())
        return cls(pieces, rows, rows_in, Capabilities(has_price=has_price, has_text=True, **flags), catalogue)

    def events(self, shop: str) -> pa.Table:
        """All rows of one shop, all columns; texts are dictionary-encoded."""
        tables = []
        for piece in self.pieces[shop]:
            table = _read(*piece)
            if pc.count_distinct(table["shop_id"].cast(pa.string())).as_py() > 1:
                table = table.filter(pc.equal(table["shop_id"].cast(pa.string()), shop))
            tables.append(table)
        return pa.concat_tables(tables, promote_options="default")  # a file may lack a column that another has


def _is_typed(schema: pa.Schema) -> bool:
    kinds = {
        "string": lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind),
        "timestamp[us, tz=UTC]": lambda kind: pa.types.is_timestamp(kind) and kind.tz == "UTC",
        "double": pa.types.is_floating,
        "int64": pa.types.is_integer,
    }
    names = set(schema.names)
    # amounts in several currencies are masked or converted by the general reader
    return (
        names.issuperset(_NEEDED)
        and "currency" not in names
        and all(kinds[str(field.type)](schema.field(field.name).type) for field in EVENTS.schema if field.name in names)
    )


def _filled(group: pq.RowGroupMetaData, name: str) -> int:
    """The number of rows with a value in the column; all rows, where the file does not say."""
    for number in range(group.num_columns):
        column = group.column(number)
        if column.path_in_schema == name:
            statistics = column.statistics
            return group.num_rows - (
                statistics.null_count if statistics is not None and statistics.has_null_count else 0
            )
    return 0


def _shops(file: Path, number: int, group: pq.RowGroupMetaData) -> list[str]:
    for position in range(group.num_columns):
        column = group.column(position)
        statistics = column.statistics
        if column.path_in_schema != "shop_id" or statistics is None or not statistics.has_min_max:
            continue
        if statistics.min == statistics.max:
            return [statistics.min]
    return pc.unique(_read(file, number, ["shop_id"])["shop_id"]).to_pylist()


def _read(file: Path, number: int, columns: list[str] | None = None) -> pa.Table:
    metadata = pq.read_metadata(file)
    names = set(metadata.schema.names)  # Arrow takes no column that the file lacks
    texts = [field.name for field in EVENTS.schema if pa.types.is_string(field.type) and field.name in names]
    with pq.ParquetFile(file, metadata=metadata, read_dictionary=texts) as opened:
        return opened.read_row_group(number, columns=columns, use_threads=False)
