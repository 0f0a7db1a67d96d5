"""Whether the codebook reveals its training buyers: a membership-inference attack by distance."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import norm, rankdata

from simpersona.contracts import Metrics


def membership_metrics(member: Float[np.ndarray, " m"], stranger: Float[np.ndarray, " n"]) -> Metrics:
    """`privacy.membership_auc` and `privacy.membership_auc_ci95` of the attack that guesses: buyers near their code are training
    buyers.

    `member` and `stranger` are the distances, in the latent space, of training and of validation buyers to their codes.
    At 0.5 the attack learns nothing; at 1 it identifies every training buyer.
    """
    keys = ("privacy.membership_auc", "privacy.membership_auc_ci95")
    if min(len(member), len(stranger)) < 2:
        why = f"needs 2 training and 2 validation buyers or more; found {len(member)} and {len(stranger)}"
        return Metrics(dict.fromkeys(keys), dict.fromkeys(keys, why))
    auc, low, high = auc_interval(-member, -stranger)
    return Metrics(dict(zip(keys, (auc, [low, high]), strict=True)), {})


def smallest_code(train_codes: Int[np.ndarray, " m"], codes: int) -> Metrics:
    """`privacy.smallest_code`: the number of training buyers of the rarest published code."""
    return Metrics({"privacy.smallest_code": int(np.bincount(train_codes, minlength=codes).min())}, {})


def auc_interval(
    positive: Float[np.ndarray, " m"], negative: Float[np.ndarray, " n"], level: float = 0.95
) -> tuple[float, float, float]:
    """The area under the ROC curve of scores, and its interval after DeLong, DeLong and Clarke-Pearson (1988),
    with their variance by ranks as Sun and Xu (2014) have it. Ties count half.
    """
    m, n = len(positive), len(negative)
    ranks = rankdata(np.concatenate([positive, negative]))
    above = (ranks[:m] - rankdata(positive)) / n  # of each positive, the share of negatives that it is above
    below = 1 - (ranks[m:] - rankdata(negative)) / m  # of each negative, the share of positives above it
    auc = float(above.mean())
    spread = float(norm.ppf((1 + level) / 2)) * float(np.sqrt(above.var(ddof=1) / m + below.var(ddof=1) / n))
    return auc, max(0.0, auc - spread), min(1.0, auc + spread)
