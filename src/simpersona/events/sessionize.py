"""Events to sessions: session boundaries (REFERENCE 2) and the content of each session (Figure 3)."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis defines the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from simpersona.contracts import Capabilities

_BUYER = ("shop_id", "buyer_id")
SESSION = (*_BUYER, "session_id")
_DECIMALS = 6  # rounds sums of money, so that they do not depend on the order in which an engine adds

_NEVER = ibis.timestamp("9999-01-01 00:00:00+00:00")
_UNNUMBERED = 2**62  # stands for a missing `seq` of the source: sorts after the numbered events

_ORDER = (  # order of events with equal times where the source does not number them: down the funnel
    "page_viewed",
    "search_submitted",
    "collection_viewed",
    "product_viewed",
    "product_added_to_cart",
    "product_removed_from_cart",
    "cart_viewed",
    "checkout_started",
    "checkout_completed",
)


def with_sessions(events: ibis.Table, gap_minutes: float) -> ibis.Table:
    """Fills in `session_id` where the source has none.

    Session ids of the source are used as they are, per buyer and shop. For other events, a gap of more than
    `gap_minutes` between two events of a buyer starts a new session, numbered gap-1, gap-2, … in order of time
    (REFERENCE 2).
    """
    # only the times and the few session starts are sorted, not the whole rows: several times faster
    unnamed = events.filter(events.session_id.isnull())
    in_order = ibis.window(group_by=_BUYER, order_by="time")
    times = unnamed.select(*_BUYER, "time", before=unnamed.time.lag().over(in_order))
    gap = times.time.delta(times.before, unit="microsecond")
    first = times.filter((gap > round(gap_minutes * 60_000_000)).fill_null(True))
    starts = first.select(
        of_shop=first.shop_id,
        of_buyer=first.buyer_id,
        start=first.time,
        number=ibis.row_number().over(in_order) + 1,
        until=ibis.coalesce(first.time.lead().over(in_order), _NEVER),
    )
    joined = events.left_join(
        starts,
        [
            events.shop_id == starts.of_shop,
            events.buyer_id == starts.of_buyer,
            events.time >= starts.start,
            events.time < starts.until,
        ],
    )
    session = ibis.coalesce(joined.session_id, "gap-" + joined.number.cast("string"))
    return joined.mutate(session_id=session).drop("of_shop", "of_buyer", "start", "number", "until")


def build_sessions(events: ibis.Table, products: ibis.Table, collections: ibis.Table, has: Capabilities) -> ibis.Table:
    """SESSIONS from events with session ids, `part` and `seq`, and the catalogue.

    The timeline of a completed checkout has one entry per order line. Money columns are null if the source has no
    prices (REFERENCE 5), and cart values if it has no carts. A session's order value is also null if one of its orders
    has neither a value nor a line with a price, and its cart value if nothing that entered or left the cart has a price.
    """
    labelled = _labelled(events, products, collections)
    sessions = labelled.group_by(*SESSION).aggregate(
        start=labelled.time.min(),
        end=labelled.time.max(),
        event_count=(labelled.part == 0).sum(),
        product_view_count=_count(labelled, "product_viewed"),
        collection_view_count=_count(labelled, "collection_viewed"),
        search_count=_count(labelled, "search_submitted"),
        add_to_cart_count=_count(labelled, "product_added_to_cart"),
        remove_from_cart_count=_count(labelled, "product_removed_from_cart"),
        checkout_start_count=_count(labelled, "checkout_started"),
        cart_value=_cart_value(labelled) if has.has_price and has.has_cart else ibis.null("float64"),
        timeline=_moment(labelled).collect(),
    )
    orders = session_orders(events).rename({f"order_{name}": name for name in SESSION})
    keys = [sessions[name] == orders[f"order_{name}"] for name in SESSION]
    joined = sessions.left_join(orders, keys)
    return joined.select(
        *SESSION,
        "start",
        "end",
        duration_seconds=joined.end.delta(joined.start, unit="microsecond").cast("float64") / 1e6,
        event_count=joined.event_count - joined.further_lines.fill_null(0),
        **{name: joined[name] for name in sessions.columns if name.endswith("_count") and name != "event_count"},
        purchase_count=joined.purchase_count.fill_null(0),
        cart_value=joined.cart_value,
        order_value=ibis.ifelse(joined.purchase_count.isnull(), 0.0, joined.order_value)
        if has.has_price
        else ibis.null("float64"),
        timeline=_in_order(joined.timeline),
    )


def _labelled(events: ibis.Table, products: ibis.Table, collections: ibis.Table) -> ibis.Table:
    titles = products.select(of_shop="shop_id", of_product="product_id", title="title", product_type="product_type")
    names = collections.select(in_shop="shop_id", in_collection="collection_id", collection="title")
    labelled = events.left_join(
        titles, [events.shop_id == titles.of_shop, events.product_id == titles.of_product]
    ).drop("of_shop", "of_product")
    return labelled.left_join(
        names, [labelled.shop_id == names.in_shop, labelled.collection_id == names.in_collection]
    ).drop("in_shop", "in_collection")


def _count(events: ibis.Table, name: str) -> ir.IntegerScalar:
    return (events.event == name).sum()


def _line_value(events: ibis.Table) -> ir.FloatingColumn:
    return events.price * events.quantity.fill_null(1)


def _cart_value(events: ibis.Table) -> ir.FloatingScalar:
    # REFERENCE 5: additions minus removals, not below 0
    signs = {"product_added_to_cart": 1.0, "product_removed_from_cart": -1.0}
    sign = events.event.cases(*signs.items(), else_=ibis.null("float64"))
    total = (sign * _line_value(events)).sum().round(_DECIMALS)
    # not by `greatest` alone, which passes over a null
    known = ibis.ifelse(total.isnull(), ibis.null("float64"), ibis.greatest(total, 0.0))
    return ibis.ifelse(events.event.isin(list(signs)).sum() > 0, known, 0.0)


def order_amounts(events: ibis.Table) -> ibis.Table:
    """The orders of each session: the time of the `first` row, the `amount` (null if neither the order nor a line has one)
    and the number of `further_lines` that are rows of their own.
    """
    # REFERENCE 5: rows with the same order id are one order; without ids, the purchase rows of one session are
    lines = events.filter(events.event == "checkout_completed")
    # a source may log each order line as a row: rows with the same time are one event
    purchases = lines.group_by(*SESSION, "order_id", "time").aggregate(
        value=lines.value.max(), lines=_line_value(lines).sum(), rows=(lines.part == 0).sum()
    )
    orders = purchases.group_by(*SESSION, "order_id").aggregate(
        first=purchases.time.min(),
        value=purchases.value.max(),
        lines=purchases.lines.sum(),
        further_lines=(purchases.rows - 1).sum(),
    )
    return orders.mutate(amount=ibis.coalesce(orders.value, orders.lines)).drop("value", "lines")


def session_orders(events: ibis.Table) -> ibis.Table:
    """The number of new orders of each session that completed a checkout, their total, and how many have no amount."""
    orders = order_amounts(events)
    # an order that is logged again, for example when its page is opened another day, counts once
    occurrence = ibis.row_number().over(group_by=["shop_id", "buyer_id", "order_id"], order_by=["first", "session_id"])
    orders = orders.mutate(new=orders.order_id.isnull() | (occurrence == 0))
    total = orders.amount.sum(where=orders.new).fill_null(0.0).round(_DECIMALS)
    unknown = (orders.new & orders.amount.isnull()).sum()
    return orders.group_by(*SESSION).aggregate(
        purchase_count=orders.new.sum(),
        order_value=ibis.ifelse(unknown > 0, ibis.null("float64"), total),
        without_amount=unknown,
        further_lines=orders.further_lines.sum(where=orders.order_id.notnull()),
    )


def _moment(events: ibis.Table) -> ir.StructColumn:
    # the fields that decide the order come first, so that a plain sort of the list gives the timeline's order
    rank = events.event.cases(*((name, number) for number, name in enumerate(_ORDER)), else_=len(_ORDER))
    # engines sort nulls differently: this bit mask sorts first, so that a null is only compared with nulls
    absent = ibis.literal(0, "int64")
    for bit, name in enumerate(_LABELS):
        absent = absent + ibis.ifelse(events[name].isnull(), 2**bit, 0)
    return ibis.struct(
        {
            "time": events.time,
            "seq": events.seq.fill_null(_UNNUMBERED),
            "rank": rank.cast("int64"),
            "part": events.part,
            "absent": absent,
            **{name: events[name] for name in _LABELS},
        }
    )


_LABELS = ("event", "product_id", "title", "product_type", "collection_id", "collection", "query", "price", "quantity")


def _in_order(timeline: ir.ArrayColumn) -> ir.ArrayValue:
    # sorted after collecting, because an ordered collect differs between engines
    return timeline.sort().map(lambda moment: ibis.struct({name: moment[name] for name in ("time", *_LABELS)}))
