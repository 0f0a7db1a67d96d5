"""Writes the files of a world part by part, so that at most one part is in memory."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from simpersona.lab.axes import INTENTS
from simpersona.lab.catalogue import Catalogue
from simpersona.lab.event_rows import write_event_rows
from simpersona.lab.shop_part import ShopPart, moments, take
from simpersona.lab.truth_tables import TRUE_BUYERS, TRUE_SESSIONS
from simpersona.lab.web_pixels import PixelLog

FOLDERS = ("events", "truth")


class WorldFiles:
    """The open files of a world in `folder`; a context manager that closes them.

    Each table is one parquet file with a row group per call of `add`. The events are written as SHOP.jsonl, as
    SHOP-NNNN.parquet per part, or both.
    """

    def __init__(self, folder: Path, output: Literal["jsonl", "parquet", "both"]) -> None:
        self._folder = folder
        self._lines, self._rows = output != "parquet", output != "jsonl"
        self._tables: dict[str, pq.ParquetWriter] = {}
        self._open = ExitStack()
        self._log: tuple[PixelLog, IO[bytes]] | None = None
        for name in FOLDERS:
            (folder / name).mkdir(parents=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def add(self, name: str, table: pa.Table) -> None:
        """Appends rows to the table `name`, for example "truth/mixes"."""
        if name not in self._tables:
            writer = pq.ParquetWriter(self._folder / f"{name}.parquet", table.schema, compression="zstd")
            self._tables[name] = self._open.enter_context(writer)
        self._tables[name].write_table(table)

    def open_shop(self, catalogue: Catalogue) -> None:
        """Starts a shop; the following parts belong to it."""
        self.add("events/products", catalogue.products)
        self.add("events/collections", catalogue.collections)
        if self._lines:
            path = self._folder / f"events/{catalogue.shop_id}.jsonl"
            self._log = PixelLog(catalogue), self._open.enter_context(path.open("wb"))

    def add_part(self, part: ShopPart, rng: np.random.Generator) -> None:
        """Writes the part's events, and the truth about its buyers and visits."""
        if self._rows:
            shop = part.catalogue.shop_id
            write_event_rows(part, self._folder / f"events/{shop}-{part.number:04d}.parquet")
        if self._log:
            log, file = self._log
            for block in log.blocks(part, rng):
                file.write(block)
        self.add("truth/buyers", _buyers(part))
        self.add("truth/sessions", _sessions(part))


def _buyers(part: ShopPart) -> pa.Table:
    clientele = part.clientele
    return TRUE_BUYERS.conform(
        pa.table(
            {
                "shop_id": _shop(part, len(clientele.type)),
                "buyer_id": clientele.buyer_id,
                "type": clientele.type,
                "second_type": pa.array(clientele.second, mask=clientele.second < 0),
                "second_share": clientele.second_share,
            }
        )
    )


def _sessions(part: ShopPart) -> pa.Table:
    plan, visit_events = part.plan, part.visit_events
    return TRUE_SESSIONS.conform(
        pa.table(
            {
                "shop_id": _shop(part, len(plan)),
                "buyer_id": take(part.clientele.buyer_id, plan.buyer),
                "session": plan.rank,
                "start": moments(visit_events.start).cast(TRUE_SESSIONS.schema.field("start").type),
                "events": np.bincount(visit_events.visit, minlength=len(plan)),
                "type": plan.type,
                "intent": take(INTENTS, plan.intent),
                "wanted": take([kind.plural for _, kind in part.catalogue.kinds], plan.wanted),
                "sought": take(part.catalogue.queries, visit_events.sought),
            }
        )
    )


def _shop(part: ShopPart, count: int) -> pa.Array:
    return pa.repeat(part.catalogue.shop_id, count)
