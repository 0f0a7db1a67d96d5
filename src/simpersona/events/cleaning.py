"""Which raw events are kept, and why the others are not."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis makes the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

import hashlib

import ibis
import ibis.expr.types as ir

from simpersona.contracts import EVENT_NAMES

DUPLICATE = "exact duplicate"
IGNORED = "ignored: "
"""How a reason starts that is no fault of the row: an event of the standard that no stage uses."""

PERSONAL = ("buyer_id", "session_id", "order_id")
"""The columns whose ids lead back to a person in the source's own records."""
MONEY = ("price", "value")
AMOUNTS = (*MONEY, "quantity")

_DIGITS = 32  # of the hash: 128 bits, no two buyers meet
_EARLIEST, _LATEST = ibis.timestamp("1970-01-01 00:00:00+00:00"), ibis.timestamp("2200-01-01 00:00:00+00:00")
_NAME = r"^[A-Za-z_]{1,40}\z"  # of an event; anything else may be a field out of place, and personal


def judge(events: ibis.Table, *, keep_duplicates: bool) -> ibis.Table:
    """The raw events with a further column `reason`: null where a row is kept.

    A row is kept if shop, buyer, time and event name are there and the name is a known one, and, unless
    `keep_duplicates`, the same input row did not stand before it (REFERENCE 2). Rows that come from one
    input row are kept or rejected together.
    """
    fault = ibis.cases(
        (_blank(events.shop_id), "shop_id is missing"),
        (_blank(events.buyer_id), "buyer_id is missing"),
        (events.time.isnull(), "time is missing or unreadable"),
        (~events.time.between(_EARLIEST, _LATEST), "time is not between 1970 and 2200"),
        (_blank(events.event), "event is missing"),
        (events.event.isin(EVENT_NAMES), ibis.null("string")),
        (events.event.re_search(_NAME), "unknown event name: " + events.event),
        else_="unknown event name",
    )
    judged = events.mutate(reason=fault)
    if keep_duplicates:
        return judged
    # texts are long: only those whose hash occurs again are compared
    marked = judged.select("file", "row", "part", "raw", mark=judged.raw.hash())
    again = marked.group_by("mark", "part").aggregate(rows=marked.count()).filter(ibis._.rows > 1)
    alike = marked.semi_join(again, ["mark", "part"])
    copy = ibis.row_number().over(group_by=[alike.raw, alike.part], order_by=[alike.file, alike.row])
    copies = alike.select(of_file="file", of_row="row", of_part="part", copy=copy).filter(ibis._.copy > 0)
    told = judged.left_join(
        copies, [judged.file == copies.of_file, judged.row == copies.of_row, judged.part == copies.of_part]
    )
    duplicate = ibis.ifelse(told.copy > 0, ibis.literal(DUPLICATE), ibis.null("string"))
    return told.mutate(reason=ibis.coalesce(told.reason, duplicate)).select(judged.columns)


def without_impossible(events: ibis.Table) -> ibis.Table:
    """The events with impossible prices, order values and quantities set to null; `impossible_price` and so
    on say where.
    """
    # told without `isnull`: Ibis takes NaN for null on one engine and not on the other
    impossible = {name: (events[name] < 0) | (events[name] >= float("inf")) for name in MONEY}
    impossible["quantity"] = events.quantity < 1
    impossible = {f"impossible_{name}": found.fill_null(False) for name, found in impossible.items()}
    possible = {name: usable(events[name]) for name in MONEY}
    possible["quantity"] = ibis.ifelse(events.quantity > 0, events.quantity, None)
    return events.mutate(**possible, **impossible)


def usable(number: ir.NumericValue) -> ir.NumericValue:
    """The price or amount, null where it is negative or no finite number: such a one is as good as not given."""
    return ibis.ifelse((number >= 0) & (number < float("inf")), number, None)


def hashed(source_id: ir.StringValue, key: bytes) -> ir.StringValue:
    """The keyed hash that stands for a source's id in every table, null for null; `hashed_id` in Ibis."""
    return (ibis.literal(key.hex()) + source_id).hexdigest("sha256").lower().left(_DIGITS)


def hashed_id(source_id: str, key: bytes) -> str:
    """The same for one id: the first 32 hex digits of SHA-256 over the key in hex and the id."""
    return hashlib.sha256((key.hex() + source_id).encode()).hexdigest()[:_DIGITS]


def _blank(text: ir.StringValue) -> ir.BooleanValue:
    return ~text.fill_null("").re_search(r"[^ \t\n\f\r]")  # trimming takes several times longer
