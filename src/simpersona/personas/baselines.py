"""Baselines for the personas on the same buyers: other clusterings, and ablations of the loss."""

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
"""Maps vectors to codes, int32; `PersonaNetwork.assign` is an example."""

_REGULARIZATION = 1e-3  # added to the variances: masks and empty channels may have variance 0 in a component
_ROUNDS = 50


def kmeans(train_x: Float[np.ndarray, "m dim"], k: int, seed: int) -> Coder:
    """The paper's baseline (Table 1): the nearest of k centres that MiniBatch k-means fits to `train_x`.

    With fewer than k training buyers, the number of centres is the number of training buyers.
    """
    model = MiniBatchKMeans(min(k, len(train_x)), random_state=seed, n_init="auto").fit(train_x)
    return lambda x: model.predict(x).astype(np.int32)


def mixture(train_x: Float[np.ndarray, "m dim"], k: int, seed: int) -> Coder:
    """The most likely of k Gaussians with diagonal covariances, fitted to `train_x` by at most 50 rounds of EM.

    A full covariance of 403 dimensions has 81,000 parameters per code, many more than a code has buyers.
    """
    model = GaussianMixture(
        min(k, len(train_x)),
        covariance_type="diag",
        init_params="k-means++",
        reg_covar=_REGULARIZATION,
        max_iter=_ROUNDS,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the baseline need not converge
        model.fit(train_x.astype(np.float64))
    return lambda x: model.predict(x.astype(np.float64)).astype(np.int32)


def plain_vqvae(config: PersonasConfig) -> PersonasConfig:
    """Settings of a VQ-VAE without the behaviour-aware terms: no contrastive loss, no heads."""
    return config.model_copy(update={"contrastive_weight": 0.0, "head_weight": 0.0})


def ablations(config: PersonasConfig) -> dict[str, PersonasConfig]:
    """The settings without one term of Eq. 2, by the name of the removed term."""
    terms = ("reconstruction", "commitment", "contrastive", "head")
    return {term: config.model_copy(update={f"{term}_weight": 0.0}) for term in terms}
