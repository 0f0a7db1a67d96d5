"""Sessions to buyers: stratum, 16 raw scalars and the products of the three channels (2.1.1, App. A)."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis defines the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

from collections.abc import Collection

import ibis
import ibis.expr.types as ir

from simpersona.config import EventsConfig
from simpersona.contracts import BUYERS, CHANNELS, SCALAR_GROUPS, SCALARS, Capabilities

CHANNEL_EVENTS = dict(zip(CHANNELS, ("product_viewed", "product_added_to_cart", "checkout_completed"), strict=True))
INTENT_WEIGHTS = {"add_to_cart": 3, "checkout_start": 5, "purchase": 8}
"""w_atc, w_co and w_pur of Eq. 3."""

_BUYER = ("shop_id", "buyer_id")
_DECIMALS = 6  # rounds sums and means of seconds and money: the order in which an engine adds must not matter


def aggregate(
    events: ibis.Table,
    sessions: ibis.Table,
    has: Capabilities,
    config: EventsConfig,
    other_currency: Collection[str] = (),
) -> ibis.Table:
    """BUYERS from EVENTS and SESSIONS: one row per buyer-shop pair, ordered by shop and buyer.

    Scalars are raw: counts, seconds, rates n/N, the value of Eq. 3, mean money. A scalar is null if the source does
    not record it: search, collection, cart and checkout-start sessions without such events, money without prices,
    durations and days without times. A buyer's mean cart or order value is null where its carts or orders have no amounts, and in
    the stores `other_currency`, whose amounts cannot be compared with those of the others. In Eq. 3, the rates and the strata, an unknown count is 0 (REFERENCE 4, 6).
    """
    counts = _counts(sessions)
    days = _active_days(events, config.time_zone)
    products = _channel_products(events)
    buyers = counts.left_join(days, _BUYER).drop("shop_id_right", "buyer_id_right")
    buyers = buyers.left_join(products, _BUYER).drop("shop_id_right", "buyer_id_right")
    scalars = _scalars(buyers, has)
    if other_currency:
        is_other = buyers.shop_id.isin(list(other_currency))
        scalars |= {name: ibis.ifelse(is_other, None, scalars[name]) for name in SCALAR_GROUPS["dollars"]}
    empty = ibis.literal([], type="array<string>")
    lists = {channel: ibis.coalesce(buyers[channel], empty) for channel in CHANNELS}
    return buyers.select(
        *_BUYER,
        stratum=_stratum(buyers),
        **{name: scalars[name].cast("float64") for name in SCALARS},
        **{f"has_{channel}": products.length() > 0 for channel, products in lists.items()},
        **{channel: products.sort() for channel, products in lists.items()},
    ).select(BUYERS.columns).order_by(*_BUYER)  # fmt: skip


def _counts(sessions: ibis.Table) -> ibis.Table:
    def having(count: str) -> ir.IntegerScalar:
        return (sessions[count] > 0).sum()

    deeper = sessions.add_to_cart_count + sessions.checkout_start_count + sessions.purchase_count
    with_cart = sessions.add_to_cart_count > 0
    return sessions.group_by(*_BUYER).aggregate(
        session_count=sessions.count(),
        product_view=having("product_view_count"),
        add_to_cart=having("add_to_cart_count"),
        checkout_start=having("checkout_start_count"),
        purchase=having("purchase_count"),
        search=having("search_count"),
        collection=having("collection_view_count"),
        # REFERENCE 3: a product view and nothing deeper
        browse_only=((sessions.product_view_count > 0) & (deeper == 0)).sum(),
        duration_seconds=sessions.duration_seconds.sum(),
        product_view_count=sessions.product_view_count.sum(),
        # REFERENCE 5: the means are over sessions with a cart, and over orders
        cart_mean=sessions.cart_value.mean(where=with_cart),
        order_sum=sessions.order_value.sum(),
        orders=sessions.purchase_count.sum(),
        known_orders=sessions.purchase_count.sum(where=sessions.order_value.notnull()),
    )


def _scalars(buyers: ibis.Table, has: Capabilities) -> dict[str, ir.Value]:
    def if_known(known: bool, value: ir.Value) -> ir.Value:
        return value if known else ibis.null("float64")

    sessions = buyers.session_count
    # 0 without a cart or an order, null where none of them has an amount
    cart_mean = ibis.ifelse(buyers.add_to_cart > 0, buyers.cart_mean.round(_DECIMALS), 0.0)
    order_mean = (buyers.order_sum / buyers.known_orders.nullif(0)).round(_DECIMALS)
    order_mean = ibis.ifelse(buyers.orders > 0, order_mean, 0.0)
    # Eq. 3
    commitment = sum(weight * buyers[step] for step, weight in INTENT_WEIGHTS.items())
    return {
        "session_count": sessions,
        "active_day_count": if_known(has.has_time, buyers.active_day_count),
        "product_view_session_count": buyers.product_view,
        "add_to_cart_session_count": if_known(has.has_cart, buyers.add_to_cart),
        "checkout_start_session_count": if_known(has.has_checkout_start, buyers.checkout_start),
        "purchase_session_count": buyers.purchase,
        "search_session_count": if_known(has.has_search, buyers.search),
        "collection_session_count": if_known(has.has_collection, buyers.collection),
        "duration_seconds": if_known(has.has_time, buyers.duration_seconds.round(_DECIMALS)),
        "product_view_count": buyers.product_view_count,
        "add_to_cart_rate": if_known(has.has_cart, buyers.add_to_cart / sessions),
        "checkout_rate": buyers.purchase / sessions,
        "browse_only_rate": buyers.browse_only / sessions,
        "intent_strength": commitment / (sessions + commitment),
        "mean_cart_value": if_known(has.has_price and has.has_cart, cart_mean),
        "mean_order_value": if_known(has.has_price, order_mean),
    }


def _stratum(buyers: ibis.Table) -> ir.StringValue:
    # REFERENCE 6, first match
    return ibis.cases(
        (buyers.purchase > 0, "A"),
        (buyers.checkout_start > 0, "B"),
        (buyers.add_to_cart > 0, "C"),
        (buyers.product_view + buyers.collection + buyers.search > 0, "D"),
        else_="E",
    )


def _active_days(events: ibis.Table, time_zone: str) -> ibis.Table:
    # grouping twice is several times faster than a distinct count per group; `distinct()` would not do, because on
    # Spark Ibis's DISTINCT over an ordered table includes the columns of the order
    days = events.group_by(*_BUYER, day=_date(events.time, time_zone)).aggregate()
    return days.group_by(*_BUYER).aggregate(active_day_count=days.count())


def _date(time: ir.TimestampColumn, time_zone: str) -> ir.DateValue:
    return (time if time_zone == "UTC" else _local(time_zone, time)).date()


@ibis.udf.scalar.builtin(name="timezone", signature=(("string", "timestamp('UTC')"), "timestamp"))
def _local(zone: str, time: object) -> object:
    """The local time in a zone, for which Ibis has no expression: DuckDB's function; the Spark adapter defines it too."""


def _channel_products(events: ibis.Table) -> ibis.Table:
    used = events.filter(events.product_id.notnull() & events.event.isin(list(CHANNEL_EVENTS.values())))
    pairs = used.group_by(*_BUYER, "event", "product_id").aggregate()
    return pairs.group_by(*_BUYER).aggregate(
        **{channel: pairs.product_id.collect(where=pairs.event == name) for channel, name in CHANNEL_EVENTS.items()}
    )
