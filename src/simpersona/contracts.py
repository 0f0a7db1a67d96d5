"""Every table and record that passes between stages. The records of a visit are in `visits`, pages and actions in `pages`.

Tables are declared as `tables.Contract` over Arrow types; records are frozen dataclasses. Event
names are those of Shopify's Web Pixels standard events, in every table and in the lab store's log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from simpersona.tables import Contract, required
from simpersona.visits import ENDINGS, GOAL_KINDS

if TYPE_CHECKING:
    import ibis

# --- events -----------------------------------------------------------------------------------

EVENT_NAMES = (
    "page_viewed",
    "product_viewed",
    "collection_viewed",
    "search_submitted",
    "product_added_to_cart",
    "product_removed_from_cart",
    "cart_viewed",
    "checkout_started",
    "checkout_completed",
)
REFUND_NAMES = ("order_refunded", "order_cancelled")
"""Names in a raw log of events that take back an order: by an amount, and in full. They reduce the order and are in no table."""

_text, _number, _count = pa.string(), pa.float64(), pa.int64()
_time = pa.timestamp("us", tz="UTC")


EVENTS = Contract(
    "events",
    pa.schema(
        [
            required("shop_id", _text),
            required("buyer_id", _text),
            ("session_id", _text),  # the source's own id; null where it has none
            required("time", _time),
            required("event", _text),
            ("product_id", _text),
            ("collection_id", _text),
            ("query", _text),
            ("price", _number),  # of one unit
            ("quantity", _count),
            ("order_id", _text),
            (
                "value",
                _number,
            ),  # the order's total before shipping and tax, less refunds, repeated on each of its lines
        ]
    ),
    rules={"event is a known name": lambda t: pc.is_in(t["event"], pa.array(EVENT_NAMES))},
)
"""One row per accepted event; a completed checkout has one row per line of the order."""

REJECTED = Contract(
    "rejected",
    pa.schema([required("file", _text), required("row", _count), required("reason", _text), ("raw", _text)]),
)
"""One row per input row set aside. `row` counts from 1, the header included; `raw` is null unless ids are kept."""

PRODUCTS = Contract(
    "products",
    pa.schema(
        [
            required("shop_id", _text),
            required("product_id", _text),
            required("title", _text),
            required("text", _text),  # what is embedded
            ("vendor", _text),
            ("product_type", _text),  # the category in plain words, plural where it can be: "skirts"
            ("price", _number),
            ("collection_ids", pa.list_(_text)),
            ("variants", pa.list_(_text)),
        ]
    ),
    key=("shop_id", "product_id"),
)

COLLECTIONS = Contract(
    "collections",
    pa.schema([required("shop_id", _text), required("collection_id", _text), required("title", _text)]),
    key=("shop_id", "collection_id"),
)


@dataclass(frozen=True)
class Capabilities:
    """What a source can tell. What it cannot is unknown (masked), never zero."""

    has_search: bool = False
    has_collection: bool = False
    has_checkout_start: bool = False
    has_price: bool = False
    has_session: bool = False
    has_text: bool = False
    has_cart: bool = True
    has_time: bool = True  # False: only the order of events is known, all of a session stand at one nominal moment


PROVENANCE = pa.schema(
    [
        required("file", _text),
        required("row", _count),
        required("part", _count),  # 0, 1, … where one input row gives several events rows
        ("seq", _count),  # the source's own order among events of one buyer at one time
        ("raw", _text),  # the input row as it stood
    ]
)
"""The columns that a raw event has beside those of EVENTS: where it comes from."""


CONVERTED = "converted"
"""Stands for the one currency that amounts were converted into, if the rates do not name it."""


@dataclass(frozen=True)
class RawLog:
    """What an event source gives: Ibis tables in the shape of EVENTS (before cleaning, so any column may
    be null, and with the columns of PROVENANCE; an event may also have one of REFUND_NAMES), REJECTED, PRODUCTS and COLLECTIONS, the number of input
    rows, and the source's capabilities. `rejected` may have a column `event`, the event of a row that a source could read. `warnings` are whole sentences: what the source could not read, or read by a guess,
    with the number of rows and the setting that changes it. `currencies` are the rows with an amount in each currency that the
    log names, before amounts in other currencies were converted or masked; `currency` is the one that most amounts are in, None
    where the log does not say, and `store_currencies` the one of each store, empty where no store names one.
    """

    events: ibis.Table
    rejected: ibis.Table
    products: ibis.Table
    collections: ibis.Table
    rows_in: int
    has: Capabilities
    warnings: tuple[str, ...] = ()
    currencies: Mapping[str, int] = field(default_factory=dict)
    currency: str | None = None
    store_currencies: Mapping[str, str | None] = field(default_factory=dict)


# --- sessions ---------------------------------------------------------------------------------

MOMENT = pa.struct(
    [
        ("time", _time),
        ("event", _text),
        ("product_id", _text),
        ("title", _text),
        ("product_type", _text),
        ("collection_id", _text),
        ("collection", _text),
        ("query", _text),
        ("price", _number),
        ("quantity", _count),
    ]
)
"""One event of a session with its semantic labels (Figure 3, B)."""

SESSIONS = Contract(
    "sessions",
    pa.schema(
        [
            required("shop_id", _text),
            required("buyer_id", _text),
            required("session_id", _text),
            required("start", _time),
            required("end", _time),
            required("duration_seconds", _number),
            *[
                required(f"{what}_count", _count)
                for what in (
                    "event",
                    "product_view",
                    "collection_view",
                    "search",
                    "add_to_cart",
                    "remove_from_cart",
                    "checkout_start",
                    "purchase",  # orders
                )
            ],
            ("cart_value", _number),  # additions minus removals, not below 0; null without prices
            ("order_value", _number),  # sum over the session's orders; null without prices
            ("timeline", pa.list_(MOMENT)),
        ]
    ),
    key=("shop_id", "buyer_id", "session_id"),
)
"""The enriched session table of Figure 3: (A) numeric columns, (B) the timeline."""


@dataclass(frozen=True)
class Moment:
    """One event of a recorded session; the fields of MOMENT that a replay needs."""

    event: str
    product_id: str | None = None
    title: str | None = None
    product_type: str | None = None
    collection_id: str | None = None
    collection: str | None = None
    query: str | None = None
    price: float | None = None
    quantity: int | None = None


@dataclass(frozen=True)
class RecordedSession:
    """One real session with its buyer's stratum and persona code."""

    shop_id: str
    buyer_id: str
    session_id: str
    stratum: str
    code: int
    timeline: tuple[Moment, ...]


# --- buyers -----------------------------------------------------------------------------------

STRATA = ("A", "B", "C", "D", "E")
"""Purchasers, checkout abandoners, cart builders, window shoppers, bouncers (2.1.1)."""

SCALAR_GROUPS: dict[str, tuple[str, ...]] = {  # REFERENCE 1
    "exposure": (
        "session_count",
        "active_day_count",
        "product_view_session_count",
        "add_to_cart_session_count",
        "checkout_start_session_count",
        "purchase_session_count",
        "search_session_count",
        "collection_session_count",
    ),
    "engagement": ("duration_seconds", "product_view_count"),
    "funnel": ("add_to_cart_rate", "checkout_rate", "browse_only_rate"),
    "intent": ("intent_strength",),
    "dollars": ("mean_cart_value", "mean_order_value"),
}
SCALARS = tuple(name for group in SCALAR_GROUPS.values() for name in group)
CHANNELS = ("viewed", "carted", "purchased")

BUYERS = Contract(
    "buyers",
    pa.schema(
        [
            required("shop_id", _text),
            required("buyer_id", _text),
            required("stratum", _text),
            *[(name, _number) for name in SCALARS],  # raw; null where the source cannot tell
            *[required(f"has_{channel}", pa.bool_()) for channel in CHANNELS],
            *[(channel, pa.list_(_text)) for channel in CHANNELS],  # distinct product ids
        ]
    ),
    key=("shop_id", "buyer_id"),
    rules={"stratum is A-E": lambda t: pc.is_in(t["stratum"], pa.array(STRATA))},
)

# --- personas ---------------------------------------------------------------------------------

HEADS = ("engagement", "exploration", "purchase")
LEVELS = ("low", "medium", "high")

ASSIGNMENTS = Contract(
    "assignments",
    pa.schema([required("shop_id", _text), required("buyer_id", _text), required("code", pa.int32())]),
    key=("shop_id", "buyer_id"),
)

MIX = Contract(
    "mix",
    pa.schema(
        [
            required("shop_id", _text),
            required("code", pa.int32()),
            required("share", _number),
            required("buyers", _count),
            ("low", _number),  # of the share's 95 % interval
            ("high", _number),
        ]
    ),
    key=("shop_id", "code"),
    rules={"share is in 0..1": lambda t: pc.and_(pc.greater_equal(t["share"], 0), pc.less_equal(t["share"], 1))},
)
"""Eq. 4: a shop's population over the codes; only codes with a buyer have a row."""

TYPE_SHARE = pa.struct([required("product_type", _text), required("share", _number), required("lift", _number)])
"""A product type, the share of a code's viewers who viewed one of it, and that share over the one of all viewers."""

CARDS = Contract(
    "cards",
    pa.schema(
        [
            required("code", pa.int32()),
            required("buyers", _count),
            required("shops", _count),
            required("shop_share", _number),  # of its buyers, in the shop that has the most of them
            required("stratum", _text),  # the most common one
            required("stratum_share", _number),
            *[required(f"share_{stratum}", _number) for stratum in STRATA],
            *[required(head, _text) for head in HEADS],  # "low", "medium" or "high"
            *[(name, _number) for name in SCALARS],  # mean raw value
            *[(f"{name}_percentile", _number) for name in SCALARS],  # 0..100; 50: like everybody
            (
                "product_types",
                pa.list_(TYPE_SHARE),
            ),  # the most viewed, the first first; null where the catalogue has none
            ("session", _text),  # the typical one in words; null where no session is known
            required("summary", _text),  # in plain words
        ]
    ),
    key=("code",),
)


def persona_token(code: int) -> str:
    """How a persona code is spelled in prompts and in the tokenizer (REFERENCE 22)."""
    return f"<|persona_{code}|>"


# --- episodes ---------------------------------------------------------------------------------

INFERRED_EVENT = pa.struct(
    [
        required("event", _text),
        required("evidence", _text),  # one of `shopper.observed.EVIDENCE`
        required("step", pa.int32()),
        ("product_id", _text),
        ("collection_id", _text),
        ("query", _text),
    ]
)
"""One event that was inferred from a visit, and the evidence that it rests on."""

EPISODES = Contract(
    "episodes",
    pa.schema(
        [
            required("episode_id", _text),
            required("shop_id", _text),
            required("buyer_id", _text),
            required("session_id", _text),
            ("code", pa.int32()),  # null: no persona token
            ("intent", _text),
            required("goal", _text),
            ("wish", _text),  # the kind of product that the goal asks for; null where its text alone says it
            ("wish_of_store", pa.bool_()),  # whether the store's pages name the wish, because the session names none
            required("policy", _text),
            required("seed", _count),
            required("ending", _text),
            ("error_kind", _text),
            ("error", _text),
            required("steps", _count),
            required("pages", _count),  # distinct addresses seen
            required("prompt_tokens", _count),
            required("reply_tokens", _count),
            required("seconds", _number),
            # from the store's own event log, or inferred (`inferred`); null: unknown, or cannot happen there
            *[
                (f"{what}_count", _count)
                for what in (
                    "product_view",
                    "collection_view",
                    "search",
                    "add_to_cart",
                    "checkout_start",
                    "purchase",
                )
            ],
            ("products", pa.list_(_text)),  # distinct ids viewed
            ("views", pa.list_(_text)),  # the product id of every view, in order
            ("additions", pa.list_(_text)),  # the product id of every addition to the cart, in order
            ("verified", pa.bool_()),  # null: not judged
            ("verdict", _text),
            ("inferred", pa.list_(_text)),  # columns whose values are inferred; null or empty: the store recorded them
            ("inferred_events", pa.list_(INFERRED_EVENT)),  # the events that they are counted from; null: recorded
        ]
    ),
    key=("episode_id",),
    added=("wish_of_store", "views", "additions", "inferred", "inferred_events"),
    rules={"ending is one of five": lambda t: pc.is_in(t["ending"], pa.array(ENDINGS))},
)

NODE = pa.struct(
    [
        required("id", _text),
        required("role", _text),
        required("name", _text),
        required("value", _text),
        required("options", pa.list_(_text)),
        required("depth", pa.int32()),
        ("detail", _text),
        ("purpose", _text),
        ("methods", pa.list_(_text)),
    ]
)
"""One node of a page; the fields of `pages.Node`. Runs of before there were `detail`, `purpose` and `methods` lack these."""

EFFECT = pa.struct(
    [required("event", _text), required("source", _text), ("product_id", _text), ("accepted", pa.bool_())]
)
"""The fields of `pages.Effect`."""

CONTENT = pa.struct(
    [
        ("declared", _text),
        ("product_id", _text),
        ("prices", pa.int32()),
        ("add_controls", pa.int32()),
        ("cards", pa.int32()),
        ("tiles", pa.int32()),
        ("cart_count", pa.int32()),
        ("cart_quantity", pa.int32()),
        ("cart_total", _number),
        ("complains", pa.bool_()),
    ]
)
"""The fields of `pages.PageContent`."""

STEPS = Contract(
    "steps",
    pa.schema(
        [
            required("episode_id", _text),
            required("step", _count),
            required("url", _text),
            required("title", _text),
            required("tree", _text),
            required("nodes", pa.list_(NODE)),  # the page as structure; `tree` is rendered from it
            required("goes_back", pa.bool_()),
            ("failure", _text),  # why the action before could not be performed
            required("should_end", pa.bool_()),
            ("node", _text),
            ("method", _text),
            ("description", _text),
            ("arguments", pa.list_(_text)),
            ("stands_for", _text),  # the product that was looked for, where another one was taken
            required("reasoning", _text),
            required("result", _text),
            ("troubles", pa.list_(_text)),
            required("seconds", _number),
            # where a language model acted; `shopper.records.sent_prompts` renders what it was sent
            ("prompt_tokens", _count),
            ("reply_tokens", _count),
            ("reply", _text),  # as it came
            ("refused", _text),  # why the answer before that one could not be used
            # evidence of what happened in a store without an event log; null in a store that has one
            ("effects", pa.list_(EFFECT)),  # of the action before this page
            ("content", CONTENT),
        ]
    ),
    key=("episode_id", "step"),
    added=("effects", "content"),
)
"""One row per step. `shopper.records.read_episodes` reads the rows back as records."""

SPLITS = ("train", "validation")

TRAINING_GOALS = Contract(
    "goals",
    pa.schema(
        [
            required("episode_id", _text),
            required("kind", _text),  # of the goal, one of `visits.GOAL_KINDS`
            required("split", _text),
            required("goal", _text),
            ("intent", _text),
            ("wish", _text),
        ]
    ),
    key=("episode_id", "kind"),
    rules={
        "split is train or validation": lambda t: pc.is_in(t["split"], pa.array(SPLITS)),
        "kind is neutral, intent or instructions": lambda t: pc.is_in(t["kind"], pa.array(GOAL_KINDS)),
    },
)
"""The verified visits that are training examples, and their goals, one row for each kind. Very long instructions are left out."""

# --- results ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Metrics:
    """Flat figures for metrics.json. A key that could not be computed is None, with its reason in `notes`."""

    values: dict[str, Any]
    notes: dict[str, str]

    def __or__(self, other: Metrics) -> Metrics:
        return Metrics(self.values | other.values, self.notes | other.notes)
