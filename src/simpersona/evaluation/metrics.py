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


def required_keys(policy: str = "lm") -> list[str]:
    """Every key that metrics.json must have, in the order of the file."""
    return [
        "source",
        "policy",
        *_keys(["clusters"], ["vqvae", "kmeans"], _CLUSTERS),
        *_keys(["population"], ["js_mean", "js_median", "shops", "shops_js_below_010"]),
        *_keys(["population"], ["r2"], SCALARS),
        *_keys(["privacy"], ["membership_auc", "membership_auc_ci95", "smallest_code"]),
        *_keys(["planted"], ["adjusted_rand", "normalized_mutual_information"]),
        *_keys(["conversion"], [*STRATA[:4], "stratified"], OUTCOMES, ARMS),
        *_keys(["conversion"], ["stratified"], ["ara"], ["correct_ci95", "noise_ceiling", "skill"]),
        *_keys(["conversion"], ["overall"], ["real", "agent"], [*RATES, *(f"{rate}_ci95" for rate in RATES)]),
        *_keys(["conversion"], ["pairs", "episodes"]),
        *_keys(["separation"], HEADS, [*LEVELS, "cohens_d", "welch_p", "kruskal_p", "permutation_p"]),
        *_keys(["separation"], ["funnel"], LEVELS, ["add_to_cart", "checkout"]),
        *_keys(["tasks"], [policy], ["cart", "checkout", "purchase", "self_reported", "steps_mean"]),
        *_keys(["outcomes"], ["two_stage", "single_stage"], ENDINGS),
        *_keys(["outcomes"], ["two_stage", "single_stage"], ["shop_error"], ["std", "min", "max", "cv"]),
        *_keys(
            ["ablation"],
            ["with_token", "no_token"],
            ["crash", "add_to_cart", "checkout", "actions_mean", "pages_mean", "products_mean"],
        ),
    ]


_REASONS = {
    "planted": "the true buyer types are known only for a generated world",
    "tasks": "the benchmark of shopping tasks was not run",
    "outcomes.single_stage": "only the two-stage model was trained",
}


def _reason(key: str) -> str:
    return next((why for prefix, why in _REASONS.items() if key.startswith(prefix)), "not computed in this run")


def complete(metrics: Metrics, *, source: str | None = None, policy: str = "lm") -> Metrics:
    """The metrics with every required key, the missing ones None with a reason.

    `source` is "lab" or the name of the real data set, `policy` names what acted ("lm", "scorer"); labels
    that `metrics` holds already are kept. Keys beyond the required ones are kept too.
    """
    labels = {"source": source, "policy": policy}
    given = {name: value for name, value in labels.items() if value is not None} | metrics.values
    values = {key: given.get(key) for key in required_keys(policy)} | given
    notes = {key: metrics.notes.get(key) or _reason(key) for key, value in values.items() if value is None}
    return Metrics(values, metrics.notes | notes)


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
