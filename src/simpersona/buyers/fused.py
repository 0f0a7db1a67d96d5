"""Buyers from typed events in one pass of compiled code: an optimised equivalent of `prepare` and `aggregate`.

It accepts logs that already have the columns of EVENTS and no session ids. The Ibis expressions of `prepare` and
`aggregate` define a buyer's numbers; this module is parity-tested against them row by row. It needs numba (the
extra `fast`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float, Int

from simpersona.buyers.fused_ids import refuse_unclear_ids, refuse_unclear_rows
from simpersona.buyers.fused_kernel import (
    ADD,
    COMPLETE,
    COUNTS,
    DAY,
    PRODUCT,
    REMOVE,
    ROW,
    aggregate_rows,
    duplicate_candidates,
    scatter,
    sort_rows,
)
from simpersona.config import EventsConfig
from simpersona.contracts import (
    BUYERS,
    CHANNELS,
    EVENT_NAMES,
    REFUND_NAMES,
    SCALAR_GROUPS,
    SCALARS,
    STRATA,
    Capabilities,
)
from simpersona.errors import ContractError, GeneralPathError
from simpersona.events.cleaning import DUPLICATE

_WITH_MONEY = (ADD, REMOVE, COMPLETE)
_MINUTE = 60_000_000  # microseconds
_LATEST = int(np.datetime64("2200-01-01", "us").astype(np.int64))
_MILLIONTH = 1e6  # means are rounded to the millionth, as in `aggregate`


@dataclass(frozen=True)
class FusedBuyers:
    """The buyers of one shop, in the order in which they first appear in the log.

    `scalars` are raw, nan where the source does not record them. `stratum` holds indices into STRATA. `starts` and
    `bags` list the distinct products of each channel of CHANNELS as indices into `products`: those of buyer i in
    channel c are `bags[c][starts[c][i]:starts[c][i + 1]]`, sorted by product id.
    """

    shop_id: str
    buyer_id: pa.Array
    stratum: Int[np.ndarray, " n"]
    scalars: Float[np.ndarray, "n 16"]
    products: pa.Array
    starts: tuple[Int[np.ndarray, " n+1"], ...]
    bags: tuple[Int[np.ndarray, " _"], ...]
    rejected: Counter[str]
    """Number of rejected rows by reason."""

    def __len__(self) -> int:
        return len(self.buyer_id)

    def table(self) -> pa.Table:
        """The same table as that of `aggregate` (BUYERS)."""
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
    """The buyers in one shop's rows of EVENTS, in any order; missing optional columns count as null.

    Rows are validated, duplicates dropped and impossible amounts cleared as in `prepare`. Ids stay as in the log;
    the caller hashes them.

    Raises ContractError for several shops, and GeneralPathError for session ids, for ids that the general path would
    replace (`refuse_unclear_ids`), for refunds, or for more rows or products than the row keys can number.
    """
    shop = _one_shop(events)
    if "session_id" in events.column_names and events["session_id"].null_count < len(events):
        raise GeneralPathError(
            "the events have session ids; the fast path supports only sessions by gaps. Use the general path."
        )
    buyer, buyers = _encode(events["buyer_id"])
    product, products = _encode_sorted(_column(events, "product_id"))
    if len(products) > PRODUCT - 1 or len(events) > ROW:
        raise GeneralPathError(
            f"{shop}: {len(events)} rows, {len(products)} products; the fast path supports at most {ROW} rows and "
            f"{PRODUCT - 1} products. Use the general path."
        )
    time, event = _times(events["time"]), _events(events["event"])
    refuse_unclear_ids({"buyer_id": buyers, "product_id": products, "order_id": _names(_column(events, "order_id"))})
    refuse_unclear_rows(buyer, time)
    rejected = _reject(events["shop_id"], buyer, buyers, time, event)
    rows, starts = _in_order(buyer, time, event, product, len(buyers))
    money = _Money.of(events, event)
    del buyer, time, event, product  # gigabytes in a large shop
    if not config.keep_duplicates:
        _drop_duplicates(rows, events, rejected)
    days = _days(events["time"], config.time_zone)
    counts, sums, bag_starts, bags = aggregate_rows(
        rows, starts, round(config.session_gap_minutes * _MINUTE), days,
        money.slot, money.line, money.value, money.order, money.orders,
    )  # fmt: skip
    has_session = counts[:, 0] > 0
    scalars, stratum = _scalars(counts, sums, has)
    return FusedBuyers(
        shop,
        buyers.filter(pa.array(has_session)),
        stratum[has_session],
        scalars[has_session],
        products,
        tuple(np.concatenate([starts[:-1][has_session], starts[-1:]]) for starts in bag_starts),
        tuple(bags),
        rejected,
    )


# --- encode the columns as numbers ---------------------------------------------------------------


def _one_shop(events: pa.Table) -> str:
    shops = pc.unique(events["shop_id"]).drop_null().to_pylist()
    if len(shops) > 1:
        raise ContractError(f"events of {len(shops)} shops ({', '.join(shops[:3])}, …); expected one shop.")
    return shops[0] if shops else ""


def _column(events: pa.Table, name: str) -> pa.ChunkedArray:
    if name in events.column_names:
        return events[name]
    return pa.chunked_array([pa.nulls(len(events), BUYERS.schema.field("shop_id").type)])


def _encode(column: pa.ChunkedArray) -> tuple[Int[np.ndarray, " n"], pa.Array]:
    """Encodes texts as int32 indices into the distinct texts; -1 for null and for an empty text.

    Returns the indices and the distinct texts.
    """
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


def _names(column: pa.ChunkedArray) -> pa.Array:
    """The distinct texts, and perhaps some that no row has."""
    if not pa.types.is_dictionary(column.type):
        return pc.unique(column).cast(pa.string())
    dictionaries = [chunk.dictionary.cast(pa.string()) for chunk in column.chunks]
    return pc.unique(pa.chunked_array(dictionaries, pa.string()))


def _encode_sorted(column: pa.ChunkedArray) -> tuple[Int[np.ndarray, " n"], pa.Array]:
    """Encodes texts like `_encode`, but numbers the distinct texts in sorted order."""
    codes, names = _encode(column)
    order = pc.sort_indices(names)
    rank = np.empty(len(names) + 1, np.int32)
    rank[np.asarray(order)], rank[-1] = np.arange(len(names)), -1
    return rank[codes], names.take(order)


def _times(column: pa.ChunkedArray) -> Int[np.ndarray, " n"]:
    """Microseconds since 1970; -1 for null and for times before 1970."""
    stamps = column.cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    return np.maximum(stamps.fill_null(-1).to_numpy(), -1)


def _events(column: pa.ChunkedArray) -> Int[np.ndarray, " n"]:
    """Indices into EVENT_NAMES; -1 for other names and null."""
    codes, names = _encode(column)
    if pc.any(pc.is_in(names, pa.array(REFUND_NAMES))).as_py():
        raise GeneralPathError("the events have refunds or cancellations of orders")
    known = pc.index_in(names, pa.array(EVENT_NAMES)).fill_null(-1)
    return np.append(np.asarray(known, np.int8), np.int8(-1))[codes]


def _days(column: pa.ChunkedArray, zone: str) -> Int[np.ndarray, " n"]:
    """Local dates as days since 1970; empty for UTC, where they follow from the times."""
    if zone == "UTC":
        return np.empty(0, np.int32)
    local = pc.local_timestamp(column.cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us", zone)))
    return (local.cast(pa.int64()).fill_null(0).to_numpy() // DAY).astype(np.int32)


def _in_order(
    buyer: np.ndarray, time: np.ndarray, event: np.ndarray, product: np.ndarray, buyers: int
) -> tuple[Int[np.ndarray, "n 2"], Int[np.ndarray, " {buyers}+1"]]:
    """Sorts the rows by buyer, time, event, product and position in the log.

    Returns the rows as (time, key), and the index of each buyer's first row.
    """
    starts = np.zeros(buyers + 1, np.int64)
    np.cumsum(np.bincount(buyer[buyer >= 0], minlength=buyers), out=starts[1:])
    rows = np.empty((starts[-1], 2), np.int64)
    scatter(buyer, time, event, product, starts[:-1].copy(), rows)
    sort_rows(rows, starts)
    return rows, starts


# --- reject rows ---------------------------------------------------------------------------------


def _reject(shop: pa.ChunkedArray, buyer: np.ndarray, buyers: pa.Array, time: np.ndarray, event: np.ndarray) -> Counter:
    """Marks malformed rows by buyer -1 and counts them by the first reason that applies (as `validate_rows`)."""
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
    valid = np.ones(len(buyer), dtype=bool)
    for reason, fault in faults.items():
        if count := int((fault & valid).sum()):
            rejected[reason] = count
            valid &= ~fault
    buyer[~valid] = -1
    return rejected


def _drop_duplicates(rows: np.ndarray, events: pa.Table, rejected: Counter[str]) -> None:
    """Marks rows that repeat another row in every column by the key -1; the first of equal rows stays."""
    indices = duplicate_candidates(rows)
    if not len(indices):
        return
    candidates = events.take(pa.array(rows[indices, 1] & ROW)).combine_chunks()
    # Arrow cannot hash a struct of all columns: encode each column as numbers first
    codes = np.stack([_encode(_as_text(candidates[name]))[0] for name in candidates.column_names], axis=1)
    _, first = np.unique(codes, axis=0, return_index=True)
    is_duplicate = np.ones(len(indices), dtype=bool)
    is_duplicate[first] = False
    rows[indices[is_duplicate], 1] = -1
    if is_duplicate.any():
        rejected[DUPLICATE] = int(is_duplicate.sum())


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column if pa.types.is_dictionary(column.type) else column.cast(pa.string())


# --- money --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Money:
    """Amounts and order ids of the rows that can have them (additions, removals, purchases).

    `slot[row]` is the index of a row in the other arrays. `line` is price times quantity, `value` the order value (nan where unknown),
    and `order` an index of the order id (-1 without one).
    """

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
        order, names = _encode(_column(rows, "order_id"))
        negative = (value < 0) & (value > -np.inf) | ~np.isfinite(value) & (
            (price < 0) & (price > -np.inf) | (quantity < 0)
        )
        if ((event[carries] == COMPLETE) & negative).any():
            raise GeneralPathError("some purchases have negative amounts: they are refunds of other orders")
        price[~((price >= 0) & (price < np.inf))] = np.nan
        value[~((value >= 0) & (value < np.inf))] = np.nan
        quantity[~(quantity > 0)] = 1.0
        return cls(slot, price * quantity, value, order, len(names))


def _amounts(rows: pa.Table, name: str) -> Float[np.ndarray, " n"]:
    if name not in rows.column_names:
        return np.full(len(rows), np.nan)
    return np.array(rows[name].cast(pa.float64()).to_numpy())


def _scalars(counts: np.ndarray, sums: np.ndarray, has: Capabilities) -> tuple[np.ndarray, np.ndarray]:
    """The 16 raw scalars and the stratum's index, as in `aggregate`."""
    n = dict(zip(COUNTS, counts.T.astype(np.float64), strict=True))
    commitment = 3 * n["add"] + 5 * n["start"] + 8 * n["purchase"]  # Eq. 3
    with np.errstate(invalid="ignore", divide="ignore"):
        columns = {
            **dict(zip(SCALAR_GROUPS["exposure"], n.values(), strict=False)),  # COUNTS starts with these
            "duration_seconds": sums[:, 0] / 1e6,
            "product_view_count": n["views"],
            "add_to_cart_rate": n["add"] / n["session"],
            "checkout_rate": n["purchase"] / n["session"],
            "browse_only_rate": n["browse_only"] / n["session"],
            "intent_strength": commitment / (n["session"] + commitment),
            "mean_cart_value": _mean(sums[:, 1], n["known_carts"], n["add"]),
            "mean_order_value": _mean(sums[:, 2], n["known_orders"], n["orders"]),
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


def _mean(total: np.ndarray, known: np.ndarray, count: np.ndarray) -> np.ndarray:
    """The mean of the known amounts; 0 where there is nothing to count, nan where nothing of it is known."""
    scaled = np.where(count > 0, total / known, 0.0) * _MILLIONTH
    whole = np.trunc(scaled)
    return np.where(np.abs(scaled - whole) >= 0.5, whole + np.sign(scaled), whole) / _MILLIONTH
