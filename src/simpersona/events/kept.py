"""Intermediate tables that an engine works out once."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis makes the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

from collections.abc import Iterator

import ibis


def keep(table: ibis.Table, name: str) -> ibis.Table:
    """The rows of an expression as a table of its engine: what follows does not work them out again."""
    # a table of our own and not `cache()`: dropping that fails with the sqlglot that Ibis gets
    return table.get_backend().create_table(ibis.util.gen_name(name), table)


def in_parts(events: ibis.Table, rows: int) -> Iterator[ibis.Table]:
    """The events of whole buyers, about `rows` at a time, in order of shop and buyer. A part is dropped when the next
    is asked for.

    Raises ValueError if `rows` is below 1.
    """
    if rows < 1:
        raise ValueError(f"a part of {rows} rows; expected at least 1")
    buyers = events.group_by("shop_id", "buyer_id").aggregate(rows=events.count())
    so_far = ibis.cumulative_window(order_by=["shop_id", "buyer_id"])
    buyers = buyers.mutate(part=((buyers.rows.sum().over(so_far) - 1) / rows).floor().cast("int64"))
    # the buyers of one shop in one part: a range, as both are in order
    ranges = buyers.group_by("part", "shop_id").aggregate(first=buyers.buyer_id.min(), last=buyers.buyer_id.max())
    of_part: dict[int, list[dict[str, str]]] = {}
    for line in ranges.order_by("part", "shop_id").to_pyarrow().to_pylist():
        of_part.setdefault(line["part"], []).append(line)
    for number in sorted(of_part):
        inside = [
            (events.shop_id == line["shop_id"]) & events.buyer_id.between(line["first"], line["last"])
            for line in of_part[number]
        ]
        part = keep(events.filter(ibis.or_(*inside)), "part")
        yield part
        part.get_backend().raw_sql(f"DROP TABLE {part.get_name()}")
