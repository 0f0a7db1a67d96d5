"""Materialised intermediate tables, and events in parts of limited size."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis defines the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

from collections.abc import Iterator

import ibis


def materialize(table: ibis.Table, name: str) -> ibis.Table:
    """Computes an expression once and stores its rows as a table of the engine."""
    # not `cache()`: dropping a cached table fails with the sqlglot version that Ibis installs
    return table.get_backend().create_table(ibis.util.gen_name(name), table)


def has_rows(table: ibis.Table) -> bool:
    """Whether an expression has any row; the engine may stop at the first."""
    return bool(table.limit(1).count().to_pyarrow().as_py())


def in_parts(events: ibis.Table, rows: int) -> Iterator[ibis.Table]:
    """Yields the events of whole buyers, about `rows` at a time, in order of shop and buyer.

    A part's table is dropped when the next part is requested. Raises ValueError if `rows` is below 1.
    """
    if rows < 1:
        raise ValueError(f"rows is {rows}; expected at least 1")
    buyers = events.group_by("shop_id", "buyer_id").aggregate(rows=events.count())
    so_far = ibis.cumulative_window(order_by=["shop_id", "buyer_id"])
    buyers = buyers.mutate(part=((buyers.rows.sum().over(so_far) - 1) / rows).floor().cast("int64"))
    # parts follow the order of shop and buyer, so the buyers of one shop in one part form a range of ids
    ranges = buyers.group_by("part", "shop_id").aggregate(first=buyers.buyer_id.min(), last=buyers.buyer_id.max())
    ranges_by_part: dict[int, list[dict[str, str]]] = {}
    for line in ranges.order_by("part", "shop_id").to_pyarrow().to_pylist():
        ranges_by_part.setdefault(line["part"], []).append(line)
    for number in sorted(ranges_by_part):
        conditions = [
            (events.shop_id == line["shop_id"]) & events.buyer_id.between(line["first"], line["last"])
            for line in ranges_by_part[number]
        ]
        part = materialize(events.filter(ibis.or_(*conditions)), "part")
        yield part
        part.get_backend().raw_sql(f"DROP TABLE {part.get_name()}")
