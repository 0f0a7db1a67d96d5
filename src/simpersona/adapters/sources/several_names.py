"""Columns that a format writes under one of several names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import get_args

import ibis
import ibis.expr.types as ir

from simpersona.config.source import EventColumn


def other_names(paths: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The names of each column but the first, each under a name of its own: "event_id_or_1"."""
    return {f"{ours}_or_{n}": name for ours, names in paths.items() for n, name in enumerate(names) if n}


def column_of(other: str) -> str:
    """The column that another name of it stands in for: "event_id_or_1" is one more event_id."""
    return other.partition("_or_")[0]


def first_of(rows: ibis.Table) -> ibis.Table:
    """The rows with one value for each column that a format may write under several names."""
    others = [name for name in rows.columns if "_or_" in name and column_of(name) in get_args(EventColumn)]
    values: dict[str, ir.Value] = {}
    for name in others:
        ours = column_of(name)
        before = values.get(ours, rows[ours] if ours in rows.columns else None)
        values[ours] = rows[name] if before is None else ibis.coalesce(before, rows[name])
    return rows.mutate(**values).drop(*others)
