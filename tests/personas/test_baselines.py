import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from simpersona.config import PersonasConfig
from simpersona.contracts import HEADS
from simpersona.personas import losses
from simpersona.personas.baselines import ablations, kmeans, mixture, plain_vqvae


@pytest.mark.parametrize("baseline", [kmeans, mixture])
def test_a_baseline_finds_separate_groups_and_copes_with_few_buyers(baseline):
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(3), 40)
    x = (np.eye(3)[truth] * 30 + rng.normal(size=(120, 3))).astype(np.float32)
    codes = baseline(x, 3, 0)(x)
    assert codes.dtype == np.int32
    assert adjusted_rand_score(truth, codes) == 1.0
    assert len(baseline(x[:4], 32, 0)(x)) == 120


def test_only_the_mixture_tells_a_narrow_group_inside_a_wide_one():
    rng = np.random.default_rng(1)
    truth = np.repeat([0, 1], 300)
    x = (rng.normal(size=(600, 2)) * np.array([[0.05], [3.0]])[truth]).astype(np.float32)
    assert adjusted_rand_score(truth, mixture(x, 2, 0)(x)) > 0.9
    assert adjusted_rand_score(truth, kmeans(x, 2, 0)(x)) < 0.5


def test_an_ablation_takes_one_term_out_of_the_loss():
    full = PersonasConfig()
    terms = {name: torch.tensor(1.0) for name in ("reconstruction", "commitment", "contrastive")}
    heads = {head: torch.tensor(1.0) for head in HEADS}
    # Eq. 2 with every term at 1: 0.3 + 0.75 + 0.15 + 3 · 0.5
    sums = {name: float(losses.total(terms | heads, config)) for name, config in ablations(full).items()}
    assert sums == pytest.approx({"reconstruction": 2.4, "commitment": 1.95, "contrastive": 2.55, "head": 1.2})
    assert float(losses.total(terms | heads, plain_vqvae(full))) == pytest.approx(1.05)
