"""Events without a page and so without a shop, such as orders that a server sends: they get their buyer's shop."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis makes the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

import ibis

from simpersona.adapters.sources.refund_rows import is_refund
from simpersona.errors import SourceError
from simpersona.events.materialize import materialize

NO_SHOP = "no shop: the event names no page, and its buyer has no other event; source.shop names the shop"
"""The reason of an event whose shop is not known."""


def with_buyers_shop(rows: ibis.Table) -> tuple[ibis.Table, list[str]]:
    """The rows, where a used row without a shop has that of its buyer's last event before, else of the first one after, else
    the only shop of the log; and a warning that counts them.

    A row with a buyer that still has none gets the reason NO_SHOP. The session of such a row is left to the
    sessionization. Raises SourceError if no used row has a shop.
    """
    used = rows.filter(rows.reason.isnull())
    lacking = (used.shop_id.isnull() & used.buyer_id.notnull()).sum()
    total = used.aggregate(lacking=lacking, known=used.shop_id.count()).to_pyarrow().to_pylist()[0]
    if not total["lacking"]:
        return rows, []
    if not total["known"]:
        raise SourceError(
            f"none of the {total['lacking']:,} events that could be used names a shop: they have no page with a host name."
            ' Set source.shop = "my-shop", the shop that the log belongs to.'
        )
    shops = used.select("shop_id").filter(ibis._.shop_id.notnull()).distinct().limit(2).to_pyarrow().to_pylist()
    only = shops[0]["shop_id"] if len(shops) == 1 else None
    found = materialize(_found(used, only), "shopless")
    joined = rows.left_join(found, [rows.file == found.of_file, rows.row == found.of_row])
    # the order that a refund names has a shop
    is_lost = joined.of_file.notnull() & joined.found.isnull() & ~is_refund(joined.event)
    reason = ibis.ifelse(is_lost, NO_SHOP, None)
    joined = joined.mutate(
        shop_id=ibis.coalesce(joined.shop_id, joined.found), reason=ibis.coalesce(joined.reason, reason)
    )
    count = found.aggregate(
        rows=found.count(), orders=found.is_order.sum(), buyers=found.by_buyer.sum(), known=found.found.count()
    )
    line = count.to_pyarrow().to_pylist()[0]
    by_buyer, unknown = line["buyers"] or 0, line["rows"] - line["known"]
    done = [f"{by_buyer:,} got the shop of their buyer's other events"]
    if only is not None and line["known"] > by_buyer:
        done.append(f"{line['known'] - by_buyer:,} the only shop of the log, {only}")
    if unknown:
        done.append(f"{unknown:,} are rejected, since their buyer has no other event")
    warning = (
        f"{line['rows']:,} events ({line['orders'] or 0:,} of them orders) name no page, as events of a server do:"
        f" {', '.join(done)}. source.shop sets the shop of the whole log."
    )
    return joined.drop("of_file", "of_row", "found", "is_order", "by_buyer"), [warning]


def _found(used: ibis.Table, only: str | None) -> ibis.Table:
    """The rows without a shop, by `of_file` and `of_row`, with the shop that was `found`."""
    lacking = used.filter(used.shop_id.isnull() & used.buyer_id.notnull())
    events = used.semi_join(lacking.select("buyer_id").distinct(), "buyer_id")
    events = events.select("file", "row", "buyer_id", "time", "shop_id", "event")
    # at one time, the event that has a shop comes first
    in_order = [events.time, events.shop_id.isnull()]
    so_far = ibis.cumulative_window(group_by=events.buyer_id, order_by=in_order)
    runs = events.mutate(run=events.shop_id.count().over(so_far))  # a run starts with an event that has a shop
    before = runs.shop_id.max().over(ibis.window(group_by=[runs.buyer_id, runs.run]))
    known = events.filter(events.shop_id.notnull())
    first = known.group_by(of_buyer="buyer_id").aggregate(first=known.shop_id.argmin(known.time))
    runs = runs.mutate(before=before).filter(runs.shop_id.isnull())
    joined = runs.left_join(first, runs.buyer_id == first.of_buyer)
    by_buyer = ibis.coalesce(joined.before, joined["first"])
    return joined.select(
        of_file="file",
        of_row="row",
        found=ibis.coalesce(by_buyer, ibis.literal(only, "string")),
        is_order=joined.event == "checkout_completed",
        by_buyer=by_buyer.notnull(),
    )
