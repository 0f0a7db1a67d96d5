"""Rows of a log without event ids that several files hold, as where a day was exported twice."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis makes the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

import ibis

from simpersona.events.materialize import has_rows, materialize

_SAME = ("shop_id", "buyer_id", "session_id", "time", "event", "product_id", "collection_id", "query", "price", "quantity",
         "order_id", "value")  # fmt: skip


def exported_again(rows: ibis.Table) -> list[str]:
    """A warning if rows of a file are the same as rows of another one in every column that is read, but not in their text. Rows
    with the same text are duplicates in any case; these may be different events, so they are kept.
    """
    known = rows.filter(rows.event.notnull() & rows.buyer_id.notnull() & rows.time.notnull())
    for same in (("buyer_id",), ("buyer_id", "time")):  # few rows are left to be compared in all columns
        in_several = materialize(_in_several_files(known, same), "in_several_files")
        if not has_rows(in_several):
            return []
        known = known.semi_join(in_several, same)
    groups = known.group_by(*_SAME).aggregate(
        files=known.file.nunique(), texts=known.raw.nunique(), first=known.file.min(), last=known.file.max()
    )
    found = groups.filter((groups.files > 1) & (groups.texts > 1))
    count = found.aggregate(
        rows=(ibis.least(found.files, found.texts) - 1).sum(), first=found["first"].min(), last=found["last"].max()
    )
    line = count.to_pyarrow().to_pylist()[0]
    if not line["rows"]:
        return []
    warning = (
        f"{line['rows']:,} rows are the same as a row of another file in all columns that are read, though their text differs (such"
        f" as in {line['first']} and {line['last']}). They are kept. If the files hold the same days, leave one out with"
        " source.path, or name the column that identifies an event: [source.columns] event_id."
    )
    return [warning]


def _in_several_files(rows: ibis.Table, columns: tuple[str, ...]) -> ibis.Table:
    """The values of `columns` that occur in more than one file."""
    files = rows.group_by(*columns).aggregate(first=rows.file.min(), last=rows.file.max())
    return files.filter(files["first"] != files["last"]).select(*columns)
