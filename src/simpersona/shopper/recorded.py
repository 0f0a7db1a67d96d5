"""Recorded sessions as records: the enriched session table joined with strata and persona codes."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pyarrow as pa

from simpersona.contracts import Moment, RecordedSession

_MOMENT_FIELDS = tuple(field.name for field in fields(Moment))


def recorded_sessions(sessions: pa.Table, buyers: pa.Table, assignments: pa.Table) -> list[RecordedSession]:
    """The sessions (SESSIONS) of the buyers that have a code (ASSIGNMENTS), with their stratum (BUYERS).

    Ordered by shop, buyer, start and session id, so that a seeded draw does not depend on the table's order.
    """
    stratum = _by_buyer(buyers, "stratum")
    code = _by_buyer(assignments, "code")
    columns = ["shop_id", "buyer_id", "session_id", "start", "timeline"]
    rows = [row for row in sessions.select(columns).to_pylist() if _key(row) in code and _key(row) in stratum]
    rows.sort(key=lambda row: (row["shop_id"], row["buyer_id"], row["start"], row["session_id"]))
    return [
        RecordedSession(
            shop_id=row["shop_id"],
            buyer_id=row["buyer_id"],
            session_id=row["session_id"],
            stratum=stratum[_key(row)],
            code=code[_key(row)],
            timeline=tuple(
                Moment(**{name: moment[name] for name in _MOMENT_FIELDS}) for moment in row["timeline"] or ()
            ),
        )
        for row in rows
    ]


def _key(row: dict[str, Any]) -> tuple[str, str]:
    return row["shop_id"], row["buyer_id"]


def _by_buyer(table: pa.Table, column: str) -> dict[tuple[str, str], Any]:
    return {_key(row): row[column] for row in table.select(["shop_id", "buyer_id", column]).to_pylist()}
