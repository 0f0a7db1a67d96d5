"""Writes generated events as parquet rows in the shape of EVENTS, equal to the import of the JSON lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from simpersona.contracts import EVENTS
from simpersona.lab.funnel import Action
from simpersona.lab.shop_part import ShopPart, coded, moments
from simpersona.lab.visits import pieces_of, product_of
from simpersona.lab.web_pixels import NAMES

SCHEMA = EVENTS.schema.append(pa.field("seq", pa.int32(), nullable=False))
"""`seq` numbers the events of a visit from 0; `session_id` is null, because stores do not log it."""
_TEXTS = [field.name for field in SCHEMA if pa.types.is_string(field.type)]
LAYOUT: dict[str, Any] = {
    "compression": "zstd",
    "compression_level": 1,
    "use_dictionary": [*_TEXTS, "price", "value"],
    "dictionary_pagesize_limit": 2**30,  # never falls back to plain texts
    "column_encoding": {"time": "DELTA_BINARY_PACKED"},
    "store_schema": False,  # a reader sees texts, not dictionaries
}


def event_rows(part: ShopPart) -> pa.Table:
    """One row per event in the order of time, with dictionary-encoded texts.

    A completed checkout has one row per line of the cart.
    """
    catalogue, visit_events = part.catalogue, part.visit_events
    ordered = np.flatnonzero(visit_events.action == Action.COMPLETE)
    lines = np.ones(len(visit_events), np.int64)
    lines[ordered] = (visit_events.cart[ordered] >= 0).sum(1)
    event = np.repeat(np.arange(len(visit_events)), lines)
    action, item = visit_events.action[event], visit_events.item[event]
    is_order = action == Action.COMPLETE
    item[is_order] = visit_events.cart[ordered][visit_events.cart[ordered] >= 0]
    product = product_of(item)
    target = visit_events.target[event]
    counted = np.isin(action, (Action.ADD, Action.REMOVE, Action.COMPLETE))
    order = np.repeat(np.arange(len(ordered)), lines[ordered])
    visit = visit_events.visit[event]
    columns = {
        "shop_id": coded([catalogue.shop_id], np.zeros(len(event), np.int32)),
        "buyer_id": coded(part.clientele.buyer_id, part.plan.buyer[visit]),
        "session_id": coded([], np.full(len(event), -1)),
        "time": moments(visit_events.time[event]).cast(SCHEMA.field("time").type),
        "event": coded([NAMES.get(each, "") for each in Action], action),
        "product_id": coded(catalogue.products["product_id"], product),
        "collection_id": coded(
            catalogue.collections["collection_id"], np.where(action == Action.COLLECTION, target, -1)
        ),
        "query": coded(catalogue.queries, np.where(action == Action.SEARCH, target, -1)),
        "price": pa.array(catalogue.price[product], mask=product < 0),
        "quantity": pa.array(pieces_of(item).astype(np.int64), mask=~counted),
        "order_id": coded(part.order_ids(visit_events.visit[ordered]), _at(is_order, order, -1)),
        "value": pa.array(_at(is_order, part.subtotals(ordered)[order], 0.0), mask=~is_order),
        "seq": pa.array(visit_events.seq[event].astype(np.int32)),
    }
    return pa.table(columns)


def write_event_rows(part: ShopPart, path: Path) -> None:
    """Writes the events of a part as one parquet file."""
    rows = event_rows(part)
    pq.write_table(rows, path, row_group_size=len(rows), **LAYOUT)


def _at(rows: np.ndarray, values: np.ndarray, other: float) -> np.ndarray:
    """An array with `values`, in order, in the rows of the mask `rows`, and `other` elsewhere."""
    filled = np.full(len(rows), other, values.dtype)
    filled[rows] = values
    return filled
