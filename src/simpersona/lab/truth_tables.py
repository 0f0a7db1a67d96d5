"""The ground truth of a generated world: the tables under `truth/`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields

import numpy as np
import pyarrow as pa

from simpersona.contracts import STRATA
from simpersona.lab.axes import INTENTS
from simpersona.lab.clientele import mean_visits
from simpersona.lab.effects import NAMED_VARIANTS
from simpersona.lab.expected_rates import BOUNCE, shop_rates, strata_shares, true_lift
from simpersona.lab.funnel import Habits, Rates
from simpersona.lab.shopper_types import ShopperType
from simpersona.lab.variants import PLAIN, Variant
from simpersona.tables import Contract, required

BOUNCER = "bouncer"
"""Name of the additional type after the latent types: views one page and leaves."""

_text, _number, _count, _type = pa.string(), pa.float64(), pa.int64(), pa.int32()

TRUE_TYPES = Contract(
    "true types",
    pa.schema(
        [
            required("type", _type),
            required("name", _text),
            ("drive", _text),  # the bouncer has null on every axis
            ("engagement", _text),
            ("exploration", _text),
            ("breadth", _text),
            ("price_level", _text),
            ("returns", _text),
            ("departments", pa.list_(_text)),
            ("buy_share", _number),  # share of visits with the intent to buy
            ("visits_mean", _number),  # in 120 days
            ("dwell_factor", _number),
            ("focus", _number),  # share of looks that stay with the wanted product type
        ]
    ),
    key=("type",),
)
"""The latent types and their levels on the axes."""

TRUE_BUYERS = Contract(
    "true buyers",
    pa.schema(
        [
            required("shop_id", _text),
            required("buyer_id", _text),
            required("type", _type),
            ("second_type", _type),  # of a buyer between two types, else null
            required("second_share", _number),  # share of the visits as the second type; below one half
        ]
    ),
    key=("shop_id", "buyer_id"),
)

TRUE_MIXES = Contract(
    "true mixes",
    pa.schema(
        [
            required("shop_id", _text),
            required("type", _type),
            required("share", _number),  # planted
            required("buyers", _count),  # drawn buyers, by their first type
        ]
    ),
    key=("shop_id", "type"),
)

TRUE_HABITS = Contract(
    "true habits",
    pa.schema(
        [
            required("type", _type),
            required("intent", _text),
            *(required(name, _number) for name in ("search", "collection", "product")),  # target of the next look
            *(required(field.name, _number) for field in fields(Habits) if field.name != "look"),
        ]
    ),
    key=("type", "intent"),
)
"""The transition probabilities in the world's variant; `lab/funnel.py` explains them."""

_RATES = ("add_to_cart", "checkout_start", "purchase")
_rate_fields = [required(f"{name}_rate", _number) for name in _RATES] + [required("events_mean", _number)]
_lift_fields = [required(f"{name}_lift", _number) for name in _RATES] + [required("events_lift", _number)]

TRUE_RATES = Contract(
    "true rates",
    pa.schema([required("type", _type), required("intent", _text), *_rate_fields]),  # intent: "browse", "buy", "all"
    key=("type", "intent"),
)
"""Exact values of the chain per visit, in the world's variant: shares of visits with such an event, and mean length."""

TRUE_EFFECTS = Contract(
    "true effects",
    pa.schema(
        [
            required("variant", _text),
            required("type", _type),
            required("intent", _text),
            *_rate_fields,
            *_lift_fields,
        ]
    ),
    key=("variant", "type", "intent"),
)
"""The same rates in each named variant (`lab/effects.py`); a lift is the rate minus the rate in the plain store."""

TRUE_LIFTS = Contract(
    "true lifts",
    pa.schema([required("shop_id", _text), required("variant", _text), *_lift_fields]),
    key=("shop_id", "variant"),
)
"""True lifts per visit to the shop, weighted by the planted mix and the visit frequency of each type."""

TRUE_SHOPS = Contract(
    "true shops",
    pa.schema(
        [
            required("shop_id", _text),
            required("buyers", _count),
            *(required(stratum, _number) for stratum in STRATA),  # expected shares of the buyers
            required("visits_mean", _number),  # per buyer
            *_rate_fields,
            *(required(name, pa.bool_()) for name in ("free_shipping_notice", "hidden_search", "one_page_checkout")),
            required("price_factor", _number),  # this and the flags before are the shop's variant
        ]
    ),
    key=("shop_id",),
)
"""The exact expected values of each shop with its planted mix, in the shop's variant."""

TRUE_SESSIONS = Contract(
    "true sessions",
    pa.schema(
        [
            required("shop_id", _text),
            required("buyer_id", _text),
            required("session", _count),  # number of the buyer's session, from 0
            required("start", pa.timestamp("us", tz="UTC")),
            required("events", _count),
            required("type", _type),
            required("intent", _text),
            ("wanted", _text),  # the wanted product type; null for a bouncer
            ("sought", _text),  # the wanted style or material with the type, for example "pleated skirt"
        ]
    ),
    key=("shop_id", "buyer_id", "session"),
)


def type_tables(types: Sequence[ShopperType], variant: Variant = PLAIN) -> dict[str, pa.Table]:
    """TRUE_TYPES, TRUE_HABITS, TRUE_RATES and TRUE_EFFECTS by file name."""
    return {
        "types": _types(types),
        "habits": _habits(types, variant),
        "rates": _rates(types, variant),
        "effects": _effects(types),
    }


def mix_table(shop_id: str, shares: np.ndarray, drawn: np.ndarray) -> pa.Table:
    """TRUE_MIXES of one shop: planted shares and drawn buyers by type."""
    count = len(shares)
    return TRUE_MIXES.check(
        pa.table({"shop_id": [shop_id] * count, "type": np.arange(count), "share": shares, "buyers": drawn})
    )


def shop_tables(
    mixes: pa.Table, types: Sequence[ShopperType], days: int, variants: Sequence[Variant]
) -> dict[str, pa.Table]:
    """TRUE_MIXES, TRUE_SHOPS and TRUE_LIFTS of all shops, by file name.

    TRUE_SHOPS and TRUE_LIFTS follow from the mixes and the shops' variants.
    """
    shops, lifts = [], []
    by_shop = mixes.to_pandas().groupby("shop_id", sort=False)
    for (shop, mix), variant in zip(by_shop, variants, strict=True):
        shares = mix["share"].to_numpy()
        strata = dict(zip(STRATA, strata_shares(shares, types, variant, days).tolist(), strict=True))
        shops.append(
            {
                "shop_id": shop,
                "buyers": int(mix["buyers"].sum()),
                **strata,
                "visits_mean": float(shares @ mean_visits(types, days)),
                **_rate_columns(shop_rates(shares, types, variant, days)),
                **asdict(variant),
            }
        )
        for name, named in NAMED_VARIANTS.items():
            lift = _lift_columns(true_lift(shares, types, PLAIN, named, days))
            lifts.append({"shop_id": shop, "variant": name, **lift})
    return {
        "mixes": mixes,
        "shops": TRUE_SHOPS.check(pa.Table.from_pylist(shops, TRUE_SHOPS.schema)),
        "lifts": TRUE_LIFTS.check(pa.Table.from_pylist(lifts, TRUE_LIFTS.schema)),
    }


def _types(types: Sequence[ShopperType]) -> pa.Table:
    rows = [
        {
            "type": shopper_type.number,
            "name": shopper_type.name,
            "drive": shopper_type.drive,
            "engagement": shopper_type.engagement,
            "exploration": shopper_type.exploration,
            "breadth": shopper_type.breadth,
            "price_level": shopper_type.price_level,
            "returns": shopper_type.returns,
            "departments": list(shopper_type.departments),
            "buy_share": shopper_type.buy_share,
            "visits_mean": shopper_type.visits,
            "dwell_factor": shopper_type.dwell,
            "focus": shopper_type.focus,
        }
        for shopper_type in types
    ]
    return TRUE_TYPES.check(pa.Table.from_pylist([*rows, {"type": len(types), "name": BOUNCER}], TRUE_TYPES.schema))


def _rates(types: Sequence[ShopperType], variant: Variant) -> pa.Table:
    rows = [
        {"type": shopper_type.number, "intent": intent or "all", **_rate_columns(shopper_type.rates(intent, variant))}
        for shopper_type in types
        for intent in (None, *INTENTS)
    ]
    rows.append({"type": len(types), "intent": "all", **_rate_columns(BOUNCE)})
    return TRUE_RATES.check(pa.Table.from_pylist(rows, TRUE_RATES.schema))


def _habits(types: Sequence[ShopperType], variant: Variant) -> pa.Table:
    rows = []
    for shopper_type in types:
        for intent in INTENTS:
            numbers = asdict(shopper_type.habits(intent, variant))
            looks = zip(("search", "collection", "product"), numbers.pop("look"), strict=True)
            rows.append({"type": shopper_type.number, "intent": intent, **dict(looks), **numbers})
    return TRUE_HABITS.check(pa.Table.from_pylist(rows, TRUE_HABITS.schema))


def _effects(types: Sequence[ShopperType]) -> pa.Table:
    rows = []
    for name, variant in NAMED_VARIANTS.items():
        for shopper_type in types:
            for intent in (None, *INTENTS):
                rates, plain_rates = shopper_type.rates(intent, variant), shopper_type.rates(intent)
                key = {"variant": name, "type": shopper_type.number, "intent": intent or "all"}
                rows.append(key | _rate_columns(rates) | _lift_columns(rates - plain_rates))
    return TRUE_EFFECTS.check(pa.Table.from_pylist(rows, TRUE_EFFECTS.schema))


def _rate_columns(rates: Rates) -> dict[str, float]:
    return {f"{name}_rate": getattr(rates, name) for name in _RATES} | {"events_mean": rates.events}


def _lift_columns(lift: Rates) -> dict[str, float]:
    return {f"{name}_lift": getattr(lift, name) for name in _RATES} | {"events_lift": lift.events}
