"""Every key of metrics.json: what must be there, how a figure is recorded, how the file is written.

A figure that could not be computed is None and carries its reason, so that a reader of the file sees
the difference between "zero" and "not known".
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import product
from typing import Any

import numpy as np

from simpersona.contracts import ENDINGS, HEADS, LEVELS, SCALARS, STRATA, Metrics

ARMS = ("correct", "all_mismatch", "one_random", "shop_mean", "token_mean", "no_token")
"""Whose rate stands beside the real one: the agent's with the matched token, and its baselines."""
OUTCOMES = ("atc", "purchase", "ara")
RATES = ("add_to_cart", "checkout", "purchase")
SIZES = ("pairs", "shops", "episodes", "sessions")
"""How many of each a row of Table 2 stands on."""
DEPTHS = (
    "real_mean",
    "agent_mean",
    "real_deciles",
    "agent_deciles",
    "wasserstein",
    "wasserstein_floor",
    "p",
    "real_sessions",
    "agent_episodes",
)
CRASHES = {"crash_storefront": "StorefrontError", "crash_model": "ModelError", "crash_reply": "ReplyError"}
"""What broke an episode, by the kind of its error (errors.py)."""
ABLATION = (
    "episodes",
    "goal_reached",
    "crash",
    *CRASHES,
    "add_to_cart",
    "checkout",
    "actions_mean",
    "pages_mean",
    "products_mean",
)
KINDS = ("cart", "checkout", "purchase")
"""Of tasks, by the last action of the funnel that they ask for."""
TASKS = (
    *KINDS,
    *(f"{kind}_ci95" for kind in KINDS),
    "ordered",
    "verified",
    "verified_llm",
    "judges_agree",
    "judges_kappa",
    "self_reported",
    "kept_word",
    "steps_mean",
    "visits",
)
COLD_START = (
    "shops",
    "training_shops",
    "js_mean",
    "js_ci95",
    "js_global_mean",
    "js_random_shop_mean",
    "gain",
    "gain_ci95",
    "js_loo_mean",
    "js_loo_global_mean",
    "strata_js_mean",
    "strata_js_global_mean",
    "coverage",
)
ALIGNMENT_ROWS = (*STRATA[:4], "stratified", "represented")
"""Rows of Table 2: the strata, the mean of the four, and of those that some simulated token stands for."""
ADVANTAGES = ("skill", "skill_ci95", "gap", "gap_ci95", "gap_ceiling", "gap_ceiling_ci95", "lead", "lead_ci95")
DIGITS = 6


class Findings:
    """Collects figures and, for those that could not be computed, the reasons."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}
        self._notes: dict[str, str] = {}

    def put(self, key: str, value: float | list[float] | None, why: str = "") -> None:
        """Records a figure. None, nan and infinity become None with the reason `why`; a finite
        figure may carry a remark the same way, for example how many it stands on.
        """
        known = value is not None and bool(np.isfinite(value).all())
        self._values[key] = _plain(value) if known else None
        if why:
            self._notes[key] = why
        elif not known:
            self._notes[key] = "not a finite number on this data"

    def metrics(self) -> Metrics:
        """What was recorded."""
        return Metrics(dict(self._values), dict(self._notes))


def _keys(*parts: Iterable[str]) -> list[str]:
    return [".".join(names) for names in product(*parts)]


_CLUSTERS = (
    "stratum_purity",
    "stratum_purity_weighted",
    "incompatible_codes",
    *(f"incoherent_{head}" for head in HEADS),
    *(f"incoherent_{head}_at_{share}pct" for head in HEADS for share in (1, 10)),
    "pairwise_cosine",
    "calinski_harabasz",
    "codes_used",
)


def policy_keys() -> list[str]:
    """The keys whose figures are of one policy's episodes; of a further one they stand under policies.NAME."""
    tests = ("welch_p", "kruskal_p", "permutation_p")
    return [
        *_keys(["conversion"], ALIGNMENT_ROWS, OUTCOMES, ARMS),
        *_keys(["conversion"], ALIGNMENT_ROWS, SIZES),
        *_keys(["conversion"], ALIGNMENT_ROWS, ["ara"], [f"{arm}_ci95" for arm in ARMS]),
        *_keys(["conversion"], ALIGNMENT_ROWS, ["ara"], ["noise_ceiling", *ADVANTAGES]),
        *_keys(["conversion"], ["overall"], ["real", "agent"], [*RATES, *(f"{rate}_ci95" for rate in RATES)]),
        *_keys(["conversion"], ["pairs", "episodes"]),
        *_keys(["separation"], HEADS, [*LEVELS, *(f"{level}_tokens" for level in LEVELS), "cohens_d", *tests]),
        *_keys(["separation"], HEADS, [f"{test}_adjusted" for test in tests]),
        *_keys(["separation"], ["funnel"], LEVELS, ["add_to_cart", "checkout", "episodes"]),
        *_keys(["depth"], [*STRATA[:4], "all"], [*DEPTHS, "p_adjusted"]),
        *_keys(["tests"], ["method", "family", "significant"]),
        *_keys(["outcomes"], ["two_stage", "single_stage"], [*ENDINGS, "episodes"]),
        *_keys(
            ["outcomes"],
            ["two_stage", "single_stage"],
            ["shop_error"],
            ["shops", "mean", "std", "min", "max", "cv"],
        ),
        *_keys(["ablation"], ["with_token", "no_token"], ABLATION),
        *_keys(["ablation"], ["shops_crash_more"], ["with_token", "no_token"]),
    ]


def required_keys(policy: str = "lm", others: Iterable[str] = (), doers: Iterable[str] = ()) -> list[str]:
    """Every key that metrics.json must have, in the order of the file, for a run in which `policy` and the `others`
    acted for buyers, and the `doers` did tasks.
    """
    return [
        "source",
        "policy",
        *_keys(["clusters"], ["vqvae", "kmeans"], _CLUSTERS),
        *_keys(["population"], ["js_mean", "js_mean_ci95", "js_median", "shops", "shops_js_below_010"]),
        *_keys(["population"], ["r2"], SCALARS),
        *_keys(["cold_start"], COLD_START),
        *_keys(["privacy"], ["membership_auc", "membership_auc_ci95", "smallest_code"]),
        *_keys(["planted"], ["adjusted_rand", "normalized_mutual_information"]),
        *policy_keys(),
        *_keys(["tasks"], ["count", "repetitions", "actions"]),
        *_keys(["tasks"], dict.fromkeys([policy, *doers]), TASKS),
        *(f"policies.{name}.{key}" for name in others for key in policy_keys()),
    ]


_REASONS = {
    "planted": "the true buyer types are known only for a generated world",
    "tasks": "it did no shopping tasks (settings tasks.count, tasks.policies)",
    "cold_start": "needs two training shops and a held-out shop",
    "outcomes.single_stage": "only the two-stage model was trained",
}


def _reason(key: str) -> str:
    return next((why for prefix, why in _REASONS.items() if key.startswith(prefix)), "not computed in this run")


def complete(
    metrics: Metrics,
    *,
    source: str | None = None,
    policy: str = "lm",
    others: Iterable[str] = (),
    doers: Iterable[str] = (),
) -> Metrics:
    """The metrics with every required key, the missing ones None with a reason.

    `source` is "lab" or the name of the real data set, `policy` names what acted ("lm", "scorer"), `others` and `doers`
    are those of `required_keys`; labels that `metrics` holds already are kept. Keys beyond the required ones are kept too.
    """
    labels = {"source": source, "policy": policy}
    given = {name: value for name, value in labels.items() if value is not None} | metrics.values
    values = {key: given.get(key) for key in required_keys(policy, others, doers)} | given
    notes = {key: metrics.notes.get(key) or _reason(key) for key, value in values.items() if value is None}
    return Metrics(values, metrics.notes | notes)


def of_policy(name: str, metrics: Metrics) -> Metrics:
    """The figures of a further policy under keys of their own: policies.NAME.KEY."""
    values, notes = (
        {f"policies.{name}.{key}": value for key, value in part.items()} for part in (metrics.values, metrics.notes)
    )
    return Metrics(values, notes)


def serialise(metrics: Metrics) -> dict[str, Any]:
    """The object of metrics.json: flat keys, plain Python values, floats rounded to 6 digits, and the
    reasons under "notes".

    Raises ValueError that names the figures that are nan or infinite: such a figure must be None with a reason.
    """
    flat = {key: _plain(value) for key, value in metrics.values.items()}
    if endless := [key for key, value in flat.items() if not _finite(value)]:
        raise ValueError(f"metrics.json: {', '.join(endless)} not finite; expected None and a reason in the notes")
    return flat | {"notes": dict(metrics.notes)}


def _finite(value: Any) -> bool:
    if isinstance(value, list):
        return all(_finite(item) for item in value)
    return not isinstance(value, float) or math.isfinite(value)


def _plain(value: Any) -> Any:
    """The value as JSON has it: NumPy numbers made plain, floats rounded."""
    match value:
        case bool() | np.bool_():
            return bool(value)
        case int() | np.integer():
            return int(value)
        case float() | np.floating():
            return round(float(value), DIGITS) if math.isfinite(value) else float(value)
        case list() | tuple() | np.ndarray():
            return [_plain(item) for item in value]
        case _:
            return value
