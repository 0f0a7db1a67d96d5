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
from simpersona.evaluation.planted import planted_metrics
from simpersona.evaluation.recovery import population_metrics

FIGURES: dict[str, str] = {
    "stratum purity": "clusters.stratum_purity",
    "stratum purity, by buyers": "clusters.stratum_purity_weighted",
    "incompatible codes": "clusters.incompatible_codes",
    **{f"incoherent: {head}": f"clusters.incoherent_{head}" for head in HEADS},
    "pairwise cosine": "clusters.pairwise_cosine",
    "Calinski-Harabasz": "clusters.calinski_harabasz",
    "codes in use": "clusters.codes_used",
    "JS, held-out shops": "population.js_mean",
    "R² intent strength": "population.r2.intent_strength",
    "R² add-to-cart rate": "population.r2.add_to_cart_rate",
    "R² checkout rate": "population.r2.checkout_rate",
    "R² browse-only rate": "population.r2.browse_only_rate",
    "planted types, NMI": "planted.normalized_mutual_information",
    "planted types, adjusted Rand": "planted.adjusted_rand",
}
"""The rows of the table, and the keys of `Judged.figures`."""


@dataclass(frozen=True)
class Judged:
    """The buyers that codes are judged on: the validation buyers (Table 1) with their levels of the three heads, all
    buyers of the training and of the held-out shops (App. B), and in the lab the planted types of these two.
    """

    validation: BuyerVectors
    head_labels: Int[np.ndarray, "v 3"]
    training_shops: BuyerVectors
    held_out: BuyerVectors
    types: tuple[Shaped[np.ndarray, " m"], Shaped[np.ndarray, " n"]] | None = None

    def figures(self, coder: Callable[[np.ndarray], np.ndarray]) -> dict[str, float | int | None]:
        """The values of FIGURES for codes given by `coder`, which maps vectors to codes; None what is not known.

        The planted types are those of all buyers of both kinds of shops but the bouncers.
        """
        seen, unseen = coder(self.training_shops.x), coder(self.held_out.x)
        codes = 1 + int(max(seen.max(initial=0), unseen.max(initial=0)))
        metrics = cluster_metrics("these", self.validation, coder(self.validation.x), self.head_labels)
        metrics |= population_metrics(self.training_shops, seen, self.held_out, unseen, codes)
        metrics |= self._planted(np.concatenate([seen, unseen]))
        values = {key.replace("clusters.these.", "clusters."): value for key, value in metrics.values.items()}
        return {key: values.get(key) for key in FIGURES.values()}

    def _planted(self, codes: np.ndarray) -> Metrics:
        if self.types is None:
            return Metrics({}, {})
        kept = np.concatenate([self.training_shops.stratum, self.held_out.stratum]) != "E"
        return planted_metrics(codes[kept], np.concatenate(self.types)[kept])


def comparison_rows(
    found: Mapping[str, Sequence[Mapping[str, float | int | None]]], figures: Mapping[str, str] = FIGURES
) -> list[list[str]]:
    """One row per figure: its name, then for each column of `found` the mean ± standard deviation over the repeats;
    a dash where nothing is known.
    """
    return [
        [name, *(spread([one.get(key) for one in repeats]) for repeats in found.values())]
        for name, key in figures.items()
    ]


def spread(values: Sequence[float | None]) -> str:
    """Mean ± standard deviation of what is known, of counts and above 1 with one digit after the point, else with three."""
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    counts = all(isinstance(value, int) for value in known)
    digits = 1 if counts or max(map(abs, known)) > 1 else 3
    deviation = f" ± {stdev(known):.{digits}f}" if len(known) > 1 else ""
    return f"{mean(known):.{digits}f}{deviation}"
