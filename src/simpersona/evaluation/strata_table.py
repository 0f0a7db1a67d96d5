"""Real against predicted strata, shop by shop: what Figure 6 draws. `recovery` has the divergences."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc

from simpersona.contracts import STRATA
from simpersona.evaluation.rates import BUYER

_FUNNEL = STRATA[:4]


def predicted_strata(
    buyers: pa.Table, assignments: pa.Table, train_shops: Collection[str]
) -> dict[str, dict[str, float]]:
    """Share of each stratum A-D that a shop's code mix predicts (Eq. 5), for every shop outside `train_shops`.

    A code's profile P(stratum | k) is counted over the buyers of the training shops. Bouncers are left out
    (REFERENCE 16); a shop's buyers with a code that no training buyer has are taken to be like its others, and a
    shop with no other buyers is left out.
    """
    joined = buyers.filter(pc.not_equal(buyers["stratum"], "E")).select([*BUYER, "stratum"])
    joined = joined.join(assignments, BUYER, join_type="inner")
    counts = joined.group_by(["shop_id", "code", "stratum"]).aggregate([([], "count_all")]).to_pylist()
    profiles: dict[int, dict[str, int]] = defaultdict(lambda: dict.fromkeys(_FUNNEL, 0))
    mixes: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for row in counts:
        if row["shop_id"] in train_shops:
            profiles[row["code"]][row["stratum"]] += row["count_all"]
        else:
            mixes[row["shop_id"]][row["code"]] += row["count_all"]
    predicted: dict[str, dict[str, float]] = {}
    for shop, mix in sorted(mixes.items()):
        known = {code: buyers_of for code, buyers_of in mix.items() if code in profiles}
        if known:
            predicted[shop] = {
                stratum: sum(
                    count * profiles[code][stratum] / sum(profiles[code].values()) for code, count in known.items()
                )
                / sum(known.values())
                for stratum in _FUNNEL
            }
    return predicted
