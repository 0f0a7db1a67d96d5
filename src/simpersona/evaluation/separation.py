"""Does the level that a head predicts for a persona show in its simulated visits? (3.3, Table 3)

A token's value is its mean score over its visits. Tokens are grouped by the level that a head predicts for their code, and the
groups are compared (REFERENCE 18).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float, Int
from scipy import stats

from simpersona.config import EvaluationConfig
from simpersona.contracts import HEADS, LEVELS, Metrics
from simpersona.evaluation.measurable import (
    AS_CHECKOUT,
    bought,
    floats,
    happened,
    joined,
    left_out,
    purchase_is,
    share,
    untold,
)
from simpersona.evaluation.metrics_file import MetricsBuilder

LOW, HIGH = 0, 2


def separation_metrics(
    episodes: pa.Table, head_levels: Int[np.ndarray, "codes 3"], config: EvaluationConfig, seed: int
) -> Metrics:
    """The keys separation.*: mean score per level, effect size and tests per head, and the funnel by purchase level.

    `head_levels[k]` are the levels (0 low, 1 medium, 2 high) predicted for code k, in the order of HEADS. A figure whose group
    has no token, or a test whose groups have fewer than two, is None with the reason.
    """
    played = episodes.filter(pc.is_valid(episodes["code"]))
    code = played["code"].to_numpy().astype(int)
    builder, purchase = MetricsBuilder(), purchase_is(played)
    scores = simulation_scores(played)
    for column, head in enumerate(HEADS):
        known = np.isfinite(scores[head])
        codes, values = token_means(code[known], scores[head][known])
        remark = left_out(int((~known).sum()), len(known))
        if head == "purchase" and purchase == "checkout":
            remark = joined(AS_CHECKOUT, remark)
        _put_head(builder, f"separation.{head}", values, head_levels[codes, column], config, seed, remark)
    _put_funnel(builder, played, head_levels[code, HEADS.index("purchase")])
    return builder.metrics()


def simulation_scores(episodes: pa.Table) -> dict[str, Float[np.ndarray, " n"]]:
    """One score per episode and head, nan where an event that it counts is unknown.

    engagement: actions taken. exploration: searches, collection views and product views. purchase: 8 with a purchase plus 3
    with an add to cart, the weights of App. E; a purchase is an order placed, or a checkout reached where nothing may be
    ordered.
    """
    views = [floats(episodes[f"{what}_count"]) for what in ("search", "collection_view", "product_view")]
    purchases = bought(episodes, purchase_is(episodes)).cast(pa.float64()).fill_null(0.0).to_numpy()
    added = floats(episodes["add_to_cart_count"])
    return {
        "engagement": np.asarray(episodes["steps"]).astype(float),
        "exploration": np.sum(views, axis=0, dtype=float),
        "purchase": 8.0 * purchases + 3.0 * (added > 0) + 0.0 * added,
    }


def token_means(
    code: Int[np.ndarray, " n"], score: Float[np.ndarray, " n"]
) -> tuple[Int[np.ndarray, " tokens"], Float[np.ndarray, " tokens"]]:
    """The codes that occur, and the mean score of each."""
    codes, index = np.unique(code, return_inverse=True)
    return codes, np.bincount(index, score, len(codes)) / np.maximum(np.bincount(index, minlength=len(codes)), 1)


def cohens_d(low: Float[np.ndarray, " n"], high: Float[np.ndarray, " m"]) -> float:
    """(mean of High − mean of Low) / pooled standard deviation (n − 1); nan without any spread."""
    degrees = len(low) + len(high) - 2
    spread = np.sqrt(((len(low) - 1) * low.var(ddof=1) + (len(high) - 1) * high.var(ddof=1)) / degrees)
    return float((high.mean() - low.mean()) / spread) if spread > 0 else float("nan")


def permutation_p(
    values: Float[np.ndarray, " tokens"], level: Int[np.ndarray, " tokens"], permutations: int, seed: int
) -> float:
    """The p value of |mean of High − mean of Low| over random permutations of the levels: (1 + hits) / (1 + n)."""
    rng = np.random.default_rng(seed)
    permuted = rng.permuted(np.broadcast_to(level, (permutations, len(level))), axis=1)
    gaps = np.abs(_means(values, permuted == HIGH) - _means(values, permuted == LOW))
    observed = abs(values[level == HIGH].mean() - values[level == LOW].mean())
    hits = int((gaps >= observed - 1e-12).sum())  # the order of a sum changes its last digit
    return (1 + hits) / (1 + permutations)


def _welch_p(low: np.ndarray, high: np.ndarray) -> float:
    sides = [part for group in (high, low) for part in (group.mean(), group.std(ddof=1), len(group))]
    return float(stats.ttest_ind_from_stats(*sides, equal_var=False).pvalue)  # a group may be constant


def _means(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    return (chosen @ values) / chosen.sum(axis=1)


def _put_head(
    builder: MetricsBuilder,
    key: str,
    values: np.ndarray,
    level: np.ndarray,
    config: EvaluationConfig,
    seed: int,
    remark: str,
) -> None:
    groups = [values[level == number] for number in range(len(LEVELS))]
    for name, group in zip(LEVELS, groups, strict=True):
        mean = group.mean() if len(group) else None
        missing = "" if len(group) else f"no simulated persona has the predicted level {name}"
        builder.put(f"{key}.{name}", mean, joined(missing, remark))
        builder.put(f"{key}.{name}_tokens", len(group))
    low, high = groups[LOW], groups[HIGH]
    why = _why_untested(groups)
    tests = {
        "cohens_d": lambda: cohens_d(low, high),
        "welch_p": lambda: _welch_p(low, high),
        "kruskal_p": lambda: stats.kruskal(*(group for group in groups if len(group))).pvalue,
        "permutation_p": lambda: permutation_p(values, level, config.permutations, seed),
    }
    for name, test in tests.items():
        builder.put(f"{key}.{name}", None if why else test(), joined(why, remark))


def _why_untested(groups: list[np.ndarray]) -> str:
    sizes = [len(group) for group in groups]
    if min(sizes[LOW], sizes[HIGH]) < 2:
        return f"needs two low and two high personas; visits were made by {sizes[0]} low, {sizes[1]} medium, {sizes[2]} high ones"
    if np.ptp(groups[LOW]) == 0 and np.ptp(groups[HIGH]) == 0:
        return "no spread within the low and the high personas: all of a group have the same score"
    return ""


def _put_funnel(builder: MetricsBuilder, episodes: pa.Table, level: np.ndarray) -> None:
    for number, name in enumerate(LEVELS):
        visits = episodes.filter(pa.array(level == number, pa.bool_()))
        builder.put(f"separation.funnel.{name}.episodes", visits.num_rows)
        for rate in ("add_to_cart", "checkout"):
            hits = happened(visits, rate)
            missing = untold(visits, f"{rate}_count") if rate == "add_to_cart" else ""
            if not visits.num_rows:
                missing = f"no visit has a persona with {name} predicted purchase level"
            remark = missing or left_out(hits.null_count, len(hits))
            builder.put(f"separation.funnel.{name}.{rate}", share(hits), remark)
