"""Raw logs from hand-written rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import ibis
import pyarrow as pa
import pytest
from ibis.backends.sql import SQLBackend

from simpersona.contracts import COLLECTIONS, EVENTS, PRODUCTS, PROVENANCE, REJECTED, Capabilities, RawLog

EVERYTHING = Capabilities(
    has_search=True, has_collection=True, has_checkout_start=True, has_price=True, has_session=True, has_text=True
)
NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)

Row = dict[str, Any]


@pytest.fixture
def row() -> Callable[..., Row]:
    """One raw event; `minutes` counts from noon."""

    def make(event: str | None = "page_viewed", minutes: float = 0, **columns: Any) -> Row:
        time = NOON + timedelta(minutes=minutes)
        return {"shop_id": "shop", "buyer_id": "ann", "time": time, "event": event, "part": 0} | columns

    return make


@pytest.fixture
def raw_log(engine: SQLBackend) -> Callable[..., RawLog]:
    """A log of the rows; rows that say the same are duplicates of each other."""

    def make(rows: Sequence[Row], has: Capabilities = EVERYTHING, products: Sequence[Row] = ()) -> RawLog:
        input_rows = [row for row in rows if row["part"] == 0]
        full = [
            row | {"file": "log", "row": row.get("row", number), "raw": repr(sorted(row.items(), key=str))}
            for number, row in enumerate(rows, start=1)
        ]
        nullable = [pa.field(field.name, field.type) for field in [*EVENTS.schema, *PROVENANCE]]
        events = pa.Table.from_pylist(full, pa.schema(nullable))
        titles = pa.Table.from_pylist(
            [{"shop_id": "shop", "text": product["title"]} | product for product in products], PRODUCTS.schema
        )
        return RawLog(
            events=_stored(engine, events),
            rejected=_stored(engine, REJECTED.empty()),
            products=_stored(engine, titles),
            collections=_stored(
                engine,
                pa.Table.from_pylist(
                    [{"shop_id": "shop", "collection_id": "c1", "title": "Shirts"}], COLLECTIONS.schema
                ),
            ),
            rows_in=len(input_rows),
            has=has,
        )

    return make


def _stored(engine: SQLBackend, table: pa.Table) -> ibis.Table:
    return engine.create_table(ibis.util.gen_name("test"), ibis.memtable(table))
