"""What is known of a generated world: the tables under `truth/`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields

import numpy as np
import pyarrow as pa

from simpersona.contracts import STRATA
from simpersona.lab.axes import INTENTS
from simpersona.lab.clientele import mean_visits
from simpersona.lab.effects import NAMED
from simpersona.lab.expected import BOUNCE, shop_rates, strata_shares, true_lift
from simpersona.lab.funnel import Habits, Rates
from simpersona.lab.shopper_types import ShopperType
from simpersona.lab.variants import PLAIN, Variant
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
            ("breadth", _text),
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

TRUE_HABITS = Contract(
    "true habits",
    pa.schema(
        [
            _required("type", _type),
            _required("intent", _text),
            *(_required(name, _number) for name in ("search", "collection", "product")),  # where one looks next
            *(_required(field.name, _number) for field in fields(Habits) if field.name != "look"),
        ]
    ),
    key=("type", "intent"),
)
"""The probabilities of every move, as `lab/funnel.py` explains them, in the variant that the world is of."""

_RATES = ("add_to_cart", "checkout_start", "purchase")
_rate_fields = [_required(f"{name}_rate", _number) for name in _RATES] + [_required("events_mean", _number)]
_lift_fields = [_required(f"{name}_lift", _number) for name in _RATES] + [_required("events_lift", _number)]

TRUE_RATES = Contract(
    "true rates",
    pa.schema([_required("type", _type), _required("intent", _text), *_rate_fields]),  # intent: "browse", "buy", "all"
    key=("type", "intent"),
)
"""Per visit, exact from the chain: the share of visits with at least one, and the mean length; in the world's variant."""

TRUE_EFFECTS = Contract(
    "true effects",
    pa.schema(
        [
            _required("variant", _text),
            _required("type", _type),
            _required("intent", _text),
            *_rate_fields,
            *_lift_fields,
        ]
    ),
    key=("variant", "type", "intent"),
)
"""The same rates in each named variant (lab/effects.py); a lift is the rate minus that in the plain store."""

TRUE_LIFTS = Contract(
    "true lifts",
    pa.schema([_required("shop_id", _text), _required("variant", _text), *_lift_fields]),
    key=("shop_id", "variant"),
)
"""Per visit to the shop, its planted mix and how often each type comes taken into account."""

TRUE_SHOPS = Contract(
    "true shops",
    pa.schema(
        [
            _required("shop_id", _text),
            _required("buyers", _count),
            *(_required(stratum, _number) for stratum in STRATA),  # expected shares of the buyers
            _required("visits_mean", _number),  # per buyer
            *_rate_fields,
            *(_required(name, pa.bool_()) for name in ("free_shipping_notice", "hidden_search", "one_page_checkout")),
            _required("price_factor", _number),  # the shop's variant
        ]
    ),
    key=("shop_id",),
)
"""What the planted mix makes of the shop, exact, in the shop's variant."""

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
            ("sought", _text),  # the wanted style or material, and the type: "pleated skirt"
        ]
    ),
    key=("shop_id", "buyer_id", "session"),
)


def type_tables(types: Sequence[ShopperType], variant: Variant = PLAIN) -> dict[str, pa.Table]:
    """TRUE_TYPES, TRUE_HABITS, TRUE_RATES and TRUE_EFFECTS by the names of their files."""
    return {
        "types": _types(types),
        "habits": _habits(types, variant),
        "rates": _rates(types, variant),
        "effects": _effects(types),
    }


def mix_table(shop_id: str, shares: np.ndarray, drawn: np.ndarray) -> pa.Table:
    """TRUE_MIXES of one shop: planted shares and buyers drawn, by the number of the type."""
    count = len(shares)
    return TRUE_MIXES.check(
        pa.table({"shop_id": [shop_id] * count, "type": np.arange(count), "share": shares, "buyers": drawn})
    )


def shop_tables(
    mixes: pa.Table, types: Sequence[ShopperType], days: int, variants: Sequence[Variant]
) -> dict[str, pa.Table]:
    """TRUE_MIXES of all shops, and TRUE_SHOPS and TRUE_LIFTS that follow from them and the shops' variants, by the names
    of their files.
    """
    shops, lifts = [], []
    by_shop = mixes.to_pandas().groupby("shop_id", sort=False)
    for (shop, own), variant in zip(by_shop, variants, strict=True):
        shares = own["share"].to_numpy()
        strata = dict(zip(STRATA, strata_shares(shares, types, variant, days).tolist(), strict=True))
        shops.append(
            {
                "shop_id": shop,
                "buyers": int(own["buyers"].sum()),
                **strata,
                "visits_mean": float(shares @ mean_visits(types, days)),
                **_rate_columns(shop_rates(shares, types, variant, days)),
                **asdict(variant),
            }
        )
        for name, changed in NAMED.items():
            lift = _lift_columns(true_lift(shares, types, PLAIN, changed, days))
            lifts.append({"shop_id": shop, "variant": name, **lift})
    return {
        "mixes": mixes,
        "shops": TRUE_SHOPS.check(pa.Table.from_pylist(shops, TRUE_SHOPS.schema)),
        "lifts": TRUE_LIFTS.check(pa.Table.from_pylist(lifts, TRUE_LIFTS.schema)),
    }


def _types(types: Sequence[ShopperType]) -> pa.Table:
    rows = [
        {
            "type": one.number,
            "name": one.name,
            "drive": one.drive,
            "engagement": one.engagement,
            "exploration": one.exploration,
            "breadth": one.breadth,
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


def _rates(types: Sequence[ShopperType], variant: Variant) -> pa.Table:
    rows = [
        {"type": one.number, "intent": intent or "all", **_rate_columns(one.rates(intent, variant))}
        for one in types
        for intent in (None, *INTENTS)
    ]
    rows.append({"type": len(types), "intent": "all", **_rate_columns(BOUNCE)})
    return TRUE_RATES.check(pa.Table.from_pylist(rows, TRUE_RATES.schema))


def _habits(types: Sequence[ShopperType], variant: Variant) -> pa.Table:
    rows = []
    for one in types:
        for intent in INTENTS:
            numbers = asdict(one.habits(intent, variant))
            looks = zip(("search", "collection", "product"), numbers.pop("look"), strict=True)
            rows.append({"type": one.number, "intent": intent, **dict(looks), **numbers})
    return TRUE_HABITS.check(pa.Table.from_pylist(rows, TRUE_HABITS.schema))


def _effects(types: Sequence[ShopperType]) -> pa.Table:
    rows = []
    for name, variant in NAMED.items():
        for one in types:
            for intent in (None, *INTENTS):
                there, here = one.rates(intent, variant), one.rates(intent)
                key = {"variant": name, "type": one.number, "intent": intent or "all"}
                rows.append(key | _rate_columns(there) | _lift_columns(there - here))
    return TRUE_EFFECTS.check(pa.Table.from_pylist(rows, TRUE_EFFECTS.schema))


def _rate_columns(rates: Rates) -> dict[str, float]:
    return {f"{name}_rate": getattr(rates, name) for name in _RATES} | {"events_mean": rates.events}


def _lift_columns(lift: Rates) -> dict[str, float]:
    return {f"{name}_lift": getattr(lift, name) for name in _RATES} | {"events_lift": lift.events}
