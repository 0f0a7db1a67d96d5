"""Refunds and cancellations: each reduces the order that it names, and is no event of a buyer."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis defines the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

from typing import NamedTuple

import ibis
import ibis.expr.types as ir

from simpersona.contracts import REFUND_NAMES
from simpersona.events.cleaning import IGNORED, hashed
from simpersona.events.materialize import has_rows, materialize
from simpersona.events.sessionize import SESSION, order_amounts

REFUND = IGNORED + "refund or cancellation"
"""Prefix of the reject reason of rows that take back an order; such rows are not malformed."""

_ORDER = ("shop_id", "buyer_id", "order_id")
_EVENT = (*_ORDER, "time")
_DECIMALS = 6
_REFUNDED, _CANCELLED = REFUND_NAMES


class Refunds(NamedTuple):
    """What the refunds of a log take from each order: a table of shop_id, buyer_id, order_id, the amount `taken` and whether
    the order is refunded `in_full`; and their counts.
    """

    orders: ibis.Table
    counts: dict[str, int]

    def with_hashed_ids(self, key: bytes) -> Refunds:
        """The same, with the ids of buyers and orders as `hashed`."""
        orders = self.orders.mutate(**{name: hashed(self.orders[name], key) for name in ("buyer_id", "order_id")})
        return self._replace(orders=orders)


def set_refunds_aside(validated: ibis.Table, events: ibis.Table) -> tuple[ibis.Table, Refunds | None]:
    """Rows with a `reason`, where a refund has one too, and what the refunds take from the orders; None without any refund.
    `events` are the same rows before they were validated.

    A refund has one of REFUND_NAMES, or is a completed checkout with a negative order value, or with a negative price or quantity
    and no order value. It names an order by its id, in the same shop: one of the same buyer, else the only one with that id.
    A refund without a shop names the only order of the log with its id. The two may come in any order of time. A refund takes
    its value, else the price of its lines, which the order states if the refund does not; a cancellation takes all. Rows
    of one order at one time are lines of one refund, whose value counts once.
    """
    if not has_rows(
        events.filter(_is_refund(events))
    ):  # in most logs, and before all rows are sorted to find the duplicates
        return validated, None
    is_refund = (validated.reason.isnull() & _is_refund(validated)).fill_null(False)
    if not has_rows(validated.filter(is_refund)):
        return validated, None
    validated = materialize(validated.mutate(is_refund=is_refund), "with_refunds")
    refunds = validated.filter(validated.is_refund)
    purchases = validated.filter(
        validated.reason.isnull()
        & ~validated.is_refund
        & (validated.event == "checkout_completed")
        & validated.order_id.notnull()
    )
    rows = materialize(_with_orders(refunds, purchases), "refunds")
    taken = materialize(_taken(rows, purchases), "taken")
    counts = _counts(rows, taken)
    orders = (
        taken.filter(taken.known).group_by(*_ORDER).aggregate(taken=taken.amount.sum(), in_full=taken.in_full.max())
    )
    known = rows.group_by(of_file="file", of_row="row").aggregate(named=rows.owner.notnull().cast("int64").max())
    joined = validated.left_join(known, [validated.file == known.of_file, validated.row == known.of_row])
    named = (joined.named > 0).fill_null(False)
    why = ibis.ifelse(named, f"{REFUND} of an order", f"{REFUND} that names no order of the log")
    reason = ibis.ifelse(joined.is_refund, why, joined.reason)
    columns = [name for name in validated.columns if name != "is_refund"]
    return joined.mutate(reason=reason).select(*columns), Refunds(orders, counts)


def without_refunded(events: ibis.Table, refunds: Refunds) -> tuple[ibis.Table, int]:
    """The events with session ids, where an order has the value that refunds leave of it, never below 0; and the number of orders
    of which nothing is left.

    The value of an order without one is the sum of its lines. An order of unknown value stays unknown unless all is refunded.
    """
    named = refunds.orders.select("taken", "in_full", **{f"of_{name}": name for name in _ORDER})
    amounts = order_amounts(events)
    left = amounts.inner_join(named, [amounts[name] == named[f"of_{name}"] for name in _ORDER])
    # not by `greatest` alone, which passes over a null
    rest = ibis.ifelse(left.amount.isnull(), None, ibis.greatest((left.amount - left.taken).round(_DECIMALS), 0.0))
    value = ibis.ifelse(left.in_full > 0, 0.0, rest)
    left = left.select(rest=value, **{f"in_{name}": left[name] for name in (*SESSION, "order_id")})
    left = materialize(left, "left")
    joined = events.left_join(left, [events[name] == left[f"in_{name}"] for name in (*SESSION, "order_id")])
    whole = left.filter(left.rest == 0).select(**{name: left[f"in_{name}"] for name in _ORDER}).distinct()
    is_reduced = (joined.event == "checkout_completed") & joined.in_order_id.notnull()
    reduced = joined.mutate(value=ibis.ifelse(is_reduced, joined.rest, joined.value)).select(*events.columns)
    return reduced, int(whole.count().to_pyarrow().as_py())


def about_refunds(counts: dict[str, int]) -> list[str]:
    """What to say about refunds, by the `counts` of `set_refunds_aside` and the number of `orders_in_full`."""
    sentences = []
    if not counts:
        return sentences
    if counts["applied"]:
        sentences.append(
            f"{counts['applied']:,} refunds and cancellations were subtracted from the {counts['orders']:,} orders that they name,"
            f" down to 0 at most. Of these orders, {counts['orders_in_full']:,} are refunded in full or cancelled. They still count as"
            " orders, with a value of 0: their buyers did buy."
        )
    if counts["without_order"]:
        sentences.append(
            f"{counts['without_order']:,} refunds and cancellations name no order of the log, such as one before its first day."
            " They are set aside and not subtracted from any order."
        )
    if counts["without_amount"]:
        sentences.append(
            f"{counts['without_amount']:,} refunds have no amount that is known (unreadable, in a currency without a rate, or of a"
            " product without a price). They are not subtracted: their orders keep their value."
        )
    return sentences


def _is_refund(events: ibis.Table) -> ir.BooleanValue:
    negative = _is_negative(events.value)
    # not by `isnull`: NaN is null on one engine and not on the other
    has_value = ((events.value > -float("inf")) & (events.value < float("inf"))).fill_null(False)
    of_line = ~has_value & (_is_negative(events.price) | (events.quantity < 0).fill_null(False))
    return events.event.isin(REFUND_NAMES) | ((events.event == "checkout_completed") & (negative | of_line))


def _is_negative(value: ir.FloatingValue) -> ir.BooleanValue:
    return ((value < 0) & (value > -float("inf"))).fill_null(False)


def _with_orders(refunds: ibis.Table, purchases: ibis.Table) -> ibis.Table:
    """The rows of refunds with the shop and the buyer (`owner`) of the order that they name, null where there is none."""
    orders = materialize(purchases.select(*_ORDER).distinct(), "orders")
    own = orders.select(own_shop="shop_id", own_buyer="buyer_id", own_order="order_id")
    in_shop = _only(orders, "shop_id", "order_id")
    in_log = _only(orders, "order_id")
    joined = refunds.left_join(
        own,
        [refunds.shop_id == own.own_shop, refunds.buyer_id == own.own_buyer, refunds.order_id == own.own_order],
    )
    shop = in_shop.select(shop_shop="shop_id", shop_order="order_id", shop_buyer="buyer")
    joined = joined.left_join(shop, [joined.shop_id == shop.shop_shop, joined.order_id == shop.shop_order])
    log = in_log.select(log_order="order_id", log_shop="shop", log_buyer="buyer")
    joined = joined.left_join(log, [joined.order_id == log.log_order, joined.shop_id.isnull()])
    return joined.select(
        "file",
        "row",
        "order_id",
        "time",
        "event",
        "product_id",
        shop_id=ibis.coalesce(joined.shop_id, joined.log_shop),
        owner=ibis.coalesce(joined.own_buyer, joined.shop_buyer, joined.log_buyer),
        price=_size(joined.price),
        quantity=joined.quantity.abs(),
        value=_size(joined.value).nullif(0.0),
    )


def _only(orders: ibis.Table, *keys: str) -> ibis.Table:
    """The keys that a single order has, with its `shop` and `buyer`."""
    counts = orders.group_by(*keys).aggregate(
        orders=orders.count(), shop=orders.shop_id.min(), buyer=orders.buyer_id.min()
    )
    return counts.filter(counts.orders == 1)


def _size(number: ir.FloatingValue) -> ir.FloatingValue:
    return ibis.ifelse(number.abs() < float("inf"), number.abs(), None)


def _taken(rows: ibis.Table, purchases: ibis.Table) -> ibis.Table:
    """One row per refund of an order of the log: the `amount`, whether it is `in_full`, and whether either is `known`."""
    priced = purchases.filter(purchases.product_id.notnull() & (purchases.price >= 0))
    lines = priced.group_by(*_ORDER, "product_id").aggregate(unit=priced.price.max(), bought=priced.quantity.sum())
    lines = lines.select(
        "unit", "bought", of_shop="shop_id", of_buyer="buyer_id", of_order="order_id", of_product="product_id"
    )
    found = rows.filter(rows.owner.notnull())
    joined = found.left_join(
        lines,
        [
            found.shop_id == lines.of_shop,
            found.owner == lines.of_buyer,
            found.order_id == lines.of_order,
            found.product_id == lines.of_product,
        ],
    )
    # a line that states nothing is taken back as it was bought
    stated = ibis.coalesce(joined.quantity, ibis.ifelse(joined.price.isnull(), joined.bought, None), 1)
    line = ibis.coalesce(joined.price, joined.unit) * stated
    each = joined.mutate(
        buyer_id=joined.owner,
        line=line,
        unpriced=line.isnull().cast("int64"),
        cancels=(joined.event == _CANCELLED).cast("int64"),
    )
    # a value that is repeated on the lines of a refund counts once
    by_value = each.group_by(*_EVENT, "value").aggregate(
        line=each.line.sum(), unpriced=each.unpriced.sum(), cancels=each.cancels.max()
    )
    refunds = by_value.group_by(*_EVENT).aggregate(
        value=by_value.value.sum(),
        line=by_value.line.sum(),
        unpriced=by_value.unpriced.sum(),
        in_full=by_value.cancels.max(),
    )
    amount = ibis.coalesce(refunds.value, ibis.ifelse(refunds.unpriced > 0, None, refunds.line))
    known = amount.notnull() | (refunds.in_full > 0)
    return refunds.select(*_EVENT, "in_full", amount=amount.fill_null(0.0), known=known)


def _counts(rows: ibis.Table, taken: ibis.Table) -> dict[str, int]:
    """The number of refunds `applied` and of their `orders`, and of those `without_order` and `without_amount`."""
    found = taken.aggregate(refunds=taken.count(), known=taken.known.sum())
    line = found.to_pyarrow().to_pylist()[0]
    unnamed = rows.filter(rows.owner.isnull()).select("shop_id", "order_id", "time").distinct()
    orders = int(taken.filter(taken.known).select(*_ORDER).distinct().count().to_pyarrow().as_py())
    applied = line["known"] or 0
    return {
        "applied": applied,
        "orders": orders,
        "without_order": int(unnamed.count().to_pyarrow().as_py()),
        "without_amount": line["refunds"] - applied,
    }
