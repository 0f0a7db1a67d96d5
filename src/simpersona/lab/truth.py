"""What is known of a generated world: the tables under `truth/`."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from simpersona.lab.shopper_types import INTENTS, ShopperType
from simpersona.tables import Contract

BOUNCER = "bouncer"
"""The name of one more type after the latent ones: sees one page and leaves."""


def _required(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


_text, _number, _count, _type = pa.string(), pa.float64(), pa.int64(), pa.int32()

TRUE_TYPES = Contract(
    "true types",
    pa.schema(
        [
            _required("type", _type),
            _required("name", _text),
            ("drive", _text),  # null in every axis: the bouncer
            ("engagement", _text),
            ("exploration", _text),
            ("price_level", _text),
            ("returns", _text),
            ("departments", pa.list_(_text)),
            ("buy_share", _number),  # of visits with the intent to buy
            ("visits_mean", _number),  # in 120 days
            ("dwell_factor", _number),
            ("focus", _number),  # share of looks that stay with the product type wanted
        ]
    ),
    key=("type",),
)
"""The latent types and their levels on the axes."""

TRUE_BUYERS = Contract(
    "true buyers",
    pa.schema(
        [
            _required("shop_id", _text),
            _required("buyer_id", _text),
            _required("type", _type),
            ("second_type", _type),  # of a buyer between two types
            _required("second_share", _number),  # of the visits made as the second type; below one half
        ]
    ),
    key=("shop_id", "buyer_id"),
)

TRUE_MIXES = Contract(
    "true mixes",
    pa.schema(
        [
            _required("shop_id", _text),
            _required("type", _type),
            _required("share", _number),  # planted
            _required("buyers", _count),  # drawn, by their first type
        ]
    ),
    key=("shop_id", "type"),
)

TRUE_RATES = Contract(
    "true rates",
    pa.schema(
        [
            _required("type", _type),
            _required("intent", _text),  # "browse", "buy", or "all" visits
            _required("add_to_cart_rate", _number),
            _required("checkout_start_rate", _number),
            _required("purchase_rate", _number),
            _required("events_mean", _number),
        ]
    ),
    key=("type", "intent"),
)
"""Per visit, exact from the chain: the share of visits with at least one, and the mean length."""

TRUE_SESSIONS = Contract(
    "true sessions",
    pa.schema(
        [
            _required("shop_id", _text),
            _required("buyer_id", _text),
            _required("session", _count),  # the buyer's first is 0
            _required("start", pa.timestamp("us", tz="UTC")),
            _required("events", _count),
            _required("type", _type),
            _required("intent", _text),
            ("wanted", _text),  # the product type; null for a bouncer
        ]
    ),
    key=("shop_id", "buyer_id", "session"),
)


def types_table(types: Sequence[ShopperType]) -> pa.Table:
    """TRUE_TYPES of these types and the bouncer."""
    rows = [
        {
            "type": one.number,
            "name": one.name,
            "drive": one.drive,
            "engagement": one.engagement,
            "exploration": one.exploration,
            "price_level": one.price_level,
            "returns": one.returns,
            "departments": list(one.departments),
            "buy_share": one.buy_share,
            "visits_mean": one.visits,
            "dwell_factor": one.dwell,
            "focus": one.focus,
        }
        for one in types
    ]
    return TRUE_TYPES.check(pa.Table.from_pylist([*rows, {"type": len(types), "name": BOUNCER}], TRUE_TYPES.schema))


def rates_table(types: Sequence[ShopperType]) -> pa.Table:
    """TRUE_RATES of these types and the bouncer."""
    rows = []
    for one in types:
        for intent in (None, *INTENTS):
            rates = one.rates(intent)
            rows.append(
                {
                    "type": one.number,
                    "intent": intent or "all",
                    "add_to_cart_rate": rates.add_to_cart,
                    "checkout_start_rate": rates.checkout_start,
                    "purchase_rate": rates.purchase,
                    "events_mean": rates.events,
                }
            )
    rows.append(
        {
            "type": len(types),
            "intent": "all",
            "add_to_cart_rate": 0.0,
            "checkout_start_rate": 0.0,
            "purchase_rate": 0.0,
            "events_mean": 1.0,
        }
    )
    return TRUE_RATES.check(pa.Table.from_pylist(rows, TRUE_RATES.schema))
