"""Tables of results: what figures, pages and files of results are made from. Those between stages are in `contracts`."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from simpersona.contracts import HEADS
from simpersona.tables import Contract

_text, _number, _flag = pa.string(), pa.float64(), pa.bool_()

OUTCOMES = ("add_to_cart", "checkout_start", "purchase")
"""What a visit may come to; each holds the ones before it."""

PAIRS = Contract(
    "pairs",
    pa.schema(
        [
            pa.field("shop_id", _text, nullable=False),
            pa.field("buyer_id", _text, nullable=False),  # whose session gave the goal
            pa.field("session_id", _text, nullable=False),
            ("code", pa.int32()),
            ("stratum", _text),
            *[(head, _text) for head in HEADS],  # the code's "low", "medium" or "high"
            pa.field("weight", _number, nullable=False),  # 0: an arm's visit broke; else 1 on average in each shop
            pa.field("ending_a", _text, nullable=False),
            pa.field("ending_b", _text, nullable=False),
            *[(f"{outcome}_{arm}", _flag) for outcome in OUTCOMES for arm in "ab"],  # null: cannot be seen in the store
        ]
    ),
    rules={"weight is not negative": lambda t: pc.greater_equal(t["weight"], 0)},
)
"""An experiment's pairs of visits: one row per synthetic buyer, who visits both variants of a store with the same seed."""
