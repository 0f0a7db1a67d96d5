"""Tables of results, which the report and other tools read. The tables between earlier stages stand in `contracts`."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from simpersona.contracts import HEADS
from simpersona.tables import Contract, required
from simpersona.visits import ENDINGS

_text, _number, _count = pa.string(), pa.float64(), pa.int64()


TOKEN_PAIRS = Contract(
    "token pairs",
    pa.schema(
        [
            required("policy", _text),
            required("shop_id", _text),
            required("code", pa.int32()),
            required("stratum", _text),  # of the token
            required("sessions", _count),  # real ones of the store's buyers with this code
            required("episodes", _count),
            *[required(f"{side}_{rate}", _number) for side in ("real", "agent") for rate in ("atc", "purchase")],
            # ARA of each arm of Table 2; null where the arm has no rate
            *[(f"ara_{arm}", _number) for arm in ("correct", "all_mismatch", "one_random", "shop_mean")],
            *[(f"ara_{arm}", _number) for arm in ("token_mean", "no_token", "noise_ceiling")],
            ("purchase_is", _text),  # "order", or "checkout" where nothing may be ordered; null: an order
        ]
    ),
    key=("policy", "shop_id", "code"),
    added=("purchase_is",),
)
"""The (store, token) pairs whose mean is Table 2."""

SHOP_FIGURES = Contract(
    "shop figures",
    pa.schema(
        [
            required("policy", _text),
            required("shop_id", _text),
            required("episodes", _count),  # with a persona token
            required("sessions", _count),  # real ones, without bouncers'
            *[required(ending, _number) for ending in ENDINGS],  # shares of the episodes
            required("error", _number),  # share of visits that did not reach their goal
            *[
                (f"{side}_{rate}", _number)
                for side in ("real", "agent")
                for rate in ("add_to_cart", "checkout", "purchase")
            ],
        ]
    ),
    key=("policy", "shop_id"),
)
"""Endings and rates of each store and policy (Figure 8), real rates beside simulated ones."""

TASKS = Contract(
    "tasks",
    pa.schema(
        [
            required("task_id", _text),
            required("shop_id", _text),
            required("buyer_id", _text),
            required("session_id", _text),
            required("code", pa.int32()),
            required("kind", _text),  # "cart", "checkout" or "purchase"
            required("actions", _count),  # estimated number of actions
            required("goal", _text),
        ]
    ),
    key=("task_id",),
)
"""Shopping tasks derived from recorded sessions (3.4, App. J)."""

OUTCOMES = ("add_to_cart", "checkout_start", "purchase")
"""The outcomes of a visit; a later one includes those before it."""

PAIRS = Contract(
    "pairs",
    pa.schema(
        [
            required("shop_id", _text),
            required("buyer_id", _text),  # whose session gave the goal
            required("session_id", _text),
            ("code", pa.int32()),
            ("stratum", _text),
            *[(head, _text) for head in HEADS],  # the code's "low", "medium" or "high"
            required("weight", _number),  # 0: a visit of the pair broke off; else 1 on average in each store
            required("ending_a", _text),
            required("ending_b", _text),
            *[
                (f"{outcome}_{arm}", pa.bool_()) for outcome in OUTCOMES for arm in "ab"
            ],  # null: the store does not show it
        ]
    ),
    rules={"weight is not negative": lambda t: pc.greater_equal(t["weight"], 0)},
)
"""An experiment's pairs of visits: one row per synthetic buyer, who visits both variants of a store with the same seed."""
