"""How visits end, and how evenly over stores (App. F, Tables 7 and 8)."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simpersona.contracts import Metrics
from simpersona.evaluation.metrics_file import MetricsBuilder
from simpersona.evaluation.metrics_table import OUTCOMES, SHOP_ERROR, TRAINING
from simpersona.visits import AS_MEANT, ENDINGS

Training = Literal["two_stage", "single_stage"]
"""How a language model was fine-tuned: in the two stages of the paper, or in the second one alone."""


def outcome_metrics(episodes: pa.Table, training: Training = "two_stage", remark: str = "") -> Metrics:
    """The keys outcomes.* of the visits with a persona token (EPISODES): the share of each ending, and the spread of the error rate
    over stores.

    They stand in the row of `training`; the other row is None. A `remark` says why visits of another training stand there: it becomes
    the note of the number of visits, and the reason of the other row. A store's error rate is its share of visits that did not reach their goal. The standard deviation is that of a
    sample of stores (n − 1); cv is std / mean.
    """
    played = episodes.filter(pc.is_valid(episodes["code"]))
    builder = MetricsBuilder()
    for row in TRAINING.labels:
        key = f"outcomes.{row}"
        if row == training:
            _put_endings(builder, key, played, remark)
            _put_shop_error(builder, f"{key}.shop_error", played)
        else:
            missing = remark or f"no {row.replace('_', '-')} model was trained"
            for name in (*OUTCOMES.names, *(f"shop_error.{name}" for name in SHOP_ERROR.names)):
                builder.put(f"{key}.{name}", None, missing)
    return builder.metrics()


def shop_errors(episodes: pa.Table) -> dict[str, float]:
    """The error rate of each store, by name."""
    shops, endings = np.asarray(episodes["shop_id"]), np.asarray(episodes["ending"])
    failed = ~np.isin(endings, AS_MEANT)
    return {shop: float(failed[shops == shop].mean()) for shop in sorted(set(shops.tolist()))}


def _put_endings(builder: MetricsBuilder, key: str, episodes: pa.Table, remark: str) -> None:
    endings = np.asarray(episodes["ending"])
    builder.put(f"{key}.episodes", len(endings), remark)
    for ending in ENDINGS:
        share = (endings == ending).mean() if len(endings) else None
        builder.put(f"{key}.{ending}", share, "" if len(endings) else "no visit with a persona token")


def _put_shop_error(builder: MetricsBuilder, key: str, episodes: pa.Table) -> None:
    errors = np.array(list(shop_errors(episodes).values()))
    none = "" if len(errors) else "no visit with a persona token"
    spread = errors.std(ddof=1) if len(errors) > 1 else None
    alone = "" if spread is not None else none or "needs two stores or more"
    builder.put(f"{key}.shops", len(errors))
    builder.put(f"{key}.mean", errors.mean() if len(errors) else None, none)
    builder.put(f"{key}.std", spread, alone)
    builder.put(f"{key}.min", errors.min() if len(errors) else None, none)
    builder.put(f"{key}.max", errors.max() if len(errors) else None, none)
    steady = alone or ("" if errors.mean() > 0 else "no visit failed")
    builder.put(f"{key}.cv", None if steady or spread is None else spread / errors.mean(), steady)
