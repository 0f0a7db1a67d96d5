"""How episodes end, and how evenly over shops (App. F, Tables 7 and 8)."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simpersona.contracts import ENDINGS, Metrics
from simpersona.evaluation.metrics import Findings

Training = Literal["two_stage", "single_stage"]
SPREAD = ("shops", "mean", "std", "min", "max", "cv")
TRAININGS: tuple[Training, ...] = ("two_stage", "single_stage")


def outcome_metrics(episodes: pa.Table, training: Training = "two_stage") -> Metrics:
    """The keys outcomes.*: the share of each ending and the spread of the error rate over shops, for the
    episodes with a persona token; the training that was not run is None with the reason.

    A shop's error rate is its share of episodes that did not reach their goal. The standard deviation is
    that of a sample of shops (n − 1); cv is std / mean.
    """
    played = episodes.filter(pc.is_valid(episodes["code"]))
    found = Findings()
    for other in TRAININGS:
        if other == training:
            _put_endings(found, f"outcomes.{other}", played)
            _put_shop_error(found, f"outcomes.{other}.shop_error", played)
        else:
            for name in ("episodes", *ENDINGS, *(f"shop_error.{what}" for what in SPREAD)):
                found.put(f"outcomes.{other}.{name}", None, f"no {other.replace('_', '-')} model was trained")
    return found.metrics()


def shop_errors(episodes: pa.Table) -> dict[str, float]:
    """The error rate of each shop, by name."""
    shops, endings = np.asarray(episodes["shop_id"]), np.asarray(episodes["ending"])
    return {shop: float((endings[shops == shop] != "goal_reached").mean()) for shop in sorted(set(shops.tolist()))}


def _put_endings(found: Findings, key: str, episodes: pa.Table) -> None:
    endings = np.asarray(episodes["ending"])
    found.put(f"{key}.episodes", len(endings))
    for ending in ENDINGS:
        share = (endings == ending).mean() if len(endings) else None
        found.put(f"{key}.{ending}", share, "" if len(endings) else "no episode with a token")


def _put_shop_error(found: Findings, key: str, episodes: pa.Table) -> None:
    errors = np.array(list(shop_errors(episodes).values()))
    none = "" if len(errors) else "no episode with a token"
    spread = errors.std(ddof=1) if len(errors) > 1 else None
    alone = "" if spread is not None else none or "needs two shops or more"
    found.put(f"{key}.shops", len(errors))
    found.put(f"{key}.mean", errors.mean() if len(errors) else None, none)
    found.put(f"{key}.std", spread, alone)
    found.put(f"{key}.min", errors.min() if len(errors) else None, none)
    found.put(f"{key}.max", errors.max() if len(errors) else None, none)
    steady = alone or ("" if errors.mean() > 0 else "no episode failed")
    found.put(f"{key}.cv", None if steady or spread is None else spread / errors.mean(), steady)
