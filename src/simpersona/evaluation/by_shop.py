"""The figures of single pairs and stores, as tables: Table 2 is their mean, Figure 8 their bars."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simpersona.evaluation.alignment import Pair
from simpersona.evaluation.measurable import PurchaseIs, happened, share
from simpersona.evaluation.metrics_table import RATES
from simpersona.evaluation.tables import SHOP_FIGURES, TOKEN_PAIRS
from simpersona.visits import AS_MEANT, ENDINGS


def pairs_table(policy: str, pairs: Sequence[Pair], purchase: PurchaseIs = "order") -> pa.Table:
    """TOKEN_PAIRS of one policy; `purchase` says what its purchases are."""
    rows = []
    for pair in pairs:
        shares = {
            f"{side}_{outcome}": rate
            for side, rates in (("real", pair.real), ("agent", pair.played))
            for outcome, rate in zip(("atc", "purchase"), rates.shares.tolist(), strict=True)
        }
        ara = {f"ara_{arm}": float(scores.mean()) for arm, scores in pair.scores.items()}
        rows.append(
            {
                "policy": policy,
                "shop_id": pair.shop,
                "code": pair.code,
                "stratum": pair.stratum,
                "sessions": pair.real.trials,
                "episodes": pair.played.trials,
                "purchase_is": purchase,
                **shares,
                **{name: value if np.isfinite(value) else None for name, value in ara.items()},
            }
        )
    return TOKEN_PAIRS.check(pa.Table.from_pylist(rows, TOKEN_PAIRS.schema))


def shop_figures(policy: str, episodes: pa.Table, sessions: pa.Table) -> pa.Table:
    """SHOP_FIGURES of one policy, for the stores with visits that have a persona token. `sessions` are real, without bouncers'."""
    played = episodes.filter(pc.is_valid(episodes["code"]))
    rows = []
    for shop in sorted(played["shop_id"].unique().to_pylist()):
        sides = {
            side: table.filter(pc.equal(table["shop_id"], shop))
            for side, table in (("real", sessions), ("agent", played))
        }
        endings = np.asarray(sides["agent"]["ending"])
        rates = {f"{side}_{rate}": share(happened(visits, rate)) for side, visits in sides.items() for rate in RATES}
        rows.append(
            {
                "policy": policy,
                "shop_id": shop,
                "episodes": len(endings),
                "sessions": sides["real"].num_rows,
                **{ending: float((endings == ending).mean()) for ending in ENDINGS},
                "error": float((~np.isin(endings, AS_MEANT)).mean()),
                **rates,
            }
        )
    return SHOP_FIGURES.check(pa.Table.from_pylist(rows, SHOP_FIGURES.schema))
