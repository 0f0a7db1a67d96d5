"""The fast path from a typed log to codes and store mixes: compiled, one shop after the other on each core."""

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
    """The codes of one shop's buyers, whose ids are as in the log."""

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
    """The shops of the log by name; at most `workers` (by default one per core) are in memory at once.

    `embeddings` has one row per row of `products` (PRODUCTS).
    """
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - heavy

    projected = fitted.vectorizer.projection(embeddings)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    workers = workers or cores or 1
    work = Work(log, fitted, products, projected, config)
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(workers) as pool:
        # the largest first, so that none is left alone at the end
        order = sorted(log.rows, key=lambda shop: (-log.rows[shop], shop))
        running = {shop: pool.submit(work.shop, shop) for shop in order}
        for shop in sorted(order):
            yield running.pop(shop).result()


@dataclass(frozen=True)
class Work:
    """What the shops share."""

    log: TypedLog
    fitted: FittedPersonas
    products: pa.Table
    projected: np.ndarray
    config: EventsConfig

    def shop(self, shop: str) -> ShopCodes:
        """The codes of one shop."""
        buyers = fused_buyers(self.log.events(shop), self.log.has, self.config)
        return ShopCodes(shop, buyers.buyer_id, self.codes(shop, buyers), buyers.rejected)

    def codes(self, shop: str, buyers: FusedBuyers) -> Int[np.ndarray, " n"]:
        """The codes of a shop's buyers, int32."""
        own = np.flatnonzero(pc.equal(self.products["shop_id"], shop).to_numpy(zero_copy_only=False))
        starts, rows = _known(buyers, self.products["product_id"].take(own))
        folded = FoldedPersonas(self.fitted.network, self.projected[own])
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
    """The bags as rows of the catalogue, without the products that it does not know."""
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
