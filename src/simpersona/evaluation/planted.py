"""Whether codes recover the buyer types that a generated world planted (lab only)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Shaped
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from simpersona.contracts import Metrics


def planted_metrics(codes: Shaped[np.ndarray, " n"], types: Shaped[np.ndarray, " n"]) -> Metrics:
    """`planted.adjusted_rand` (0 by chance, 1 when they agree) and `planted.normalized_mutual_information`
    (0 to 1) between the buyers' codes and their true types, in the same order.
    """
    if not len(codes):
        keys = ("planted.adjusted_rand", "planted.normalized_mutual_information")
        return Metrics(dict.fromkeys(keys), dict.fromkeys(keys, "there are no buyers with a known type"))
    return Metrics(
        {
            "planted.adjusted_rand": float(adjusted_rand_score(types, codes)),
            "planted.normalized_mutual_information": float(normalized_mutual_info_score(types, codes)),
        },
        {},
    )
