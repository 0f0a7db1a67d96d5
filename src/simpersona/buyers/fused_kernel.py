# ruff: noqa: ANN001, ANN201, ANN202, C901, PLR0912, PLR0915
# numba gives compiled functions their types from their arguments, and a loop that calls little is a fast one.
"""The compiled loops of `fused`: rows of events into order, then one walk over each buyer's."""

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
)  # fmt: skip
"""What `walk` counts: sessions, active days, sessions with each kind of event, product views, orders."""
_HERE = (VIEW, ADD, START, COMPLETE, SEARCH, COLLECTION)  # in the order of COUNTS
_ORDERS = _HERE.index(COMPLETE)  # are counted by their ids
_PLACE = np.array([_HERE.index(e) if e in _HERE and e != COMPLETE else -1 for e in range(len(EVENT_NAMES))])
SUMS = ("microseconds", "cart", "spent")

# one number says what an event is, with which product, and its row: sorting sorts by all three
_EVENT_AT, _PRODUCT_AT = 59, 32
ROW = (1 << _PRODUCT_AT) - 1
PRODUCT = (1 << (_EVENT_AT - _PRODUCT_AT)) - 1
_SHORT = 48  # rows of a buyer that are sorted by insertion
_MILLIONTH = 1e6  # to which sums are rounded, as in the definition


@njit(nogil=True, cache=True)
def scatter(buyer, time, event, product, place, rows):
    for row in range(len(buyer)):
        owner = buyer[row]
        if owner >= 0:
            to = place[owner]
            place[owner] = to + 1
            rows[to, 0] = time[row]
            rows[to, 1] = (np.int64(event[row]) << _EVENT_AT) | (np.int64(product[row] + 1) << _PRODUCT_AT) | row


@njit(nogil=True, cache=True)
def sort_rows(rows, starts):
    for owner in range(len(starts) - 1):
        low, high = starts[owner], starts[owner + 1]
        if high - low > _SHORT:
            mine = rows[low:high].copy()
            mine = mine[np.argsort(mine[:, 1])]
            rows[low:high] = mine[np.argsort(mine[:, 0], kind="mergesort")]  # stable
            continue
        for right in range(low + 1, high):
            time, what = rows[right, 0], rows[right, 1]
            left = right - 1
            while left >= low and (rows[left, 0] > time or (rows[left, 0] == time and rows[left, 1] > what)):
                rows[left + 1, 0], rows[left + 1, 1] = rows[left, 0], rows[left, 1]
                left -= 1
            rows[left + 1, 0], rows[left + 1, 1] = time, what


@njit(nogil=True, cache=True)
def twins(rows):
    """Places of the rows that share time, event and product with a neighbour."""
    places = np.empty(len(rows), np.int64)
    count = 0
    before = False
    for place in range(len(rows)):
        after = (
            place + 1 < len(rows)
            and rows[place, 0] == rows[place + 1, 0]
            and rows[place, 1] >> _PRODUCT_AT == rows[place + 1, 1] >> _PRODUCT_AT
        )
        if before or after:
            places[count] = place
            count += 1
        before = after
    return places[:count].copy()


@njit(nogil=True, cache=True)
def walk(rows, starts, gap, days, slot, line, value, order, orders):
    """Of each buyer: the counts in COUNTS, the sums in SUMS, and the bags."""
    buyers, most = len(starts) - 1, 0
    sizes = np.zeros(3, np.int64)
    for place in range(len(rows)):
        channel = _channel(rows[place, 1])
        if channel >= 0:
            sizes[channel] += 1
    for owner in range(buyers):
        most = max(most, starts[owner + 1] - starts[owner])
    counts, sums = np.zeros((buyers, len(COUNTS)), np.int64), np.zeros((buyers, len(SUMS)))
    bag_starts = np.zeros((3, buyers + 1), np.int64)
    bags = (np.empty(sizes[0], np.int32), np.empty(sizes[1], np.int32), np.empty(sizes[2], np.int32))
    seen = np.empty(most, np.int64)  # channel and product of the buyer's events
    owner_of, slot_of = np.full(orders, -1, np.int64), np.zeros(orders, np.int64)
    worth, lines = np.empty(most), np.empty(most)  # of the orders of a session
    first_of = np.zeros(orders, np.int64)  # the session that an order was first told in
    for owner in range(buyers):
        mine, money = counts[owner], sums[owner]
        opened = last = day = nameless = np.int64(-1)
        noted = np.int64(0)
        here = np.zeros(len(_HERE), np.int64)  # of the session
        cart = 0.0
        for place in range(starts[owner], starts[owner + 1]):
            what = rows[place, 1]
            if what < 0:  # dropped
                continue
            time, row, event = rows[place, 0], what & ROW, what >> _EVENT_AT
            if opened >= 0 and time - last > gap:
                _close(mine, money, here, last - opened, cart, worth, lines)
                here[:] = 0
                cart, opened, nameless = 0.0, -1, -1
            opened, last = time if opened < 0 else opened, time
            today = days[row] if len(days) else time // DAY
            mine[1] += today != day
            day = today
            channel = _channel(what)
            if channel >= 0:
                seen[noted] = (np.int64(channel) << _PRODUCT_AT) | (((what >> _PRODUCT_AT) & PRODUCT) - 1)
                noted += 1
            if _PLACE[event] >= 0:
                here[_PLACE[event]] += 1
            if event in (ADD, REMOVE):
                cart += line[slot[row]] if event == ADD else -line[slot[row]]
            elif event == COMPLETE:
                number = order[slot[row]]
                if number < 0:
                    to = nameless
                elif owner_of[number] != owner:
                    owner_of[number], first_of[number], to = owner, mine[0], -1
                elif first_of[number] == mine[0]:
                    to = slot_of[number]
                else:  # told again in a later session, it is the same order
                    continue
                if to < 0:
                    to = here[_ORDERS]
                    here[_ORDERS] += 1
                    worth[to], lines[to] = np.nan, 0.0
                    if number < 0:
                        nameless = to
                    else:
                        slot_of[number] = to
                lines[to] += line[slot[row]]
                worth[to] = np.fmax(worth[to], value[slot[row]])
        if opened >= 0:
            _close(mine, money, here, last - opened, cart, worth, lines)
        _fill(seen[:noted], bags, bag_starts, owner)
    return (
        counts, sums, (bag_starts[0], bag_starts[1], bag_starts[2]),
        (bags[0][: bag_starts[0, -1]], bags[1][: bag_starts[1, -1]], bags[2][: bag_starts[2, -1]]),
    )  # fmt: skip


@njit(nogil=True, cache=True)
def _channel(what):
    """The number in CHANNELS that a row's product goes to; -1 without."""
    if what < 0 or not (what >> _PRODUCT_AT) & PRODUCT:
        return -1
    event = what >> _EVENT_AT
    return 0 if event == VIEW else 1 if event == ADD else 2 if event == COMPLETE else -1


@njit(nogil=True, cache=True)
def _close(mine, money, here, lasted, cart, worth, lines):
    additions, bought = here[1], here[_ORDERS]
    mine[0] += 1
    for kind in range(len(here)):
        mine[2 + kind] += here[kind] > 0
    mine[8] += here[0] > 0 and additions + here[2] + bought == 0
    mine[9] += here[0]
    mine[10] += bought
    money[0] += lasted
    if additions:
        money[1] += max(_rounded(cart), 0.0)
    spent = 0.0
    for number in range(bought):
        spent += lines[number] if np.isnan(worth[number]) else worth[number]
    money[2] += _rounded(spent)


@njit(nogil=True, cache=True)
def _rounded(amount):
    """To the millionth, halves away from 0, as SQL rounds."""
    scaled = amount * _MILLIONTH
    whole = np.trunc(scaled)
    if abs(scaled - whole) >= 0.5:
        whole += np.sign(scaled)
    return whole / _MILLIONTH


@njit(nogil=True, cache=True)
def _fill(seen, bags, bag_starts, owner):
    """The buyer's distinct products into the bags."""
    for channel in range(3):
        bag_starts[channel, owner + 1] = bag_starts[channel, owner]
    seen.sort()
    for place in range(len(seen)):
        if place == 0 or seen[place] != seen[place - 1]:
            channel, product = seen[place] >> _PRODUCT_AT, np.int32(seen[place] & ROW)
            at = bag_starts[channel, owner + 1]
            bag_starts[channel, owner + 1] = at + 1
            if channel == 0:
                bags[0][at] = product
            elif channel == 1:
                bags[1][at] = product
            else:
                bags[2][at] = product
