"""Refunds that a log writes as purchases with a negative order value: they reduce the order that they name."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis defines the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

import ibis
import ibis.expr.types as ir

_ORDER = ("shop_id", "buyer_id", "order_id")
_DECIMALS = 6


def without_refunds(events: ibis.Table) -> tuple[ibis.Table, list[str]]:
    """The events with the order values that remain after refunds, never below 0, and what to say about them.

    A refund is a completed checkout with a negative value and the order id of an earlier one with a value, of the same buyer. Its own
    value becomes null, so that it adds nothing. Rows of one order at one time are lines of one event, whose value counts once.
    """
    has_order = (events.event == "checkout_completed") & events.order_id.notnull()
    is_refund = (has_order & _is_negative(events.value)).fill_null(False)
    if not events.filter(is_refund).limit(1).count().to_pyarrow().as_py():
        return events, []
    refunds = events.filter(is_refund).group_by(*_ORDER, "time").aggregate(value=ibis._.value.min())
    is_order = has_order & (events.value >= 0) & (events.value < float("inf"))
    orders = events.filter(is_order).group_by(*_ORDER).aggregate(first=ibis._.time.min())
    # an order is counted where it is first seen, so nothing can be taken from it before
    refunds = refunds.inner_join(orders, _ORDER).filter(ibis._.time >= ibis._.first)
    refunds = refunds.group_by(*_ORDER).aggregate(taken=ibis._.value.sum(), refunds=ibis._.count())
    total = refunds.aggregate(refunds=refunds.refunds.sum(), orders=refunds.count()).to_pyarrow().to_pylist()[0]
    if not total["orders"]:
        return events, []
    named = refunds.select("taken", **{f"of_{name}": name for name in _ORDER})
    joined = events.left_join(named, [events[name] == named[f"of_{name}"] for name in _ORDER])
    left = ibis.greatest((joined.value + joined.taken).round(_DECIMALS), 0.0)
    is_taken = ((joined.event == "checkout_completed") & joined.taken.notnull()).fill_null(False)
    value = ibis.cases(
        (~is_taken, joined.value),
        (_is_negative(joined.value), ibis.null("float64")),
        (joined.value < float("inf"), left),
        else_=joined.value,
    )
    warning = (
        f"{total['refunds']:,} purchases with a negative order value name one of {total['orders']:,} orders of the log and were"
        " subtracted from it, down to 0 at most."
    )
    return joined.mutate(value=value).select(events.columns), [warning]


def _is_negative(value: ir.FloatingValue) -> ir.BooleanValue:
    return (value < 0) & (value > -float("inf"))
