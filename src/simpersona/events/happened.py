"""What a reader should know about the events of a log: kinds that never happen, and names that are not known."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis defines the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

from typing import Any

import ibis

from simpersona.events.cleaning import NOBODY, UNKNOWN_NAME
from simpersona.events.quality import is_malformed

_NAMES_SHOWN = 20
_REASONS_SHOWN = 5
_IMPOSSIBLE = {
    "value": ("order values", "negative or not finite"),
    "price": ("prices", "negative or not finite"),
    "quantity": ("quantities", "below 1 (a line without a quantity is one unit)"),
}
_NEVER = {
    "checkout_completed": "purchase",
    "product_added_to_cart": "cart addition",
    "product_viewed": "product view",
}


def what_happened(quality: dict[str, Any], rejected: ibis.Table, clean: ibis.Table) -> list[str]:
    """What the reader of a log of `clean` and `rejected` rows should know: a sentence for each of purchases, cart additions and
    product views that the log lacks, one for rows whose event name is not known, one for purchases among the rejected rows, one for
    purchases without products, and one each for orders of several buyers, orders without an amount and amounts that cannot be.
    `quality` has the counts of `describe`.
    """
    sentences = [*_unknown_names(rejected), *_lost_purchases(rejected, clean), *_purchases_without_products(clean)]
    sentences += [
        f"The log has not a single {label} ({name}). If it should have some, their event name is not mapped: compare the names"
        " and counts of its events."
        for name, label in _NEVER.items()
        if name not in quality["events"]
    ]
    if count := quality["orders_of_several_buyers"]:
        sentences.append(
            f"{count:,} order ids stand in the purchases of more than one buyer of a store, and each buyer's counts as an order. A"
            " browser and a server that both report an order need one id for the buyer: set the one they share as the buyer's id."
        )
    if (count := quality["orders_without_amount"]) and "price" not in quality["unknown"]:
        orders = sum(line["orders"] for line in quality["orders"])
        sentences.append(
            f"{count:,} of {orders:,} orders have no amount that is known: they have neither an order value nor a line with a price"
            " that can be read, or these are in a masked currency. The order value of their sessions is unknown, and the total of all"
            " orders leaves these sessions out."
        )
    for name, (label, what) in _IMPOSSIBLE.items():
        if count := quality["impossible"][name]:
            sentences.append(f"{count:,} {label} are {what}, and count as missing.")
    return sentences


def _lost_purchases(rejected: ibis.Table, clean: ibis.Table) -> list[str]:
    """A sentence if rows of purchases are malformed or name no buyer: few rows may hold many of the orders. Doubles, refunds
    and what a source sets aside are no such rows.
    """
    is_lost = ibis.or_(is_malformed(rejected.reason), *map(rejected.reason.startswith, NOBODY))
    lost = rejected.filter((rejected.event == "checkout_completed") & is_lost)
    counts = lost.group_by("reason").aggregate(rows=lost.count()).order_by(ibis.desc("rows"), "reason")
    lines = counts.to_pyarrow().to_pylist()
    if not lines:
        return []
    rows = sum(line["rows"] for line in lines)
    kept = clean.filter((clean.event == "checkout_completed") & (clean.part == 0)).count().to_pyarrow().as_py()
    reasons = ", ".join(f"{line['reason']} ({line['rows']:,} rows)" for line in lines[:_REASONS_SHOWN])
    return [
        (
            f"{rows:,} of {rows + kept:,} rows of purchases ({rows / (rows + kept):.1%}) are rejected, so orders and revenue are missing from"
            f" the result: {reasons}."
        )
    ]


def _purchases_without_products(clean: ibis.Table) -> list[str]:
    """A sentence if no purchase names a product, though other events do."""
    is_purchase, names_product = clean.event == "checkout_completed", clean.product_id.notnull()
    counts = clean.aggregate(
        purchases=is_purchase.sum(),
        named=(is_purchase & names_product).sum(),
        others=(~is_purchase & names_product).sum(),
    )
    line = counts.to_pyarrow().to_pylist()[0]
    if not line["purchases"] or line["named"] or not line["others"]:
        return []
    return [
        (
            "No purchase names a product, though other events do: what buyers bought is not known. An order of several products has one"
            " row for each, with the same order_id; a list of products in a column of a table is not read."
        )
    ]


def _unknown_names(rejected: ibis.Table) -> list[str]:
    unknown = rejected.filter(rejected.reason.startswith(UNKNOWN_NAME))
    counts = unknown.group_by("reason").aggregate(rows=ibis._.count()).order_by(ibis.desc("rows"), "reason")
    lines = counts.to_pyarrow().to_pylist()
    if not lines:
        return []
    shown = [
        f'"{line["reason"].removeprefix(UNKNOWN_NAME + ": ")}" ({line["rows"]:,} rows)'
        for line in lines
        if line["reason"] != UNKNOWN_NAME
    ][:_NAMES_SHOWN]
    return [
        f"{sum(line['rows'] for line in lines):,} rows are rejected because no rule maps their event name"
        + (f": {', '.join(shown)}" if shown else "")
        + '. If one of them is a purchase, a cart addition or a view, it is missing from the result. With source.format = "table",'
        " [source.events] maps names."
    ]
