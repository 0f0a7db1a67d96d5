"""The compiled path from a typed log to codes: each core assigns one store after the other."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int

from simpersona.adapters.sources.typed_log import TypedLog
from simpersona.buyers.fused import FusedBuyers, fused_buyers
from simpersona.buyers.scaling import transform_scalars
from simpersona.config import EventsConfig
from simpersona.personas.fitted import FittedPersonas
from simpersona.personas.folded import FoldedPersonas

_CHUNK = 8192  # buyers whose scalars are transformed at once


@dataclass(frozen=True)
class ShopCodes:
    """The codes of one store's buyers, with the ids of the log."""

    shop_id: str
    buyer_id: pa.Array
    code: Int[np.ndarray, " n"]
    rejected: Counter[str]


def typed_codes(
    log: TypedLog,
    fitted: FittedPersonas,
    products: pa.Table,
    embeddings: np.ndarray,
    config: EventsConfig,
    workers: int | None = None,
) -> Iterator[ShopCodes]:
    """Yields the stores of the log, sorted by id; at most `workers` (by default one per core) are in memory at once.

    `embeddings` has one row per row of `products` (PRODUCTS).
    """
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - heavy

    projected = fitted.vectorizer.projection(embeddings)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    workers = workers or cores or 1
    work = Work(log, fitted, products, projected, config)
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(workers) as pool:
        # the largest store first, so that all cores finish at about the same time
        order = sorted(log.rows, key=lambda shop: (-log.rows[shop], shop))
        running = {shop: pool.submit(work.shop, shop) for shop in order}
        for shop in sorted(order):
            yield running.pop(shop).result()


@dataclass(frozen=True)
class Work:
    """The inputs that all stores share."""

    log: TypedLog
    fitted: FittedPersonas
    products: pa.Table
    projected: np.ndarray
    config: EventsConfig

    def shop(self, shop: str) -> ShopCodes:
        """The codes of one store's buyers."""
        buyers = fused_buyers(self.log.events(shop), self.log.has, self.config)
        return ShopCodes(shop, buyers.buyer_id, self.codes(shop, buyers), buyers.rejected)

    def codes(self, shop: str, buyers: FusedBuyers) -> Int[np.ndarray, " n"]:
        """The codes of aggregated buyers of one store, int32."""
        in_shop = np.flatnonzero(pc.equal(self.products["shop_id"], shop).to_numpy(zero_copy_only=False))
        starts, rows = _known(buyers, self.products["product_id"].take(in_shop))
        folded = FoldedPersonas(self.fitted.network, self.projected[in_shop])
        robust = self.fitted.vectorizer.robust
        codes = [
            folded.assign(
                robust(transform_scalars(buyers.scalars[low : low + _CHUNK])).astype(np.float32),
                tuple(start[low : low + _CHUNK + 1] for start in starts),
                rows,
            )
            for low in range(0, len(buyers), _CHUNK)
        ]
        return np.concatenate([np.empty(0, np.int32), *codes])


def _known(buyers: FusedBuyers, catalogue: pa.ChunkedArray) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """The products of each buyer as rows of the catalogue, without products that it lacks: bounds per buyer, and rows."""
    row_of = np.asarray(pc.index_in(buyers.products, catalogue).fill_null(-1), np.int64)
    if not len(row_of):
        return buyers.starts, buyers.bags
    starts, rows = [], []
    for start, bag in zip(buyers.starts, buyers.bags, strict=True):
        row = row_of[bag]
        before = np.concatenate([[0], np.cumsum(row >= 0)])
        starts.append(before[start])
        rows.append(row[row >= 0])
    return tuple(starts), tuple(rows)
