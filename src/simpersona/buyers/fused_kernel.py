# ruff: noqa: ANN001, ANN201, ANN202, C901, PLR0912, PLR0915
# numba infers the types of compiled functions from their arguments; long loops avoid the cost of calls.
"""The compiled loops of `fused`: sort the event rows, then aggregate the rows of each buyer."""

from __future__ import annotations

import numpy as np
from numba import njit

from simpersona.contracts import EVENT_NAMES

VIEW, COLLECTION, SEARCH, ADD, REMOVE, START, COMPLETE = (
    EVENT_NAMES.index(name)
    for name in (
        "product_viewed",
        "collection_viewed",
        "search_submitted",
        "product_added_to_cart",
        "product_removed_from_cart",
        "checkout_started",
        "checkout_completed",
    )
)
DAY = 86_400_000_000  # microseconds
COUNTS = (
    "session", "day", "view", "add", "start", "purchase", "search", "collection", "browse_only", "views", "orders",
    "known_orders", "known_carts",
)  # fmt: skip
"""The counts of `aggregate_rows`: sessions, active days, sessions with each kind of event, product views, orders;
orders in sessions whose order value is known, and sessions with a cart whose value is known."""
_SESSION_EVENTS = (VIEW, ADD, START, COMPLETE, SEARCH, COLLECTION)  # in the order of COUNTS
_ORDERS = _SESSION_EVENTS.index(COMPLETE)  # orders are counted by their ids, not by their events
_SESSION_INDEX = np.array(
    [_SESSION_EVENTS.index(e) if e in _SESSION_EVENTS and e != COMPLETE else -1 for e in range(len(EVENT_NAMES))]
)
SUMS = ("microseconds", "cart", "spent")

# the key of a row packs its event, product and row number into one integer: sorting by it sorts by all three
_EVENT_AT, _PRODUCT_AT = 59, 32
ROW = (1 << _PRODUCT_AT) - 1
PRODUCT = (1 << (_EVENT_AT - _PRODUCT_AT)) - 1
_SHORT = 48  # insertion sort is used for at most this many rows of a buyer
_MILLIONTH = 1e6  # sums are rounded to the millionth, as in `aggregate`


@njit(nogil=True, cache=True)
def scatter(buyer, time, event, product, next_index, rows):
    """Writes (time, key) of each row into the range of its buyer in `rows`."""
    for row in range(len(buyer)):
        owner = buyer[row]
        if owner >= 0:
            target = next_index[owner]
            next_index[owner] = target + 1
            rows[target, 0] = time[row]
            rows[target, 1] = (np.int64(event[row]) << _EVENT_AT) | (np.int64(product[row] + 1) << _PRODUCT_AT) | row


@njit(nogil=True, cache=True)
def sort_rows(rows, starts):
    """Sorts the rows of each buyer by time and key, in place."""
    for owner in range(len(starts) - 1):
        low, high = starts[owner], starts[owner + 1]
        if high - low > _SHORT:
            by_key = rows[low:high].copy()
            by_key = by_key[np.argsort(by_key[:, 1])]
            rows[low:high] = by_key[np.argsort(by_key[:, 0], kind="mergesort")]  # stable
            continue
        for right in range(low + 1, high):
            time, key = rows[right, 0], rows[right, 1]
            left = right - 1
            while left >= low and (rows[left, 0] > time or (rows[left, 0] == time and rows[left, 1] > key)):
                rows[left + 1, 0], rows[left + 1, 1] = rows[left, 0], rows[left, 1]
                left -= 1
            rows[left + 1, 0], rows[left + 1, 1] = time, key


@njit(nogil=True, cache=True)
def duplicate_candidates(rows):
    """Indices of the rows that share time, event and product with a neighbour."""
    indices = np.empty(len(rows), np.int64)
    count = 0
    before = False
    for index in range(len(rows)):
        after = (
            index + 1 < len(rows)
            and rows[index, 0] == rows[index + 1, 0]
            and rows[index, 1] >> _PRODUCT_AT == rows[index + 1, 1] >> _PRODUCT_AT
        )
        if before or after:
            indices[count] = index
            count += 1
        before = after
    return indices[:count].copy()


@njit(nogil=True, cache=True)
def aggregate_rows(rows, starts, gap, days, slot, line, value, order, orders):
    """Aggregates the sorted rows of each buyer: the counts in COUNTS, the sums in SUMS, and the product bags.

    A gap of more than `gap` microseconds starts a new session. `days` are local dates per row, empty for UTC.
    `slot`, `line`, `value` and `order` are those of `fused._Money`; `orders` is the number of order ids.
    """
    buyers, longest = len(starts) - 1, 0
    sizes = np.zeros(3, np.int64)
    for index in range(len(rows)):
        channel = _channel(rows[index, 1])
        if channel >= 0:
            sizes[channel] += 1
    for owner in range(buyers):
        longest = max(longest, starts[owner + 1] - starts[owner])
    counts, sums = np.zeros((buyers, len(COUNTS)), np.int64), np.zeros((buyers, len(SUMS)))
    bag_starts = np.zeros((3, buyers + 1), np.int64)
    bags = (np.empty(sizes[0], np.int32), np.empty(sizes[1], np.int32), np.empty(sizes[2], np.int32))
    seen = np.empty(longest, np.int64)  # channel and product of the buyer's events
    buyer_of_order, index_of_order = np.full(orders, -1, np.int64), np.zeros(orders, np.int64)
    order_values, line_sums = np.empty(longest), np.empty(longest)  # value and line sum of the current session's orders
    session_of_order = np.zeros(orders, np.int64)  # the session in which an order was first logged
    for owner in range(buyers):
        buyer_counts, buyer_sums = counts[owner], sums[owner]
        opened = last = day = unidentified = np.int64(-1)
        entries = np.int64(0)
        session = np.zeros(len(_SESSION_EVENTS), np.int64)  # events of the current session
        cart, priced = 0.0, False
        for index in range(starts[owner], starts[owner + 1]):
            key = rows[index, 1]
            if key < 0:  # dropped
                continue
            time, row, event = rows[index, 0], key & ROW, key >> _EVENT_AT
            if opened >= 0 and time - last > gap:
                _close(buyer_counts, buyer_sums, session, last - opened, cart, priced, order_values, line_sums)
                session[:] = 0
                cart, priced, opened, unidentified = 0.0, False, -1, -1
            opened, last = time if opened < 0 else opened, time
            today = days[row] if len(days) else time // DAY
            buyer_counts[1] += today != day
            day = today
            channel = _channel(key)
            if channel >= 0:
                seen[entries] = (np.int64(channel) << _PRODUCT_AT) | (((key >> _PRODUCT_AT) & PRODUCT) - 1)
                entries += 1
            if _SESSION_INDEX[event] >= 0:
                session[_SESSION_INDEX[event]] += 1
            if event in (ADD, REMOVE):
                if not np.isnan(line[slot[row]]):
                    cart += line[slot[row]] if event == ADD else -line[slot[row]]
                    priced = True
            elif event == COMPLETE:
                number = order[slot[row]]
                if number < 0:
                    target = unidentified
                elif buyer_of_order[number] != owner:
                    buyer_of_order[number], session_of_order[number], target = owner, buyer_counts[0], -1
                elif session_of_order[number] == buyer_counts[0]:
                    target = index_of_order[number]
                else:  # an order logged again in a later session counts once
                    continue
                if target < 0:
                    target = session[_ORDERS]
                    session[_ORDERS] += 1
                    order_values[target], line_sums[target] = np.nan, np.nan
                    if number < 0:
                        unidentified = target
                    else:
                        index_of_order[number] = target
                if np.isnan(line_sums[target]):
                    line_sums[target] = line[slot[row]]
                elif not np.isnan(line[slot[row]]):
                    line_sums[target] += line[slot[row]]
                order_values[target] = np.fmax(order_values[target], value[slot[row]])
        if opened >= 0:
            _close(buyer_counts, buyer_sums, session, last - opened, cart, priced, order_values, line_sums)
        _fill(seen[:entries], bags, bag_starts, owner)
    return (
        counts, sums, (bag_starts[0], bag_starts[1], bag_starts[2]),
        (bags[0][: bag_starts[0, -1]], bags[1][: bag_starts[1, -1]], bags[2][: bag_starts[2, -1]]),
    )  # fmt: skip


@njit(nogil=True, cache=True)
def _channel(key):
    """The index in CHANNELS of a row's product; -1 for a row without one."""
    if key < 0 or not (key >> _PRODUCT_AT) & PRODUCT:
        return -1
    event = key >> _EVENT_AT
    return 0 if event == VIEW else 1 if event == ADD else 2 if event == COMPLETE else -1


@njit(nogil=True, cache=True)
def _close(buyer_counts, buyer_sums, session, duration, cart, priced, order_values, line_sums):
    """Adds a finished session to the counts and sums of its buyer."""
    additions, bought = session[1], session[_ORDERS]
    buyer_counts[0] += 1
    for kind in range(len(session)):
        buyer_counts[2 + kind] += session[kind] > 0
    buyer_counts[8] += session[0] > 0 and additions + session[2] + bought == 0
    buyer_counts[9] += session[0]
    buyer_counts[10] += bought
    buyer_sums[0] += duration
    if additions and priced:
        buyer_sums[1] += max(_rounded(cart), 0.0)
        buyer_counts[12] += 1
    spent = 0.0
    for number in range(bought):
        spent += line_sums[number] if np.isnan(order_values[number]) else order_values[number]
    if not np.isnan(spent):  # an order without an amount makes the session's sum unknown
        buyer_sums[2] += _rounded(spent)
        buyer_counts[11] += bought


@njit(nogil=True, cache=True)
def _rounded(amount):
    """Rounds to the millionth, halves away from 0, as SQL does."""
    scaled = amount * _MILLIONTH
    whole = np.trunc(scaled)
    if abs(scaled - whole) >= 0.5:
        whole += np.sign(scaled)
    return whole / _MILLIONTH


@njit(nogil=True, cache=True)
def _fill(seen, bags, bag_starts, owner):
    """Appends the buyer's distinct products to the bags."""
    for channel in range(3):
        bag_starts[channel, owner + 1] = bag_starts[channel, owner]
    seen.sort()
    for index in range(len(seen)):
        if index == 0 or seen[index] != seen[index - 1]:
            channel, product = seen[index] >> _PRODUCT_AT, np.int32(seen[index] & ROW)
            target = bag_starts[channel, owner + 1]
            bag_starts[channel, owner + 1] = target + 1
            if channel == 0:
                bags[0][target] = product
            elif channel == 1:
                bags[1][target] = product
            else:
                bags[2][target] = product
