"""Events as rows of a table in the shape of EVENTS: the same as the importer makes of the lines of JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from simpersona.contracts import EVENTS
from simpersona.lab.funnel import Did
from simpersona.lab.part import Part, coded, moments
from simpersona.lab.visits import pieces_of, product_of
from simpersona.lab.web_pixels import NAMES

SCHEMA = EVENTS.schema.append(pa.field("seq", pa.int32(), nullable=False))
"""`seq` counts the events of a visit from 0; `session_id` is null, as no store tells it."""
_TEXTS = [field.name for field in SCHEMA if pa.types.is_string(field.type)]
LAYOUT: dict[str, Any] = {
    "compression": "zstd",
    "compression_level": 1,
    "use_dictionary": [*_TEXTS, "price", "value"],
    "dictionary_pagesize_limit": 2**30,  # never back to whole texts
    "column_encoding": {"time": "DELTA_BINARY_PACKED"},
    "store_schema": False,  # a reader sees texts, not dictionaries
}


def event_rows(part: Part) -> pa.Table:
    """One row per event in the order of time, an order's repeated for each line of the cart. Text is dictionary-encoded."""
    catalogue, trail = part.catalogue, part.trail
    ordered = np.flatnonzero(trail.did == Did.COMPLETE)
    lines = np.ones(len(trail), np.int64)
    lines[ordered] = (trail.cart[ordered] >= 0).sum(1)
    event = np.repeat(np.arange(len(trail)), lines)
    did, item = trail.did[event], trail.item[event]
    is_order = did == Did.COMPLETE
    item[is_order] = trail.cart[ordered][trail.cart[ordered] >= 0]
    product = product_of(item)
    where = trail.where[event]
    counted = np.isin(did, (Did.ADD, Did.REMOVE, Did.COMPLETE))
    order = np.repeat(np.arange(len(ordered)), lines[ordered])
    visit = trail.visit[event]
    columns = {
        "shop_id": coded([catalogue.shop_id], np.zeros(len(event), np.int32)),
        "buyer_id": coded(part.clientele.buyer_id, part.plan.buyer[visit]),
        "session_id": coded([], np.full(len(event), -1)),
        "time": moments(trail.time[event]).cast(SCHEMA.field("time").type),
        "event": coded([NAMES.get(one, "") for one in Did], did),
        "product_id": coded(catalogue.products["product_id"], product),
        "collection_id": coded(catalogue.collections["collection_id"], np.where(did == Did.COLLECTION, where, -1)),
        "query": coded(catalogue.queries, np.where(did == Did.SEARCH, where, -1)),
        "price": pa.array(catalogue.price[product], mask=product < 0),
        "quantity": pa.array(pieces_of(item).astype(np.int64), mask=~counted),
        "order_id": coded(part.order_ids(trail.visit[ordered]), _at(is_order, order, -1)),
        "value": pa.array(_at(is_order, part.subtotals(ordered)[order], 0.0), mask=~is_order),
        "seq": pa.array(trail.seq[event].astype(np.int32)),
    }
    return pa.table(columns)


def write_event_rows(part: Part, path: Path) -> None:
    """The part's events as one parquet file."""
    rows = event_rows(part)
    pq.write_table(rows, path, row_group_size=len(rows), **LAYOUT)


def _at(rows: np.ndarray, values: np.ndarray, other: float) -> np.ndarray:
    """`values` one after the other in the marked rows, `other` elsewhere."""
    filled = np.full(len(rows), other, values.dtype)
    filled[rows] = values
    return filled
