"""How well codes separate buyers: the figures of Table 1 (3.1, App. H, REFERENCE 15, 16)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, Shaped
from sklearn.metrics import calinski_harabasz_score

from simpersona.buyers.vectors import BuyerVectors
from simpersona.contracts import HEADS, STRATA, Metrics
from simpersona.evaluation.metrics_table import CLUSTERS

_MIXED = 0.20  # from this share on, a part of a code is substantial
_SPAN = {"": 0.05, "_at_1pct": 0.01, "_at_10pct": 0.10}


def cluster_metrics(
    name: str, vectors: BuyerVectors, codes: Int[np.ndarray, " n"], head_labels: Int[np.ndarray, "n 3"]
) -> Metrics:
    """The figures `clusters.<name>.*` of a clustering of `vectors`, stratum E left out.

    `name` is "vqvae" or "kmeans"; `head_labels` are levels 0, 1, 2 per buyer, in the order of HEADS.
    """
    kept = vectors.stratum != "E"
    x, stratum, labels = vectors.x[kept], vectors.stratum[kept], head_labels[kept]
    _, cluster = np.unique(codes[kept], return_inverse=True)
    cluster = cluster.ravel()
    size = np.bincount(cluster)
    values: dict[str, float | int | None] = {"codes_used": len(size)}
    notes: dict[str, str] = {}
    if not len(size):
        names = [name for name in CLUSTERS.names if name != "codes_used"]
        values |= dict.fromkeys(names)
        notes = dict.fromkeys(names, CLUSTERS.missing)
        return _prefixed(f"clusters.{name}", values, notes)

    strata = _shares(cluster, np.searchsorted(STRATA, stratum), len(STRATA))
    majority = strata.max(axis=1)
    values["stratum_purity"] = float(majority.mean())
    values["stratum_purity_weighted"] = float(np.average(majority, weights=size))
    values["incompatible_codes"] = int(((strata[:, :3].sum(axis=1) >= _MIXED) & (strata[:, 3] >= _MIXED)).sum())
    for row, head in enumerate(HEADS):
        levels = _shares(cluster, labels[:, row], 3)
        for suffix, least in _SPAN.items():
            spans = (levels[:, 0] >= least) & (levels[:, 2] >= least)
            values[f"incoherent_{head}{suffix}"] = float(size[spans].sum() / size.sum())

    values["pairwise_cosine"] = pairwise_cosine(x, cluster)
    if values["pairwise_cosine"] is None:
        notes["pairwise_cosine"] = "no code has two buyers"
    computable = 1 < len(size) < len(x)
    values["calinski_harabasz"] = float(calinski_harabasz_score(x, cluster)) if computable else None  # Eq. 12
    if not computable:
        notes["calinski_harabasz"] = (
            f"needs 2 codes or more and fewer codes than buyers; found {len(size)} codes and {len(x)} buyers"
        )
    return _prefixed(f"clusters.{name}", values, notes)


def pairwise_cosine(x: Float[np.ndarray, "n dim"], cluster: Int[np.ndarray, " n"]) -> float | None:
    """The mean cosine over the pairs of a code, averaged over codes with their buyers as weights (REFERENCE 16).

    Codes of one buyer are left out; None if there are no others. A code of n unit vectors u has
    Σ_{i≠j} u_i·u_j = |Σu|² − Σ|u|², so that no pair is formed.
    """
    length = np.linalg.norm(x, axis=1, keepdims=True).astype(np.float64)
    unit = np.divide(x, length, out=np.zeros(x.shape), where=length > 0)
    size = np.bincount(cluster)
    sums = np.zeros((len(size), x.shape[1]))
    np.add.at(sums, cluster, unit)
    squares = np.bincount(cluster, weights=(unit**2).sum(axis=1))
    several = size > 1
    if not several.any():
        return None
    n = size[several]
    mean = ((sums[several] ** 2).sum(axis=1) - squares[several]) / (n * (n - 1))
    return float(np.average(mean, weights=n))


def _shares(cluster: np.ndarray, kind: Shaped[np.ndarray, " n"], kinds: int) -> Float[np.ndarray, "k kinds"]:
    """The share of each kind in each cluster."""
    counts = np.zeros((cluster.max() + 1, kinds))
    np.add.at(counts, (cluster, kind), 1)
    return counts / counts.sum(axis=1, keepdims=True)


def _prefixed(prefix: str, values: dict[str, float | int | None], notes: dict[str, str]) -> Metrics:
    return Metrics(
        {f"{prefix}.{key}": value for key, value in values.items()},
        {f"{prefix}.{key}": note for key, note in notes.items()},
    )
