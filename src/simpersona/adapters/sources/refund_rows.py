"""Refunds as logs write them: in full, or by an amount or by lines."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis makes the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

from collections.abc import Mapping

import ibis
import ibis.expr.types as ir

from simpersona.adapters.sources.amounts import present
from simpersona.contracts import REFUND_NAMES

REFUNDED, CANCELLED = REFUND_NAMES

REFUND_OF: Mapping[str, str] = {
    "order_refunded": REFUNDED,
    "refunded_order": REFUNDED,
    "order_partially_refunded": REFUNDED,
    "refund": REFUNDED,
    "refund_created": REFUNDED,
    "refunds_create": REFUNDED,  # a Shopify webhook
    "order_cancelled": CANCELLED,
    "order_canceled": CANCELLED,
    "cancelled_order": CANCELLED,
    "canceled_order": CANCELLED,
    "orders_cancelled": CANCELLED,
}
"""Names of events that take back an order, in small letters with "_" between the words."""

_ZERO = r"^[-+]?0*([.,]0*)?$"


def spelled(name: ir.StringValue) -> ir.StringValue:
    """The name of an event in small letters with "_" between its words, however it is written ("Order Refunded")."""
    return name.strip().lower().re_replace(r"[^a-z0-9$]+", "_")


def names_a_part(rows: ibis.Table) -> ir.BooleanValue:
    """Whether a row of texts states an amount, or a product: a refund that states neither is in full. An amount of 0 states
    nothing.
    """
    stated = [_is_amount(rows[name]) for name in ("value", "price") if name in rows.columns]
    if "product_id" in rows.columns:
        stated.append(rows.product_id.cast("string").re_search(r"\S"))
    if "goods" in rows.columns:
        goods = rows.goods.map(lambda good: good["product_id"].notnull() | _is_amount(good["price"]))
        stated.append(goods.anys())
    return ibis.or_(*[condition.fill_null(False) for condition in stated]) if stated else ibis.literal(False)


def refund_event(event: ir.StringValue, is_part: ir.BooleanValue) -> ir.StringValue:
    """The event, where a refund that is no part of an order takes back the whole of it."""
    return ibis.ifelse((event == REFUNDED) & ~is_part, CANCELLED, event)


def is_refund(event: ir.StringValue) -> ir.BooleanValue:
    """Whether an event takes back an order."""
    return event.isin(REFUND_NAMES).fill_null(False)


def _is_amount(amount: ir.Value) -> ir.BooleanValue:
    text = present(amount.cast("string"))
    return (text.notnull() & ~text.re_search(_ZERO)).fill_null(False)
