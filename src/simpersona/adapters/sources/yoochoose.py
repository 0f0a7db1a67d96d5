"""The published log of YooChoose (RecSys Challenge 2015): clicks and buys in two files without headers."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis makes the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

from pathlib import Path

import ibis
from ibis.backends.sql import SQLBackend

from simpersona.adapters.engines.duckdb import log_files
from simpersona.adapters.sources.csv_lines import read_csv_lines
from simpersona.adapters.sources.table import TableSource
from simpersona.adapters.sources.table_files import TableRows
from simpersona.contracts import RawLog
from simpersona.errors import SourceError
from simpersona.events.materialize import materialize

CLICKS = ("session", "time", "item", "category")
BUYS = ("session", "time", "item", "price", "quantity")


class YoochooseSource:
    """Reads a folder of the clicks and the buys, or one of these files; an EventSource.

    A session counts as a buyer, for nobody is known beyond it, and its buys are one order. A click is a view of a product.
    Half of the buys have the price 0 and the quantity 0, which stand for values that were not recorded.
    """

    def read(self, path: Path, engine: SQLBackend) -> RawLog:
        """The log at `path`; an input row is a line.

        Raises SourceError if there is no log, it cannot be read, or a file is named neither after clicks nor after buys.
        """
        files = log_files(path, ("*clicks*", "*buys*"), "yoochoose-clicks.dat and yoochoose-buys.dat")
        parts = []
        for file in files:
            name = file.name.lower()
            if "clicks" not in name and "buys" not in name:
                raise SourceError(
                    f"{file}: its name shows neither clicks nor buys. Expected yoochoose-clicks.dat or yoochoose-buys.dat."
                )
            parts.append(_read(engine, file, is_buys="buys" in name))
        read = TableRows(
            ibis.union(*[part.rows for part in parts]),
            ibis.union(*[part.rejected for part in parts]),
            sum(part.rows_in for part in parts),
        )
        return TableSource(shop="yoochoose").of_rows(engine, read, files[0].parent)


def _read(engine: SQLBackend, file: Path, *, is_buys: bool) -> TableRows:
    columns = BUYS if is_buys else CLICKS
    read = read_csv_lines(engine, [file], columns, "the log of YooChoose", header=columns)
    rows = materialize(read.rows, "yoochoose_lines")
    price = quantity = ibis.null("string")
    if is_buys:
        recorded = rows.quantity != "0"
        price, quantity = (ibis.ifelse(recorded, rows[name], None) for name in ("price", "quantity"))
    return TableRows(
        rows.select(
            "file",
            "row",
            "raw",
            "time",
            buyer_id="session",
            session_id="session",
            event=ibis.literal("checkout_completed" if is_buys else "product_viewed"),
            product_id="item",
            price=price,
            quantity=quantity,
        ),
        read.rejected,
        read.rows_in,
    )
