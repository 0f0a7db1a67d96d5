"""Several ways to give buyers codes, judged on the same buyers: Table 1, App. B and the planted types in one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev

import numpy as np
from jaxtyping import Int, Shaped

from simpersona.buyers.vectors import BuyerVectors
from simpersona.contracts import HEADS, Metrics
from simpersona.evaluation.clusters import cluster_metrics
from simpersona.evaluation.metric import Metric
from simpersona.evaluation.metric_lookup import metric
from simpersona.evaluation.planted import planted_metrics
from simpersona.evaluation.recovery import population_metrics

METHOD = "vqvae"
"""The figures have the keys of the VQ-VAE, whatever gives the codes."""
COMPARED: tuple[Metric, ...] = (
    *(
        metric("clusters", METHOD, name)
        for name in (
            *("stratum_purity", "stratum_purity_weighted", "incompatible_codes"),
            *(f"incoherent_{head}" for head in HEADS),
            *("pairwise_cosine", "calinski_harabasz", "codes_used"),
        )
    ),
    metric("population", "js_mean"),
    *(
        metric("population", "r2", name)
        for name in ("intent_strength", "add_to_cart_rate", "checkout_rate", "browse_only_rate")
    ),
    metric("planted", "normalized_mutual_information"),
    metric("planted", "adjusted_rand"),
)
"""The rows of the comparison."""


@dataclass(frozen=True)
class Judged:
    """The buyers that codes are judged on.

    `validation` are the validation buyers (Table 1) with their levels of the three heads, the other two all buyers of the
    training and of the held-out stores (App. B). In the lab, `types` are the planted types of these two.
    """

    validation: BuyerVectors
    head_labels: Int[np.ndarray, "v 3"]
    training_shops: BuyerVectors
    held_out: BuyerVectors
    types: tuple[Shaped[np.ndarray, " m"], Shaped[np.ndarray, " n"]] | None = None

    def figures(self, coder: Callable[[np.ndarray], np.ndarray]) -> dict[str, float | int | None]:
        """The values of COMPARED by key, for codes given by `coder`, which maps vectors to codes; None where unknown.

        The agreement with planted types is over the buyers of both kinds of stores without bouncers.
        """
        seen, unseen = coder(self.training_shops.x), coder(self.held_out.x)
        codes = 1 + int(max(seen.max(initial=0), unseen.max(initial=0)))
        metrics = cluster_metrics(METHOD, self.validation, coder(self.validation.x), self.head_labels)
        metrics |= population_metrics(self.training_shops, seen, self.held_out, unseen, codes)
        metrics |= self._planted(np.concatenate([seen, unseen]))
        return {row.key: metrics.values.get(row.key) for row in COMPARED}

    def _planted(self, codes: np.ndarray) -> Metrics:
        if self.types is None:
            return Metrics({}, {})
        kept = np.concatenate([self.training_shops.stratum, self.held_out.stratum]) != "E"
        return planted_metrics(codes[kept], np.concatenate(self.types)[kept])


def comparison_rows(
    repeats: Mapping[str, Sequence[Mapping[str, float | int | None]]], rows: Sequence[Metric] = COMPARED
) -> list[list[str]]:
    """One row per metric: its label, then the mean ± standard deviation over the repeats of each column.

    `repeats` has the figures of each repeat by column. A dash stands where nothing is known.
    """
    return [
        [row.label, *(spread([figures.get(row.key) for figures in column]) for column in repeats.values())]
        for row in rows
    ]


def spread(values: Sequence[float | None]) -> str:
    """Mean ± standard deviation of the known values: one decimal for counts and for values above 1, else three."""
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    counts = all(isinstance(value, int) for value in known)
    digits = 1 if counts or max(map(abs, known)) > 1 else 3
    deviation = f" ± {stdev(known):.{digits}f}" if len(known) > 1 else ""
    return f"{mean(known):.{digits}f}{deviation}"
