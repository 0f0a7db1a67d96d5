"""Validation of raw event rows: reject reasons, duplicates, impossible amounts, and keyed hashes of ids."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis defines the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

import hashlib

import ibis
import ibis.expr.types as ir

from simpersona.contracts import EVENT_NAMES, REFUND_NAMES

DUPLICATE = "exact duplicate"
IGNORED = "ignored: "
"""Prefix of the reject reason of standard events that no stage uses; such rows are not malformed."""

NOBODY = (IGNORED + "no buyer", IGNORED + "no user_pseudo_id")
"""Starts of the reasons of rows that somebody caused whom the log does not name."""

UNKNOWN_NAME = "unknown event name"

PERSONAL = ("buyer_id", "session_id", "order_id")
"""Columns with ids that identify a person in the source's records."""
MONEY = ("price", "value")
AMOUNTS = (*MONEY, "quantity")

_DIGITS = 32  # hex digits of the hash: 128 bits, so that collisions do not occur in practice
_EARLIEST, _LATEST = ibis.timestamp("1970-01-01 00:00:00+00:00"), ibis.timestamp("2200-01-01 00:00:00+00:00")
_NAME = r"^[A-Za-z_]{1,40}\z"  # of an event; other text may come from another field and may be personal


def validate_rows(events: ibis.Table, *, keep_duplicates: bool) -> ibis.Table:
    """Adds the column `reason`: the reject reason, or null for a valid row.

    A row is valid if shop, buyer, time and event name are present and the event name is known. A refund needs no shop and
    no buyer if it names an order: a server sends it. Unless
    `keep_duplicates` is set, the second and later copies of an input row are rejected (REFERENCE 2). Rows from
    the same input row are accepted or rejected together.
    """
    names_order = events.event.isin(REFUND_NAMES).fill_null(False) & ~_blank(events.order_id)
    fault = ibis.cases(
        (_blank(events.shop_id) & ~names_order, "shop_id is missing"),
        (_blank(events.buyer_id) & ~names_order, "buyer_id is missing"),
        (events.time.isnull(), "time is missing or unreadable"),
        (~events.time.between(_EARLIEST, _LATEST), "time is not between 1970 and 2200"),
        (_blank(events.event), "event is missing"),
        (events.event.isin([*EVENT_NAMES, *REFUND_NAMES]), ibis.null("string")),
        (events.event.re_search(_NAME), UNKNOWN_NAME + ": " + events.event),
        else_=UNKNOWN_NAME,
    )
    validated = events.mutate(reason=fault)
    if keep_duplicates:
        return validated
    # the texts are long: compare only those whose hash repeats
    hashes = validated.select("file", "row", "part", "raw", mark=validated.raw.hash())
    repeated = hashes.group_by("mark", "part").aggregate(rows=hashes.count()).filter(ibis._.rows > 1)
    candidates = hashes.semi_join(repeated, ["mark", "part"])
    copy = ibis.row_number().over(
        group_by=[candidates.raw, candidates.part], order_by=[candidates.file, candidates.row]
    )
    copies = candidates.select(of_file="file", of_row="row", of_part="part", copy=copy).filter(ibis._.copy > 0)
    joined = validated.left_join(
        copies, [validated.file == copies.of_file, validated.row == copies.of_row, validated.part == copies.of_part]
    )
    duplicate = ibis.ifelse(joined.copy > 0, ibis.literal(DUPLICATE), ibis.null("string"))
    return joined.mutate(reason=ibis.coalesce(joined.reason, duplicate)).select(validated.columns)


def clear_impossible_amounts(events: ibis.Table) -> ibis.Table:
    """Sets impossible prices, order values and quantities to null.

    The boolean columns `impossible_price`, `impossible_value` and `impossible_quantity` mark the changed rows.
    """
    # not by `isnull` of the result: Ibis treats NaN as null on one engine and not on the other
    impossible = {name: (events[name] < 0) | (events[name] >= float("inf")) for name in MONEY}
    impossible["quantity"] = events.quantity < 1
    impossible = {f"impossible_{name}": condition.fill_null(False) for name, condition in impossible.items()}
    possible = {name: possible_or_null(events[name]) for name in MONEY}
    possible["quantity"] = ibis.ifelse(events.quantity > 0, events.quantity, None)
    return events.mutate(**possible, **impossible)


def possible_or_null(number: ir.NumericValue) -> ir.NumericValue:
    """The price or amount; null where it is negative or not finite."""
    return ibis.ifelse((number >= 0) & (number < float("inf")), number, None)


def hashed(source_id: ir.StringValue, key: bytes) -> ir.StringValue:
    """The keyed hash that replaces a source's id in every table; null for null. The Ibis form of `hashed_id`."""
    return (ibis.literal(key.hex()) + source_id).hexdigest("sha256").lower().left(_DIGITS)


def hashed_id(source_id: str, key: bytes) -> str:
    """The keyed hash of one id: the first 32 hex digits of SHA-256 over the key in hex and the id."""
    return hashlib.sha256((key.hex() + source_id).encode()).hexdigest()[:_DIGITS]


def _blank(text: ir.StringValue) -> ir.BooleanValue:
    return ~text.fill_null("").re_search(r"[^ \t\n\f\r]")  # several times faster than trimming
