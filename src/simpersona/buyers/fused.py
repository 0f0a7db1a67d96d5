"""The same buyers as `prepare` and `aggregate` give, from typed events in one pass of compiled code.

For logs that already have the columns of EVENTS and no session ids of their own. What a buyer's numbers
are is defined by the Ibis expressions; this is their fast double, and the tests hold it to them row by
row. Needs numba (the extra `fast`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float, Int

from simpersona.buyers.fused_kernel import (
    ADD,
    COMPLETE,
    COUNTS,
    DAY,
    PRODUCT,
    REMOVE,
    ROW,
    scatter,
    sort_rows,
    twins,
    walk,
)
from simpersona.config import EventsConfig
from simpersona.contracts import BUYERS, CHANNELS, EVENT_NAMES, SCALAR_GROUPS, SCALARS, STRATA, Capabilities
from simpersona.errors import ContractError

DOUBLE = "exact duplicate"
_WITH_MONEY = (ADD, REMOVE, COMPLETE)
_MINUTE = 60_000_000  # microseconds
_LATEST = int(np.datetime64("2200-01-01", "us").astype(np.int64))
_MILLIONTH = 1e6  # to which means are rounded, as in the definition


@dataclass(frozen=True)
class FusedBuyers:
    """The buyers of one shop, in the order in which the log first names them.

    `scalars` are raw, nan where the source cannot tell; `stratum` are numbers of STRATA. `starts` and
    `bags` list the distinct products of each channel of CHANNELS as numbers of `products`: those of buyer
    i are `bags[c][starts[c][i]:starts[c][i + 1]]`, sorted by product id.
    """

    shop_id: str
    buyer_id: pa.Array
    stratum: Int[np.ndarray, " n"]
    scalars: Float[np.ndarray, "n 16"]
    products: pa.Array
    starts: tuple[Int[np.ndarray, " n+1"], ...]
    bags: tuple[Int[np.ndarray, " entries"], ...]
    rejected: Counter[str]
    """Rows set aside, by reason."""

    def __len__(self) -> int:
        return len(self.buyer_id)

    def table(self) -> pa.Table:
        """BUYERS, as `aggregate` gives them."""
        lists = {
            channel: pa.ListArray.from_arrays(pa.array(starts, pa.int32()), self.products.take(pa.array(bag)))
            for channel, starts, bag in zip(CHANNELS, self.starts, self.bags, strict=True)
        }
        columns = {
            "shop_id": pa.repeat(pa.scalar(self.shop_id, pa.string()), len(self)),
            "buyer_id": self.buyer_id,
            "stratum": pa.array(STRATA).take(pa.array(self.stratum)),
            **{name: pa.array(self.scalars[:, i], from_pandas=True) for i, name in enumerate(SCALARS)},
            **{f"has_{c}": pa.array(np.diff(s) > 0) for c, s in zip(CHANNELS, self.starts, strict=True)},
        }
        return BUYERS.conform(pa.table(columns | lists))


def fused_buyers(events: pa.Table, has: Capabilities, config: EventsConfig) -> FusedBuyers:
    """The buyers of one shop's rows of EVENTS, in any order; missing optional columns count as null.

    Rows are judged, doubles dropped and amounts freed from the impossible as `prepare` does. Ids are as they
    stand in the log: hashing them is left to who writes them.

    Raises ContractError for several shops, for session ids, or for more rows or products than are numbered.
    """
    shop = _one_shop(events)
    if "session_id" in events.column_names and events["session_id"].null_count < len(events):
        raise ContractError("the events have session ids of their own; the fast path makes sessions by gaps alone.")
    buyer, buyers = _coded(events["buyer_id"])
    product, products = _ranked(_column(events, "product_id"))
    if len(products) > PRODUCT - 1 or len(events) > ROW:
        raise ContractError(
            f"{shop}: {len(events)} rows, {len(products)} products: more than the fast path can number."
        )
    time, event = _times(events["time"]), _events(events["event"])
    rejected = _reject(events["shop_id"], buyer, buyers, time, event)
    rows, starts = _in_order(buyer, time, event, product, len(buyers))
    money = _Money.of(events, event)
    del buyer, time, event, product  # of a large shop, gigabytes
    if not config.keep_duplicates:
        _drop_doubles(rows, events, rejected)
    days = _days(events["time"], config.time_zone)
    found = walk(
        rows, starts, round(config.session_gap_minutes * _MINUTE), days,
        money.slot, money.line, money.value, money.order, money.orders,
    )  # fmt: skip
    counts, sums, starts_of, bags = found
    there = counts[:, 0] > 0
    scalars, stratum = _scalars(counts, sums, has)
    return FusedBuyers(
        shop,
        buyers.filter(pa.array(there)),
        stratum[there],
        scalars[there],
        products,
        tuple(np.concatenate([starts[:-1][there], starts[-1:]]) for starts in starts_of),
        tuple(bags),
        rejected,
    )


# --- columns to numbers -------------------------------------------------------------------------


def _one_shop(events: pa.Table) -> str:
    shops = pc.unique(events["shop_id"]).drop_null().to_pylist()
    if len(shops) > 1:
        raise ContractError(f"events of {len(shops)} shops at once ({', '.join(shops[:3])}, …); expected one shop's.")
    return shops[0] if shops else ""


def _column(events: pa.Table, name: str) -> pa.ChunkedArray:
    if name in events.column_names:
        return events[name]
    return pa.chunked_array([pa.nulls(len(events), BUYERS.schema.field("shop_id").type)])


def _coded(column: pa.ChunkedArray) -> tuple[Int[np.ndarray, " n"], pa.Array]:
    """The texts as int32 numbers of the distinct ones, which come second; -1 for null and for an empty text."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    column = column.unify_dictionaries()
    if not column.num_chunks:
        return np.empty(0, np.int32), pa.array([], pa.string())
    codes = np.concatenate([pc.fill_null(chunk.indices.cast(pa.int32()), -1) for chunk in column.chunks])
    names = column.chunk(0).dictionary.cast(pa.string())
    if (empty := pc.index(names, "").as_py()) >= 0:
        codes[codes == empty] = -1
    return codes, names


def _ranked(column: pa.ChunkedArray) -> tuple[Int[np.ndarray, " n"], pa.Array]:
    """The same, numbered in the order of the texts."""
    codes, names = _coded(column)
    order = pc.sort_indices(names)
    rank = np.empty(len(names) + 1, np.int32)
    rank[np.asarray(order)], rank[-1] = np.arange(len(names)), -1
    return rank[codes], names.take(order)


def _times(column: pa.ChunkedArray) -> Int[np.ndarray, " n"]:
    """Microseconds since 1970; -1 for null and whatever lies before 1970."""
    stamps = column.cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    return np.maximum(stamps.fill_null(-1).to_numpy(), -1)


def _events(column: pa.ChunkedArray) -> Int[np.ndarray, " n"]:
    """Numbers of EVENT_NAMES; -1 for other names and null."""
    codes, names = _coded(column)
    known = pc.index_in(names, pa.array(EVENT_NAMES)).fill_null(-1)
    return np.append(np.asarray(known, np.int8), np.int8(-1))[codes]


def _days(column: pa.ChunkedArray, zone: str) -> Int[np.ndarray, " n"]:
    """Local dates as days since 1970; empty for UTC, where a time tells them itself."""
    if zone == "UTC":
        return np.empty(0, np.int32)
    local = pc.local_timestamp(column.cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us", zone)))
    return (local.cast(pa.int64()).fill_null(0).to_numpy() // DAY).astype(np.int32)


def _in_order(
    buyer: np.ndarray, time: np.ndarray, event: np.ndarray, product: np.ndarray, buyers: int
) -> tuple[Int[np.ndarray, "n 2"], Int[np.ndarray, " b+1"]]:
    """The rows by buyer, then time, event, product and place in the log; and where each buyer's begin."""
    starts = np.zeros(buyers + 1, np.int64)
    np.cumsum(np.bincount(buyer[buyer >= 0], minlength=buyers), out=starts[1:])
    rows = np.empty((starts[-1], 2), np.int64)
    scatter(buyer, time, event, product, starts[:-1].copy(), rows)
    sort_rows(rows, starts)
    return rows, starts


# --- what is set aside --------------------------------------------------------------------------


def _reject(shop: pa.ChunkedArray, buyer: np.ndarray, buyers: pa.Array, time: np.ndarray, event: np.ndarray) -> Counter:
    """Marks malformed rows by buyer -1 and counts them by the first reason that holds (as `cleaning.judge`)."""
    no_shop = np.asarray(pc.is_null(shop)) | (
        not any(str(name).strip() for name in pc.unique(shop).drop_null().to_pylist())
    )
    no_buyer = np.append(~np.asarray(pc.match_substring_regex(buyers, r"\S"), dtype=bool), True)[buyer]
    faults = {
        "shop_id is missing": no_shop,
        "buyer_id is missing": no_buyer,
        "time is missing, or not between 1970 and 2200": (time < 0) | (time > _LATEST),
        "event is missing or unknown": event < 0,
    }
    rejected: Counter[str] = Counter()
    kept = np.ones(len(buyer), dtype=bool)
    for reason, fault in faults.items():
        if count := int((fault & kept).sum()):
            rejected[reason] = count
            kept &= ~fault
    buyer[~kept] = -1
    return rejected


def _drop_doubles(rows: np.ndarray, events: pa.Table, rejected: Counter[str]) -> None:
    """Marks by -1 all but one of the rows that say the same in every column."""
    places = twins(rows)
    if not len(places):
        return
    suspects = events.take(pa.array(rows[places, 1] & ROW)).combine_chunks()
    # a struct of all columns would not hash: each column becomes numbers first
    codes = np.stack([_coded(_as_text(suspects[name]))[0] for name in suspects.column_names], axis=1)
    _, first = np.unique(codes, axis=0, return_index=True)
    double = np.ones(len(places), dtype=bool)
    double[first] = False
    rows[places[double], 1] = -1
    if double.any():
        rejected[DOUBLE] = int(double.sum())


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column if pa.types.is_dictionary(column.type) else column.cast(pa.string())


# --- money --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Money:
    """Of the rows that carry money alone: `slot[row]` says where, `order` numbers the order ids (-1: none)."""

    slot: np.ndarray
    line: np.ndarray
    value: np.ndarray
    order: np.ndarray
    orders: int

    @classmethod
    def of(cls, events: pa.Table, event: np.ndarray) -> _Money:
        carries = np.isin(event, _WITH_MONEY)
        slot = np.cumsum(carries, dtype=np.int32) - np.int32(1)
        rows = events.select([n for n in ("price", "quantity", "value", "order_id") if n in events.column_names])
        rows = rows.filter(pa.array(carries))
        price, value, quantity = (_amounts(rows, name) for name in ("price", "value", "quantity"))
        price[~((price >= 0) & (price < np.inf))] = np.nan
        value[~((value >= 0) & (value < np.inf))] = np.nan
        quantity[~(quantity > 0)] = 1.0
        order, names = _coded(_column(rows, "order_id"))
        return cls(slot, np.nan_to_num(price * quantity, nan=0.0), value, order, len(names))


def _amounts(rows: pa.Table, name: str) -> Float[np.ndarray, " n"]:
    if name not in rows.column_names:
        return np.full(len(rows), np.nan)
    return np.array(rows[name].cast(pa.float64()).to_numpy())


def _scalars(counts: np.ndarray, sums: np.ndarray, has: Capabilities) -> tuple[np.ndarray, np.ndarray]:
    """The 16 raw scalars and the stratum's number, as `aggregate` has them."""
    n = dict(zip(COUNTS, counts.T.astype(np.float64), strict=True))
    commitment = 3 * n["add"] + 5 * n["start"] + 8 * n["purchase"]  # Eq. 3
    with np.errstate(invalid="ignore", divide="ignore"):
        columns = {
            **dict(zip(SCALAR_GROUPS["exposure"], n.values(), strict=False)),  # COUNTS begins with these
            "duration_seconds": sums[:, 0] / 1e6,
            "product_view_count": n["views"],
            "add_to_cart_rate": n["add"] / n["session"],
            "checkout_rate": n["purchase"] / n["session"],
            "browse_only_rate": n["browse_only"] / n["session"],
            "intent_strength": commitment / (n["session"] + commitment),
            "mean_cart_value": _mean(sums[:, 1], n["add"]),
            "mean_order_value": _mean(sums[:, 2], n["orders"]),
        }
    unknown = {
        "active_day_count": not has.has_time,
        "duration_seconds": not has.has_time,
        "add_to_cart_session_count": not has.has_cart,
        "add_to_cart_rate": not has.has_cart,
        "checkout_start_session_count": not has.has_checkout_start,
        "search_session_count": not has.has_search,
        "collection_session_count": not has.has_collection,
        "mean_cart_value": not (has.has_price and has.has_cart),
        "mean_order_value": not has.has_price,
    }
    scalars = np.stack(
        [np.full(len(counts), np.nan) if unknown.get(name) else columns[name] for name in SCALARS], axis=1
    )
    light = n["view"] + n["collection"] + n["search"]
    steps = [n[kind] > 0 for kind in ("purchase", "start", "add")]
    return scalars, np.select([*steps, light > 0], range(len(steps) + 1), len(STRATA) - 1)  # REFERENCE 6


def _mean(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    scaled = np.where(count > 0, total / count, 0.0) * _MILLIONTH
    whole = np.trunc(scaled)
    return np.where(np.abs(scaled - whole) >= 0.5, whole + np.sign(scaled), whole) / _MILLIONTH
