"""The paper's own figures, to stand beside ours. Its models saw 39 shops, were scored on 42 others with 8.37 M
buyers, and had K = 256 codes and a 14 B language model: the same quantity, on other data and another scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from simpersona.contracts import ENDINGS, HEADS, LEVELS


@dataclass(frozen=True)
class PaperFigure:
    """A value as metrics.json has it (shares in 0..1) and the table it stands in."""

    value: float
    where: str


def _table(where: str, values: dict[str, float]) -> dict[str, PaperFigure]:
    return {key: PaperFigure(value, where) for key, value in values.items()}


def _alignment() -> dict[str, float]:
    rows = {
        "A": ((0.706, 0.496, 0.522), (0.742, 0.516, 0.537), (0.724, 0.506, 0.530)),
        "B": ((0.736, 0.465, 0.429), (0.760, 0.598, 0.544), (0.748, 0.532, 0.487)),
        "C": ((0.767, 0.438, 0.442), (0.674, 0.755, 0.720), (0.721, 0.597, 0.581)),
        "D": ((0.942, 0.653, 0.644), (0.965, 0.792, 0.769), (0.954, 0.723, 0.707)),
        "stratified": ((0.788, 0.513, 0.509), (0.785, 0.665, 0.643), (0.787, 0.589, 0.576)),
    }
    return {
        f"conversion.{stratum}.{outcome}.{arm}": value
        for stratum, outcomes in rows.items()
        for outcome, arms in zip(("atc", "purchase", "ara"), outcomes, strict=True)
        for arm, value in zip(("correct", "all_mismatch", "one_random"), arms, strict=True)
    }


def _separation() -> dict[str, float]:
    columns = (*LEVELS, "cohens_d", "welch_p", "kruskal_p", "permutation_p")
    rows = {
        "purchase": (0.06, 2.94, 7.25, 2.80, 5.5e-22, 4.5e-14, 1e-4),
        "engagement": (1.55, 2.00, 2.41, 0.76, 4.1e-3, 1.2e-2, 0.003),
        "exploration": (1.34, 1.29, 1.39, 0.10, 0.81, 0.78, 0.48),
    }
    tests = {
        f"separation.{head}.{column}": value
        for head in HEADS
        for column, value in zip(columns, rows[head], strict=True)
    }
    funnel = zip(product(LEVELS, ("add_to_cart", "checkout")), (0.01, 0.003, 0.294, 0.137, 0.72, 0.433), strict=True)
    return tests | {f"separation.funnel.{level}.{rate}": value for (level, rate), value in funnel}


def _outcomes() -> dict[str, float]:
    shares = {"two_stage": (0.835, 0.131, 0.012, 0.022), "single_stage": (0.828, 0.126, 0.0, 0.046)}
    return {
        f"outcomes.{training}.{ending}": value
        for training, values in shares.items()
        for ending, value in zip(ENDINGS, values, strict=True)
    }


PAPER: dict[str, PaperFigure] = (
    _table(
        "Table 1",
        {
            "clusters.vqvae.stratum_purity": 0.845,
            "clusters.vqvae.incompatible_codes": 0,
            "clusters.vqvae.incoherent_engagement": 0.005,
            "clusters.vqvae.incoherent_exploration": 0.0,
            "clusters.vqvae.incoherent_purchase": 0.0,
            "clusters.vqvae.pairwise_cosine": 0.774,
            "clusters.vqvae.calinski_harabasz": 206.5,
            "clusters.kmeans.stratum_purity": 0.789,
            "clusters.kmeans.incompatible_codes": 6,
            "clusters.kmeans.incoherent_engagement": 0.667,
            "clusters.kmeans.incoherent_exploration": 0.046,
            "clusters.kmeans.incoherent_purchase": 0.054,
            "clusters.kmeans.pairwise_cosine": 0.722,
            "clusters.kmeans.calinski_harabasz": 173.8,
        },
    )
    | _table(
        "App. B",
        {
            "population.js_mean": 0.054,
            "population.js_median": 0.045,
            "population.shops": 42,
            "population.shops_js_below_010": 36,
            "population.r2.intent_strength": 0.96,
            "population.r2.add_to_cart_rate": 0.95,
            "population.r2.checkout_rate": 0.90,
            "population.r2.browse_only_rate": 0.87,
        },
    )
    | _table("Table 2", _alignment())
    | _table("Table 3", _separation())
    | _table(
        "Table 4",
        {
            "tasks.lm.cart": 0.914,
            "tasks.lm.checkout": 0.769,
            "tasks.lm.purchase": 0.593,
            "tasks.lm.self_reported": 0.777,
            "tasks.lm.steps_mean": 14.9,
        },
    )
    | _table("Table 7", _outcomes())
    | _table(
        "Table 8",
        {
            "outcomes.two_stage.shop_error.std": 0.076,
            "outcomes.two_stage.shop_error.min": 0.022,
            "outcomes.two_stage.shop_error.max": 0.285,
            "outcomes.single_stage.shop_error.std": 0.139,
            "outcomes.single_stage.shop_error.min": 0.029,
            "outcomes.single_stage.shop_error.max": 0.713,
        },
    )
    | _table("App. F", {"outcomes.two_stage.shop_error.cv": 0.46, "outcomes.single_stage.shop_error.cv": 0.81})
    | _table(
        "Table 9",
        {
            "ablation.with_token.crash": 0.053,
            "ablation.no_token.crash": 0.156,
            "ablation.with_token.actions_mean": 11.1,
            "ablation.no_token.actions_mean": 9.1,
            "ablation.with_token.pages_mean": 3.9,
            "ablation.no_token.pages_mean": 3.6,
            "ablation.with_token.products_mean": 1.39,
            "ablation.no_token.products_mean": 1.29,
        },
    )
)
"""By key of metrics.json. A p value printed as "< 0.0001" stands as 1e-4."""
