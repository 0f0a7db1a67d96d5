"""What the personas are compared with, on the same buyers: other clusterings, and the loss without one of its terms."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int
from sklearn.cluster import MiniBatchKMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from simpersona.config import PersonasConfig

Coder = Callable[[Float[np.ndarray, "n dim"]], Int[np.ndarray, " n"]]
"""Vectors to codes, int32; `Personas.assign` is one."""

_SPREAD = 1e-3  # added to the variances: masks and channels that a component's buyers do not have vary by 0
_ROUNDS = 50


def kmeans(train_x: Float[np.ndarray, "m dim"], k: int, seed: int) -> Coder:
    """The paper's baseline (Table 1): the nearest of k centres that MiniBatch k-means finds in `train_x`.

    With fewer training buyers than k, there are as many centres as training buyers.
    """
    model = MiniBatchKMeans(min(k, len(train_x)), random_state=seed, n_init="auto").fit(train_x)
    return lambda x: model.predict(x).astype(np.int32)


def mixture(train_x: Float[np.ndarray, "m dim"], k: int, seed: int) -> Coder:
    """The likeliest of k Gaussians with diagonal covariances, fitted to `train_x` by at most 50 rounds of EM.

    Full covariances would have 81,000 numbers for each code of 403 dimensions, many more than a code has buyers.
    """
    model = GaussianMixture(
        min(k, len(train_x)),
        covariance_type="diag",
        init_params="k-means++",
        reg_covar=_SPREAD,
        max_iter=_ROUNDS,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the last round is as good a baseline
        model.fit(train_x.astype(np.float64))
    return lambda x: model.predict(x.astype(np.float64)).astype(np.int32)


def plain_vqvae(config: PersonasConfig) -> PersonasConfig:
    """Settings of a VQ-VAE that knows nothing of behaviour: no contrastive loss, no heads."""
    return config.model_copy(update={"contrastive_weight": 0.0, "head_weight": 0.0})


def ablations(config: PersonasConfig) -> dict[str, PersonasConfig]:
    """The settings with each term of Eq. 2 removed once, by the name of the term."""
    terms = ("reconstruction", "commitment", "contrastive", "head")
    return {term: config.model_copy(update={f"{term}_weight": 0.0}) for term in terms}
